// Integrals of potentials over a whole run: one sum over the events of the neurons that have them, in no order
// (physics/integral.h). Both passes read the spikes of a sample and need nothing else of the simulation.
#pragma once

#include "../network/calendar.h"
#include "../physics/integral.h"

namespace ranvier::RANVIER_LEVEL {

// Room for the events of one spike through one connection: which neuron of its population each meets, the time that is
// left then (below 0: none), and (p_I, p_u) there.
struct Integrals {
    Array<int64_t> target;
    Array<double> left, current, u;

    explicit Integrals(const Plan& plan) : Integrals(plan.integrals > 0 ? plan.widest + 8 : 0) {}

private:
    explicit Integrals(int64_t n) : target(n), left(n), current(n), u(n) {}
};

// (p_I, p_u) of events of neurons with common rates that are not close; a whole vector at a time, past `count` too.
inline void weigh_alike(Integrals& room, int64_t count, double decay, double end, const Rates& rates) {
    constexpr int N = 8;
    using V = Vec<double, N>;
    const double p = rates.mem + decay, q = rates.syn + decay, gain = rates.mem / (rates.syn - rates.mem);
    const double per_p = 1.0 / p, per_q = 1.0 / q;
    for (int64_t j = 0; j < count; j += N) {
        const V left = load<N>(room.left + j), span = left > 0.0 ? left : V{};
        const auto least = [](V x) { return x > -700.0 ? x : spread<N>(-700.0); };
        const V weight = left >= 0.0 ? exponentials<N>(least(-decay * (end - span))) : V{};
        const V by_mem = (1.0 - exponentials<N>(least(-p * span))) * per_p;
        const V by_syn = (1.0 - exponentials<N>(least(-q * span))) * per_q;
        store(room.current + j, weight * gain * (by_mem - by_syn));
        store(room.u + j, weight * by_mem);
    }
}

// The same of any neurons.
inline void weigh(Integrals& room, int64_t count, double decay, double end, const Rates* rates) {
    for (int64_t j = 0; j < count; ++j) {
        const double left = room.left[j], weight = left >= 0.0 ? exponential(-decay * (end - left)) : 0.0;
        const Adjoint at = still_to_come(larger(left, 0.0), decay, rates[room.target[j]]);
        room.current[j] = weight * at.current;
        room.u[j] = weight * at.u;
    }
}

// The events of spike q through one connection, and (p_I, p_u) of integral i at each; these are alike, and looked up
// once, where all arrive at once at neurons that are alike.
template <class Real>
Row weigh_events(const Network<Real>& net, const Train<Real>& train, const Link& link, int64_t q, int64_t i,
                 Integrals& room) {
    const Population& post = net.plan.population[link.post];
    const Row row = row_of(net.plan, net.synapses.rows, link, train.unit[q]);
    const double window = net.clock.window,
                 whole = static_cast<double>(net.clock.windows - 1) * window + net.clock.last;
    const double ahead = whole - train.window[q] * window;
    const Real offset = train.offset[q], *frac = net.synapses.frac + row.entry;
    const int32_t* shift = net.synapses.shift + row.entry;
    for (int64_t j = 0; j < row.count; ++j) {
        const int64_t e = j * link.column_stride;
        room.left[j] = ahead - (shift[e] * window + static_cast<double>(static_cast<Real>(offset + frac[e])));
    }
    for (int64_t j = 0; j < row.count; ++j)
        room.target[j] = link.sparse ? target_of(net, link, j, row.entry + j) - post.neuron_start : j;
    const Rates* rates = net.neurons.rates + post.neuron_start;
    const double gain = fabs(rates[0].gain);
    const int64_t distinct = post.mixed || link.column_stride > 0 ? row.count : smaller<int64_t>(row.count, 1);
    if (!post.mixed && 0.0 < gain && gain < CLOSE)
        weigh_alike(room, distinct, net.plan.decay[i], whole, rates[0]);
    else
        weigh(room, distinct, net.plan.decay[i], whole, rates);
    for (int64_t j = distinct; j < row.count; ++j) {
        room.current[j] = room.current[0];
        room.u[j] = room.u[0];
    }
    return row;
}

// Of each spike that reaches population p, through each connection.
template <class Real, class Visit>
void each_sent(const Network<Real>& net, const Train<Real>& train, const Population& population, const Visit& visit) {
    for (int64_t at = population.in_first; at < population.in_last; ++at) {
        const Link& link = net.plan.link[net.plan.in_list[at]];
        const int64_t first = net.plan.population[link.pre].spike_start;
        for (int64_t q = first; q < first + train.total[link.pre]; ++q) visit(link, q);
    }
}

// The values of all integrals of a sample, which starts from `start` above rest.
template <class Real>
RANVIER_APART void integrate(const Network<Real>& net, const Train<Real>& train, const Real* start, Integrals& room,
                             Real* value) {
    const double whole = static_cast<double>(net.clock.windows - 1) * net.clock.window + net.clock.last;
    Array<double> total(net.plan.widest);
    for (int64_t p = net.plan.inputs; p < net.plan.populations; ++p) {
        const Population& population = net.plan.population[p];
        Real* rows = value + population.value_start + (population.records + population.peaked) * population.size;
        for (int64_t i = 0; i < population.integrals; ++i) {
            const double decay = net.plan.decay[population.decay_start + i];
            for (int64_t j = 0; j < population.size; ++j) {
                const int64_t n = population.neuron_start + j;
                total[j] = start[n] * covered(net.neurons.rates[n].mem + decay, whole);
            }
            each_sent(net, train, population, [&](const Link& link, int64_t q) {
                const Row row = weigh_events(net, train, link, q, population.decay_start + i, room);
                const Real* weight = net.synapses.weight + row.slot;
                for (int64_t j = 0; j < row.count; ++j)
                    total[room.target[j]] += static_cast<double>(weight[j]) * room.current[j];
            });
            for (int64_t j = 0; j < population.size; ++j) rows[i * population.size + j] = static_cast<Real>(total[j]);
        }
    }
}

}  // namespace ranvier::RANVIER_LEVEL
