// Eight events of one spike at a time, of neurons with time constants of their own: where each arrives, and what passes
// from there to the end of its window.
#pragma once

#include "../network/fan_out.h"

namespace ranvier::RANVIER_LEVEL {

using Eight = Vec<double, 8>;

struct Rates8 {
    Eight mem, syn, gain;
};

struct Passed8 {
    Eight syn, mem, kernel;
};

// The spike of a row: its offset, and the first cell of its window in the ring.
template <class Real>
struct Sent {
    Real offset;
    int64_t base;
};

// Where all its events go, as `locate` says it; through one delay for all they lie side by side.
template <class Real>
RANVIER_INLINE void locate_row(const Network<Real>& net, const Link& link, const Row& row, const Sent<Real>& spike,
                               uint32_t* events) {
    const Ring ring{net.plan.neurons, net.clock.span};
    const Real window = static_cast<Real>(net.clock.window);
    const int32_t* cell = net.synapses.cell + row.entry;
    const Real* frac = net.synapses.frac + row.entry;
    if (link.column_stride > 0) {
        locate<Real>(cell, frac, row.count, spike.offset, window, spike.base, ring, events);
        return;
    }
    locate<Real>(cell, frac, 1, spike.offset, window, spike.base, ring, events);
    const uint32_t first = events[0] + static_cast<uint32_t>(LANES * net.plan.population[link.post].neuron_start);
    for (int64_t j = 0; j < row.count; ++j) events[j] = first + static_cast<uint32_t>(LANES * j);
}

// Rates of the receivers of eight synapses of a row, from number j on.
template <class Real>
RANVIER_INLINE Rates8 rates_at(const Network<Real>& net, const Link& link, const Row& row, int64_t j) {
    const Membranes& neurons = net.neurons;
    if (!link.sparse) {
        const int64_t n = net.plan.population[link.post].neuron_start + j;
        return {load<8>(neurons.rate_mem + n), load<8>(neurons.rate_syn + n), load<8>(neurons.gain + n)};
    }
    Rates8 found;
    for (int lane = 0; lane < 8; ++lane) {
        const int64_t n = target_of(net, link, j + lane, row.entry + j + lane);
        found.mem[lane] = neurons.rate_mem[n];
        found.syn[lane] = neurons.rate_syn[n];
        found.gain[lane] = neurons.gain[n];
    }
    return found;
}

// What is left of their windows when eight events arrive; `frac`: the rest of their delays, or of the one of all.
template <class Real>
RANVIER_INLINE Eight left_after(const Real* frac, bool each, const uint32_t* events, Real offset, double window) {
    const Vec<Real, 8> at = offset + (each ? load<8>(frac) : spread<8>(frac[0]));
    const Eight late = __builtin_convertvector(load<8>(events) & 1u, Eight);
    return (1.0 + late) * window - __builtin_convertvector(at, Eight);
}

// What passes over these times; `flow_in_sums` is its plain twin.
template <class Real>
RANVIER_INLINE Passed8 flows(const Eight& left, const Rates8& rates) {
    Passed8 passed{exponentials<8, Real>(-left * rates.syn), exponentials<8, Real>(-left * rates.mem), {}};
    passed.kernel = rates.gain * (passed.syn - passed.mem);
    const Eight gain = rates.gain > 0.0 ? rates.gain : -rates.gain;
    if (bits_of<int64_t, 8>((gain > 0.0) & (gain < CLOSE)) == 255) return passed;
    for (int lane = 0; lane < 8; ++lane)
        passed.kernel[lane] = flow_in_sums(left[lane], {rates.mem[lane], rates.syn[lane], rates.gain[lane]}).kernel;
    return passed;
}

}  // namespace ranvier::RANVIER_LEVEL
