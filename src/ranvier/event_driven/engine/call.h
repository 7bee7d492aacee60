// The arrays that cross the border, in one order, for whoever calls: XLA (ffi.cc) or a host callback (host.cc).
//
// Arrays of a call lie end to end: weights of all connections, row after row; constants of all neurons, population
// after population; input spikes and record times of all populations side by side, (batch, places). `vmap` puts axes in
// front of all arrays, of length 1 where an array is the same for all. Every array is contiguous; `Real` is float or
// double.
#pragma once

#include <cstdint>

namespace ranvier {

// Both passes take the first fifteen. THETA and RHO are relative to the potential to which a neuron relaxes, and so is
// START, where a sample's potentials are at t = 0, (batch, neurons), and after them its currents; HEIGHT is the unit of
// a spike's value. TIME and UNIT have the spikes of inputs and, from before t = 0, those of neurons. PRE and
// POST are the neurons of every pair of the connections that have a list of them; STATUS is what the rules say of the
// arguments, a key of `ranvier.status.STATUS`. The backward pass goes on with what the forward pass kept (WINDOW ...
// PEAK) and the cotangents of times, potentials and presence (without places if the derivative is exact).
enum Input {
    WEIGHT,
    DELAY,
    THETA,
    RHO,
    REFRACTORY,
    TAU_MEM,
    TAU_SYN,
    HEIGHT,
    PRE,
    POST,
    TIME,
    UNIT,
    RECORD,
    START,
    STATUS,
    WINDOW,
    OFFSET,
    SENDER,
    SLOPE,
    RESTART,
    TOTAL,
    PEAK_WINDOW,
    PEAK,
    DIRECT,
    SEED,
    SEED_CURRENT,
    PRESENCE,
    INPUTS
};

// Spikes (batch, places): time, inf if none, and neuron, -1 if none; potentials and their summaries (batch, values);
// what is kept for the backward pass; counters (batch, populations); where potentials were highest (batch, peaks) and
// (batch, 2 peaks), see passes/peaks.h; events and neurons flagged in all (batch,), one status; and, if wanted,
// currents at the end (batch, neurons) and the times of spikes from there, -inf if none (batch, places).
enum Output {
    AT,
    BY,
    VOLTAGE,
    KEPT_WINDOW,
    KEPT_OFFSET,
    KEPT_SLOPE,
    KEPT_RESTART,
    SILENT,
    GUARDED,
    DROPPED,
    IN_FLIGHT,
    SPIKES,
    KEPT_PEAK_WINDOW,
    KEPT_PEAK,
    EVENTS,
    EXACT,
    ENDED,
    CURRENT,
    SINCE,
    OUTPUTS
};

// Gradients; those of time constants, of input times and of starts have no places if they are not wanted.
enum Gradient {
    OF_WEIGHT,
    OF_DELAY,
    OF_THETA,
    OF_RHO,
    OF_REFRACTORY,
    OF_TAU_MEM,
    OF_TAU_SYN,
    OF_TIME,
    OF_START,
    GRADIENTS
};

struct View {
    void* data;
    const int64_t* dimensions;
    int64_t rank;
};

// Threads to share work with: `schedule` may run a task at once, later, or in the caller.
struct Workers {
    int64_t count;
    void* pool;
    void (*schedule)(void* pool, void (*task)(void*), void* argument);
};

struct Call {
    bool backward, wide;  // wide: float64
    const int64_t* plan;  // see network/plan.h
    const double* numbers;
    View in[INPUTS];
    View out[OUTPUTS];
    Workers workers;
    const int* struck;  // more than `begun` once Ctrl-C was pressed: then ask `stopped` (interrupts.h)
    int begun;
    bool (*stopped)();
};

// Codes of `ranvier.status.STATUS` that the engine gives.
constexpr int32_t IS_DROPPED = 1, IS_NOT_FINITE = 9, IS_WINDOWS = 14, IS_RING = 15, IS_INTERRUPTED = 16;

// Run a call at the best vector level of this machine (dispatch.cc).
void run(const Call& call);

// That level.
const char* level_name();

}  // namespace ranvier
