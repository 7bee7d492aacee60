// A bound on the potential inside a window.
//
// Let `lift` be what the positive events of a window of length h add to u at its end, and forget the others. As kappa
// is log-concave, `kappa(t - o) <= kappa(t) kappa(h - o)/kappa(h)` for an event at offset o: u is never above the free
// flow from (I, u) with
//
//     I = I0 + lift/kappa(h)        u = u0
//
// and the two meet at the window's end. If u still rises there, that is its maximum. Else it has one before, at most
//
//     u0 + gap min(1 - e^{-h/tau_mem}, gap tau_syn/(2 tau_mem least))     gap = I - u0, least = max(I e^{-h/tau_syn},
//     u0)
//
// since I >= least > 0 as long as u rises, where `u'' <= -I/(tau_syn tau_mem)`. Where neither is above 0, `u0 + gap (1
// - e^{-h/tau_mem})` holds alone; no sign of u or theta matters to it.
#pragma once

#include "flow.h"

namespace ranvier::RANVIER_LEVEL {

// Stands for what is lower, such as the excess over the infinite threshold of a readout.
constexpr double LEAST = -1e300;

// What a whole window does: its flow, 1/kappa(h), `rise = 1 - e^{-h/tau_mem}` and `bend = tau_syn/(2 tau_mem)`.
struct Course {
    double syn, mem, kernel, lifted, rise, bend;
};

RANVIER_DEVICE inline Course course(double window, const Rates& rates) {
    const Passed passed = flow(window, rates);
    return {passed.syn,
            passed.mem,
            passed.kernel,
            1.0 / passed.kernel,
            -expm1(-window * rates.mem),
            0.5 * rates.mem / rates.syn};
}

// How far the bound on u lies above theta, with a relative `margin`; inf if it is not a number. No branches.
RANVIER_DEVICE RANVIER_INLINE double excess_of(double i_now, double u_now, double lift, double theta, double margin,
                                               const Course& over) {
    const double i_most = i_now + lift * over.lifted, i_last = i_most * over.syn;
    const double u_most = u_now * over.mem + i_now * over.kernel + lift;
    const double gap = larger(larger(i_most, 0.0) - u_now, 0.0), least = larger(i_last, u_now);
    const double peak = u_now + gap * smaller(over.rise, gap * over.bend / larger(least, 1e-30));
    const double highest = larger(i_last >= larger(u_most, 0.0) ? u_most : peak, u_now);
    const double excess = highest + margin * (fabs(u_now) + lift) - theta * (1.0 - copysign(margin, theta));
    return excess == excess ? larger(excess, LEAST) : INFINITY;
}

}  // namespace ranvier::RANVIER_LEVEL
