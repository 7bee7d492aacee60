// Backward: what the spike of a silent neuron would have been worth, had there been one at its highest potential
// (peaks.h): the sum of w x_I over the events that it would have had. Nothing is booked for those.
#pragma once

#include "pull.h"

namespace ranvier::RANVIER_LEVEL {

// What the integrals of neuron j of a population say of the current that arrives there (physics/integral.h); the
// adjoint, which goes back from window to window, does not know of it.
template <class Real>
double by_integrals(const Network<Real>& net, const Real* seed, const Population& population, int64_t j,
                    const Arrival& at) {
    const Plan& plan = net.plan;
    const double window = net.clock.window;
    const double whole = static_cast<double>(net.clock.windows - 1) * window + net.clock.last;
    const double now = at.window * window + at.offset;
    const Real* row = seed + population.value_start + (population.records + population.peaked) * population.size;
    double total = 0.0;
    for (int64_t i = 0; i < population.integrals && now <= whole; ++i) {
        const double decay = plan.decay[population.decay_start + i];
        const Rates& rates = net.neurons.rates[population.neuron_start + j];
        total +=
            row[i * population.size + j] * exponential(-decay * now) * still_to_come(whole - now, decay, rates).current;
    }
    return total;
}

// Of neuron i of population p, at `offset` of window k.
template <class Real>
RANVIER_APART double worth_of_one(const Network<Real>& net, const Backward<Real>& room, int64_t p, int64_t i, int64_t k,
                                  Real offset) {
    const Plan& plan = net.plan;
    double worth = 0.0;
    for (int64_t at = plan.population[p].out_first; at < plan.population[p].out_last; ++at) {
        const Link& link = plan.link[plan.out_list[at]];
        const Population& post = plan.population[link.post];
        const Row row = row_of(plan, net.synapses.rows, link, i);
        for (int64_t j = 0; j < row.count; ++j) {
            const int64_t entry = row.entry + j * link.column_stride, n = target_of(net, link, j, entry);
            const Arrival there = arrival(net, k, offset, entry);
            const double owed =
                met_by(net, room, there, n).current + by_integrals(net, room.seed, post, n - post.neuron_start, there);
            worth += net.synapses.weight[row.slot + j] * owed;
        }
    }
    return worth;
}

}  // namespace ranvier::RANVIER_LEVEL
