// The events of one spike through one connection: where each arrives, and what belongs to the spike alone.
//
// An event arrives at offset o = offset + frac (- h if late) of a window of length h. What it then was, taken back by
// frac, belongs to the synapse, and so it flows on to the window's end for r = h - offset (+ h if late), which belongs
// to the spike:
//
//     e^{-(h-o)/tau_syn} = e^{frac/tau_syn} e^{-r/tau_syn}
//     kappa(h-o) = e^{frac/tau_syn} kappa(r) + kappa(-frac) e^{-r/tau_mem}
#pragma once

#include "trains.h"

namespace ranvier::RANVIER_LEVEL {

// A spike's factors for events in time, and for those that are late.
template <class Real>
struct Factors {
    Real syn[2], mem[2], kernel[2];
};

// Of a spike `rest` (ms) before its window's end; `more` is what a whole window does.
template <class Real>
RANVIER_INLINE Factors<Real> factors(double rest, const Rates& rates, const Course& more) {
    const Passed now = flow_in_sums(rest, rates);
    return {{static_cast<Real>(now.syn), static_cast<Real>(now.syn * more.syn)},
            {static_cast<Real>(now.mem), static_cast<Real>(now.mem * more.mem)},
            {static_cast<Real>(now.kernel), static_cast<Real>(now.kernel * more.mem + now.syn * more.kernel)}};
}

// A ring of windows: cells of `neurons` each, `span` windows around.
struct Ring {
    int64_t neurons, span;
};

// Where every event of a spike goes that happens at `offset` of the window whose first cell is `base`: LANES times the
// cell, plus 1 if it is late (see `wraps`).
template <class Real>
RANVIER_INLINE void locate(const int32_t* cell, const Real* frac, int64_t count, Real offset, Real window, int64_t base,
                           const Ring& ring, uint32_t* events) {
    const int32_t first = static_cast<int32_t>(base), after = static_cast<int32_t>(ring.neurons);
    const int32_t around = static_cast<int32_t>(ring.span * ring.neurons);
    for (int64_t j = 0; j < count; ++j) {
        const int32_t late = offset + frac[j] >= window ? 1 : 0, at = cell[j] + first + (late ? after : 0);
        events[j] = static_cast<uint32_t>(LANES * (at - (at >= around ? around : 0)) + late);
    }
}

// Room for the events of one spike: where they go; a bit for each, whether it met an interrupted neuron on the way back
// (passes/pieces.h); a list of those.
struct FanOut {
    Array<uint32_t> events;
    Array<uint64_t> noted;
    Array<uint32_t> places;

    explicit FanOut(int64_t widest) : events(widest + 8), noted(widest / BITS + 1), places(mark_room(widest) + USUAL) {}
};

// Which events are late, as a mask of whole numbers as wide as the real ones.
template <class Real, int N>
RANVIER_INLINE Vec<Whole<Real>, N> late_of(const uint32_t* events) {
    const Vec<int32_t, N> bit = punned<Vec<int32_t, N>>(load<N>(events) & 1u);
    return __builtin_convertvector(bit, Vec<Whole<Real>, N>) != 0;
}

}  // namespace ranvier::RANVIER_LEVEL
