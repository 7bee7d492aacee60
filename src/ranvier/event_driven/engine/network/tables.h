// The tables of a network: constants of neurons and of synapses that every sample of a batch shares.
#pragma once

#include "../call.h"
#include "../physics/bound.h"
#include "../simd.h"
#include "rows.h"

namespace ranvier::RANVIER_LEVEL {

// Into so many windows a simulation is cut at most: beyond, a mistake in a time constant is likelier than patience.
constexpr int64_t MOST_WINDOWS = int64_t{1} << 22;

// Largest window in units of the smallest time constant: beyond, e^{f/tau} costs digits.
template <class Real>
constexpr double SAFE = sizeof(Real) == 8 ? 8.0 : 2.0;

template <class Real>
constexpr double ROUNDING = sizeof(Real) == 8 ? 0x1p-52 : 0x1p-23;

// Windows: their length (ms), their number, how much of the last one counts, and the number that a spike can span (a
// ring has room for `span` windows: the next takes the place of the one that has passed). Of them, `before` lie before
// t = 0: spikes that happened there are known, and neurons begin after them.
struct Clock {
    double window;
    int64_t windows, before;
    double last;
    int64_t span;
    double margin;
};

// Per neuron, float64: rates, threshold and reset relative to rest, refractory time, the unit of a spike's value, and
// what one window does to it. Rest is where a neuron relaxes to; with a bias it may be above threshold.
struct Membranes {
    Array<Rates> rates;
    Array<double> theta, rho, refractory, height;
    Array<Course> over;
    Array<double> syn, mem, kernel;          // those of `over`, side by side
    Array<double> rate_mem, rate_syn, gain;  // those of `rates`
};

// Weights and delays, flat. A delay is `shift` windows plus `frac` ms.
//
// `cell` says where in a ring the target's cell is, counted from the emission window's first and on around the ring;
// `decay_syn = e^{frac/tau_syn}`, `kernel = kappa(-frac)`, and (`into_current`, `into_u`) are weight decay_syn and
// weight kernel: the (I, u) of an event, taken back by frac. `shift_t` and `arriving` (pairs of `frac` and weight) are
// copies in order of the receivers, so that what arrives at one neuron is contiguous. `longest`: largest shift of each
// connection.
template <class Real>
struct Synapses {
    const Real* weight;
    Array<int32_t> shift, cell;
    Array<Real> frac, decay_syn, kernel, into_current, into_u;
    Array<int32_t> shift_t;
    Array<Real> arriving;
    Array<int64_t> longest;
    Rows rows;
    Array<Real> ordered;  // weights, where they are not in order as they are given
};

template <class Real>
struct Network {
    const Plan& plan;
    Clock clock;
    Membranes neurons;
    Synapses<Real> synapses;
};

// The numbers of a network, as they were given.
template <class Real>
struct Given {
    const Real *weight, *delay, *theta, *rho, *refractory, *tau_mem, *tau_syn, *height;
    const int32_t *pre, *post;
};

// Windows and rest of a delay; a rest within a rounding of the window's end is moved by it: see `wraps`.
template <class Real>
inline void split_delay(Synapses<Real>& synapses, int64_t e, Real delay, const Clock& clock) {
    const double k = smaller(floor(static_cast<double>(delay) / clock.window), static_cast<double>(clock.before + 1));
    synapses.shift[e] = static_cast<int32_t>(k);
    synapses.frac[e] = static_cast<Real>(smaller(delay - k * clock.window, clock.window * (1.0 - ROUNDING<Real>)));
}

// What one synapse's events bring, and its copy among those of its receiver.
template <class Real>
RANVIER_INLINE void copy_synapse(const Link& link, Synapses<Real>& synapses, int64_t slot, int64_t e, int64_t turned) {
    const Real w = synapses.weight[slot];
    synapses.shift_t[turned] = synapses.shift[e];
    synapses.arriving[2 * turned] = synapses.frac[e];
    synapses.arriving[2 * turned + 1] = w;
    if (link.mode != SCATTER) return;
    synapses.into_current[slot] = w * synapses.decay_syn[e];
    synapses.into_u[slot] = w * synapses.kernel[e];
}

template <class Real>
void copy_turned(const Plan& plan, const Link& link, Synapses<Real>& synapses) {
    const int64_t pre = plan.population[link.pre].size, post = plan.population[link.post].size;
    if (link.sparse) {
        for (int64_t s = 0; s < link.synapses; ++s)
            copy_synapse(link, synapses, link.weight_start + s, link.delay_start + s,
                         link.weight_start + synapses.rows.turned[link.pair_start + s]);
        return;
    }
    for (int64_t i = 0; i < pre; ++i) {
        const int64_t row = link.weight_start + i * post, delays = link.delay_start + i * link.row_stride;
        for (int64_t j = 0; j < post; ++j)
            copy_synapse(link, synapses, row + j, delays + j * link.column_stride, link.weight_start + j * pre + i);
    }
}

// e^{frac/tau_syn} and kappa(-frac), as exact as `flow_in_sums`.
template <class Real>
void take_back(const Rates& rates, const Real* frac, int64_t count, Real* decay_syn, Real* kernel) {
    constexpr int N = 8;
    int64_t e = 0;
    const double gain = fabs(rates.gain);
    for (; 0.0 < gain && gain < CLOSE && e + N <= count; e += N) {
        const Vec<double, N> passed = __builtin_convertvector(load<N>(frac + e), Vec<double, N>);
        const Vec<double, N> syn = exponentials<N>(passed * rates.syn), mem = exponentials<N>(passed * rates.mem);
        store(decay_syn + e, __builtin_convertvector(syn, Vec<Real, N>));
        store(kernel + e, __builtin_convertvector(rates.gain * (syn - mem), Vec<Real, N>));
    }
    for (; e < count; ++e) {
        const Passed passed = flow_in_sums(-static_cast<double>(frac[e]), rates);
        decay_syn[e] = static_cast<Real>(passed.syn);
        kernel[e] = static_cast<Real>(passed.kernel);
    }
}

template <class Real>
void fill_link(Network<Real>& net, int64_t c, const Real* delay) {
    const Plan& plan = net.plan;
    const Link& link = plan.link[c];
    Synapses<Real>& synapses = net.synapses;
    const Population& post = plan.population[link.post];
    const Rows& rows = synapses.rows;
    for (int64_t at = 0; at < link.delays; ++at) {
        const int64_t e = link.delay_start + at, from = link.sparse ? rows.given[link.pair_start + at] : at;
        split_delay(synapses, e, larger(delay[link.delay_start + from], static_cast<Real>(link.low)), net.clock);
        synapses.longest[c] = larger<int64_t>(synapses.longest[c], synapses.shift[e]);
        const int64_t j = link.sparse ? rows.target[link.pair_start + at] : at % post.size;
        const int64_t column = link.column_stride ? j + post.neuron_start : 0;
        synapses.cell[e] = static_cast<int32_t>(synapses.shift[e] * plan.neurons + column);
    }
    if (link.mode == SCATTER)
        take_back(net.neurons.rates[post.neuron_start], synapses.frac + link.delay_start, link.delays,
                  synapses.decay_syn + link.delay_start, synapses.kernel + link.delay_start);
    if (link.scattered()) copy_turned(plan, link, synapses);
}

// Rates and what one window does to a neuron's state; `window` is known once all rates are.
template <class Real>
void fill_neurons(Network<Real>& net, const Given<Real>& given) {
    Membranes& neurons = net.neurons;
    double shortest = INFINITY;
    for (int64_t n = 0; n < net.plan.neurons; ++n) {
        const Rates& rates = neurons.rates[n] = rates_of(given.tau_mem[n], given.tau_syn[n]);
        neurons.rate_mem[n] = rates.mem;
        neurons.rate_syn[n] = rates.syn;
        neurons.gain[n] = rates.gain;
        shortest = smaller(shortest, smaller<double>(given.tau_mem[n], given.tau_syn[n]));
        neurons.theta[n] = given.theta[n];
        neurons.rho[n] = given.rho[n];
        neurons.refractory[n] = given.refractory[n];
        neurons.height[n] = given.height[n];
    }
    // a power of two, so that splitting a time into window and offset is exact
    const double longest = smaller(net.plan.longest_window, SAFE<Real> * shortest);
    net.clock.window = exp2(floor(log2(longest) + 1e-12));
    for (int64_t n = 0; n < net.plan.neurons; ++n) {
        const Course& over = neurons.over[n] = course(net.clock.window, neurons.rates[n]);
        neurons.syn[n] = over.syn;
        neurons.mem[n] = over.mem;
        neurons.kernel[n] = over.kernel;
    }
}

template <class Real>
Network<Real> empty_network(const Plan& plan, const Real* weight) {
    const int64_t scattered = plan.scattered ? plan.weights : 0, turned = plan.turned ? plan.weights : 0;
    const int64_t n = plan.neurons, d = plan.delays;
    constexpr Pages large = Pages::LARGE;
    return {
        plan,
        {},
        {Array<Rates>(n), Array<double>(n), Array<double>(n), Array<double>(n), Array<double>(n), Array<Course>(n),
         Array<double>(n), Array<double>(n), Array<double>(n), Array<double>(n), Array<double>(n), Array<double>(n)},
        {weight, Array<int32_t>(d, large), Array<int32_t>(d, large), Array<Real>(d, large), Array<Real>(d, large),
         Array<Real>(d, large), Array<Real>(scattered, large), Array<Real>(scattered, large),
         Array<int32_t>(turned, large), Array<Real>(2 * turned, large), Array<int64_t>(plan.links), Rows(plan),
         Array<Real>(plan.pairs > 0 ? plan.weights : 0)}};
}

// Weights in order of their senders.
template <class Real>
void put_in_order(const Plan& plan, const Given<Real>& given, Synapses<Real>& synapses) {
    if (plan.pairs == 0) return;
    for (int64_t c = 0; c < plan.links; ++c) {
        const Link& link = plan.link[c];
        const Real* from = given.weight + link.weight_start;
        Real* to = synapses.ordered + link.weight_start;
        if (link.sparse) synapses.rows.fill(plan, link, given.pre + link.pair_start, given.post + link.pair_start);
        const int32_t* order = synapses.rows.given + link.pair_start;
        for (int64_t s = 0; s < link.synapses; ++s) to[s] = from[link.sparse ? order[s] : s];
    }
    synapses.weight = synapses.ordered;
}

// Make the tables of a network that keeps the rules; 0, or the status that refuses it.
template <class Real>
int32_t fill(Network<Real>& net, const Given<Real>& given) {
    const Plan& plan = net.plan;
    Clock& clock = net.clock;
    fill_neurons(net, given);
    put_in_order(plan, given, net.synapses);
    const double windows = larger(1.0, ceil(plan.t_end / clock.window));
    if (!(windows <= MOST_WINDOWS)) return IS_WINDOWS;
    clock.windows = static_cast<int64_t>(windows);
    clock.before = plan.started ? MOST_WINDOWS : clock.windows;  // the longest delay that counts
    clock.last = plan.t_end - (windows - 1.0) * clock.window;
    clock.margin = sizeof(Real) == 8 ? 1e-10 : 1e-5;
    int64_t longest = 0;
    for (int64_t c = 0; c < plan.links; ++c) {
        fill_link(net, c, given.delay);
        longest = larger(longest, net.synapses.longest[c]);
    }
    clock.span = longest + 2;
    clock.before = plan.started ? clock.span : 0;
    clock.windows += clock.before;
    return LANES * clock.span * plan.neurons >= int64_t{1} << 31 ? IS_RING : 0;
}

// Target of a synapse: number n of a row, whose delay is at `entry`.
template <class Real>
RANVIER_INLINE int64_t target_of(const Network<Real>& net, const Link& link, int64_t n, int64_t entry) {
    if (!link.sparse) return net.plan.population[link.post].neuron_start + n;
    return net.synapses.cell[entry] - net.synapses.shift[entry] * net.plan.neurons;
}

}  // namespace ranvier::RANVIER_LEVEL
