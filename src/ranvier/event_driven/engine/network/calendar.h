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
// each of the latest 64 windows in which it fired, at the window's number modulo 64; `latest`, in a ring of windows,
// its last spike in each or before; and `sent`, of each spike, the sender's spike before it, -1 at the end: so the
// spikes of a window are at hand, however many followed. `row`: where the open window is in that ring. Where delays are
// longer than 64 windows, a sender has several words, in a ring with the open window's at `word`: each begins HALF
// windows after the one before, so that two windows that follow each other are in one of them.
constexpr int HALF = BITS / 2;

template <class Real>
struct Calendar {
    struct Sent {
        int32_t before, window;
        Real offset;
    };

    int64_t columns, senders, span, words, row = 0, word = 0;
    Array<int32_t> first, head, link;
    Array<uint64_t> recent;
    Array<int32_t> latest;
    Array<Sent> sent;

    explicit Calendar(const Network<Real>& net)
        : columns(net.clock.windows + 2),
          senders(net.plan.senders),
          span(net.clock.span),
          words(span <= BITS ? 1 : span / HALF + 3),
          first(net.plan.populations * columns),
          head(net.plan.listed ? net.plan.links * net.clock.windows : 0),
          link(net.plan.lists),
          recent(words * senders),
          latest(net.plan.turned ? senders * span : 0),
          sent(net.plan.turned ? net.plan.places : 0) {}

    // Forget the last sample.
    void clear(const Plan& plan, const Train<Real>& train) {
        head.fill(-1);
        recent.fill(0);
        row = span - 1;
        word = words - 1;
        for (int64_t i = row * senders; i < latest.size(); ++i) latest[i] = -1;
        for (int64_t p = 0; p < plan.populations; ++p)
            first[p * columns] = static_cast<int32_t>(first_in_time(plan.population[p], train));
    }

    // Make room for the spikes of window k: those of BITS windows ago leave, or the oldest words. `asked`: whether a
    // spike of window k could still be asked for when something happens next.
    void open(const Plan& plan, const Train<Real>& train, int64_t k, bool asked = true) {
        for (int64_t p = 0; p < plan.populations; ++p) first[p * columns + k + 1] = first[p * columns + k];
        if (plan.turned && asked) {
            const int64_t last = row;
            row = row + 1 < span ? row + 1 : 0;
            copy<int32_t>(latest + last * senders, senders, latest + row * senders);
        }
        if (words > 1 && k % HALF == 0) {
            word = word + 1 < words ? word + 1 : 0;
            memset(recent + word * senders, 0, static_cast<size_t>(senders) * sizeof(uint64_t));
        }
        if (words > 1 || k < BITS) return;
        for (int64_t p = 0; p < plan.populations; ++p) {
            const int32_t* window = first + p * columns + k - BITS;
            for (int64_t q = window[0]; q < window[1]; ++q)
                recent[plan.population[p].sender_start + train.unit[q]] &= ~(uint64_t{1} << (k % BITS));
        }
    }

    // Spike q of a population happens in the window that is open; spikes of one sender come in their order.
    void remember(const Population& population, const Train<Real>& train, int64_t q) {
        const int64_t i = population.sender_start + train.unit[q];
        const int32_t k = train.window[q];
        if (words > 1) {
            recent[word * senders + i] |= uint64_t{1} << (k % HALF);
            recent[(word > 0 ? word : words) * senders - senders + i] |= uint64_t{1} << (k % HALF + HALF);
        } else {
            recent[i] |= uint64_t{1} << (k % BITS);
        }
        if (latest.size() == 0) return;
        sent[q] = {latest[row * senders + i], k, train.offset[q]};
        latest[row * senders + i] = static_cast<int32_t>(q);
    }

    // The word of a sender in which window `place` is one of the first HALF; window k is open. There are several words.
    RANVIER_INLINE uint64_t word_of(int64_t sender, int32_t place, int32_t k) const {
        const int64_t at = word - (k / HALF - (place >> 5));
        return recent[(at < 0 ? at + words : at) * senders + sender];
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
