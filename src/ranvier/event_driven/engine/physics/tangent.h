// How the adjoint depends on the time constants: their gradient.
//
// With the rates a = 1/tau_mem and b = 1/tau_syn, let q_a and q_b be the derivatives of the adjoint p with respect to a
// and b, what enters p at boundaries held. Going back by s (ms),
//
//     q_a,u(t) = q_a,u e^{-as} - s e^{-as} p_u
//     q_a,I(t) = q_a,I e^{-bs} + q_a,u kappa + p_u dkappa/da        q_b,I(t) = q_b,I e^{-bs} - s e^{-bs} p_I + p_u
//     dkappa/db
//
// (q_b,u = 0), all on the right at t + s. An arrival of weight w adds w q_I to dL/da and dL/db; a restart from rho adds
// rho q_a,u to dL/da. The derivatives of `kappa = a s e^{-as} phi(x)`, x = s (a - b), phi(x) = (e^x - 1)/x, are
//
//     dkappa/da = (1/a - s) kappa + a s^2 e^{-as} phi'(x)        dkappa/db = -a s^2 e^{-as} phi'(x)
#pragma once

#include "adjoint.h"

namespace ranvier::RANVIER_LEVEL {

struct Tangent {
    double u_mem, current_mem, current_syn;  // q_a,u, q_a,I, q_b,I
};

// e^{-as} phi'(x): from its series where x is small, so that no digits are lost.
RANVIER_DEVICE inline double bent(double s, const Rates& rates, const Passed& passed) {
    const double x = s * (rates.mem - rates.syn);
    if (fabs(x) >= SERIES) return (passed.syn * (x - 1.0) + passed.mem) / (x * x);
    double sum = 1.0 / 3991680;
    sum = 1.0 / 403200 + x * sum;
    sum = 1.0 / 45360 + x * sum;
    sum = 1.0 / 5760 + x * sum;
    sum = 1.0 / 840 + x * sum;
    sum = 1.0 / 144 + x * sum;
    sum = 1.0 / 30 + x * sum;
    sum = 1.0 / 8 + x * sum;
    sum = 1.0 / 3 + x * sum;
    return passed.mem * (1.0 / 2 + x * sum);
}

// The tangent s (ms) before, where the adjoint was `later`; `passed` is what passes over s.
RANVIER_DEVICE inline Tangent back(const Tangent& tangent, const Adjoint& later, double s, const Rates& rates,
                                   const Passed& passed) {
    const double by_syn = -rates.mem * s * s * bent(s, rates, passed);
    const double by_mem = (1.0 / rates.mem - s) * passed.kernel - by_syn;
    return {passed.mem * (tangent.u_mem - s * later.u),
            tangent.current_mem * passed.syn + tangent.u_mem * passed.kernel + later.u * by_mem,
            passed.syn * (tangent.current_syn - s * later.current) + later.u * by_syn};
}

}  // namespace ranvier::RANVIER_LEVEL
