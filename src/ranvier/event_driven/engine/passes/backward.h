// Backward pass: the adjoint of the forward pass, window by window in reverse (EventProp with delays).
//
// Between boundaries the adjoint flows back (physics/adjoint.h). Arrivals leave it as it is; their senders look it up
// (pull.h). At a record `p_u += dL/dV`. At a spike, with V' just before it, V'_r where integration resumes (after the
// refractory time, in which p_u = 0) and p_u(r) the adjoint there,
//
//     p_u- = (p_u(r) V'_r - G)/V'        G = dL/dt* + sum over its events of dL/dt_arrival
//     dL/dtheta -= p_u-        dL/drho += p_u(r)        dL/drefractory -= p_u(r) V'_r
//
// and p_I is continuous. (The (I, M) form of this is in Mészáros, Knight and Nowotny, Nat. Commun. 2025.) Where the
// value of a spike is wanted (`ranvier.gradients`), p_u- is another, and the rest is the same.
#pragma once

#include "boundaries.h"
#include "near_misses.h"
#include "owed_integrals.h"

namespace ranvier::RANVIER_LEVEL {

// Write the adjoint at the window's end into the ring, and go back to its start.
template <class Real>
void decay(const Network<Real>& net, Adjoint* adjoint, int64_t start, int64_t size, Real* cells) {
    const double *syn = net.neurons.syn + start, *mem = net.neurons.mem + start, *kernel = net.neurons.kernel + start;
    for (int64_t j = 0; j < size; ++j) {
        const Adjoint p = adjoint[j];
        cells[2 * j] = static_cast<Real>(p.current);
        cells[2 * j + 1] = static_cast<Real>(p.u);
        adjoint[j] = {p.current * syn[j] + p.u * kernel[j], p.u * mem[j]};
    }
}

// The same of the tangents, before the adjoint goes back.
template <class Real>
void decay_tangents(const Network<Real>& net, Backward<Real>& room, int64_t start, int64_t size, int64_t cell) {
    for (int64_t j = 0; j < size; ++j) {
        const int64_t n = start + j;
        const Course& over = net.neurons.over[n];
        room.tangents[cell + j] = room.tangent[n];
        room.tangent[n] = back(room.tangent[n], room.adjoint[n], net.clock.window, net.neurons.rates[n],
                               {over.syn, over.mem, over.kernel});
    }
}

// Before a restart the potential is another one: what becomes of rho after it ends here.
template <class Real>
void resume(const Network<Real>& net, Backward<Real>& room, int64_t n) {
    room.sums->rate_mem[n] += net.neurons.rho[n] * room.tangent[n].u_mem;
    room.tangent[n].u_mem = 0.0;
}

// Cross spike q of neuron n backward.
template <class Real>
void cross(const Network<Real>& net, Backward<Real>& room, int64_t q, int64_t n) {
    const Membranes& neurons = net.neurons;
    const double hold = neurons.refractory[n], resumed = hold > 0.0 ? room.resumed[n] : room.adjoint[n].u;
    const Crossed crossed{neurons.rates[n],  neurons.theta[n],    neurons.rho[n],       hold,
                          neurons.height[n], room.train.slope[q], room.train.restart[q]};
    const double before = before_spike(crossed, net.plan.parts, resumed, room.owed[q], room.worth[q]);
    room.adjoint[n].u = before;
    if (room.taus() && !(hold > 0.0)) resume(net, room, n);
    room.resumed[n] = 0.0;
    room.held[n] = 0;
    room.sums->theta[n] -= before;
    room.sums->rho[n] += resumed;
    room.sums->refractory[n] -= resumed * crossed.restart;
}

// Whether a recorded value is of its population's last record, which is at the end where currents are wanted there.
template <class Real>
bool at_end(const Network<Real>& net, int64_t p, int64_t place) {
    const Population& population = net.plan.population[p];
    return place >= population.value_start + (population.records - 1) * population.size;
}

// Take neuron j of population p back through window k, whose latest piece ends at t, from boundary to boundary.
template <class Real>
void retrace(const Network<Real>& net, Backward<Real>& room, int64_t k, int64_t p, int64_t j, int32_t piece, double t) {
    const int64_t n = net.plan.population[p].neuron_start + j, turn = k % net.clock.span;
    const Rates rates = net.neurons.rates[n];
    const Parts& parts = net.plan.parts;
    Adjoint& now = room.adjoint[n];
    for (int32_t at = room.boundaries.head[j];; at = room.boundaries.boundary[at].next) {
        const Passed on = flow(t - net.clock.window, rates);
        room.pieces.piece[piece].end = back(now, on);
        const double to = at >= 0 ? room.boundaries.boundary[at].offset : 0.0;
        const Passed passed = flow(t - to, rates);
        if (room.taus()) {
            Tangent& tangent = room.tangent[n];
            room.pieces.piece[piece].tangent = back(tangent, now, t - net.clock.window, rates, on);
            tangent = back(tangent, now, t - to, rates, passed);
        }
        now = back(now, passed);
        room.pieces.piece[piece].start = t = to;
        if (at < 0) return;
        const Boundary boundary = room.boundaries.boundary[at];
        if (boundary.kind == AT_SPIKE) {
            pull(net, room, boundary.place, boundary.place + 1, p, turn, parts.valued ? VALUE : TIMING, parts.timing);
            cross(net, room, boundary.place, n);
        } else if (boundary.kind == AT_RESTART) {
            room.resumed[n] = now.u;
            if (room.taus()) resume(net, room, n);
            now.u = 0.0;
            room.held[n] = 1;
        } else if (boundary.kind == AT_MISS) {
            const double worth = worth_of_one(net, room, p, j, k, static_cast<Real>(boundary.offset));
            const double missed = boundary.share * parts.scale / net.neurons.height[n] * worth;
            now.u += missed;
            room.sums->theta[n] -= missed;
        } else {
            (room.held[n] ? room.sums->rho[n] : now.u) += boundary.share * room.seed[boundary.place];
            if (room.seed_current != nullptr && at_end(net, p, boundary.place)) now.current += room.seed_current[n];
        }
        piece = room.pieces.piece[piece].before = room.pieces.begin();
    }
}

// Take every neuron of population p back through window k.
template <class Real>
void retreat(const Network<Real>& net, Backward<Real>& room, int64_t k, int64_t p) {
    const Population& population = net.plan.population[p];
    const int64_t start = population.neuron_start, size = population.size, turn = k % net.clock.span;
    const int64_t cell = turn * net.plan.neurons + start, place = turn * net.plan.populations + p;
    Pieces& pieces = room.pieces;
    pieces.head[place] = -1;
    memset(pieces.latest + cell, -1, static_cast<size_t>(size) * sizeof(int32_t));
    find_boundaries(net, room, k, p);
    const Boundaries& found = room.boundaries;
    for (int32_t at = 0; at < found.interrupted; ++at) {
        const int32_t j = found.units[at], piece = pieces.interrupt(place, cell + j, j);
        pieces.piece[piece].end = room.adjoint[start + j];
        if (room.taus()) pieces.piece[piece].tangent = room.tangent[start + j];
    }
    if (room.taus()) decay_tangents(net, room, start, size, cell);
    decay<Real>(net, room.adjoint + start, start, size, room.ring + 2 * cell);
    const double end = k == net.clock.windows - 1 ? net.clock.last : net.clock.window;
    for (int32_t at = 0; at < found.interrupted; ++at) {
        const int32_t j = found.units[at], piece = pieces.latest[cell + j];
        room.ring[2 * (cell + j)] = MARK<Real>;
        room.ring[2 * (cell + j) + 1] = 0;
        room.adjoint[start + j] = pieces.piece[piece].end;
        if (room.taus()) room.tangent[start + j] = pieces.piece[piece].tangent;
        retrace(net, room, k, p, j, piece, end);
    }
}

// The arrays of one sample on its way back: its inputs, what was kept, cotangents (presence may be none), and places
// for the gradients of input times and of the start (or none).
template <class Real>
struct Returning {
    Sample<Real> given;
    Kept<Real> kept;
    const int32_t* peak_window;
    const Real* peak;
    const Real *direct, *seed, *seed_current, *presence;
    Real *early, *begun;
};

// What the adjoint at t = 0 says of where potentials and currents start.
template <class Real>
void arrive_at_start(const Network<Real>& net, Backward<Real>& room, const Returning<Real>& sample) {
    const int64_t count = net.plan.neurons;
    const Real *u = sample.given.start, *current = u + count;
    for (int64_t n = 0; n < count; ++n) {
        if (sample.begun != nullptr) sample.begun[n] = static_cast<Real>(room.adjoint[n].u);
        if (sample.begun != nullptr) sample.begun[count + n] = static_cast<Real>(room.adjoint[n].current);
        if (!room.taus()) continue;
        const Tangent& tangent = room.tangent[n];
        room.sums->rate_mem[n] += u[n] * tangent.u_mem + current[n] * tangent.current_mem;
        room.sums->rate_syn[n] += current[n] * tangent.current_syn;
    }
}

// What spikes from before t = 0 are owed: by events that were on their way, and by a refractory time that went on.
template <class Real>
void settle_past(const Network<Real>& net, Backward<Real>& room) {
    const Plan& plan = net.plan;
    const auto pull_given = [&](int64_t k, int64_t p) {
        const int32_t* first = room.boundaries.first + p * room.boundaries.columns + k;
        const int64_t old = plan.population[p].spike_start + plan.population[p].given;
        pull(net, room, first[0], smaller<int64_t>(first[1], old), p, k % net.clock.span, TIMING, 1.0);
    };
    for (int64_t p = plan.populations - 1; p >= plan.inputs && net.clock.before > 0; --p)
        pull_given(net.clock.before, p);  // those at t = 0
    for (int64_t k = net.clock.before - 1; k >= 0; --k) {
        const int64_t turn = k % net.clock.span, cell = turn * plan.neurons;
        for (int64_t n = 0; n < plan.neurons; ++n) {
            room.ring[2 * (cell + n)] = room.ring[2 * (cell + n) + 1] = 0;
            room.pieces.latest[cell + n] = -1;
            if (room.taus()) room.tangents[cell + n] = {0.0, 0.0, 0.0};
        }
        for (int64_t p = 0; p < plan.populations; ++p) room.pieces.head[turn * plan.populations + p] = -1;
        for (int64_t p = plan.populations - 1; p >= 0; --p) pull_given(k, p);
    }
    for (int64_t p = plan.inputs; p < plan.populations; ++p) {
        const Population& population = plan.population[p];
        for (int64_t q = population.spike_start + population.given - 1; q >= population.spike_start; --q) {
            if (room.train.window[q] == NEVER_BEFORE) continue;
            const int64_t n = population.neuron_start + room.train.unit[q];
            const double moved = room.resumed[n] * room.train.restart[q];
            room.owed[q] -= moved;
            room.sums->rho[n] += room.resumed[n];
            room.sums->refractory[n] -= moved;
            room.resumed[n] = 0.0;
        }
    }
}

// One sample, left undone once `stopped`; its part of the gradient is added to `room.sums`.
template <class Real, class Stopped>
void differentiate(const Network<Real>& net, Backward<Real>& room, const Returning<Real>& sample,
                   const Stopped& stopped) {
    const Plan& plan = net.plan;
    const int64_t places = plan.places - plan.input_places;
    room.ring.fill(0);
    room.adjoint.fill({0.0, 0.0});
    room.tangent.fill({0.0, 0.0, 0.0});
    room.tangents.fill({0.0, 0.0, 0.0});
    room.held.fill(0);
    room.resumed.fill(0.0);
    room.pieces.forget();
    recall(net, sample.given.time, sample.given.unit, sample.kept, room.train);
    room.records.read(sample.given.record, plan.record_times, net.clock);
    room.seed = sample.seed;
    room.seed_current = sample.seed_current;
    room.owed.fill(0.0);
    room.worth.fill(0.0);
    for (int64_t at = 0; at < places; ++at) {
        room.owed[plan.input_places + at] = sample.direct[at];
        if (sample.presence != nullptr) room.worth[plan.input_places + at] = sample.presence[at];
    }
    room.peak_window = sample.peak_window;
    room.peak = sample.peak;
    replay(net, room);
    const Wanted wanted = sample.early != nullptr ? TIMING : NONE;
    if (plan.integrals > 0) owe_integrals(net, room, wanted != NONE);
    for (int64_t k = net.clock.windows - 1; k >= net.clock.before && !stopped(); --k) {
        for (int64_t p = plan.populations - 1; p >= 0; --p) {
            const int32_t* first = room.boundaries.first + p * room.boundaries.columns + k;
            if (plan.population[p].followed)
                retreat(net, room, k, p);
            else if (p < plan.inputs)
                pull(net, room, first[0], first[1], p, k % net.clock.span, wanted, 1.0);
        }
    }
    arrive_at_start(net, room, sample);
    if (plan.integrals > 0) owe_starts(net, room, sample.given.start, sample.begun);
    settle_past(net, room);
    if (sample.early == nullptr) return;
    for (int64_t p = 0; p < plan.populations; ++p) {
        const Population& here = plan.population[p];
        for (int64_t at = 0; at < here.given; ++at)
            sample.early[here.given_start + at] = static_cast<Real>(room.owed[here.spike_start + at]);
    }
}

// Gradient of the delays per synapse or per receiver: `dL/ddelay = w (x_I/tau_syn - x_u/tau_mem)`.
template <class Real>
void settle_rows(const Network<Real>& net, const Sums<Real>& sums, const Link& link, Real* delay) {
    memset(delay + link.delay_start, 0, static_cast<size_t>(link.delays) * sizeof(Real));
    for (int64_t i = 0; i < net.plan.population[link.pre].size; ++i) {
        const Row row = row_of(net.plan, net.synapses.rows, link, i);
        const Rates* rates = net.neurons.rates + net.plan.population[link.post].neuron_start;
        for (int64_t j = 0; j < row.count; ++j) {
            const Adjoint at{sums.current[row.slot + j], sums.u[row.slot + j]};
            delay[row.entry + j] =
                static_cast<Real>(delay[row.entry + j] + owed_by(net.synapses.weight[row.slot + j], at, rates[j]));
        }
    }
}

// The same of a sparse connection, in the order in which its pairs were given.
template <class Real>
void settle_pairs(const Network<Real>& net, const Sums<Real>& sums, const Link& link, Real* weight, Real* delay) {
    const int32_t* order = net.synapses.rows.given + link.pair_start;
    for (int64_t s = 0; s < link.synapses; ++s) {
        const int64_t slot = link.weight_start + s, n = target_of(net, link, s, link.delay_start + s);
        const Adjoint at{sums.current[slot], sums.u[slot]};
        weight[link.weight_start + order[s]] = sums.current[slot];
        delay[link.delay_start + order[s]] =
            static_cast<Real>(owed_by(net.synapses.weight[slot], at, net.neurons.rates[n]));
    }
}

// From sums to the gradient of weights and delays.
template <class Real>
void settle(const Network<Real>& net, const Sums<Real>& sums, Real* weight, Real* delay) {
    for (int64_t c = 0; c < net.plan.links; ++c) {
        const Link& link = net.plan.link[c];
        if (link.sparse) {
            settle_pairs(net, sums, link, weight, delay);
            continue;
        }
        copy<Real>(sums.current + link.weight_start, link.synapses, weight + link.weight_start);
        if (link.column_stride > 0)
            settle_rows(net, sums, link, delay);
        else
            for (int64_t e = link.delay_start; e < link.delay_start + link.delays; ++e)
                delay[e] = static_cast<Real>(sums.delay[e]);
    }
}

}  // namespace ranvier::RANVIER_LEVEL
