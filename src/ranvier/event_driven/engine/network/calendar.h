// Where to look for spikes by window.
//
// Spikes of a population are stored in time order and `first[p, k]` is the first one of window k, so the spikes that
// can arrive in a window are a contiguous range. For one delay per sender (ROW) arrivals do not depend on the receiver
// and are kept in lists, one for each connection and window (`head`, `link`).
#pragma once

#include "trains.h"

namespace ranvier::RANVIER_LEVEL {

// `first` (populations, windows + 2): first spike of a window. `head` (connections, windows) and `link`: lists of the
// spikes of a ROW connection that arrive in a window, -1 at the end. For the others, per sender: `recent`, a bit for
// each of the latest 64 groups of windows in which it fired, at the group's number modulo 64; `latest`, in a ring of
// windows, its last spike in each or before; and `sent`, of each spike, the sender's spike before it, -1 at the end: so
// the spikes of a window are at hand, however many followed. `row`: where the open window is in that ring. `group`:
// log2 of the windows in a group.
template <class Real>
struct Calendar {
    struct Sent {
        int32_t before, window;
        Real offset;
    };

    int64_t columns, senders, span, row = 0;
    Array<int32_t> first, head, link;
    Array<uint64_t> recent;
    Array<int32_t> latest;
    Array<Sent> sent;
    int group = 0;

    explicit Calendar(const Network<Real>& net)
        : columns(net.clock.windows + 2),
          senders(net.plan.senders),
          span(net.clock.span),
          first(net.plan.populations * columns),
          head(net.plan.listed ? net.plan.links * net.clock.windows : 0),
          link(net.plan.lists),
          recent(net.plan.senders),
          latest(net.plan.turned ? senders * span : 0),
          sent(net.plan.turned ? net.plan.places : 0) {
        while (((net.clock.span - 1) >> group) + (group > 0 ? 1 : 0) > BITS - 1) ++group;
    }

    // Forget the last sample.
    void clear(const Plan& plan, const Train<Real>& train) {
        head.fill(-1);
        recent.fill(0);
        row = span - 1;
        for (int64_t i = row * senders; i < latest.size(); ++i) latest[i] = -1;
        for (int64_t p = 0; p < plan.populations; ++p)
            first[p * columns] = static_cast<int32_t>(first_in_time(plan.population[p], train));
    }

    // Make room for the spikes of window k: those of BITS groups ago leave.
    void open(const Plan& plan, const Train<Real>& train, int64_t k) {
        for (int64_t p = 0; p < plan.populations; ++p) first[p * columns + k + 1] = first[p * columns + k];
        const int64_t last = row;
        row = row + 1 < span ? row + 1 : 0;
        if (plan.turned) copy<int32_t>(latest + last * senders, senders, latest + row * senders);
        const int64_t begin = k - (int64_t{BITS} << group);
        if (begin < 0 || (k & ((int64_t{1} << group) - 1)) != 0) return;
        const uint64_t bit = uint64_t{1} << ((k >> group) & (BITS - 1));
        for (int64_t p = 0; p < plan.populations; ++p) {
            const int32_t* window = first + p * columns + begin;
            for (int64_t q = window[0]; q < window[int64_t{1} << group]; ++q)
                recent[plan.population[p].sender_start + train.unit[q]] &= ~bit;
        }
    }

    // Spike q of a population happens in the window that is open; spikes of one sender come in their order.
    void remember(const Population& population, const Train<Real>& train, int64_t q) {
        const int64_t i = population.sender_start + train.unit[q];
        const int32_t k = train.window[q];
        const uint64_t bit = uint64_t{1} << ((k >> group) & (BITS - 1));
        recent[i] |= bit;
        if (latest.size() == 0) return;
        sent[q] = {latest[row * senders + i], k, train.offset[q]};
        latest[row * senders + i] = static_cast<int32_t>(q);
    }

    // The last spike of a sender in the window `shift` before the one that is open, or earlier.
    RANVIER_INLINE int32_t last_by(int64_t sender, int64_t shift) const {
        const int64_t at = row - shift;
        return latest[(at < 0 ? at + span : at) * senders + sender];
    }
};

struct Arrival {
    int64_t window;
    double offset;
};

// Window and offset at which a spike at `offset` of a window arrives through the delay at `entry`.
template <class Real>
RANVIER_INLINE Arrival arrival(const Network<Real>& net, int64_t window, Real offset, int64_t entry) {
    const Real frac = net.synapses.frac[entry];
    const int late = wraps(offset, frac, static_cast<Real>(net.clock.window));
    return {window + net.synapses.shift[entry] + late,
            static_cast<double>(static_cast<Real>(offset + frac)) - late * net.clock.window};
}

// The same of spike q.
template <class Real>
RANVIER_INLINE Arrival arrival(const Network<Real>& net, const Train<Real>& train, int64_t q, int64_t entry) {
    return arrival(net, train.window[q], train.offset[q], entry);
}

// Put spike q into the list of the window in which the ROW connection c delivers it.
template <class Real>
void schedule(const Network<Real>& net, Calendar<Real>& calendar, const Train<Real>& train, int64_t q, int64_t c) {
    const Link& link = net.plan.link[c];
    const int64_t k = arrival(net, train, q, link.delay_start + train.unit[q] * link.row_stride).window;
    if (k >= net.clock.windows) return;
    const int64_t node = link.list_start + q - net.plan.population[link.pre].spike_start;
    int32_t& head = calendar.head[c * net.clock.windows + k];
    calendar.link[node] = head;
    head = static_cast<int32_t>(q);
}

}  // namespace ranvier::RANVIER_LEVEL
