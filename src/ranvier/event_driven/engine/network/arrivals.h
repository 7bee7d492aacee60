// What arrives at one neuron in one window, in time order: the exact path needs nothing else.
#pragma once

#include "calendar.h"

namespace ranvier::RANVIER_LEVEL {

// Up to so many arrivals are put in order by counting, for each, those before it: no branch to mispredict.
constexpr int64_t FEW = 96;

// Arrivals at one neuron in one window: offset (ms) and weight.
struct Arrivals {
    Array<double> offset, weight;

    explicit Arrivals(int64_t room) : offset(room), weight(room) {}
};

// Arrivals of one window that all neurons of a population share: offset, which spike, through which connection.
struct Shared {
    Array<double> offset;
    Array<Pair<int32_t>> tag;

    explicit Shared(int64_t room) : offset(room), tag(room) {}
};

// Room for one look-up: every spike of every sender of one population, and one vector more.
template <class Real>
struct LookUp {
    Shared rows;
    Arrivals loose, sorted;
    Array<uint64_t> marks;
    Array<uint32_t> senders;
    Array<uint64_t> recent;
    Array<int64_t> ranks;

    static int64_t most(const Plan& plan) {
        int64_t most = 1;
        for (int64_t p = plan.inputs; p < plan.populations; ++p) {
            int64_t total = 0;
            for (int64_t at = plan.population[p].in_first; at < plan.population[p].in_last; ++at)
                total += plan.population[plan.link[plan.in_list[at]].pre].capacity;
            most = larger(most, total);
        }
        return most + 8;
    }

