// Forward: one population through one window, aggregated where no neuron can reach threshold, exact where one might.
//
// Aggregation is exact too, because the flow is linear; only finding a spike needs the order of events. See
// physics/bound.h for which is which.
#pragma once

#include "sample.h"
#include "scatter.h"

namespace ranvier::RANVIER_LEVEL {

// Sum what arrives in window k at every neuron of a population: in I, in u, and of the positive ones of the latter.
//
// An event of weight w, at offset o of a window of length h, leaves `w e^{-(h-o)/tau_syn}` in I and `w kappa(h-o)` in
// u.
template <class Real>
void sum_arrivals(const Network<Real>& net, Forward<Real>& room, int64_t k, int64_t p) {
    const Plan& plan = net.plan;
    const Population& population = plan.population[p];
    Real *current = room.sum(0), *u = room.sum(1), *lift = room.sum(2);
    if (population.ringed) {
        const int64_t cell = (k % net.clock.span) * plan.neurons + population.neuron_start;
        drain<Real>(room.ring + LANES * cell, population.size, current, u, lift);
    } else {
        room.sums.fill(0);
    }
    const Rates rates = net.neurons.rates[population.neuron_start];
    for (int64_t at = population.in_first; at < population.in_last; ++at) {
        const int64_t c = plan.in_list[at];
        const Link& link = plan.link[c];
        if (link.mode != ROW) continue;
        const int64_t base = link.list_start - plan.population[link.pre].spike_start;
        for (int32_t q = room.calendar.head[c * net.clock.windows + k]; q >= 0; q = room.calendar.link[base + q]) {
            const int64_t i = room.train.unit[q];
            const double offset = arrival(net, room.train, q, link.delay_start + i * link.row_stride).offset;
            const Real* row = net.synapses.weight + link.weight_start + i * population.size;
            add_row(row, population.size, flow(net.clock.window - offset, rates), current, u, lift);
        }
    }
}

// How far the bound of each neuron lies above its threshold: inf for those that must take the exact path in any case,
// and -inf for those, and only those, that are held all the time. `mixed`: each has a course of its own.
template <bool mixed, class Real>
void bound(const State& state, int64_t start, int64_t size, int64_t k, bool recorded, double margin, const Course* over,
           const double* theta, const Real* lift, double* excess) {
    const double *current = state.current + start, *u = state.u + start, must = recorded ? INFINITY : -INFINITY;
    const int64_t* held = state.held_window + start;
    const Course common = over[0];
    for (int64_t j = 0; j < size; ++j) {
        const double above =
            excess_of(current[j], u[j], static_cast<double>(lift[j]), theta[j], margin, mixed ? over[j] : common);
        const double still = held[j] == k ? INFINITY : -INFINITY;
        excess[j] = larger(must, held[j] < k ? above : still);
    }
}

// Advance the neurons that cannot reach threshold; the others are left where they are.
template <bool mixed, class Real>
void aggregate(State& state, int64_t start, int64_t size, const double* excess, const Course* over,
               const Real* sum_current, const Real* sum_u) {
    double *current = state.current + start, *u = state.u + start;
    const Course common = over[0];
    for (int64_t j = 0; j < size; ++j) {
        const Course& course = mixed ? over[j] : common;
        const double i_now = current[j], u_now = u[j];
        const double i_next = i_now * course.syn + static_cast<double>(sum_current[j]);
        const double u_next = u_now * course.mem + i_now * course.kernel + static_cast<double>(sum_u[j]);
        const bool below = excess[j] < 0.0, held = excess[j] == -INFINITY;
        current[j] = below ? i_next : i_now;
        u[j] = below & !held ? u_next : u_now;
    }
}

// Write down which neurons take the exact path; their number.
inline int64_t flag(const double* excess, int64_t count, uint8_t* marks, uint32_t* flagged) {
    for (int64_t j = 0; j < count; ++j) marks[j] = excess[j] >= 0.0 ? 1 : 0;
    memset(marks + count, 0, static_cast<size_t>(mark_room(count) - count));
    return list_marked(marks, count, flagged);
}

// Where and when a walk goes, and what of it is wanted.
template <class Real>
struct Step {
    const Network<Real>& net;
    Forward<Real>& room;
    Outcome<Real>& outcome;
    int64_t k, p;
    Range due;
};

// How far the bound of neuron j lies above its threshold, if what it was held against is the highest potential so far.
template <class Real>
double above_threshold(const Step<Real>& step, int64_t j) {
    const Population& population = step.net.plan.population[step.p];
    const double excess = step.room.excess[j], margin = step.net.clock.margin;
    if (!population.near) return excess;
    const auto least = [margin](double theta) { return theta * (1.0 - copysign(margin, theta)); };
    return excess + (least(step.room.bars[j]) - least(step.room.peaks.limit[population.peak_start + j]));
}

template <class Real>
Walker walker(const Step<Real>& step, int64_t j) {
    const Network<Real>& net = step.net;
    State& state = step.room.state;
    const int64_t n = net.plan.population[step.p].neuron_start + j;
    const Course& over = net.neurons.over[n];
    const double theta = net.neurons.theta[n], rho = net.neurons.rho[n], i = state.current[n], u = state.u[n];
    double until = -1.0;
    if (state.held_window[n] >= 0) until = state.held_window[n] == step.k ? state.held_offset[n] : INFINITY;
    const Leap ahead{-1.0, i * over.syn + step.room.sum(0)[j], u * over.mem + i * over.kernel + step.room.sum(1)[j]};
    const double end = step.k == net.clock.windows - 1 ? net.clock.last : net.clock.window;
    const bool once = above_threshold(step, j) < (theta - rho) * over.mem;
    return {i,    u,   until, net.neurons.rates[n], theta, rho, net.neurons.refractory[n], net.clock.window, end, ahead,
            once, NAN, 0};
}

// A neuron below its threshold whose highest potential is followed, from (current, u) and from arrival to arrival.
template <class Real>
RANVIER_APART void climb(Step<Real>& step, int64_t j, int64_t found, double& current, double& u) {
    const Network<Real>& net = step.net;
    const Population& population = net.plan.population[step.p];
    const Arrivals& arrivals = step.room.look_up.sorted;
    const int64_t n = population.neuron_start + j, k = step.k;
    const double end = k == net.clock.windows - 1 ? net.clock.last : net.clock.window;
    Peaks& peaks = step.room.peaks;
    const int64_t at = population.peak_start + j;
    peaks.begin(at, k, net.clock.window, current - u);
    double t = 0.0;
    for (int64_t a = 0;; ++a) {
        const double stop = a < found ? smaller(end, arrivals.offset[a]) : end;
        rise(peaks, at, current, u, net.neurons.rates[n], stop - t, {k, t}, {k, stop}, net.clock.window);
        t = stop;
        if (a == found || arrivals.offset[a] > stop) return;
        current += arrivals.weight[a];
        peaks.arrive(at, k, t, arrivals.weight[a]);
    }
}

// Follow a neuron that has not fired; true if it cannot fire in this window either, and is at its end.
template <class Real>
RANVIER_APART bool stays_below(Step<Real>& step, int64_t j, int64_t found) {
    const Population& population = step.net.plan.population[step.p];
    const int64_t n = population.neuron_start + j;
    if (!step.room.peaks.silent(population.peak_start + j)) return false;
    const bool below = above_threshold(step, j) < 0.0;
    const Leap ahead = walker(step, j).ahead;
    double current = step.room.state.current[n], u = step.room.state.u[n];
    climb(step, j, found, current, u);
    if (below) step.room.state.current[n] = ahead.current;
    if (below) step.room.state.u[n] = ahead.u;
    return below;
}

// Keep the spikes of a walk, as far as there is room.
template <class Real>
void write_down(Step<Real>& step, const Walker& it, int64_t j) {
    Train<Real>& train = step.room.train;
    const Fired& fired = step.room.fired;
    State& state = step.room.state;
    const Population& population = step.net.plan.population[step.p];
    const int64_t n = population.neuron_start + j;
    state.current[n] = it.current;
    state.u[n] = it.u;
    if (it.resumed == it.resumed) {
        train.restart[state.held_spike[n]] = static_cast<Real>(it.resumed);
        state.held_window[n] = -1;
    }
    for (int64_t m = 0; m < it.count; ++m) {
        int32_t& total = train.total[step.p];
        if (total == population.capacity) {
            ++step.outcome.dropped[step.p];
            continue;
        }
        const int64_t q = population.spike_start + total++;
        train.window[q] = static_cast<int32_t>(step.k);
        train.offset[q] = static_cast<Real>(fired.offset[m]);
        train.unit[q] = static_cast<int32_t>(j);
        train.slope[q] = static_cast<Real>(fired.slope[m]);
        train.restart[q] = static_cast<Real>(fired.restart[m]);
        state.held_spike[n] = static_cast<int32_t>(q);
    }
    if (it.count == 0) return;
    if (population.near) step.room.peaks.forget(population.peak_start + j);
    state.held_window[n] = -1;
    if (it.until < 0.0) return;
    const Moment ends = after(step.k, fired.offset[it.count - 1], it.refractory, it.window);
    state.held_window[n] = ends.window;
    state.held_offset[n] = ends.offset;
}

// Put the new spikes of one window in time order (insertion: there are few).
template <class Real>
void sort_spikes(Train<Real>& train, int64_t begin, int64_t end) {
    for (int64_t a = begin + 1; a < end; ++a) {
        const Real offset = train.offset[a], slope = train.slope[a], restart = train.restart[a];
        const int32_t unit = train.unit[a];
        int64_t b = a;
        for (; b > begin && train.offset[b - 1] > offset; --b) {
            train.offset[b] = train.offset[b - 1];
            train.unit[b] = train.unit[b - 1];
            train.slope[b] = train.slope[b - 1];
            train.restart[b] = train.restart[b - 1];
        }
        train.offset[b] = offset;
        train.unit[b] = unit;
        train.slope[b] = slope;
        train.restart[b] = restart;
    }
}

// What the potentials of a population with near misses must exceed to be looked at: the highest so far, and that at
// this window's end, which is known. Most that get higher rise to there: a rounding more is none.
template <class Real>
RANVIER_APART void set_bars(Step<Real>& step, const Population& population) {
    const Network<Real>& net = step.net;
    Forward<Real>& room = step.room;
    const bool whole = step.k < net.clock.windows - 1;
    for (int64_t j = 0; j < population.size; ++j) {
        const int64_t n = population.neuron_start + j, at = population.peak_start + j;
        room.bars[j] = room.peaks.bar[at];
        if (!whole || !room.peaks.silent(at)) continue;
        const Course& over = net.neurons.over[n];
        const double u = room.state.u[n], end = u * over.mem + room.state.current[n] * over.kernel + room.sum(1)[j];
        room.peaks.meet(at, end, {step.k, net.clock.window}, 0.0);
        const double bar = room.peaks.bar[at], size = fabs(u) + fabs(bar) + static_cast<double>(room.sum(2)[j]);
        room.bars[j] = smaller(bar + 3.0 * net.clock.margin * size, room.peaks.limit[at]);
    }
}

template <class Real>
int64_t flag_all(Step<Real>& step) {
    const Network<Real>& net = step.net;
    Forward<Real>& room = step.room;
    const Population& population = net.plan.population[step.p];
    const int64_t start = population.neuron_start, size = population.size;
    const Course* over = net.neurons.over + start;
    const bool recorded = step.due.first < step.due.last;
    if (population.near) set_bars(step, population);
    const double* theta = population.near     ? room.bars
                          : population.peaked ? room.peaks.bar + population.peak_start
                                              : net.neurons.theta + start;
    const auto both = [&]<bool mixed>() {
        bound<mixed, Real>(room.state, start, size, step.k, recorded, net.clock.margin, over, theta, room.sum(2),
                           room.excess);
        aggregate<mixed, Real>(room.state, start, size, room.excess, over, room.sum(0), room.sum(1));
    };
    if (population.mixed)
        both.template operator()<true>();
    else
        both.template operator()<false>();
    return flag(room.excess, size, room.marks, room.flagged);
}

// Take every neuron of population p through window k, and put its spikes of this window in time order.
template <class Real>
void advance(const Network<Real>& net, Forward<Real>& room, Outcome<Real>& outcome, int64_t k, int64_t p) {
    const Population& population = net.plan.population[p];
    Step<Real> step{net, room, outcome, k, p, record_range(room.records, population, k)};
    const int64_t begin = population.spike_start + room.train.total[p], flagged = flag_all(step);
    *outcome.exact += static_cast<int32_t>(flagged);
    if (flagged == 0) return;
    const int64_t rows = collect_rows(net, room.calendar, room.train, k, p, room.look_up.rows);
    const int64_t skipped = step.due.first - population.record_start;
    for (int64_t at = 0; at < flagged; ++at) {
        const int64_t j = room.flagged[at];
        const int64_t found = collect(net, room.calendar, room.train, k, p, j, rows, room.look_up);
        if (population.peaked) {
            const int64_t n = population.neuron_start + j;
            climb(step, j, found, room.state.current[n], room.state.u[n]);
            continue;
        }
        if (population.near && stays_below(step, j, found)) continue;
        const Due<Real> due{room.records.offset + step.due.first, step.due.last - step.due.first,
                            outcome.voltage + population.value_start + skipped * population.size + j, population.size};
        Walker it = walker(step, j);
        walk(it, room.look_up.sorted, found, due, room.fired);
        write_down(step, it, j);
    }
    const int64_t end = population.spike_start + room.train.total[p];
    sort_spikes(room.train, begin, end);
    for (int64_t q = begin; q < end; ++q)
        room.state.held_spike[population.neuron_start + room.train.unit[q]] = static_cast<int32_t>(q);
}

}  // namespace ranvier::RANVIER_LEVEL
