// One neuron through one window, event by event: where it crosses threshold, and what it is at the end.
#pragma once

#include "../network/arrivals.h"
#include "../physics/crossing.h"
#include "moment.h"

namespace ranvier::RANVIER_LEVEL {

// The spikes of one neuron in one window: offset, slope at threshold, slope at the restart.
struct Fired {
    Array<double> offset, slope, restart;

    explicit Fired(int64_t room) : offset(room), slope(room), restart(room) {}
};

// A neuron's numbers for a walk. `until` is the offset at which its refractory period ends, -1 if it is in none.
// `end` is where this window ends; `ahead`: current and potential there if there is no spike; `once`: at most one
// spike.
struct Walker {
    double current, u, until;
    Rates rates;
    double theta, rho, refractory;
    double window, end;
    Leap ahead;
    bool once;
    double resumed;  // out: the slope at which the period that held it at the start was left, NaN if it was not
    int64_t count;   // out: spikes
};

// Where potentials are recorded: offsets, and places `stride` apart.
template <class Real>
struct Due {
    const double* offset;
    int64_t count;
    Real* potential;
    int64_t stride;
};

// Leave the refractory period at its end, or stay in it until `stop`; true if it still lasts.
inline bool hold(Walker& it, double& t, double stop, Fired& fired) {
    const double leave = smaller(larger(it.until, t), stop);
    it.current *= exponential((t - leave) * it.rates.syn);
    t = leave;
    if (it.until > stop) return true;
    it.until = -1.0;
    (it.count == 0 ? it.resumed : fired.restart[it.count - 1]) = (it.current - it.rho) * it.rates.mem;
    return false;
}

// Write a spike at t down, and reset; true if the walk is over: no second spike can follow in a window without records.
// The flow is linear: a spike then only takes `(theta - rho) e^{-(end - t)/tau_mem}` from the potential at the window's
// end, and what arrives after it need not be looked at.
inline bool spike(Walker& it, double t, bool whole, int64_t room, Fired& fired) {
    it.u = it.rho;
    fired.offset[it.count] = t;
    fired.slope[it.count] = (it.current - it.theta) * it.rates.mem;
    fired.restart[it.count] = it.refractory == 0.0 ? (it.current - it.rho) * it.rates.mem : 0.0;
    ++it.count;
    const double held = it.count < room ? it.refractory : INFINITY;
    if (held > 0.0) {
        it.until = t + held;
        if (!(whole && it.until > it.end)) return false;
        it.current = it.ahead.current;
        return true;
    }
    if (!(whole && it.once)) return false;
    it.current = it.ahead.current;
    it.u = it.ahead.u - (it.theta - it.rho) * exponential((t - it.end) * it.rates.mem);
    return true;
}

// From arrival to arrival, every crossing, reset and restart on the way.
template <class Real>
void walk(Walker& it, const Arrivals& arrivals, int64_t found, const Due<Real>& due, Fired& fired) {
    const bool whole = due.count == 0 && it.end == it.window;
    const int64_t room = fired.offset.size();
    double t = 0.0;
    int64_t a = 0, r = 0;
    it.resumed = NAN;
    it.count = 0;
    while (true) {
        double stop = a < found ? smaller(it.end, arrivals.offset[a]) : it.end;
        if (r < due.count) stop = smaller(stop, due.offset[r]);
        while (true) {
            if (it.until >= 0.0 && hold(it, t, stop, fired)) break;
            const Leap to = leap(it.current, it.u, it.theta, it.rates, stop - t);
            it.current = to.current;
            it.u = to.u;
            if (to.s < 0.0) break;
            t += to.s;
            if (spike(it, t, whole, room, fired)) return;
        }
        t = stop;
        if (r < due.count && due.offset[r] <= stop) {
            due.potential[r * due.stride] = static_cast<Real>(it.u);
            ++r;
        } else if (a < found && arrivals.offset[a] <= stop) {
            if (t < it.end) it.current += arrivals.weight[a];  // at the very end it is left to what goes on from there
            ++a;
        } else {
            return;
        }
    }
}

}  // namespace ranvier::RANVIER_LEVEL
