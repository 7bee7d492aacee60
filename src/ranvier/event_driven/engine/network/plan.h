// Who is joined to whom: what is known of a network before any number is, decoded from the plan's integers.
//
// Populations are numbered, inputs first, then neurons in the order in which they run inside a window. Their neurons,
// senders, spikes, weights and delays are laid end to end. A connection has all synapses, and the entry of synapse (i,
// j) among the delays is `delay_start + i row_stride + j column_stride`; or it is sparse, a list of pairs that each
// have a delay, and its synapses are put in order of their senders (network/rows.h).
#pragma once

#include "../array.h"
#include "../physics/adjoint.h"

namespace ranvier::RANVIER_LEVEL {

// How a connection is delivered: event by event into a ring of windows, a whole row at once (one delay per sender, or
// one for all), or (per-neuron time constants) into the ring with exponentials for every event; or not at all, where
// nobody asks for a potential at any time: integrals need only the spikes (passes/integrals.h).
enum Mode { SCATTER, ROW, GENERAL, NOWHERE };

//
// Of a population may be wanted its potentials at `records` times, or summaries of its potential over the whole run:
// the highest (`peaked`, 0 or 1), and `integrals` weighted with exponentials. They are its rows of values, in this
// order. `near`: the highest potentials of its silent neurons are near misses.
struct Population {
    int64_t size, capacity, records, peaked, integrals,
        given;  // given: its first spikes, of which nothing is to be found
    bool near;
    int64_t peak_start, decay_start, neuron_start, sender_start, spike_start, record_start, value_start, given_start;
    int64_t in_first, in_last, out_first, out_last;  // in Plan::in_list and Plan::out_list
    bool mixed, ringed, followed;  // per-neuron time constants; has cells in the ring; goes from window to window

    int64_t watched() const { return peaked || near ? size : 0; }  // neurons whose highest potential is followed
};

struct Link {
    int64_t pre, post, synapses, delays, row_stride, column_stride;
    int64_t weight_start, delay_start, list_start, pair_start, row_start, column_start;
    Mode mode;
    bool sparse;
    double low;  // bound of its delays: only rounding takes them below