    explicit LookUp(const Plan& plan)
        : rows(most(plan)),
          loose(most(plan)),
          sorted(most(plan)),
          marks(plan.widest / BITS + 1),
          senders(mark_room(plan.widest) + USUAL),
          recent(plan.widest),
          ranks(FEW + 8) {}
};

// Steps of Shell's sort (Ciura's).
constexpr int64_t GAPS[] = {701, 301, 132, 57, 23, 10, 4, 1};

// Shell's sort by offset; what belongs to it goes along.
template <class Other>
void sort(double* offset, Other* other, int64_t count) {
    for (const int64_t gap : GAPS) {
        for (int64_t a = gap; a < count; ++a) {
            const double moved = offset[a];
            const Other its = other[a];
            int64_t b = a;
            for (; b >= gap && offset[b - gap] > moved; b -= gap) {
                offset[b] = offset[b - gap];
                other[b] = other[b - gap];
            }
            offset[b] = moved;
            other[b] = its;
        }
    }
}

// Copy arrivals in order of their offsets; those of one instant keep no particular order, and need none.
inline void order(Arrivals& from, int64_t count, Arrivals& to, int64_t* places) {
    if (count > FEW) {
        copy<double>(from.offset, count, to.offset);
        copy<double>(from.weight, count, to.weight);
        sort<double>(to.offset, to.weight, count);
        return;
    }
    for (int64_t a = count; a < count + 8; ++a) from.offset[a] = INFINITY;
    ranks(from.offset, count, places);
    for (int64_t a = 0; a < count; ++a) {
        to.offset[places[a]] = from.offset[a];
        to.weight[places[a]] = from.weight[a];
    }
}

// What arrives by ROW connections in window k, in time order: the same at all of population p, weights apart.
template <class Real>
int64_t collect_rows(const Network<Real>& net, const Calendar<Real>& calendar, const Train<Real>& train, int64_t k,
                     int64_t p, Shared& rows) {
    const Plan& plan = net.plan;
    int64_t found = 0;
    for (int64_t at = plan.population[p].in_first; at < plan.population[p].in_last; ++at) {
        const int64_t c = plan.in_list[at];
        const Link& link = plan.link[c];
        if (link.mode != ROW) continue;
        const int64_t base = link.list_start - plan.population[link.pre].spike_start;
        for (int32_t q = calendar.head[c * net.clock.windows + k]; q >= 0; q = calendar.link[base + q]) {
            rows.offset[found] = arrival(net, train, q, link.delay_start + train.unit[q] * link.row_stride).offset;
            rows.tag[found++] = {static_cast<int32_t>(c), q};
        }
    }
    sort<Pair<int32_t>>(rows.offset, rows.tag, found);
    return found;
}

// Words of the windows from which the spikes of a column's senders could arrive in window k, where they do not already
// stand side by side.
template <class Real>
const uint64_t* words_of(const Calendar<Real>& calendar, int64_t start, const Column& column, const int32_t* shift,
                         int64_t k, Array<uint64_t>& room) {
    const uint64_t* recent = calendar.recent + start;
    if (calendar.words == 1 && column.sender == nullptr) return recent;
    const int32_t now = static_cast<int32_t>(k);
    for (int64_t i = 0; i < column.count; ++i) {
        const int64_t sender = column.sender ? column.sender[i] : i;
        room[i] = calendar.words == 1 ? recent[sender] : calendar.word_of(start + sender, now - 1 - shift[i], now);
    }
    return room;
}

// One bit for each of `count` senders that fired in one of the two windows from which a spike could arrive in window k.
inline void mark(const uint64_t* recent, const int32_t* shift, int64_t count, int64_t k, int bits, uint64_t* marks) {
    memset(marks, 0, static_cast<size_t>(count / BITS + 1) * sizeof(uint64_t));
    const int32_t latest = static_cast<int32_t>(k) - 1;
    int64_t i = 0;
    for (; i + 8 <= count; i += 8) {
        const Vec<int32_t, 8> place = (latest - load<8>(shift + i)) & (bits - 1);
        const Vec<uint64_t, 8> first = __builtin_convertvector(place, Vec<uint64_t, 8>);
        const Vec<uint64_t, 8> second = __builtin_convertvector((place + 1) & (BITS - 1), Vec<uint64_t, 8>);
        const Vec<uint64_t, 8> word = load<8>(recent + i);
        marks[i / BITS] |= uint64_t{bits_of_words(((word >> first) | (word >> second)) & 1)} << (i % BITS);
    }
    for (; i < count; ++i) {
        const int first = (latest - shift[i]) & (bits - 1), second = (first + 1) & (BITS - 1);
        marks[i / BITS] |= (((recent[i] >> first) | (recent[i] >> second)) & 1) << (i % BITS);
    }
}

// Spikes of the listed senders that arrive in window k, by the one rule. Every candidate is written down, and
// overwritten by the next if it is none: half of them are, in no order that a processor could predict.
template <class Real>
int64_t look_up(const Network<Real>& net, const Calendar<Real>& calendar, int64_t start, const Column& column,
                int64_t hits, int64_t k, int64_t found, LookUp<Real>& room) {
    const int32_t* shift = net.synapses.shift_t + column.slot;
    const Real *arriving = net.synapses.arriving + 2 * column.slot, window = static_cast<Real>(net.clock.window);
    Arrivals& into = room.loose;
    for (int64_t hit = 0; hit < hits; ++hit) __builtin_prefetch(arriving + 2 * room.senders[hit]);
    for (int64_t hit = 0; hit < hits; ++hit) {
        const int64_t i = room.senders[hit], emitted = k - shift[i];
        const Real frac = arriving[2 * i], weight = arriving[2 * i + 1];
        int32_t q = emitted < 0 ? -1 : calendar.last_by(start + (column.sender ? column.sender[i] : i), shift[i]);
        while (q >= 0) {
            const auto [before, happened, offset] = calendar.sent[q];
            const int64_t late = emitted - happened;
            if (late > 1) break;
            into.offset[found] = static_cast<double>(static_cast<Real>(offset + frac)) - late * net.clock.window;
            into.weight[found] = weight;
            found += wraps(offset, frac, window) == late ? 1 : 0;
            q = before;
        }
    }
    return found;
}

// All arrivals at neuron j of population p in window k, in time order in `room.sorted`, the first `count` of
// `room.rows` included; their number.
template <class Real>
int64_t collect(const Network<Real>& net, const Calendar<Real>& calendar, const Train<Real>& train, int64_t k,
                int64_t p, int64_t j, int64_t count, LookUp<Real>& room) {
    const Plan& plan = net.plan;
    int64_t found = count;
    for (int64_t at = plan.population[p].in_first; at < plan.population[p].in_last; ++at) {
        const Link& link = plan.link[plan.in_list[at]];
        if (!link.scattered()) continue;
        const int64_t start = plan.population[link.pre].sender_start;
        const Column column = column_of(plan, net.synapses.rows, link, j);
        const int32_t* shift = net.synapses.shift_t + column.slot;
        const uint64_t* recent = words_of(calendar, start, column, shift, k, room.recent);
        mark(recent, shift, column.count, k, calendar.words > 1 ? HALF : BITS, room.marks);
        const int64_t hits = list_bits(room.marks, column.count, room.senders);
        found = look_up(net, calendar, start, column, hits, k, found, room);
    }
    Arrivals& into = found > count ? room.loose : room.sorted;
    for (int64_t a = 0; a < count; ++a) {
        const auto [c, q] = room.rows.tag[a];
        into.offset[a] = room.rows.offset[a];
        const Link& link = plan.link[c];
        into.weight[a] = net.synapses.weight[link.weight_start + train.unit[q] * plan.population[p].size + j];
    }
    if (found > count) order(room.loose, found, room.sorted, room.ranks);
    return found;
}

}  // namespace ranvier::RANVIER_LEVEL
