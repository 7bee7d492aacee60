// When a potential meets its threshold: the first crossing between two events, to rounding.
#pragma once

#include "flow.h"

namespace ranvier::RANVIER_LEVEL {

// A maximum up to this many thresholds only touches it, to rounding: no spike, since none has a derivative there.
// (Below rest, at 0, u has no maximum: nothing can touch a threshold that is there.)
constexpr double TOUCH = 1.0 + 64 * EPSILON;

// A step of Halley's method this short, in time constants and beside the curve's own scale, is exact to rounding.
constexpr double NEAR = 1e-6;

// Where a leap ends: the time s (ms) of a crossing in (0, span], else -1, and current and potential there.
struct Leap {
    double s, current, u;
};

// Time of the only maximum of u(s) for `current > u` and `current > 0`; inf if u rises for ever.
RANVIER_DEVICE inline double peak_time(double current, double u, const Rates& rates) {
    const double drop = (1.0 - u / current) / rates.syn, z = drop * (rates.syn - rates.mem);
    if (z >= 1.0) return INFINITY;
    return z == 0.0 ? drop : -drop * log1p(-z) / z;
}

// The s in (0, high] with u(s) = theta, u rising there, and the current. Up to it u is concave, or theta below rest.
//
// Halley's method from a quadratic guess, kept in its bracket; Newton's where the curve is too bent for it.
RANVIER_DEVICE inline Leap crossing(double current, double u, double theta, const Rates& rates, double high) {
    double low = 0.0, gap = theta - u, slope = (current - u) * rates.mem;
    double bend = (-current * rates.syn - slope) * rates.mem;
    const double under = slope * slope + 2.0 * bend * gap;
    double s = under > 0.0 ? 2.0 * gap / (slope + sqrt(under)) : high;
    if (!(low <= s && s <= high)) s = 0.5 * high;
    for (int turn = 0; turn < 100; ++turn) {
        const Passed passed = flow(s, rates);
        const double here = current * passed.syn, value = u * passed.mem + current * passed.kernel;
        gap = theta - value;
        slope = (here - value) * rates.mem;
        bend = (-here * rates.syn - slope) * rates.mem;
        (gap > 0.0 ? low : high) = s;
        // of Newton's step gap/slope, Halley's is 1/(1 + half/square)
        const double square = slope * slope, half = 0.5 * gap * bend;
        const double below = fabs(half) < 0.5 * square ? square + half : square;
        double step = slope > 0.0 ? gap * slope / below : INFINITY;
        bool exact = fabs(step) * (rates.mem + rates.syn) <= NEAR && fabs(half) <= NEAR * square;
        if (!(low <= s + step && s + step <= high)) {
            exact = exact && fabs(step) <= 1e-15 * high;
            step = 0.5 * (low + high) - s;
        }
        s += step;
        if (exact || fabs(step) <= 4e-16 * high) {
            const double on = step * rates.syn;
            return {s, here * (1.0 - on + 0.5 * on * on), theta};
        }
    }
    return {s, current * exponential(-s * rates.syn), theta};
}

// Advance by `span` (ms), or to the first crossing before.
//
// u(0) <= theta. Where theta is above rest, a crossing needs a current above it. Then u has at most one maximum: if u
// ends below theta while it still rises there is none; if it has come down, the maximum decides. One that only touches
// theta does not count. Where theta is below rest, u falls first, if at all, then rises past it, and stays above.
RANVIER_DEVICE inline Leap leap(double current, double u, double theta, const Rates& rates, double span) {
    const Passed passed = flow(span, rates);
    const Leap end{-1.0, current * passed.syn, u * passed.mem + current * passed.kernel};
    if (!(larger(current, 0.0) > theta) || span <= 0.0) return end;
    if (theta < 0.0) return end.u < theta ? end : crossing(current, u, theta, rates, span);
    double high = span;
    if (end.u < theta * TOUCH) {
        const bool rising = end.current >= end.u || u + (current - u) * span * rates.mem < theta;
        if (end.u < theta && rising) return end;
        const double peak = peak_time(current, u, rates);
        if (peak < INFINITY) {
            const Passed there = flow(peak, rates);
            if (u * there.mem + current * there.kernel < theta * TOUCH) return end;
        }
        high = smaller(span, peak);
    }
    return crossing(current, u, theta, rates, high);
}

}  // namespace ranvier::RANVIER_LEVEL
