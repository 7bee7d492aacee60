// Backward: what interrupts neurons in one window.
#pragma once

#include "pull.h"

namespace ranvier::RANVIER_LEVEL {

enum Kind { AT_SPIKE, AT_RESTART, AT_RECORD, AT_MISS };

// Find again which spikes of a sample lie in a window, and which neurons restart in it.
template <class Real>
void replay(const Network<Real>& net, Backward<Real>& room) {
    Boundaries& found = room.boundaries;
    const Train<Real>& train = room.train;
    const int64_t windows = net.clock.windows, final = windows - 1;
    found.restart_head.fill(-1);
    found.peak_head.fill(-1);
    for (int32_t at = 0; at < found.peak_next.size(); ++at) {
        if (room.peak_window[at] < 0) continue;
        int32_t& head = found.peak_head[room.peak_window[at]];
        found.peak_next[at] = head;
        head = at;
    }
    for (int64_t p = 0; p < net.plan.populations; ++p) {
        const Population& population = net.plan.population[p];
        const int64_t start = population.spike_start, end = start + train.total[p];
        int64_t q = first_in_time(population, train);
        for (int64_t k = 0; k < windows; ++k) {
            found.first[p * found.columns + k] = static_cast<int32_t>(q);
            while (q < end && train.window[q] == k) ++q;
        }
        found.first[p * found.columns + windows] = static_cast<int32_t>(q);
        for (q = start; q < end && p >= net.plan.inputs; ++q) {
            const int64_t n = population.neuron_start + train.unit[q];
            const double hold = net.neurons.refractory[n];
            if (!(hold > 0.0) || train.window[q] == NEVER_BEFORE) continue;
            const Moment ends = after(train.window[q], train.offset[q], hold, net.clock.window);
            if (ends.window < net.clock.before) continue;
            if (ends.window > final || (ends.window == final && ends.offset > net.clock.last)) {
                room.held[n] = 1;
            } else {
                found.restart_next[q] = found.restart_head[ends.window];
                found.restart_head[ends.window] = static_cast<int32_t>(q);
            }
        }
    }
}

// Put a boundary into neuron j's list, latest first; at one instant: record, restart, spike in this order.
inline void insert(Boundaries& found, int32_t j, double offset, Kind kind, int64_t place, double share = 1.0) {
    const int32_t made = found.used++;
    int32_t before = -1, at = found.head[j];
    if (at < 0) found.units[found.interrupted++] = j;
    while (at >= 0) {
        const Boundary& there = found.boundary[at];
        if (!(there.offset > offset || (there.offset == offset && there.kind > kind))) break;
        before = at;
        at = there.next;
    }
    found.boundary[made] = {offset, share, place, at, kind};
    (before < 0 ? found.head[j] : found.boundary[before].next) = made;
}

// Where potentials of population p were highest in window k: near misses, or records, each of which may be in two
// parts (peaks.h).
template <class Real>
RANVIER_APART void insert_peaks(const Network<Real>& net, Backward<Real>& room, int64_t k,
                                const Population& population) {
    Boundaries& found = room.boundaries;
    for (int32_t at = found.peak_head[k]; at >= 0; at = found.peak_next[at]) {
        const int64_t j = at - population.peak_start;
        if (j < 0 || j >= population.size) continue;
        const double offset = room.peak[at], share = room.peak[net.plan.peaks + at];
        if (population.near) {
            insert(found, static_cast<int32_t>(j), offset, AT_MISS, at, share);
            continue;
        }
        const int64_t place = population.value_start + population.records * population.size + j;
        insert(found, static_cast<int32_t>(j), offset, AT_RECORD, place, 1.0 - share);
        const double later = larger(nextafter(offset, INFINITY), 1e-300);
        if (share > 0.0) insert(found, static_cast<int32_t>(j), later, AT_RECORD, place, share);
    }
}

// List the boundaries of each neuron of population p in window k, latest first.
template <class Real>
void find_boundaries(const Network<Real>& net, Backward<Real>& room, int64_t k, int64_t p) {
    Boundaries& found = room.boundaries;
    const Population& population = net.plan.population[p];
    const Train<Real>& train = room.train;
    const Range due = record_range(room.records, population, k);
    const int32_t* first = found.first + p * found.columns + k;
    const int64_t old = population.spike_start + population.given;
    found.used = found.interrupted = 0;
    const bool peaks = population.watched() && found.peak_head[k] >= 0;
    if (due.first == due.last && first[0] == first[1] && found.restart_head[k] < 0 && !peaks) return;
    for (int64_t j = 0; j < population.size; ++j) found.head[j] = -1;
    for (int64_t q = larger<int64_t>(first[0], old); q < first[1]; ++q)
        insert(found, train.unit[q], train.offset[q], AT_SPIKE, q);
    for (int32_t q = found.restart_head[k]; q >= 0; q = found.restart_next[q]) {
        if (q < population.spike_start || q >= population.spike_start + population.capacity) continue;
        const int32_t j = train.unit[q];
        const double hold = net.neurons.refractory[population.neuron_start + j];
        insert(found, j, after(train.window[q], train.offset[q], hold, net.clock.window).offset, AT_RESTART, q);
    }
    if (peaks) insert_peaks(net, room, k, population);
    for (int64_t r = due.first; r < due.last; ++r) {
        const int64_t place = population.value_start + (r - population.record_start) * population.size;
        for (int32_t j = 0; j < population.size; ++j) insert(found, j, room.records.offset[r], AT_RECORD, place + j);
    }
}

}  // namespace ranvier::RANVIER_LEVEL
