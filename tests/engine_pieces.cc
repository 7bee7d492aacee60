// Pieces of the engine for tests/test_engine.py, as C functions; engine_pieces.py compiles them.
#include "network/arrivals.h"
#include "passes/advance.h"
#include "passes/gather.h"
#include "passes/walk.h"

using namespace ranvier::RANVIER_LEVEL;

extern "C" {

double exponential_of(double x) { return exponential(x); }

void exponentials_of(const double* x, double* found) { store(found, exponentials<8>(load<8>(x))); }

void leap_of(const double* given, double* found) {
    const Leap end = leap(given[0], given[1], given[2], {given[3], given[4], given[5]}, given[6]);
    found[0] = end.s;
    found[1] = end.current;
    found[2] = end.u;
}

void flow_of(double s, const double* rates, int in_sums, double* found) {
    const Rates of{rates[0], rates[1], rates[2]};
    const Passed passed = in_sums ? flow_in_sums(s, of) : flow(s, of);
    found[0] = passed.syn;
    found[1] = passed.mem;
    found[2] = passed.kernel;
}

void factors_of(double rest, const double* rates, double window, double* found) {
    const Rates of{rates[0], rates[1], rates[2]};
    const Factors<double> spike = factors<double>(rest, of, course(window, of));
    for (int late = 0; late < 2; ++late) {
        found[3 * late] = spike.syn[late];
        found[3 * late + 1] = spike.mem[late];
        found[3 * late + 2] = spike.kernel[late];
    }
}

void bound_of(int64_t count, int64_t k, int recorded, const double* rates, double window, const double* current,
              const double* u, const int64_t* held, const double* theta, const double* lift, double* excess) {
    State state(count);
    copy(current, count, static_cast<double*>(state.current));
    copy(u, count, static_cast<double*>(state.u));
    copy(held, count, static_cast<int64_t*>(state.held_window));
    const Course over = course(window, {rates[0], rates[1], rates[2]});
    bound<false, double>(state, 0, count, k, recorded != 0, 0.0, &over, theta, lift, excess);
}

int64_t list_marked_of(const uint8_t* marks, int64_t count, uint32_t* places) {
    return list_marked(marks, count, places);
}

int64_t list_bits_of(const uint64_t* words, int64_t count, uint32_t* places) { return list_bits(words, count, places); }

void ranks_of(const double* values, int64_t count, int64_t* places) { ranks(values, count, places); }

void locate_of(const int32_t* cell, const float* frac, int64_t count, float offset, float window, int64_t base,
               int64_t neurons, int64_t span, uint32_t* events) {
    locate<float>(cell, frac, count, offset, window, base, {neurons, span}, events);
}
}

template <class Real>
void scatter_of(Real* ring, const uint32_t* events, const Real* a, const Real* b, const Real* spike, int64_t count) {
    scatter<Real>(ring, events, a, b, {{spike[0], spike[3]}, {spike[1], spike[4]}, {spike[2], spike[5]}}, count);
}

// `numbers`: the spike's factors, skew, rate_syn, rate_mem; `wanted`: see `Wanted`.
template <class Real>
void gather_of(const Real* ring, const uint32_t* events, const Real* decay_syn, const Real* kernel, const Real* weight,
               const Real* numbers, int64_t count, Real* current, Real* u, uint64_t* noted, int wanted, Real* totals) {
    const Factors<Real> spike{{numbers[0], numbers[3]}, {numbers[1], numbers[4]}, {numbers[2], numbers[5]}};
    const RowTables<Real> row{decay_syn, kernel, weight, numbers[6], numbers[7], numbers[8]};
    const auto run = [&]<Wanted kind>() {
        const Totals<Real> found = gather<kind, Real>(ring, events, row, spike, count, current, u, noted);
        totals[0] = found.timing;
        totals[1] = found.value;
    };
    if (wanted == NONE) run.template operator()<NONE>();
    if (wanted == TIMING) run.template operator()<TIMING>();
    if (wanted == VALUE) run.template operator()<VALUE>();
}

template <class Real>
void drain_of(Real* cells, int64_t count, Real* current, Real* u, Real* lift) {
    drain<Real>(cells, count, current, u, lift);
}

template <class Real>
void row_of(const Real* cells, const Real* weight, int64_t count, const double* rates, double s, Real* current,
            Real* totals) {
    const Rates of{rates[0], rates[1], rates[2]};
    const Totals<Real> found = gather_row<Real>(cells, weight, count, flow(s, of), of, current);
    totals[0] = found.timing;
    totals[1] = found.value;
}

extern "C" {
void scatter_float32(float* r, const uint32_t* e, const float* a, const float* b, const float* s, int64_t n) {
    scatter_of(r, e, a, b, s, n);
}
void scatter_float64(double* r, const uint32_t* e, const double* a, const double* b, const double* s, int64_t n) {
    scatter_of(r, e, a, b, s, n);
}
void gather_float32(const float* r, const uint32_t* e, const float* d, const float* k, const float* w, const float* s,
                    int64_t n, float* c, float* u, uint64_t* noted, int wanted, float* t) {
    gather_of(r, e, d, k, w, s, n, c, u, noted, wanted, t);
}
void gather_float64(const double* r, const uint32_t* e, const double* d, const double* k, const double* w,
                    const double* s, int64_t n, double* c, double* u, uint64_t* noted, int wanted, double* t) {
    gather_of(r, e, d, k, w, s, n, c, u, noted, wanted, t);
}
void drain_float32(float* cells, int64_t n, float* i, float* u, float* l) { drain_of(cells, n, i, u, l); }
void drain_float64(double* cells, int64_t n, double* i, double* u, double* l) { drain_of(cells, n, i, u, l); }
void row_float32(const float* p, const float* w, int64_t n, const double* r, double s, float* c, float* t) {
    row_of(p, w, n, r, s, c, t);
}
void row_float64(const double* p, const double* w, int64_t n, const double* r, double s, double* c, double* t) {
    row_of(p, w, n, r, s, c, t);
}
}
