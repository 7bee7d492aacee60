// The inner loop of the backward pass: what the events of one spike are owed.
//
// With (p_I, p_u) in the cell where an event arrived, (syn, mem, kernel) the spike's factors for those in time or those
// that are late (network/fan_out.h), (decay_syn, kappa) of its synapse (network/tables.h), and skew = 1 -
// tau_mem/tau_syn, so that e^{frac/tau_mem} = decay_syn - skew kappa,
//
//     x_I = decay_syn (p_I syn + p_u kernel) + kappa p_u mem        x_u = (decay_syn - skew kappa) p_u mem
#pragma once

#include "../network/fan_out.h"

namespace ranvier::RANVIER_LEVEL {

// What the ring holds instead of p_I where a neuron was interrupted (pieces.h). It adds nothing to any sum, and nothing
// is lost if p_I happens to be this.
template <class Real>
constexpr Real MARK = static_cast<Real>(-0.0);

template <class Real>
constexpr Whole<Real> MARK_BITS = static_cast<Whole<Real>>(uint64_t{1} << (8 * sizeof(Real) - 1));

// Tables of a spike's synapses, and its neuron's numbers.
template <class Real>
struct RowTables {
    const Real *decay_syn, *kernel, *weight;
    Real skew, rate_syn, rate_mem;
};

// Sums over a row's events: of weight (x_I rate_syn - x_u rate_mem), and of weight x_I.
template <class Real>
struct Totals {
    Real timing, value;
};

// Which totals are wanted.
enum Wanted { NONE, TIMING, VALUE };

// (p_I, p_u) of four cells of which the events know.
template <class Real>
RANVIER_INLINE void four_pairs(const Real* ring, const uint32_t* events, Vec<Real, 4>& p_i, Vec<Real, 4>& p_u) {
    const auto pair = [&](int n) { return ring + (events[n] >> 2 << 1); };  // two numbers a cell, not LANES
    if constexpr (sizeof(Real) == 4) {
        double both[4];
        for (int n = 0; n < 4; ++n) memcpy(&both[n], pair(n), 8);
        const Vec<Real, 4> low = punned<Vec<Real, 4>>(Vec<double, 2>{both[0], both[1]});
        const Vec<Real, 4> high = punned<Vec<Real, 4>>(Vec<double, 2>{both[2], both[3]});
        p_i = __builtin_shufflevector(low, high, 0, 2, 4, 6);
        p_u = __builtin_shufflevector(low, high, 1, 3, 5, 7);
    } else {
        const auto join = [&](int a, int b) {
            return __builtin_shufflevector(load<2>(pair(a)), load<2>(pair(b)), 0, 1, 2, 3);
        };
        const Vec<Real, 4> low = join(0, 2), high = join(1, 3);
        p_i = __builtin_shufflevector(low, high, 0, 4, 2, 6);
        p_u = __builtin_shufflevector(low, high, 1, 5, 3, 7);
    }
}

template <class Real, int N>
RANVIER_INLINE void pairs_of(const Real* ring, const uint32_t* events, Vec<Real, N>& p_i, Vec<Real, N>& p_u) {
    if constexpr (N == 4) {
        four_pairs(ring, events, p_i, p_u);
    } else {
        Vec<Real, 4> i[2], u[2];
        for (int half = 0; half < 2; ++half) four_pairs(ring, events + 4 * half, i[half], u[half]);
        p_i = __builtin_shufflevector(i[0], i[1], 0, 1, 2, 3, 4, 5, 6, 7);
        p_u = __builtin_shufflevector(u[0], u[1], 0, 1, 2, 3, 4, 5, 6, 7);
    }
}

// One event, whose adjoint is (p_I, p_u); the plain twin of the loop below.
template <class Real>
RANVIER_INLINE Totals<Real> gather_one(Real p_i, Real p_u, int late, const Factors<Real>& spike,
                                       const RowTables<Real>& row, int64_t j, Real* sum_current, Real* sum_u) {
    const Real held = p_u * spike.mem[late];
    const Real x_i = row.decay_syn[j] * (p_i * spike.syn[late] + p_u * spike.kernel[late]) + row.kernel[j] * held;
    const Real x_u = (row.decay_syn[j] - row.skew * row.kernel[j]) * held;
    sum_current[j] += x_i;
    sum_u[j] += x_u;
    return {row.weight[j] * (x_i * row.rate_syn - x_u * row.rate_mem), row.weight[j] * x_i};
}

// For the `count` events of one spike: `sum_current += x_I`, `sum_u += x_u`. `noted`: bits of words, lowest first, set
// for the events that met MARK.
template <Wanted wanted, class Real>
Totals<Real> gather(const Real* ring, const uint32_t* events, const RowTables<Real>& row, const Factors<Real>& spike,
                    int64_t count, Real* sum_current, Real* sum_u, uint64_t* noted) {
    constexpr int N = WIDTH<Real>;
    using V = Vec<Real, N>;
    const auto factor = [](const Real(&kinds)[2], Vec<Whole<Real>, N> late) {
        return late ? spread<N>(kinds[1]) : spread<N>(kinds[0]);
    };
    V timing{}, value{};
    memset(noted, 0, static_cast<size_t>(count / BITS + 1) * sizeof(uint64_t));
    int64_t j = 0;
    for (; j + N <= count; j += N) {
        V p_i, p_u;
        pairs_of<Real, N>(ring, events + j, p_i, p_u);
        noted[j / BITS] |= uint64_t{bits_of<Whole<Real>, N>(punned<Vec<Whole<Real>, N>>(p_i) == MARK_BITS<Real>)}
                           << (j % BITS);
        const auto late = late_of<Real, N>(events + j);
        const V decay_syn = load<N>(row.decay_syn + j), kernel = load<N>(row.kernel + j);
        const V held = p_u * factor(spike.mem, late);
        const V x_i = decay_syn * (p_i * factor(spike.syn, late) + p_u * factor(spike.kernel, late)) + kernel * held;
        const V x_u = (decay_syn - row.skew * kernel) * held;
        store(sum_current + j, load<N>(sum_current + j) + x_i);
        store(sum_u + j, load<N>(sum_u + j) + x_u);
        if constexpr (wanted != NONE) timing += load<N>(row.weight + j) * (x_i * row.rate_syn - x_u * row.rate_mem);
        if constexpr (wanted == VALUE) value += load<N>(row.weight + j) * x_i;
    }
    Totals<Real> totals{sum<N, Real>(timing), sum<N, Real>(value)};
    for (; j < count; ++j) {
        const Real* pair = ring + (events[j] >> 2 << 1);
        Whole<Real> bits;
        memcpy(&bits, pair, sizeof bits);
        noted[j / BITS] |= uint64_t{bits == MARK_BITS<Real>} << (j % BITS);
        const Totals<Real> one = gather_one(pair[0], pair[1], events[j] & 1, spike, row, j, sum_current, sum_u);
        totals.timing += one.timing;
        totals.value += one.value;
    }
    return totals;
}

// One delay per sender: a whole row at once, whose cells lie side by side.
template <class Real>
Totals<Real> gather_row(const Real* cells, const Real* weight, int64_t count, const Passed& passed, const Rates& rates,
                        Real* sum_current) {
    constexpr int N = WIDTH<Real>;
    using V = Vec<Real, N>;
    const Real syn = static_cast<Real>(passed.syn), mem = static_cast<Real>(passed.mem);
    const Real kernel = static_cast<Real>(passed.kernel);
    const Real rate_syn = static_cast<Real>(rates.syn), rate_mem = static_cast<Real>(rates.mem);
    V timing{}, value{};
    int64_t j = 0;
    for (; j + N <= count; j += N) {
        V p_i, p_u;
        part_pairs<N, Real>(cells + 2 * j, p_i, p_u);
        const V x_i = p_i * syn + p_u * kernel, w = load<N>(weight + j);
        store(sum_current + j, load<N>(sum_current + j) + x_i);
        timing += w * (x_i * rate_syn - p_u * mem * rate_mem);
        value += w * x_i;
    }
    Totals<Real> totals{sum<N, Real>(timing), sum<N, Real>(value)};
    for (; j < count; ++j) {
        const Real p_u = cells[2 * j + 1], x_i = cells[2 * j] * syn + p_u * kernel;
        sum_current[j] += x_i;
        totals.timing += weight[j] * (x_i * rate_syn - p_u * mem * rate_mem);
        totals.value += weight[j] * x_i;
    }
    return totals;
}

}  // namespace ranvier::RANVIER_LEVEL
