// The closed-form flow between events. With u = V - v_leak and s (ms) the time since the state (I, u),
//
//     I(s) = I e^{-s/tau_syn}        u(s) = u e^{-s/tau_mem} + I kappa(s)
//     kappa(s) = (s/tau_mem) e^{-s/tau_mem} (e^x - 1)/x,    x = s (1/tau_mem - 1/tau_syn)
//
// for every ratio of the time constants, 1 included, without cancellation.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "device.h"

namespace ranvier::RANVIER_LEVEL {

constexpr double EPSILON = 0x1p-52;

// Below this |x|, (e^x - 1)/x is taken from its series: ten terms are then exact to rounding.
constexpr double SERIES = 0.1;

// Time constants are close where the difference of two exponentials is multiplied by this or more.
constexpr double CLOSE = 16.0;

// Of one neuron, in 1/ms: 1/tau_mem and 1/tau_syn; and mem/(mem - syn), or 0 where these are equal.
struct Rates {
    double mem, syn, gain;
};

RANVIER_DEVICE inline Rates rates_of(double tau_mem, double tau_syn) {
    const double mem = 1.0 / tau_mem, syn = 1.0 / tau_syn;
    return {mem, syn, mem == syn ? 0.0 : mem / (mem - syn)};
}

// What passes over a time s: e^{-s/tau_syn}, e^{-s/tau_mem} and kappa(s).
struct Passed {
    double syn, mem, kernel;
};

// e^r for |r| <= ln(2)/2: the Taylor polynomial, its terms in pairs, so that its parts run side by side. Of a number,
// or of each of a vector.
template <class Number>
RANVIER_DEVICE RANVIER_INLINE Number power(Number r) {
    const Number square = r * r, fourth = square * square;
    const Number low = (1.0 + r) + square * (1.0 / 2 + r * (1.0 / 6));
    const Number middle = (1.0 / 24 + r * (1.0 / 120)) + square * (1.0 / 720 + r * (1.0 / 5040));
    Number high = (1.0 / 40320 + r * (1.0 / 362880)) + square * (1.0 / 3628800 + r * (1.0 / 39916800));
    high += fourth * (1.0 / 479001600 + r * (1.0 / 6227020800.0));
    return low + fourth * (middle + fourth * high);
}

// The same to 5e-9 of it: enough for float32.
template <class Number>
RANVIER_DEVICE RANVIER_INLINE Number short_power(Number r) {
    const Number square = r * r;
    const Number low = (1.0 + r) + square * (1.0 / 2 + r * (1.0 / 6));
    const Number high = (1.0 / 24 + r * (1.0 / 120)) + square * (1.0 / 720 + r * (1.0 / 5040));
    return low + square * square * high;
}

// (e^x - 1)/x for |x| < SERIES, likewise.
RANVIER_DEVICE RANVIER_INLINE double relative_power(double x) {
    const double square = x * x;
    const double low = (1.0 + x * (1.0 / 2)) + square * (1.0 / 6 + x * (1.0 / 24));
    const double middle = (1.0 / 120 + x * (1.0 / 720)) + square * (1.0 / 5040 + x * (1.0 / 40320));
    const double high = 1.0 / 362880 + x * (1.0 / 3628800);
    return low + square * square * (middle + square * square * high);
}

// Of an exponential: x = n ln 2 + r; the first part of ln 2 has few digits, so that its multiples are exact.
constexpr double LOG2_E = 1.4426950408889634, HALF_LN2 = 0.34657359027997264;
constexpr double LN2_HIGH = 0.6931471803691238, LN2_LOW = 1.9082149292705877e-10;

// e^x to rounding for x up to 700; without the library's call, which costs as much as the rest.
RANVIER_DEVICE RANVIER_INLINE double exponential(double x) {
    if (fabs(x) <= HALF_LN2) return power(x);
    if (!(x > -700.0)) return x <= -700.0 ? 0.0 : x;
    const double n = floor(x * LOG2_E + 0.5);
    const int64_t bits = (static_cast<int64_t>(n) + 1023) << 52;
    double two_to_n;
    memcpy(&two_to_n, &bits, sizeof bits);
    return two_to_n * power((x - n * LN2_HIGH) - n * LN2_LOW);
}

RANVIER_DEVICE inline Passed flow(double s, const Rates& rates) {
    const double x = s * (rates.mem - rates.syn), mem = exponential(-s * rates.mem);
    if (fabs(x) < SERIES) {
        const double phi = relative_power(x);
        return {mem * (1.0 + x * phi), mem, s * rates.mem * mem * phi};
    }
    const double syn = exponential(-s * rates.syn);
    return {syn, mem, rates.gain * (syn - mem)};
}

// The same with an error in kappa of some roundings of 1, not of kappa: enough in a sum, and without a branch on s.
// Where the time constants are close, it is `flow`.
RANVIER_DEVICE RANVIER_INLINE Passed flow_in_sums(double s, const Rates& rates) {
    const double gain = fabs(rates.gain);
    if (!(0.0 < gain && gain < CLOSE)) return flow(s, rates);
    const double syn = exponential(-s * rates.syn), mem = exponential(-s * rates.mem);
    return {syn, mem, rates.gain * (syn - mem)};
}

// 1 if a spike at `offset` whose delay has the rest `frac` arrives one window later than its shift says.
//
// The one rule by which deposit, collection and adjoint place an arrival: window `k + shift + wraps(...)`, at `offset +
// frac - window wraps(...)` in it. All three numbers have the type of the weights, and `frac` is kept a rounding below
// `window`, so that the sum never reaches two windows.
template <class Real>
RANVIER_DEVICE RANVIER_INLINE int wraps(Real offset, Real frac, Real window) {
    return offset + frac >= window ? 1 : 0;
}

}  // namespace ranvier::RANVIER_LEVEL
