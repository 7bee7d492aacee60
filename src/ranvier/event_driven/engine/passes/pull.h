// Backward: what one spike receives from the neurons it reached.
//
// With (p_I, p_u) the adjoint at the end of the window in which an event of weight w arrived s earlier,
//
//     x_I = p_I e^{-s/tau_syn} + p_u kappa(s)        x_u = p_u e^{-s/tau_mem}
//     dL/dw = x_I        dL/dt_arrival = dL/ddelay = w (x_I/tau_syn - x_u/tau_mem)        dL/dpresence = w x_I
//
// A SCATTER connection does this for many events at a time (gather.h). A neuron that was interrupted in that window
// (pieces.h) holds MARK in the ring; its events are looked up one by one, with the adjoint of their piece.
#pragma once

#include "../network/calendar.h"
#include "eight.h"
#include "gather.h"
#include "pieces.h"
#include "sample.h"

namespace ranvier::RANVIER_LEVEL {

// Sums over one chunk of samples: of x_I and x_u per weight, and of dL/ddelay for one delay per sender. For other
// delays dL/ddelay follows from the first two; `delay` is then not touched. The rest is per neuron.
template <class Real>
struct Sums {
    Array<Real> current, u;
    Array<double> delay, theta, rho, refractory, rate_mem, rate_syn;

    explicit Sums(const Plan& plan)
        : current(plan.weights, Pages::LARGE),
          u(plan.gathered ? plan.weights : 0, Pages::LARGE),
          delay(plan.delays, Pages::LARGE),
          theta(plan.neurons),
          rho(plan.neurons),
          refractory(plan.neurons),
          rate_mem(plan.neurons),
          rate_syn(plan.neurons) {}
};

// Spikes of a sample by window, and the boundaries of one population in one window; see boundaries.h.
struct Boundary {
    double offset, share;  // share: of the cotangent of the recorded value
    int64_t place;         // of the spike, or of the recorded value
    int32_t next, kind;
};

struct Boundaries {
    int64_t columns;
    Array<int32_t> first;  // (populations, windows + 1): the first spike of a window
    Array<int32_t> restart_head, restart_next, peak_head, peak_next;
    Array<Boundary> boundary;
    Array<int32_t> head, units;  // the latest boundary of a neuron; neurons that have any
    int32_t used = 0, interrupted = 0;

    Boundaries(const Plan& plan, const Clock& clock)
        : columns(clock.windows + 1),
          first(plan.populations * columns),
          restart_head(clock.windows),
          restart_next(plan.places),
          peak_head(plan.peaks > 0 ? clock.windows : 0),
          peak_next(plan.peaks),
          boundary(2 * plan.places + plan.record_times * plan.widest + 2 * plan.peaks + 1),
          head(plan.widest),
          units(plan.widest) {}
};

// Room for the backward pass of one thread. `tangent` and its ring of windows: only if the gradient of time constants
// is wanted. `owed`: dL/dt of each spike, as far as it is known; `worth`: what it is worth.
template <class Real>
struct Backward {
    Array<Adjoint> adjoint;
    Array<Tangent> tangent, tangents;
    Array<uint8_t> held;
    Array<double> resumed;  // p_u at the latest restart
    Train<Real> train;
    Records records;
    Integrals integrals;
    const int32_t* peak_window = nullptr;
    const Real* peak = nullptr;
    Boundaries boundaries;
    Pieces pieces;
    Array<Real> ring;
    FanOut fan_out;
    Array<double> owed, worth;
    const Real *seed = nullptr, *seed_current = nullptr;
    Sums<Real>* sums = nullptr;

    bool taus() const { return tangent.size() > 0; }

