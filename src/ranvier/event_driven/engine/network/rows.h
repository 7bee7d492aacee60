// The synapses of sparse connections, in order of their senders, and of their receivers.
#pragma once

#include "plan.h"

namespace ranvier::RANVIER_LEVEL {

// Per pair, in order of the senders: `given`, its place in the list, `target`, its receiver, and `turned`, its place in
// order of the receivers; in that order `sender`. `row` and `column` say where those of a sender or a receiver begin.
// Pairs of a connection begin at `pair_start`, rows at `row_start`, columns at `column_start`.
struct Rows {
    Array<int32_t> given, target, turned, sender, row, column;

    explicit Rows(const Plan& plan)
        : given(plan.pairs),
          target(plan.pairs),
          turned(plan.pairs),
          sender(plan.pairs),
          row(plan.rows),
          column(plan.columns) {}

    // Sort a connection's pairs by counting.
    void fill(const Plan& plan, const Link& link, const int32_t* pre, const int32_t* post) {
        const int64_t senders = plan.population[link.pre].size, receivers = plan.population[link.post].size;
        int32_t *first = row + link.row_start, *top = column + link.column_start;
        count(pre, link.synapses, senders, first);
        count(post, link.synapses, receivers, top);
        int32_t *order = given + link.pair_start, *to = target + link.pair_start, *back = turned + link.pair_start;
        for (int64_t s = 0; s < link.synapses; ++s) order[first[pre[s]]++] = static_cast<int32_t>(s);
        for (int64_t i = senders; i > 0; --i) first[i] = first[i - 1];
        first[0] = 0;
        for (int64_t s = 0; s < link.synapses; ++s) {
            to[s] = post[order[s]];
            back[s] = top[to[s]]++;
            sender[link.pair_start + back[s]] = pre[order[s]];
        }
        for (int64_t j = receivers; j > 0; --j) top[j] = top[j - 1];
        top[0] = 0;
    }

private:
    // Where the pairs of each of `size` neurons begin when they are in order.
    static void count(const int32_t* neuron, int64_t pairs, int64_t size, int32_t* first) {
        for (int64_t i = 0; i <= size; ++i) first[i] = 0;
        for (int64_t s = 0; s < pairs; ++s) ++first[neuron[s] + 1];
        for (int64_t i = 0; i < size; ++i) first[i + 1] += first[i];
    }
};

// The synapses of one sender: `count` neighbours, from `slot` on among the weights, from `entry` on among the delays.
struct Row {
    int64_t slot, entry, count;
};

inline Row row_of(const Plan& plan, const Rows& rows, const Link& link, int64_t i) {
    if (link.sparse) {
        const int32_t* first = rows.row + link.row_start + i;
        return {link.weight_start + first[0], link.delay_start + first[0], first[1] - first[0]};
    }
    const int64_t size = plan.population[link.post].size;
    return {link.weight_start + i * size, link.delay_start + i * link.row_stride, size};
}

// The synapses onto one receiver: `count` neighbours, from `slot` on among the copies in that order, and their senders,
// or none if these are all in order.
struct Column {
    int64_t slot, count;
    const int32_t* sender;
};

inline Column column_of(const Plan& plan, const Rows& rows, const Link& link, int64_t j) {
    if (link.sparse) {
        const int32_t* first = rows.column + link.column_start + j;
        return {link.weight_start + first[0], first[1] - first[0], rows.sender + link.pair_start + first[0]};
    }
    const int64_t size = plan.population[link.pre].size;
    return {link.weight_start + j * size, size, nullptr};
}

}  // namespace ranvier::RANVIER_LEVEL
