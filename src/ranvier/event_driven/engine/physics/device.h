// What the physics headers need of a compiler: they are plain C++ and, under nvcc, device code too.
#pragma once

#ifdef __CUDACC__
#define RANVIER_DEVICE __host__ __device__
#else
#define RANVIER_DEVICE
#endif

// Code is compiled once for each vector level, in a namespace of its own, so that the linker never mixes two of them.
#ifndef RANVIER_LEVEL
#define RANVIER_LEVEL plain
#endif

#define RANVIER_INLINE inline __attribute__((always_inline))

// Kept apart from the loops that most networks run.
#define RANVIER_APART __attribute__((noinline))

namespace ranvier::RANVIER_LEVEL {

template <class Number>
RANVIER_DEVICE RANVIER_INLINE Number smaller(Number a, Number b) {
    return b < a ? b : a;
}

template <class Number>
RANVIER_DEVICE RANVIER_INLINE Number larger(Number a, Number b) {
    return a < b ? b : a;
}

}  // namespace ranvier::RANVIER_LEVEL
