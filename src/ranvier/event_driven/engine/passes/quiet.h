// Stretches in which nothing happens: passed in one stride, so that their number of windows costs next to nothing.
//
// Where nothing arrives, a neuron cannot cross its threshold unless its current is above it: `tau_mem u' = I - u` is
// not above 0 at u = theta otherwise, and a current only decays. Where theta is below rest, it fires by itself.
#pragma once

#include "sample.h"

namespace ranvier::RANVIER_LEVEL {

// `until`, or the first window before in which a refractory period ends; k if a neuron may spike by itself.
inline int64_t at_rest(int64_t until, int64_t k, const State& state, const double* theta) {
    for (int64_t n = 0; n < state.current.size(); ++n) {
        if (state.held_window[n] >= k) until = smaller(until, state.held_window[n]);
        if (!(larger(state.current[n], 0.0) <= theta[n])) return k;
    }
    return until;
}

// The first window from k on in which something may happen, if no event is on its way; k if one may spike now.
template <class Real>
int64_t quiet_until(const Network<Real>& net, const Forward<Real>& room, int64_t k) {
    const Plan& plan = net.plan;
    int64_t until = net.clock.windows - 1;
    for (int64_t p = 0; p < plan.populations; ++p) {
        const Population& population = plan.population[p];
        if (p < plan.inputs) {
            const int64_t q = room.calendar.first[p * room.calendar.columns + k];
            if (q < population.spike_start + room.train.total[p]) until = smaller<int64_t>(until, room.train.window[q]);
        } else if (population.records > 0) {
            const int64_t at = first_from(room.records, population, k);
            if (at < population.record_start + population.records)
                until = smaller<int64_t>(until, room.records.window[at]);
        }
    }
    if (until > k) until = at_rest(until, k, room.state, net.neurons.theta);
    return larger(until, k);
}

// Take all neurons from the start of window k to that of window `until`, in which nothing happens.
template <class Real>
void pass_by(const Network<Real>& net, Forward<Real>& room, int64_t k, int64_t until) {
    if (until == k) return;
    for (int64_t window = k; window < until; ++window)
        room.calendar.open(net.plan, room.train, window, window + net.clock.span >= until);
    State& state = room.state;
    const double span = static_cast<double>(until - k) * net.clock.window;
    for (int64_t p = net.plan.inputs; p < net.plan.populations; ++p) {
        const Population& population = net.plan.population[p];
        Passed passed{};
        for (int64_t j = 0; j < population.size; ++j) {
            const int64_t n = population.neuron_start + j;
            if (population.watched()) {
                double current = state.current[n], u = state.u[n];
                rise(room.peaks, population.peak_start + j, current, u, net.neurons.rates[n], span, {k, 0.0},
                     {until, 0.0}, net.clock.window);
            }
            if (j == 0 || population.mixed) passed = flow(span, net.neurons.rates[n]);
            if (state.held_window[n] < 0) state.u[n] = state.u[n] * passed.mem + state.current[n] * passed.kernel;
            state.current[n] *= passed.syn;
        }
    }
}

}  // namespace ranvier::RANVIER_LEVEL
