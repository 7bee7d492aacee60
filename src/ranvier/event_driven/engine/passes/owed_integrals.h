// Backward: what the events of neurons whose potential was integrated are owed by that alone.
//
// The adjoint of an integral does not depend on what happened, so it is no part of the adjoint that goes back from
// window to window: it is booked beforehand, and by the same rule.
#pragma once

#include "pull.h"

namespace ranvier::RANVIER_LEVEL {

// What the events of spike q through one connection add to the gradient of the rates of the neurons that they reach.
template <class Real>
void owe_rates(const Network<Real>& net, Backward<Real>& room, const Link& link, const Row& row, double decay,
               const Real* seed) {
    const Integrals& it = room.integrals;
    const int64_t start = net.plan.population[link.post].neuron_start;
    const double end = static_cast<double>(net.clock.windows - 1) * net.clock.window + net.clock.last;
    for (int64_t j = 0; j < row.count; ++j) {
        const double left = it.left[j];
        if (left < 0.0) continue;
        const int64_t n = start + it.target[j];
        const ByRates by = still_to_come_by_rates(left, decay, net.neurons.rates[n]);
        const double share = seed[it.target[j]] * exponential(-decay * (end - left));
        room.sums->rate_mem[n] += share * net.synapses.weight[row.slot + j] * by.mem;
        room.sums->rate_syn[n] += share * net.synapses.weight[row.slot + j] * by.syn;
    }
}

// What spike q is owed through one connection; `seed`: cotangents of integral i.
template <class Real>
Owed owe_events(const Network<Real>& net, Backward<Real>& room, const Link& link, int64_t q, int64_t i,
                const Real* seed) {
    const Integrals& it = room.integrals;
    const Row row = weigh_events(net, room.train, link, q, i, room.integrals);
    const Population& post = net.plan.population[link.post];
    const Rates* rates = net.neurons.rates + post.neuron_start;
    const Real* weight = net.synapses.weight + row.slot;
    Real* sum_current = room.sums->current + row.slot;
    Real* sum_u = link.column_stride > 0 ? room.sums->u + row.slot : nullptr;
    Owed owed{0.0, 0.0};
    for (int64_t j = 0; j < row.count; ++j) {
        const double share = seed[it.target[j]];
        const Adjoint at{share * it.current[j], share * it.u[j]};
        const double timing = owed_by(weight[j], at, rates[post.mixed ? it.target[j] : 0]);
        owed.timing += timing;
        owed.value += weight[j] * at.current;
        sum_current[j] += static_cast<Real>(at.current);
        if (sum_u != nullptr)
            sum_u[j] += static_cast<Real>(at.u);
        else
            room.sums->delay[row.entry] += timing;
    }
    if (room.taus()) owe_rates(net, room, link, row, net.plan.decay[i], seed);
    return owed;
}

// What an integral says of where the potentials of population p start: on top of what the adjoint says, in `begun` if
// it is wanted, and of the rates.
template <class Real>
void owe_start(const Network<Real>& net, Backward<Real>& room, const Population& population, double decay,
               const Real* seed, const Real* start, Real* begun) {
    const double whole = static_cast<double>(net.clock.windows - 1) * net.clock.window + net.clock.last;
    for (int64_t j = 0; j < population.size; ++j) {
        const int64_t n = population.neuron_start + j;
        const double p = net.neurons.rates[n].mem + decay, all = covered(p, whole);
        if (begun != nullptr) begun[n] = static_cast<Real>(begun[n] + seed[j] * all);
        if (room.taus()) room.sums->rate_mem[n] += seed[j] * start[n] * (whole * exponential(-p * whole) - all) / p;
    }
}

// The same of all integrals of a sample.
template <class Real>
RANVIER_APART void owe_starts(const Network<Real>& net, Backward<Real>& room, const Real* start, Real* begun) {
    for (int64_t p = net.plan.inputs; p < net.plan.populations; ++p) {
        const Population& population = net.plan.population[p];
        const int64_t rows = population.value_start + (population.records + population.peaked) * population.size;
        for (int64_t i = 0; i < population.integrals; ++i)
            owe_start(net, room, population, net.plan.decay[population.decay_start + i],
                      room.seed + rows + i * population.size, start, begun);
    }
}

// Book what all integrals of a sample owe; `timed`: whether the inputs' times want to know.
template <class Real>
RANVIER_APART void owe_integrals(const Network<Real>& net, Backward<Real>& room, bool timed) {
    const Plan& plan = net.plan;
    for (int64_t p = plan.inputs; p < plan.populations; ++p) {
        const Population& population = plan.population[p];
        const int64_t rows = population.value_start + (population.records + population.peaked) * population.size;
        for (int64_t i = 0; i < population.integrals; ++i) {
            const Real* seed = room.seed + rows + i * population.size;
            each_sent(net, room.train, population, [&](const Link& link, int64_t q) {
                const Owed owed = owe_events(net, room, link, q, population.decay_start + i, seed);
                const bool input = link.pre < plan.inputs;
                if (!input || timed) room.owed[q] += (input ? 1.0 : plan.parts.timing) * owed.timing;
                room.worth[q] += owed.value;
            });
        }
    }
}

}  // namespace ranvier::RANVIER_LEVEL
