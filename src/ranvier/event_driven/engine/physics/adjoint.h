// The adjoint of the flow, of an arrival, and of a spike.
//
// Going back by s (ms), `p_I(t) = p_I(t+s) e^{-s/tau_syn} + p_u(t+s) kappa(s)` and `p_u(t) = p_u(t+s) e^{-s/tau_mem}`.
// An arrival of weight w owes `dL/dw = p_I` and `dL/dt = w (p_I/tau_syn - p_u/tau_mem)`.
#pragma once

#include "flow.h"

namespace ranvier::RANVIER_LEVEL {

// dL/dI and dL/du of one neuron at one time.
struct Adjoint {
    double current, u;
};

RANVIER_DEVICE RANVIER_INLINE Adjoint back(const Adjoint& later, const Passed& passed) {
    return {later.current * passed.syn + later.u * passed.kernel, later.u * passed.mem};
}

// dL/dt of an arrival of weight w that met the adjoint `at`.
RANVIER_DEVICE RANVIER_INLINE double owed_by(double weight, const Adjoint& at, const Rates& rates) {
    return weight * (at.current * rates.syn - at.u * rates.mem);
}

// How a spike is differentiated: the numbers of `ranvier.gradients`; `valued`: whether the spike's value counts.
struct Parts {
    double timing, scale, cap, reset, refractory, near;
    bool valued;
};

// A spike: its neuron's numbers relative to rest, the unit of its value, and the slopes of u just before it and where
// integration resumes.
struct Crossed {
    Rates rates;
    double theta, rho, hold, height, slope, restart;
};

// What reset and refractory time do to the potential at the restart, as far as they count.
RANVIER_DEVICE inline double interrupted(const Crossed& spike, const Parts& parts) {
    const double current = spike.theta + spike.slope / spike.rates.mem;
    const Passed passed = flow(spike.hold, spike.rates);
    const double reset = (spike.rho - spike.theta) * passed.mem;
    return parts.reset * reset + parts.refractory * (spike.rho * (1.0 - passed.mem) - current * passed.kernel);
}

// p_u just before a spike:
//
//     p_u- = (p_u(r) V'_r - G)/V'        or, where the value counts,
//     p_u- = (timing p_u(r) V'_r - G)/V' + scale/height W
//
// with p_u(r) = `resumed` the adjoint where integration resumes, G = `owed`, W = `worth`, 1/V' at most `parts.cap`.
RANVIER_DEVICE inline double before_spike(const Crossed& spike, const Parts& parts, double resumed, double owed,
                                          double worth) {
    const double inverse = smaller(spike.slope > 0.0 ? 1.0 / spike.slope : INFINITY, parts.cap);
    const double flowing = resumed * spike.restart;
    if (!parts.valued) return (flowing - owed) * inverse;
    const double moved = parts.timing * flowing - owed;
    if (resumed != 0.0) worth += resumed * interrupted(spike, parts);
    const double valued = parts.scale / spike.height * worth;
    return moved != 0.0 ? valued + moved * inverse : valued;
}

}  // namespace ranvier::RANVIER_LEVEL
