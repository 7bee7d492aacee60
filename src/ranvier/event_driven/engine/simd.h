// The few vector helpers of the inner loops, as vectors of GCC and Clang; each has a plain twin, which also takes what
// is left over. Widths follow the registers of the level that this is compiled for.
#pragma once

#include <cstdint>
#include <cstring>

#include "physics/flow.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace ranvier::RANVIER_LEVEL {

// Numbers per cell of a ring: I, u, lift and a free one, so that a cell is added to at once.
constexpr int LANES = 4;

constexpr int BITS = 64;

// Words of few marks are taken apart without a branch, which no processor could predict.
constexpr int USUAL = 4;

#if defined(__AVX512F__)
constexpr int REGISTER = 64;
#elif defined(__AVX2__)
constexpr int REGISTER = 32;
#else
constexpr int REGISTER = 16;
#endif

// Events at a time: four or eight.
template <class Real>
constexpr int WIDTH = REGISTER / static_cast<int>(sizeof(Real)) >= 8 ? 8 : 4;

template <class Number, int N>
struct Vector {
    typedef Number type __attribute__((vector_size(N * sizeof(Number))));
};
template <class Number, int N>
using Vec = typename Vector<Number, N>::type;

// Whole numbers as wide as the real ones: what comparisons of these give.
template <class Real>
struct WholeOf {
    using type = int64_t;
};
template <>
struct WholeOf<float> {
    using type = int32_t;
};
template <class Real>
using Whole = typename WholeOf<Real>::type;

template <int N, class Number>
RANVIER_INLINE Vec<Number, N> load(const Number* from) {
    Vec<Number, N> value;
    memcpy(&value, from, sizeof value);
    return value;
}

template <class V, class Number>
RANVIER_INLINE void store(Number* to, V value) {
    memcpy(to, &value, sizeof value);
}

template <int N, class Number>
RANVIER_INLINE Vec<Number, N> spread(Number value) {
    return value - Vec<Number, N>{};
}

template <class V, class W>
RANVIER_INLINE V punned(W value) {
    static_assert(sizeof(V) == sizeof(W));
    V same;
    memcpy(&same, &value, sizeof same);
    return same;
}

// A quarter of eight, or all of four.
template <int G, class Real>
RANVIER_INLINE Vec<Real, 4> four_of(Vec<Real, 4> value) {
    static_assert(G == 0);
    return value;
}
template <int G, class Real>
RANVIER_INLINE Vec<Real, 4> four_of(Vec<Real, 8> value) {
    return __builtin_shufflevector(value, value, 4 * G, 4 * G + 1, 4 * G + 2, 4 * G + 3);
}

template <class Real>
struct Pair {
    Real first, second;
};

// Four columns as four rows. Cheap shuffles stay inside of 16 bytes.
template <class Real>
struct Rows4 {
    Vec<Real, 4> row[4];
};
template <class Real>
RANVIER_INLINE Rows4<Real> transposed(Vec<Real, 4> a, Vec<Real, 4> b, Vec<Real, 4> c, Vec<Real, 4> d) {
    if constexpr (sizeof(Real) == 4) {
        const Vec<Real, 4> low = __builtin_shufflevector(a, b, 0, 4, 1, 5),
                           high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
        const Vec<Real, 4> left = __builtin_shufflevector(c, d, 0, 4, 1, 5),
                           right = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        return {{__builtin_shufflevector(low, left, 0, 1, 4, 5), __builtin_shufflevector(low, left, 2, 3, 6, 7),
                 __builtin_shufflevector(high, right, 0, 1, 4, 5), __builtin_shufflevector(high, right, 2, 3, 6, 7)}};
    } else {
        const Vec<Real, 4> low = __builtin_shufflevector(a, b, 0, 4, 2, 6),
                           high = __builtin_shufflevector(a, b, 1, 5, 3, 7);
        const Vec<Real, 4> left = __builtin_shufflevector(c, d, 0, 4, 2, 6),
                           right = __builtin_shufflevector(c, d, 1, 5, 3, 7);
        return {{__builtin_shufflevector(low, left, 0, 1, 4, 5), __builtin_shufflevector(high, right, 0, 1, 4, 5),
                 __builtin_shufflevector(low, left, 2, 3, 6, 7), __builtin_shufflevector(high, right, 2, 3, 6, 7)}};
    }
}