    Backward(const Network<Real>& net, bool taus)
        : adjoint(net.plan.neurons),
          tangent(taus ? net.plan.neurons : 0),
          tangents(taus ? net.clock.span * net.plan.neurons : 0),
          held(net.plan.neurons),
          resumed(net.plan.neurons),
          train(net.plan),
          records(net.plan),
          integrals(net.plan),
          boundaries(net.plan, net.clock),
          pieces(net.plan, net.clock),
          ring(net.clock.span * net.plan.neurons * 2),
          fan_out(net.plan.widest),
          owed(net.plan.places),
          worth(net.plan.places) {}
};

// What a spike is owed through one connection, and what it is worth.
struct Owed {
    double timing, value;
};

// Book the adjoint `at` the arrival of one event, of the weight at `slot` and the delay at `entry`.
template <class Real>
Owed book(const Network<Real>& net, Sums<Real>& sums, const Link& link, int64_t slot, int64_t entry, const Adjoint& at,
          const Rates& rates) {
    const double weight = net.synapses.weight[slot], owed = owed_by(weight, at, rates);
    sums.current[slot] += static_cast<Real>(at.current);
    if (link.column_stride > 0)
        sums.u[slot] += static_cast<Real>(at.u);
    else
        sums.delay[entry] += owed;
    return {owed, weight * at.current};
}

// A ROW connection.
template <class Real>
Owed pull_row(const Network<Real>& net, Backward<Real>& room, const Link& link, int64_t q) {
    const Plan& plan = net.plan;
    const Population& post = plan.population[link.post];
    const int64_t i = room.train.unit[q], row = link.weight_start + i * post.size;
    const int64_t entry = link.delay_start + i * link.row_stride;
    const Arrival at = arrival(net, room.train, q, entry);
    const int64_t turn = at.window % net.clock.span;
    const Rates rates = net.neurons.rates[post.neuron_start];
    const Real* cells = room.ring + 2 * (turn * plan.neurons + post.neuron_start);
    const Totals<Real> totals =
        gather_row<Real>(cells, net.synapses.weight + row, post.size, flow(net.clock.window - at.offset, rates), rates,
                         room.sums->current + row);
    Owed owed{totals.timing, totals.value};
    room.sums->delay[entry] += totals.timing;
    for (int32_t piece = room.pieces.head[turn * plan.populations + link.post]; piece >= 0;) {
        const int32_t j = room.pieces.piece[piece].unit, n = static_cast<int32_t>(post.neuron_start) + j;
        const Passed passed = flow(net.clock.window - at.offset, net.neurons.rates[n]);
        const Adjoint there = back(room.pieces.holding(piece, at.offset).end, passed);
        const Owed one = book(net, *room.sums, link, row + j, entry, there, net.neurons.rates[n]);
        owed.timing += one.timing;
        owed.value += one.value;
        piece = room.pieces.piece[piece].other;
    }
    return owed;
}

// The adjoint of neuron n at an arrival.
template <class Real>
Adjoint met_by(const Network<Real>& net, const Backward<Real>& room, const Arrival& at, int64_t n) {
    const int64_t cell = (at.window % net.clock.span) * net.plan.neurons + n;
    const int32_t piece = room.pieces.latest[cell];
    const Adjoint end =
        piece >= 0 ? room.pieces.holding(piece, at.offset).end : Adjoint{room.ring[2 * cell], room.ring[2 * cell + 1]};
    return back(end, flow_in_sums(net.clock.window - at.offset, net.neurons.rates[n]));
}

// The event of synapse j of a row, by itself.
template <class Real>
Owed pull_one(const Network<Real>& net, Backward<Real>& room, const Link& link, int64_t q, const Row& row, int64_t j) {
    const int64_t entry = row.entry + j * link.column_stride, n = target_of(net, link, j, entry);
    const Adjoint there = met_by(net, room, arrival(net, room.train, q, entry), n);
    return book(net, *room.sums, link, row.slot + j, entry, there, net.neurons.rates[n]);
}

// Sums over a row, lane by lane.
struct Owed8 {
    Eight timing, value;
};

// Eight events of neurons with time constants of their own, from synapse j on; a bit for each that met MARK.
template <class Real>
RANVIER_INLINE uint32_t pull_eight(const Network<Real>& net, Backward<Real>& room, const Link& link, const Row& row,
                                   int64_t j, Real offset, Owed8& owed) {
    using V = Vec<Real, 8>;
    const bool each = link.column_stride > 0;
    const Real* frac = net.synapses.frac + row.entry + (each ? j : 0);
    const uint32_t* events = room.fan_out.events + j;
    V p_i, p_u;
    pairs_of<Real, 8>(room.ring, events, p_i, p_u);
    const Rates8 rates = rates_at(net, link, row, j);
    const Passed8 passed = flows<Real>(left_after(frac, each, events, offset, net.clock.window), rates);
    const Eight end_i = __builtin_convertvector(p_i, Eight), end_u = __builtin_convertvector(p_u, Eight);
    const Eight x_i = end_i * passed.syn + end_u * passed.kernel, x_u = end_u * passed.mem;
    const Eight w = __builtin_convertvector(load<8>(net.synapses.weight + row.slot + j), Eight);
    Real *current = room.sums->current + row.slot + j, *u = room.sums->u + row.slot + j;
    store(current, load<8>(current) + __builtin_convertvector(x_i, V));
    if (each) store(u, load<8>(u) + __builtin_convertvector(x_u, V));
    owed.timing += w * (x_i * rates.syn - x_u * rates.mem);
    owed.value += w * x_i;
    return bits_of<Whole<Real>, 8>(punned<Vec<Whole<Real>, 8>>(p_i) == MARK_BITS<Real>);
}

// For neurons with time constants of their own: exponentials for every event.
template <class Real>
Owed pull_general(const Network<Real>& net, Backward<Real>& room, const Link& link, int64_t q, int64_t turn) {
    const Row row = row_of(net.plan, net.synapses.rows, link, room.train.unit[q]);
    const Sent<Real> spike{room.train.offset[q], turn * net.plan.neurons};
    const uint32_t* events = room.fan_out.events;
    locate_row(net, link, row, spike, room.fan_out.events);
    Owed8 many{};
    Owed others{0.0, 0.0};
    const auto one = [&](int64_t j) {
        const Owed found = pull_one(net, room, link, q, row, j);
        others.timing += found.timing;
        others.value += found.value;
    };
    int64_t j = 0;
    for (; j + 8 <= row.count; j += 8) {
        uint32_t met = pull_eight(net, room, link, row, j, spike.offset, many);
        for (; met != 0; met &= met - 1)
            if (room.pieces.latest[events[j + lowest_bit(met)] / LANES] >= 0) one(j + lowest_bit(met));
    }
    for (; j < row.count; ++j) one(j);
    const double timing = sum<8, double>(many.timing);
    if (link.column_stride == 0) room.sums->delay[row.entry] += timing;
    return {timing + others.timing, sum<8, double>(many.value) + others.value};
}

// A SCATTER connection.
template <Wanted wanted, class Real>
Owed pull_events(const Network<Real>& net, Backward<Real>& room, const Link& link, int64_t q, int64_t turn) {
    const Plan& plan = net.plan;
    const Population& post = plan.population[link.post];
    const Synapses<Real>& synapses = net.synapses;
    const auto [first, start, size] = row_of(plan, synapses.rows, link, room.train.unit[q]);
    const Real offset = room.train.offset[q], window = static_cast<Real>(net.clock.window);
    const Real* frac = synapses.frac + start;
    const Rates rates = net.neurons.rates[post.neuron_start];
    const Factors<Real> spike = factors<Real>(net.clock.window - offset, rates, net.neurons.over[post.neuron_start]);
    uint32_t* events = room.fan_out.events;
    locate<Real>(synapses.cell + start, frac, size, offset, window, turn * plan.neurons,
                 Ring{plan.neurons, net.clock.span}, events);
    const RowTables<Real> row{synapses.decay_syn + start,   synapses.kernel + start,
                              synapses.weight + first,      static_cast<Real>(1.0 - rates.syn / rates.mem),
                              static_cast<Real>(rates.syn), static_cast<Real>(rates.mem)};
    Real *sum_current = room.sums->current + first, *sum_u = room.sums->u + first;
    const Totals<Real> totals =
        gather<wanted, Real>(room.ring, events, row, spike, size, sum_current, sum_u, room.fan_out.noted);
    Owed owed{totals.timing, totals.value};
    const int64_t hits = list_bits(room.fan_out.noted, size, room.fan_out.places);
    for (int64_t hit = 0; hit < hits; ++hit) {
        const int64_t j = room.fan_out.places[hit];
        const int late = events[j] & 1;
        const int32_t piece = room.pieces.latest[events[j] / LANES];
        if (piece < 0) continue;  // p_I just happens to be that zero, and all is done
        const double arrives = static_cast<double>(static_cast<Real>(offset + frac[j])) - late * net.clock.window;
        const Adjoint& end = room.pieces.holding(piece, arrives).end;
        const Totals<Real> one = gather_one<Real>(static_cast<Real>(end.current), static_cast<Real>(end.u), late, spike,
                                                  row, j, sum_current, sum_u);
        owed.timing += one.timing;
        owed.value += one.value;
    }
    return owed;
}

// What the events of a spike add to the gradient of the rates of the neurons that they reach.
template <class Real>
void pull_rates(const Network<Real>& net, Backward<Real>& room, const Link& link, int64_t q) {
    const Row row = row_of(net.plan, net.synapses.rows, link, room.train.unit[q]);
    for (int64_t j = 0; j < row.count; ++j) {
        const int64_t entry = row.entry + j * link.column_stride, n = target_of(net, link, j, entry);
        const Arrival at = arrival(net, room.train, q, entry);
        const int64_t cell = (at.window % net.clock.span) * net.plan.neurons + n;
        Adjoint end{room.ring[2 * cell], room.ring[2 * cell + 1]};
        Tangent tangent = room.tangents[cell];
        if (const int32_t piece = room.pieces.latest[cell]; piece >= 0) {
            const Piece& holding = room.pieces.holding(piece, at.offset);
            end = holding.end;
            tangent = holding.tangent;
        }
        const double left = net.clock.window - at.offset, weight = net.synapses.weight[row.slot + j];
        const Tangent there = back(tangent, end, left, net.neurons.rates[n], flow(left, net.neurons.rates[n]));
        room.sums->rate_mem[n] += weight * there.current_mem;
        room.sums->rate_syn[n] += weight * there.current_syn;
    }
}

// Add up what spikes `first` to `last - 1` of population p receive, in whose window the ring is at `turn`: their parts
// of dL/dt, times `share`, in `owed`, unless nothing is wanted; those of dL/dpresence in `worth`, if the value is.
template <class Real>
void pull(const Network<Real>& net, Backward<Real>& room, int64_t first, int64_t last, int64_t p, int64_t turn,
          Wanted wanted, double share) {
    const Population& population = net.plan.population[p];
    for (int64_t at = population.out_first; at < population.out_last; ++at) {
        const Link& link = net.plan.link[net.plan.out_list[at]];
        if (link.mode == NOWHERE) continue;
        for (int64_t q = first; q < last; ++q) {
            Owed owed{0.0, 0.0};
            if (room.taus()) pull_rates(net, room, link, q);
            if (link.mode == ROW)
                owed = pull_row(net, room, link, q);
            else if (link.mode == GENERAL)
                owed = pull_general(net, room, link, q, turn);
            else if (wanted == NONE)
                pull_events<NONE>(net, room, link, q, turn);
            else if (wanted == TIMING)
                owed = pull_events<TIMING>(net, room, link, q, turn);
            else
                owed = pull_events<VALUE>(net, room, link, q, turn);
            room.owed[q] += share * owed.timing;
            if (wanted == VALUE) room.worth[q] += owed.value;
        }
    }
}

}  // namespace ranvier::RANVIER_LEVEL
