// The highest potential of a neuron without threshold, or of one that stays silent, over all of [0, t_end], and when it
// was reached.
//
// Between events u has at most one maximum, in closed form (physics/crossing.h). So the highest so far takes the place
// of the threshold that such a neuron does not have: windows in which the bound (physics/bound.h) stays below it are
// aggregated as any other, and only where u may get higher is the neuron taken from arrival to arrival. Of equal maxima
// the earliest counts.
//
// The adjoint needs to know when: a maximum is a record of the potential. Where u' = 0 its time does not matter. But u
// may also be highest where an event arrives that turns it, from a slope u'- > 0 to one u'+ < 0; then the time of the
// maximum is that of the event, and moves with it: du/dt = u'-. A record after the event sees `u'- - u'+` instead, one
// before it sees nothing. So the `share` u'-/(u'- - u'+) of the record is taken just after the event, the rest just
// before it. Of several events at one instant each then owes its part by weight.
//
// Of a silent neuron it is a near miss: a spike that might have been, which counts for
//
//     n = e^{(u - theta)/(near height)}        (`ranvier.gradients`)
//
// and is taken as it is before the events of its instant. One that is never above where it starts is none.
#pragma once

#include "../network/tables.h"
#include "../physics/crossing.h"
#include "moment.h"

namespace ranvier::RANVIER_LEVEL {

// Per neuron that is watched: the highest u so far, and when; `slope`: I - u there (0 where u' = 0), `jump`: what
// arrives at that very instant. `limit`: its threshold, `bar`: what u has to exceed to be higher, which rest does not,
// or to fire.
struct Peaks {
    Array<double> highest, bar, limit, offset, slope, jump;
    Array<int64_t> window;

    explicit Peaks(int64_t n) : highest(n), bar(n), limit(n), offset(n), slope(n), jump(n), window(n) {}

    void meet(int64_t at, double u, const Moment& when, double rising) {
        if (!(u > highest[at])) return;
        highest[at] = u;
        bar[at] = smaller(u == 0.0 ? 1e-300 : u, limit[at]);
        window[at] = when.window;
        offset[at] = when.offset;
        slope[at] = rising;
        jump[at] = 0.0;
    }

    // At the start of a sample, in window `first`.
    void clear(const Plan& plan, const double* u, const double* theta, int64_t first) {
        highest.fill(-INFINITY);
        for (int64_t p = plan.inputs; p < plan.populations && highest.size() > 0; ++p) {
            const Population& population = plan.population[p];
            for (int64_t j = 0; j < population.watched(); ++j) {
                const int64_t at = population.peak_start + j, n = population.neuron_start + j;
                limit[at] = population.near ? theta[n] : INFINITY;
                meet(at, u[n], {first, 0.0}, 0.0);
            }
        }
    }

    // It fires, or did before: nothing is followed any more.
    void forget(int64_t at) {
        highest[at] = INFINITY;
        bar[at] = limit[at];
    }

    bool silent(int64_t at) const { return highest[at] < INFINITY; }

    // At the start of window k, with I - u = `rising`: the end of the one before is the same instant.
    void begin(int64_t at, int64_t k, double length, double rising) {
        const bool now = window[at] == k && offset[at] == 0.0;
        if (!now && !(window[at] == k - 1 && offset[at] == length)) return;
        window[at] = k;
        offset[at] = 0.0;
        slope[at] = rising;
        jump[at] = 0.0;
    }

    // An event arrives.
    void arrive(int64_t at, int64_t k, double t, double weight) {
        if (window[at] == k && offset[at] == t) jump[at] += weight;
    }

    // What is recorded just after the events of the instant.
    double share(int64_t at) const {
        return slope[at] > 0.0 && jump[at] < 0.0 ? smaller(slope[at] / -jump[at], 1.0) : 0.0;
    }
};

// Let (I, u) flow for `span` ms without events, and meet the highest potential on the way.
RANVIER_APART inline void rise(Peaks& peaks, int64_t at, double& current, double& u, const Rates& rates, double span,
                               const Moment& from, const Moment& to, double window) {
    if (!(span > 0.0)) return;
    const double top = current > u && current > 0.0 ? peak_time(current, u, rates) : INFINITY;
    if (top < span) {
        const Passed there = flow(top, rates);
        peaks.meet(at, u * there.mem + current * there.kernel, after(from.window, from.offset, top, window), 0.0);
    }
    const Passed passed = flow(span, rates);
    u = u * passed.mem + current * passed.kernel;
    current *= passed.syn;
    peaks.meet(at, u, to, current - u);
}

// What the highest potential of neuron n counts for as a near miss; 0 if it is none.
template <class Real>
double missed(const Network<Real>& net, const Peaks& peaks, int64_t at, int64_t n) {
    const bool some = peaks.silent(at) && (peaks.window[at] > net.clock.before || peaks.offset[at] > 0.0);
    return some ? exp((peaks.highest[at] - net.neurons.theta[n]) / (net.plan.parts.near * net.neurons.height[n])) : 0.0;
}

// Write the highest potentials of a sample among its values, and what the backward pass needs: the windows, and the
// offsets followed by the shares, or by what near misses count for; window -1 where there is none.
template <class Real>
void write_peaks(const Network<Real>& net, const Peaks& peaks, Real* value, int32_t* window, Real* peak) {
    const Plan& plan = net.plan;
    for (int64_t p = plan.inputs; p < plan.populations; ++p) {
        const Population& population = plan.population[p];
        Real* row = value + population.value_start + population.records * population.size;
        for (int64_t j = 0; j < population.watched(); ++j) {
            const int64_t at = population.peak_start + j;
            const double part = population.near ? missed(net, peaks, at, population.neuron_start + j) : peaks.share(at);
            if (population.peaked) row[j] = static_cast<Real>(peaks.highest[at]);
            window[at] = population.near && part == 0.0 ? -1 : static_cast<int32_t>(peaks.window[at]);
            peak[at] = static_cast<Real>(peaks.offset[at]);
            peak[plan.peaks + at] = static_cast<Real>(part);
        }
    }
}

}  // namespace ranvier::RANVIER_LEVEL
