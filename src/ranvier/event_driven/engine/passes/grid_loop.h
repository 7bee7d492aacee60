// Both passes of the grid (grid.h), compiled like the engine's own.
#pragma once

#include "../grid.h"
#include "../simd.h"

namespace ranvier::RANVIER_LEVEL {

inline void scatter_on_grid(const Grid& grid) {
    for (int64_t q = 0; q < grid.spikes; ++q) {
        const int64_t row = grid.unit[q] * grid.targets;
        const int32_t k = static_cast<int32_t>(grid.step[q]), mask = static_cast<int32_t>(grid.mask);
        const int32_t targets = static_cast<int32_t>(grid.targets);
        const float* weight = grid.weight + row;
        const int32_t* delay = grid.delay + row;
        for (int32_t j = 0; j < targets; ++j) grid.ring[((k + delay[j]) & mask) * targets + j] += weight[j];
    }
}

inline void gather_on_grid(const Grid& grid) {
    constexpr int N = 8;
    for (int64_t q = grid.spikes - 1; q >= 0; --q) {
        const int64_t row = grid.unit[q] * grid.targets;
        const int32_t k = static_cast<int32_t>(grid.step[q]), mask = static_cast<int32_t>(grid.mask);
        const int32_t targets = static_cast<int32_t>(grid.targets);
        const float *weight = grid.weight + row, *ring = grid.ring, *slope = grid.slope;
        const int32_t* delay = grid.delay + row;
        float *into_weight = grid.into_weight + row, *into_delay = grid.into_delay + row;
        float totals[N] = {};
        const auto event = [&](int32_t j, int lane) {
            const int32_t slot = ((k + delay[j]) & mask) * targets + j;
            const float owed = weight[j] * slope[slot];
            into_weight[j] += ring[slot];
            into_delay[j] += owed;
            totals[lane] += owed;
        };
        int32_t j = 0;
        for (; j + N <= targets; j += N)
            for (int lane = 0; lane < N; ++lane) event(j + lane, lane);
        for (; j < targets; ++j) event(j, 0);
        float total = 0;
        for (const float part : totals) total += part;
        grid.into_time[q] = total;
    }
}

}  // namespace ranvier::RANVIER_LEVEL