// The sum of all lanes, always in one order.
template <int N, class Real>
RANVIER_INLINE Real sum(Vec<Real, N> value) {
    Real total = 0;
    for (int lane = 0; lane < N; ++lane) total += value[lane];
    return total;
}

// First and second numbers of N pairs that lie side by side.
template <int N, class Real>
RANVIER_INLINE void part_pairs(const Real* pairs, Vec<Real, N>& first, Vec<Real, N>& second) {
    const Vec<Real, N> low = load<N>(pairs), high = load<N>(pairs + N);
    if constexpr (N == 4) {
        first = __builtin_shufflevector(low, high, 0, 2, 4, 6);
        second = __builtin_shufflevector(low, high, 1, 3, 5, 7);
    } else {
        first = __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14);
        second = __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
    }
}

// One bit for each lane that is all ones, lane 0 lowest.
template <class Number, int N>
RANVIER_INLINE uint32_t bits_of(Vec<Number, N> mask) {
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
    if constexpr (sizeof(mask) == 64) return _mm512_movepi64_mask(punned<__m512i>(mask));
#endif
#if defined(__AVX2__)
    if constexpr (sizeof(mask) == 32 && N == 8) return _mm256_movemask_ps(punned<__m256>(mask));
    if constexpr (sizeof(mask) == 32 && N == 4) return _mm256_movemask_pd(punned<__m256d>(mask));
#endif
    uint32_t bits = 0;
    for (int lane = 0; lane < N; ++lane) bits |= static_cast<uint32_t>(mask[lane] & 1) << lane;
    return bits;
}

// e^x for |x| up to 700, of each number, as exact as a `Real` is; its plain twin is `exponential`.
template <int N, class Real = double>
RANVIER_INLINE Vec<double, N> exponentials(Vec<double, N> x) {
    constexpr double WHOLE = 0x1.8p52;  // added to a number, it leaves a whole one in the lowest bits
    const Vec<double, N> shifted = x * LOG2_E + WHOLE, n = shifted - WHOLE;
    const Vec<double, N> rest = (x - n * LN2_HIGH) - n * LN2_LOW;
    const Vec<double, N> part = sizeof(Real) == 8 ? power<Vec<double, N>>(rest) : short_power<Vec<double, N>>(rest);
    return part * punned<Vec<double, N>>((punned<Vec<int64_t, N>>(shifted) + 1023) << 52);
}

// One bit for each of eight words that is not zero, the first lowest.
RANVIER_INLINE uint32_t bits_of_words(Vec<uint64_t, 8> words) {
#if defined(__AVX512F__)
    const __m512i all = punned<__m512i>(words);
    return _mm512_test_epi64_mask(all, all);
#else
    const Vec<int64_t, 8> some = words != 0;
    return bits_of<int64_t, 4>(four_of<0, int64_t>(some)) | bits_of<int64_t, 4>(four_of<1, int64_t>(some)) << 4;
#endif
}

// Move the first three numbers of each of `count` cells to three rows, and leave zeros.
template <class Real>
inline void drain(Real* cells, int64_t count, Real* current, Real* u, Real* lift) {
    int64_t j = 0;
    for (; j + 4 <= count; j += 4) {
        Real* at = cells + LANES * j;
        const Rows4<Real> rows = transposed<Real>(load<4>(at), load<4>(at + 4), load<4>(at + 8), load<4>(at + 12));
        for (int cell = 0; cell < 4; ++cell) store(at + LANES * cell, Vec<Real, 4>{});
        store(current + j, rows.row[0]);
        store(u + j, rows.row[1]);
        store(lift + j, rows.row[2]);
    }
    for (; j < count; ++j) {
        Real* at = cells + LANES * j;
        current[j] = at[0];
        u[j] = at[1];
        lift[j] = at[2];
        at[0] = at[1] = at[2] = 0;
    }
}

