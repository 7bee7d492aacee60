// Forward pass of one sample: window by window, population after population.
#pragma once

#include "advance.h"
#include "eight.h"
#include "quiet.h"

namespace ranvier::RANVIER_LEVEL {

// For neurons with time constants of their own: exponentials for every event.
template <class Real>
void scatter_general(const Network<Real>& net, Forward<Real>& room, const Link& link, int64_t q, const Row& row,
                     int64_t base) {
    const Sent<Real> spike{room.train.offset[q], base};
    const Real *weight = net.synapses.weight + row.slot, *frac = net.synapses.frac + row.entry;
    const bool each = link.column_stride > 0;
    uint32_t* events = room.fan_out.events;
    locate_row(net, link, row, spike, events);
    int64_t j = 0;
    for (; j + 8 <= row.count; j += 8) {
        const Eight left = left_after(frac + (each ? j : 0), each, events + j, spike.offset, net.clock.window);
        const Passed8 passed = flows<Real>(left, rates_at(net, link, row, j));
        const Eight w = __builtin_convertvector(load<8>(weight + j), Eight);
        const Vec<Real, 8> i = __builtin_convertvector(w * passed.syn, Vec<Real, 8>);
        const Vec<Real, 8> u = __builtin_convertvector(w * passed.kernel, Vec<Real, 8>);
        const Vec<Real, 8> lift = u > 0 ? u : Vec<Real, 8>{};
        add_four<Real>(room.ring, events + j, four_of<0, Real>(i), four_of<0, Real>(u), four_of<0, Real>(lift));
        add_four<Real>(room.ring, events + j + 4, four_of<1, Real>(i), four_of<1, Real>(u), four_of<1, Real>(lift));
    }
    for (; j < row.count; ++j) {
        const int64_t entry = row.entry + j * link.column_stride, n = target_of(net, link, j, entry);
        const Arrival at = arrival(net, room.train, q, entry);
        const Passed passed = flow_in_sums(net.clock.window - at.offset, net.neurons.rates[n]);
        Real* cell = room.ring + (events[j] & ~uint32_t{LANES - 1});
        const double u = weight[j] * passed.kernel;
        cell[0] += static_cast<Real>(weight[j] * passed.syn);
        cell[1] += static_cast<Real>(u);
        cell[2] += static_cast<Real>(larger(u, 0.0));
    }
}

template <class Real>
void scatter_spike(const Network<Real>& net, Forward<Real>& room, const Link& link, int64_t q, const Row& row,
                   const Ring& ring, int64_t base) {
    const int64_t n = net.plan.population[link.post].neuron_start;
    const Synapses<Real>& synapses = net.synapses;
    const Real offset = room.train.offset[q];
    const Factors<Real> spike = factors<Real>(net.clock.window - offset, net.neurons.rates[n], net.neurons.over[n]);
    locate<Real>(synapses.cell + row.entry, synapses.frac + row.entry, row.count, offset,
                 static_cast<Real>(net.clock.window), base, ring, room.fan_out.events);
    scatter<Real>(room.ring, room.fan_out.events, synapses.into_current + row.slot, synapses.into_u + row.slot, spike,
                  row.count);
}

// Send spikes `first` to `last - 1` of population p, all of window k, through every connection; how many events that
// is.
template <class Real>
int64_t deposit(const Network<Real>& net, Forward<Real>& room, int64_t first, int64_t last, int64_t k, int64_t p) {
    const Ring ring{net.plan.neurons, net.clock.span};
    const int64_t base = (k % ring.span) * ring.neurons;
    int64_t events = 0;
    const Population& population = net.plan.population[p];
    for (int64_t at = population.out_first; at < population.out_last; ++at) {
        const int64_t c = net.plan.out_list[at];
        const Link& link = net.plan.link[c];
        for (int64_t q = first; q < last; ++q) {
            const Row row = row_of(net.plan, net.synapses.rows, link, room.train.unit[q]);
            events += row.count;
            if (link.mode == ROW) schedule(net, room.calendar, room.train, q, c);
            if (link.mode == GENERAL) scatter_general(net, room, link, q, row, base);
            if (link.mode == SCATTER) scatter_spike(net, room, link, q, row, ring, base);
        }
    }
    return events;
}

// Count the events of spike q that are due after the end.
template <class Real>
void count_in_flight(const Network<Real>& net, const Forward<Real>& room, int64_t q, int64_t p, int32_t* in_flight) {
    const Plan& plan = net.plan;
    const int64_t final = net.clock.windows - 1, window = room.train.window[q];
    const Real offset = room.train.offset[q];
    const double left = static_cast<double>(final - window) * net.clock.window + net.clock.last;
    for (int64_t at = plan.population[p].out_first; at < plan.population[p].out_last; ++at) {
        const int64_t c = plan.out_list[at];
        const Link& link = plan.link[c];
        if (window + net.synapses.longest[c] + 1 < final) continue;
        const Row row = row_of(plan, net.synapses.rows, link, room.train.unit[q]);
        const int64_t distinct = link.column_stride ? row.count : 1;
        int64_t late = 0;
        for (int64_t e = row.entry; e < row.entry + distinct; ++e) {
            const double passed = static_cast<double>(static_cast<Real>(offset + net.synapses.frac[e]));
            late += net.synapses.shift[e] * net.clock.window + passed > left ? 1 : 0;
        }
        in_flight[link.post] += static_cast<int32_t>(link.column_stride ? late : late * row.count);
    }
}

// Send the spikes of population p in window k on their way; whether there are any.
template <class Real>
bool emit(const Network<Real>& net, Forward<Real>& room, Outcome<Real>& outcome, int64_t k, int64_t p) {
    const Population& population = net.plan.population[p];
    int32_t* calendar = room.calendar.first + p * room.calendar.columns + k;
    const int64_t first = calendar[0], end = population.spike_start + room.train.total[p];
    int64_t q = first;
    for (; q < end && room.train.window[q] == k; ++q) room.calendar.remember(population, room.train, q);
    calendar[1] = static_cast<int32_t>(q);
    const int64_t events = deposit(net, room, first, q, k, p);
    if (k >= net.clock.before) *outcome.events += static_cast<int32_t>(events);
    if (k + net.clock.span >= net.clock.windows)
        for (int64_t late = first; late < q; ++late) count_in_flight(net, room, late, p, outcome.in_flight);
    return q > first;
}

// Times of a population's spikes from the end, not above 0: kept apart from the others, so that no digit is lost.
template <class Real>
void count_back(const Network<Real>& net, const Train<Real>& train, int64_t first, int64_t last,
                const Population& population, Real* since) {
    const int64_t final = net.clock.windows - 1;
    for (int64_t q = first; q < first + population.capacity; ++q) {
        Real& to = since[q - net.plan.input_places];
        to = -INFINITY;
        if (q >= last || train.window[q] == NEVER_BEFORE) continue;
        const double rest = static_cast<double>(train.offset[q]) - net.clock.last;
        to = static_cast<Real>(smaller(static_cast<double>(train.window[q] - final) * net.clock.window + rest, 0.0));
    }
}

// Write the spikes of one sample as times, sorted and padded, and count silent neurons and guarded spikes.
template <class Real>
void finish(const Network<Real>& net, Forward<Real>& room, Outcome<Real>& outcome) {
    const Plan& plan = net.plan;
    const Train<Real>& train = room.train;
    const int64_t own = net.clock.windows - net.clock.before;
    const double end = static_cast<double>(own - 1) * net.clock.window + net.clock.last;
    for (int64_t p = plan.inputs; p < plan.populations; ++p) {
        const Population& population = plan.population[p];
        const int64_t first = population.spike_start, last = first + train.total[p];
        memset(room.marks, 0, static_cast<size_t>(population.size));
        for (int64_t q = first; q < first + population.given; ++q) {
            outcome.time[q - plan.input_places] = -INFINITY;
            outcome.unit[q - plan.input_places] = train.unit[q];
        }
        for (int64_t q = first + population.given; q < last; ++q) {
            const int64_t at = q - plan.input_places;
            const double time =
                (train.window[q] - net.clock.before) * net.clock.window + static_cast<double>(train.offset[q]);
            outcome.time[at] = static_cast<Real>(smaller(time, end));
            outcome.unit[at] = train.unit[q];
            room.marks[train.unit[q]] = 1;
            outcome.guarded[p] += train.slope[q] * plan.parts.cap < 1.0 ? 1 : 0;
        }
        for (int64_t at = last - plan.input_places; at < first - plan.input_places + population.capacity; ++at) {
            outcome.time[at] = INFINITY;
            outcome.unit[at] = -1;
        }
        if (outcome.since != nullptr) count_back(net, train, first, last, population, outcome.since);
        int32_t silent = static_cast<int32_t>(population.size);
        for (int64_t j = 0; j < population.size; ++j) silent -= room.marks[j];
        outcome.silent[p] = silent;
    }
}

// Neurons that are still in the refractory time of a spike from before t = 0.
template <class Real>
void hold_back(const Network<Real>& net, Forward<Real>& room) {
    for (int64_t p = net.plan.inputs; p < net.plan.populations; ++p) {
        const Population& population = net.plan.population[p];
        for (int64_t q = population.spike_start; q < population.spike_start + population.given; ++q) {
            if (room.train.window[q] == NEVER_BEFORE) continue;
            const int64_t n = population.neuron_start + room.train.unit[q];
            const double hold = net.neurons.refractory[n];
            const Moment ends = after(room.train.window[q], room.train.offset[q], hold, net.clock.window);
            if (!(hold > 0.0) || ends.window < net.clock.before) continue;
            room.state.u[n] = net.neurons.rho[n];
            room.state.held_window[n] = ends.window;
            room.state.held_offset[n] = ends.offset;
            room.state.held_spike[n] = static_cast<int32_t>(q);
            if (population.near) room.peaks.forget(population.peak_start + room.train.unit[q]);
        }
    }
}

// Send what happened before t = 0 on its way; the window before which all of it arrives.
template <class Real>
int64_t go_over(const Network<Real>& net, Forward<Real>& room, Outcome<Real>& outcome) {
    int64_t busy = 0;
    for (int64_t k = 0; k < net.clock.before; ++k) {
        room.calendar.open(net.plan, room.train, k);
        Real* passed = room.ring + LANES * (k % net.clock.span) * net.plan.neurons;
        for (int64_t p = 0; p < net.plan.populations; ++p)
            if (emit(net, room, outcome, k, p)) busy = k + net.clock.span;
        memset(passed, 0, static_cast<size_t>(LANES * net.plan.neurons) * sizeof(Real));
    }
    return busy;
}

// Whether all is finite at the end, integrals too.
template <class Real>
bool finite(const Plan& plan, const State& state, const Real* value) {
    double total = 0.0;
    for (int64_t n = 0; n < state.current.size(); ++n) total += state.current[n] + state.u[n];
    for (int64_t p = plan.inputs; p < plan.populations; ++p) {
        const Population& population = plan.population[p];
        const int64_t first = population.value_start + (population.records + population.peaked) * population.size;
        for (int64_t at = 0; at < population.integrals * population.size; ++at)
            total += static_cast<double>(value[first + at]);
    }
    return total - total == 0.0;
}

// One sample, left undone once `stopped`; false if a potential or current is not finite.
template <class Real, class Stopped>
bool simulate(const Network<Real>& net, Forward<Real>& room, const Sample<Real>& given, Outcome<Real>& outcome,
              const Stopped& stopped) {
    room.state.begin(given.start);
    room.peaks.clear(net.plan, room.state.u, net.neurons.theta, net.clock.before);
    room.ring.fill(0);
    load(net, given.time, given.unit, room.train);
    room.calendar.clear(net.plan, room.train);
    hold_back(net, room);
    room.records.read(given.record, net.plan.record_times, net.clock);
    int64_t busy = go_over(net, room, outcome);  // whatever was sent so far arrives before this window
    for (int64_t k = net.clock.before; k < net.clock.windows && !stopped(); ++k) {
        if (k >= busy) {
            const int64_t until = quiet_until(net, room, k);
            pass_by(net, room, k, until);
            k = until;
        }
        room.calendar.open(net.plan, room.train, k);
        for (int64_t p = 0; p < net.plan.populations; ++p) {
            if (net.plan.population[p].followed) {
                sum_arrivals(net, room, k, p);
                advance(net, room, outcome, k, p);
            }
            if (emit(net, room, outcome, k, p)) busy = k + net.clock.span;
        }
    }
    finish(net, room, outcome);
    if (net.plan.peaks > 0) write_peaks(net, room.peaks, outcome.voltage, outcome.peak_window, outcome.peak);
    if (net.plan.integrals > 0) integrate(net, room.train, given.start, room.integrals, outcome.voltage);
    keep(net.plan, room.train, outcome.kept);
    if (outcome.current != nullptr)
        for (int64_t n = 0; n < net.plan.neurons; ++n) outcome.current[n] = static_cast<Real>(room.state.current[n]);
    return finite(net.plan, room.state, outcome.voltage);
}

}  // namespace ranvier::RANVIER_LEVEL
