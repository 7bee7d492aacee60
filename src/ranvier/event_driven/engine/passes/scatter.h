// The inner loop of the forward pass: the events of one spike, each added to the cell of its neuron and window.
//
// With (a, b) what the event was, taken back by the rest of its delay (network/fan_out.h), and (syn, mem, kernel) the
// spike's factors for events in time or those that are late,
//
//     cell += (I, u, max(u, 0), 0)        I = a syn        u = a kernel + b mem
#pragma once

#include "../network/fan_out.h"

namespace ranvier::RANVIER_LEVEL {

template <class Real>
RANVIER_INLINE void add_four(Real* ring, const uint32_t* events, Vec<Real, 4> i, Vec<Real, 4> u, Vec<Real, 4> lift) {
    const Rows4<Real> cells = transposed<Real>(i, u, lift, Vec<Real, 4>{});
    for (int n = 0; n < 4; ++n) {
        Real* at = ring + (events[n] & ~uint32_t{LANES - 1});
        store(at, load<4>(at) + cells.row[n]);
    }
}

// One event; the plain twin of the loop below.
template <class Real>
RANVIER_INLINE void scatter_one(Real* ring, uint32_t event, Real a, Real b, const Factors<Real>& spike) {
    const int late = event & 1;
    const Real u = a * spike.kernel[late] + b * spike.mem[late];
    Real* at = ring + (event & ~uint32_t{LANES - 1});
    at[0] += a * spike.syn[late];
    at[1] += u;
    at[2] += u > 0 ? u : 0;
}

template <class Real>
void scatter(Real* ring, const uint32_t* events, const Real* into_current, const Real* into_u,
             const Factors<Real>& spike, int64_t count) {
    constexpr int N = WIDTH<Real>;
    const auto factor = [](const Real(&kinds)[2], Vec<Whole<Real>, N> late) {
        return late ? spread<N>(kinds[1]) : spread<N>(kinds[0]);
    };
    int64_t j = 0;
    for (; j + N <= count; j += N) {
        const auto late = late_of<Real, N>(events + j);
        const Vec<Real, N> a = load<N>(into_current + j), b = load<N>(into_u + j);
        const Vec<Real, N> i = a * factor(spike.syn, late);
        const Vec<Real, N> u = a * factor(spike.kernel, late) + b * factor(spike.mem, late);
        const Vec<Real, N> lift = u > 0 ? u : Vec<Real, N>{};
        add_four<Real>(ring, events + j, four_of<0, Real>(i), four_of<0, Real>(u), four_of<0, Real>(lift));
        if constexpr (N == 8)
            add_four<Real>(ring, events + j + 4, four_of<1, Real>(i), four_of<1, Real>(u), four_of<1, Real>(lift));
    }
    for (; j < count; ++j) scatter_one(ring, events[j], into_current[j], into_u[j], spike);
}

// One delay per sender: a whole row of weights moves at once.
template <class Real>
void add_row(const Real* weight, int64_t count, const Passed& passed, Real* current, Real* u, Real* lift) {
    const Real decay = static_cast<Real>(passed.syn), kernel = static_cast<Real>(passed.kernel);
    for (int64_t j = 0; j < count; ++j) {
        current[j] += weight[j] * decay;
        const Real gain = weight[j] * kernel;
        u[j] += gain;
        lift[j] += gain > 0 ? gain : 0;
    }
}

}  // namespace ranvier::RANVIER_LEVEL