// For each of `count` numbers, how many of them come before it; of equal ones, the earlier does. Reads and writes up to
// the next multiple of eight; what is there must not be smaller.
inline void ranks(const double* values, int64_t count, int64_t* places) {
    for (int64_t first = 0; first < count; first += 8) {
        const Vec<double, 8> mine = load<8>(values + first);
        Vec<int64_t, 8> before{};
        // those before the eight come first if they are not larger, those after them if they are smaller
        for (int64_t other = 0; other < first; ++other) before -= spread<8>(values[other]) <= mine;
        for (int64_t other = first + 8; other < count; ++other) before -= spread<8>(values[other]) < mine;
        for (int own = 0; own < 8 && first + own < count; ++own) {
            const Vec<int64_t, 8> lane{0, 1, 2, 3, 4, 5, 6, 7};
            const Vec<double, 8> it = spread<8>(values[first + own]);
            before -= (it < mine) | ((it == mine) & (lane > own));
        }
        store(places + first, before);
    }
}

RANVIER_INLINE int lowest_bit(uint64_t word) { return __builtin_ctzll(word); }
RANVIER_INLINE int count_bits(uint64_t word) { return __builtin_popcountll(word); }

// Which of BITS bytes are not zero: a word, the first byte lowest. Bytes are at most 127.
RANVIER_INLINE uint64_t marked(const uint8_t* bytes) {
#if defined(__AVX2__)
    const __m256i none = _mm256_setzero_si256();
    const auto half = [&](const uint8_t* from) {
        const __m256i held = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
        return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpgt_epi8(held, none)));
    };
    return half(bytes) | static_cast<uint64_t>(half(bytes + 32)) << 32;
#else
    uint64_t word = 0;
    for (int group = 0; group < 8; ++group) {
        uint64_t eight;
        memcpy(&eight, bytes + 8 * group, 8);
        const uint64_t high = (eight + 0x7f7f7f7f7f7f7f7full) & 0x8080808080808080ull;
        word |= ((high >> 7) * 0x0102040810204080ull >> 56) << 8 * group;
    }
    return word;
#endif
}

// Write down `first` plus the place of each bit, after `found` others; how many there are then.
RANVIER_INLINE int64_t take_apart(uint64_t word, int64_t first, int64_t found, uint32_t* places) {
    const int64_t last = found + count_bits(word);
    for (int turn = 0; turn < USUAL; ++turn) {
        places[found++] = static_cast<uint32_t>(first + (word ? lowest_bit(word) : BITS));
        word &= word - 1;
    }
    while (word != 0) {
        places[found++] = static_cast<uint32_t>(first + lowest_bit(word));
        word &= word - 1;
    }
    return last;
}

// Write down, in order, which of the first `count` bytes are set; their number. The bytes up to the next multiple of
// BITS must be zero. `places` needs room for USUAL more than there are.
inline int64_t list_marked(const uint8_t* marks, int64_t count, uint32_t* places) {
    int64_t found = 0;
    for (int64_t first = 0; first < count; first += BITS)
        found = take_apart(marked(marks + first), first, found, places);
    return found;
}

// The same of the first `count` bits of words, lowest first; the others of the last word must not be set.
inline int64_t list_bits(const uint64_t* words, int64_t count, uint32_t* places) {
    int64_t found = 0;
    for (int64_t first = 0; first < count; first += BITS) found = take_apart(words[first / BITS], first, found, places);
    return found;
}

// Room for marks of `count` places, or for a list of them.
RANVIER_INLINE int64_t mark_room(int64_t count) { return (count / BITS + 1) * BITS; }

}  // namespace ranvier::RANVIER_LEVEL
