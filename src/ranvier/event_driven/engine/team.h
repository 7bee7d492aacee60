// Sharing work over threads, and stopping it.
#pragma once

#include "call.h"

namespace ranvier {

// Run `work(argument)` in the caller and in up to `threads - 1` other threads at once; return when all that began have
// ended. It is up to `work` to take parts of what there is to do until nothing is left. What it throws is thrown here.
void together(const Workers& workers, int64_t threads, void (*work)(void*), void* argument);

// Threads of our own, for callers without a pool: one each time.
Workers own_workers();

}  // namespace ranvier