    bool scattered() const { return mode == SCATTER || mode == GENERAL; }
};

struct Plan {
    int64_t inputs, populations, links, threads;
    int64_t neurons, senders, weights, delays, lists, pairs, rows, columns, widest;
    int64_t places, input_places, given_places, record_times, values;  // of spikes, of those of inputs, per sample
    int64_t peaks, integrals;                  // neurons whose highest potential is followed; integrals
    bool started;                              // there are spikes from before t = 0
    bool scattered, turned, listed, gathered;  // is there a link that is SCATTER, scattered, ROW, has sums of x_u
    double t_end, longest_window;
    Parts parts;
    Array<Population> population;
    Array<Link> link;
    Array<int64_t> in_list, out_list;
    Array<double> decay;  // of each integral's weight e^{-decay t} (1/ms)
};

inline void read_population(Plan& plan, int64_t p, const int64_t* given) {
    Population& here = plan.population[p];
    here.size = given[0];
    here.capacity = given[1];
    here.mixed = given[2] != 0;
    here.records = given[3];
    here.peaked = given[4];
    here.integrals = given[5];
    here.given = given[6];
    here.near = given[7] != 0;
    const bool neurons = p >= plan.inputs;
    here.followed = neurons && (here.capacity > 0 || here.records > 0 || here.watched() > 0);
    here.neuron_start = plan.neurons;
    here.sender_start = plan.senders;
    here.spike_start = plan.places;
    here.record_start = plan.record_times;
    here.value_start = plan.values;
    here.peak_start = plan.peaks;
    here.decay_start = plan.integrals;
    here.given_start = plan.given_places;
    plan.given_places += here.given;
    plan.neurons += neurons ? here.size : 0;
    plan.senders += here.size;
    plan.places += here.capacity;
    plan.input_places += neurons ? 0 : here.capacity;
    plan.record_times += here.records;
    plan.values += (here.records + here.peaked + here.integrals) * here.size;
    plan.peaks += here.watched();
    plan.integrals += here.integrals;
    plan.widest = larger(plan.widest, here.size);
}

inline void read_link(Plan& plan, int64_t c, const int64_t* given, double low) {
    Link& here = plan.link[c];
    here.pre = given[0];
    here.post = given[1];
    const int64_t rows = given[2], columns = given[3], pairs = given[4];
    Population& post = plan.population[here.post];
    const Population& pre = plan.population[here.pre];
    here.sparse = pairs >= 0;
    here.mode = !post.followed ? NOWHERE : post.mixed ? GENERAL : columns == 1 && !here.sparse ? ROW : SCATTER;
    here.row_stride = rows > 1 ? columns : 0;
    here.column_stride = columns > 1 || here.sparse ? 1 : 0;
    here.synapses = here.sparse ? pairs : pre.size * post.size;
    here.delays = here.sparse ? pairs : rows * columns;
    here.low = low;
    here.weight_start = plan.weights;
    here.delay_start = plan.delays;
    here.list_start = plan.lists;
    here.pair_start = plan.pairs;
    here.row_start = plan.rows;
    here.column_start = plan.columns;
    plan.pairs += here.sparse ? pairs : 0;
    plan.rows += here.sparse ? pre.size + 1 : 0;
    plan.columns += here.sparse ? post.size + 1 : 0;
    plan.weights += here.synapses;
    plan.delays += here.delays;
    plan.lists += here.mode == ROW ? pre.capacity : 0;
    post.ringed = post.ringed || here.scattered();
    plan.scattered = plan.scattered || here.mode == SCATTER;
    plan.turned = plan.turned || here.scattered();
    plan.listed = plan.listed || here.mode == ROW;
    plan.gathered = plan.gathered || here.column_stride > 0;
}

inline void list_links(Plan& plan) {
    int64_t in = 0, out = 0;
    for (int64_t p = 0; p < plan.populations; ++p) {
        Population& here = plan.population[p];
        here.in_first = in;
        here.out_first = out;
        for (int64_t c = 0; c < plan.links; ++c) {
            if (plan.link[c].post == p) plan.in_list[in++] = c;
            if (plan.link[c].pre == p) plan.out_list[out++] = c;
        }
        here.in_last = in;
        here.out_last = out;
    }
}

// `given`: inputs, populations, links, threads, started; of each population size, capacity, mixed, records, peaked,
// integrals, given spikes, near; of each link pre, post, rows and columns of its delays, and its number of pairs or -1.
// `numbers`: t_end, longest window, the six numbers of `ranvier.gradients.Parts`, the lower bound of each link's
// delays, and the decay of each integral.
inline Plan read_plan(const int64_t* given, const double* numbers) {
    Plan plan{};
    plan.inputs = given[0];
    plan.populations = given[1];
    plan.links = given[2];
    plan.threads = given[3];
    plan.started = given[4] != 0;
    plan.t_end = numbers[0];
    plan.longest_window = numbers[1];
    plan.parts = {numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], numbers[3] > 0.0};
    plan.population = Array<Population>(plan.populations);
    plan.link = Array<Link>(plan.links);
    plan.in_list = Array<int64_t>(plan.links);
    plan.out_list = Array<int64_t>(plan.links);
    given += 5;
    for (int64_t p = 0; p < plan.populations; ++p, given += 8) read_population(plan, p, given);
    for (int64_t c = 0; c < plan.links; ++c, given += 5) read_link(plan, c, given, numbers[8 + c]);
    list_links(plan);
    plan.decay = Array<double>(plan.integrals);
    for (int64_t i = 0; i < plan.integrals; ++i) plan.decay[i] = numbers[8 + plan.links + i];
    return plan;
}

}  // namespace ranvier::RANVIER_LEVEL
