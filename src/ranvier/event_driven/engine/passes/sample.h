// One sample on its way forward: its arrays in the call, and a thread's room to work in.
#pragma once

#include "../network/fan_out.h"
#include "integrals.h"
#include "peaks.h"
#include "walk.h"

namespace ranvier::RANVIER_LEVEL {

// What one sample is given: input spikes, record times, and potentials above rest and currents at t = 0.
template <class Real>
struct Sample {
    const Real* time;
    const int32_t* unit;
    const Real *record, *start;
};

// Record times of a sample as windows and offsets (ms).
struct Records {
    Array<int32_t> window;
    Array<double> offset;

    explicit Records(const Plan& plan) : window(plan.record_times), offset(plan.record_times) {}

    template <class Real>
    void read(const Real* time, int64_t count, const Clock& clock) {
        const double final = static_cast<double>(clock.windows - 1), most = clock.window * (1.0 - EPSILON);
        for (int64_t r = 0; r < count; ++r) {
            const double t = time[r], from = floor(t / clock.window);
            const double k = smaller(from + static_cast<double>(clock.before), final + 2.0);
            double rest = smaller(t - (k - static_cast<double>(clock.before)) * clock.window, most);
            if (k >= final) rest = smaller(k > final ? rest + (k - final) * clock.window : rest, clock.last);
            window[r] = static_cast<int32_t>(smaller(k, final));
            offset[r] = rest;
        }
    }
};

// Record times of a population that lie in window k: a range of them.
struct Range {
    int64_t first, last;
};

inline int64_t first_from(const Records& records, const Population& population, int64_t k) {
    int64_t low = population.record_start, high = low + population.records;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        (records.window[middle] < k ? low : high) = records.window[middle] < k ? middle + 1 : middle;
    }
    return low;
}

inline Range record_range(const Records& records, const Population& population, int64_t k) {
    if (population.records == 0) return {0, 0};
    const int64_t first = first_from(records, population, k), end = population.record_start + population.records;
    int64_t last = first;
    while (last < end && records.window[last] == k) ++last;
    return {first, last};
}

// Neurons of one sample: current, potential, where the refractory period ends (window -1: not in one), latest spike.
struct State {
    Array<double> current, u;
    Array<int64_t> held_window;
    Array<double> held_offset;
    Array<int32_t> held_spike;

    explicit State(int64_t n) : current(n), u(n), held_window(n), held_offset(n), held_spike(n) {}

    // At t = 0.
    template <class Real>
    void begin(const Real* start) {
        for (int64_t n = 0; n < u.size(); ++n) u[n] = start[n];
        for (int64_t n = 0; n < u.size(); ++n) current[n] = start[u.size() + n];
        held_window.fill(-1);
    }
};

// What a user sees of one sample, and what is kept of it.
template <class Real>
struct Outcome {
    Real* time;
    int32_t* unit;
    Real* voltage;
    Kept<Real> kept;
    int32_t* peak_window;
    Real* peak;
    int32_t *silent, *guarded, *dropped, *in_flight, *events, *exact;
    Real *current, *since;  // at the end, and times of spikes from there; or none
};

// Room for the forward pass of one thread.
template <class Real>
struct Forward {
    State state;
    Calendar<Real> calendar;
    LookUp<Real> look_up;
    Train<Real> train;
    Records records;
    Peaks peaks;
    Integrals integrals;
    Fired fired;
    FanOut fan_out;
    Array<Real> ring, sums;  // sums: of I, u and lift, for one population
    Array<double> excess, bars;
    Array<uint8_t> marks;
    Array<uint32_t> flagged;
    int64_t widest;

    static int64_t most_spikes(const Plan& plan) {
        int64_t most = 0;
        for (int64_t p = plan.inputs; p < plan.populations; ++p) most = larger(most, plan.population[p].capacity);
        return most + 1;
    }

    explicit Forward(const Network<Real>& net)
        : state(net.plan.neurons),
          calendar(net),
          look_up(net.plan),
          train(net.plan),
          records(net.plan),
          peaks(net.plan.peaks),
          integrals(net.plan),
          fired(most_spikes(net.plan)),
          fan_out(net.plan.widest),
          ring(net.clock.span * net.plan.neurons * LANES),
          sums(3 * net.plan.widest),
          excess(net.plan.widest),
          bars(net.plan.widest),
          marks(mark_room(net.plan.widest)),
          flagged(mark_room(net.plan.widest) + USUAL),
          widest(net.plan.widest) {}

    Real* sum(int kind) { return sums + kind * widest; }
};

}  // namespace ranvier::RANVIER_LEVEL
