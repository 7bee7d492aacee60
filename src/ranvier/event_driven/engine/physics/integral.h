// The integral of a potential, weighted with an exponential, over a whole run:
//
//     R = integral from 0 to E of e^{-ct} u(t) dt = sum over events of w p_I(t)
//
// It is linear in the events: (p_I, p_u) = dR/d(I, u) at time t is the adjoint, and depends on nothing but t. With L =
// E
// - t the time left, p = 1/tau_mem + c and q = 1/tau_syn + c,
//
//     p_u = e^{-ct} P(L)        P = (1 - e^{-pL})/p
//     p_I = e^{-ct} H(L)        H = (Q/tau_mem - e^{-cL} kappa(L))/p        Q = (1 - e^{-qL})/q
//
// (kappa: flow.h), or H = (P - Q)/(tau_mem (q - p)), which keeps its digits unless the time constants are close. The
// derivatives of H with respect to the rates m = 1/tau_mem and 1/tau_syn, for their gradient, are
//
//     dH/dm = (Q - e^{-cL} dkappa/dm - H)/p        dH/dsyn = (m dQ/dq - e^{-cL} dkappa/dsyn)/p
#pragma once

#include "tangent.h"

namespace ranvier::RANVIER_LEVEL {

// (1 - e^{-rate span})/rate.
RANVIER_DEVICE inline double covered(double rate, double span) {
    return rate == 0.0 ? span : -expm1(-rate * span) / rate;
}

// (H, P) with `left` (ms) to go.
RANVIER_DEVICE inline Adjoint still_to_come(double left, double decay, const Rates& rates) {
    const double p = rates.mem + decay, q = rates.syn + decay, u = covered(p, left), gain = fabs(rates.gain);
    if (0.0 < gain && gain < CLOSE) return {rates.mem * (u - covered(q, left)) / (rates.syn - rates.mem), u};
    const double kernel = exponential(-decay * left) * flow(left, rates).kernel;
    return {(rates.mem * covered(q, left) - kernel) / p, u};
}

// dH/dm and dH/dsyn.
struct ByRates {
    double mem, syn;
};

RANVIER_DEVICE inline ByRates still_to_come_by_rates(double left, double decay, const Rates& rates) {
    const double p = rates.mem + decay, q = rates.syn + decay, fading = exponential(-decay * left);
    const Passed passed = flow(left, rates);
    const double kernel_by_syn = -rates.mem * left * left * bent(left, rates, passed);
    const double kernel_by_mem = (1.0 / rates.mem - left) * passed.kernel - kernel_by_syn;
    const double whole = covered(q, left), bend = (left * fading * passed.syn - whole) / q;
    const double all = still_to_come(left, decay, rates).current;
    return {(whole - fading * kernel_by_mem - all) / p, (rates.mem * bend - fading * kernel_by_syn) / p};
}

}  // namespace ranvier::RANVIER_LEVEL
