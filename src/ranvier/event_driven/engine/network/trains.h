// The spikes of one sample: those of inputs as they are given, those of neurons kept for the backward pass.
#pragma once

#include "tables.h"

namespace ranvier::RANVIER_LEVEL {

// Spikes of one sample: window and offset (ms), neuron, slope at threshold, slope at the restart; how many there are of
// each population. Populations begin at their `spike_start`.
template <class Real>
struct Train {
    Array<int32_t> window;
    Array<Real> offset;
    Array<int32_t> unit;
    Array<Real> slope, restart;
    Array<int32_t> total;

    explicit Train(const Plan& plan)
        : window(plan.places),
          offset(plan.places),
          unit(plan.places),
          slope(plan.places),
          restart(plan.places),
          total(plan.populations) {}
};

// The same of one sample, without the spikes of inputs, in the arrays of a call.
template <class Real>
struct Kept {
    int32_t* window;
    Real* offset;
    int32_t* unit;
    Real *slope, *restart;
    int32_t* total;
};

// The windows of spikes that never happened, and of the earliest that may have.
constexpr int32_t NEVER_BEFORE = INT32_MIN, LONG_AGO = -(1 << 30);

// Times as windows and offsets; how many there are, those that never happened (-inf, before all others) included. What
// lies after the last window is at its end.
template <class Real>
int32_t split_times(const Real* time, int64_t places, const Clock& clock, int32_t* window, Real* offset) {
    const double most = clock.window * (1.0 - ROUNDING<Real>);
    const int64_t final = clock.windows - 1;
    int32_t count = 0;
    for (int64_t i = 0; i < places; ++i) {
        const bool some = time[i] < INFINITY;
        const double t = some ? static_cast<double>(time[i]) : 0.0;
        count += some;
        if (t == -INFINITY) {
            window[i] = NEVER_BEFORE;
            offset[i] = 0;
            continue;
        }
        const double before = static_cast<double>(clock.before), from = floor(t / clock.window);
        const double k = larger(smaller(from + before, static_cast<double>(final + 2)), static_cast<double>(LONG_AGO));
        const double late = larger(k - static_cast<double>(final), 0.0);
        const double rest = smaller(t - (k - before) * clock.window, most);
        window[i] = static_cast<int32_t>(k - late);
        offset[i] = static_cast<Real>(smaller(rest + late * clock.window, clock.window));
    }
    return count;
}

// The input spikes of a sample, and those of neurons before it begins.
template <class Real>
void load(const Network<Real>& net, const Real* time, const int32_t* unit, Train<Real>& train) {
    train.total.fill(0);
    for (int64_t p = 0; p < net.plan.populations; ++p) {
        const Population& here = net.plan.population[p];
        const int64_t q = here.spike_start, from = here.given_start;
        memcpy(train.unit + q, unit + from, static_cast<size_t>(here.given) * sizeof(int32_t));
        train.total[p] = split_times(time + from, here.given, net.clock, train.window + q, train.offset + q);
    }
}

template <class Number>
RANVIER_INLINE void copy(const Number* from, int64_t count, Number* to) {
    memcpy(to, from, static_cast<size_t>(count) * sizeof(Number));
}

template <class Number>
RANVIER_INLINE void keep_part(const Number* from, int64_t count, int64_t room, Number* to) {
    copy(from, count, to);
    memset(to + count, 0, static_cast<size_t>(room - count) * sizeof(Number));
}

// The first spike of a population that is in a window.
template <class Real>
int64_t first_in_time(const Population& population, const Train<Real>& train) {
    int64_t q = population.spike_start;
    while (q < population.spike_start + population.given && train.window[q] < 0) ++q;
    return q;
}

// Keep the spikes of a sample's neurons, and how many there are of every population.
template <class Real>
void keep(const Plan& plan, const Train<Real>& train, const Kept<Real>& kept) {
    copy<int32_t>(train.total, plan.populations, kept.total);
    for (int64_t p = plan.inputs; p < plan.populations; ++p) {
        const int64_t q = plan.population[p].spike_start, at = q - plan.input_places, count = train.total[p];
        const int64_t room = plan.population[p].capacity;
        keep_part<int32_t>(train.window + q, count, room, kept.window + at);
        keep_part<Real>(train.offset + q, count, room, kept.offset + at);
        keep_part<Real>(train.slope + q, count, room, kept.slope + at);
        keep_part<Real>(train.restart + q, count, room, kept.restart + at);
    }
}

// All spikes of a sample again.
template <class Real>
void recall(const Network<Real>& net, const Real* time, const int32_t* unit, const Kept<Real>& kept,
            Train<Real>& train) {
    load(net, time, unit, train);
    copy<int32_t>(kept.total, net.plan.populations, train.total);
    for (int64_t p = net.plan.inputs; p < net.plan.populations; ++p) {
        const int64_t q = net.plan.population[p].spike_start, at = q - net.plan.input_places, count = train.total[p];
        copy<int32_t>(kept.window + at, count, train.window + q);
        copy<Real>(kept.offset + at, count, train.offset + q);
        copy<int32_t>(kept.unit + at, count, train.unit + q);
        copy<Real>(kept.slope + at, count, train.slope + q);
        copy<Real>(kept.restart + at, count, train.restart + q);
    }
}

}  // namespace ranvier::RANVIER_LEVEL
