// The named alternative of `ranvier bench cochlea`: delayed scatter and gather on a grid of steps, which rounds every
// time.
//
// Forward, `ring[k + d_ij, j] += w_ij` for every spike of i in step k; backward, with p the adjoint read at `k + d_ij`,
// `dw_ij += p`, `dd_ij += w_ij p'` and a sum over j for the sender. No neurons, no thresholds, no exact times.
#pragma once

#include <cstdint>

namespace ranvier {

// Spikes in order of time; weights, delays in steps and their sums (senders, targets); rings of `mask + 1` steps.
struct Grid {
    int64_t spikes, targets, mask;
    const int64_t *step, *unit;
    const float* weight;
    const int32_t* delay;
    float *ring, *slope, *into_weight, *into_delay, *into_time;
};

// One pass, at the best vector level of this machine.
void run_grid(const Grid& grid, bool backward);

}  // namespace ranvier
