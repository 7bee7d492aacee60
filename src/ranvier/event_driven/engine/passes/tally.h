// The sums of an element's chunks, added up in the order of the chunks, whichever thread is done first.
//
// A chunk whose turn it is goes into the total at once, and its room is used again: so there are about as many rooms as
// threads, not as many as chunks. No thread waits for another one: who finds somebody adding leaves its chunk there.
#pragma once

#include <memory>

#include "pull.h"

namespace ranvier::RANVIER_LEVEL {

// Backward, an element is cut into at most this many chunks.
constexpr int64_t CHUNKS = 8;

template <class Number>
void add(const Array<Number>& more, Array<Number>& total) {
    const Number* from = more;
    Number* to = total;
    for (int64_t at = 0; at < more.size(); ++at) to[at] += from[at];
}

template <class Real>
void add(const Sums<Real>& more, Sums<Real>& total) {
    add(more.current, total.current);
    add(more.u, total.u);
    add(more.delay, total.delay);
    add(more.theta, total.theta);
    add(more.rho, total.rho);
    add(more.refractory, total.refractory);
    add(more.rate_mem, total.rate_mem);
    add(more.rate_syn, total.rate_syn);
}

template <class Real>
void clear(Sums<Real>& sums) {
    for (Array<Real>* array : {&sums.current, &sums.u}) array->fill(0);
    for (Array<double>* array : {&sums.delay, &sums.theta, &sums.rho, &sums.refractory, &sums.rate_mem, &sums.rate_syn})
        array->fill(0);
}

template <class Real>
class Tally {
public:
    using Room = std::unique_ptr<Sums<Real>>;

    Tally() = default;
    Tally(const Tally&) = delete;
    Tally& operator=(const Tally&) = delete;
    ~Tally() {
        for (Sums<Real>* left : waiting_) delete left;
    }

    // Take a chunk over, and give back the room of one that was added, if there is any.
    Room take(int64_t chunk, Room done) {
        Room spare;
        __atomic_store_n(&waiting_[chunk], done.release(), __ATOMIC_SEQ_CST);
        while (next() != nullptr && !__atomic_exchange_n(&busy_, true, __ATOMIC_SEQ_CST)) {
            while (Sums<Real>* one = next()) {
                __atomic_store_n(&waiting_[turn_], nullptr, __ATOMIC_SEQ_CST);
                __atomic_fetch_add(&turn_, 1, __ATOMIC_SEQ_CST);
                Room given(one);
                if (total_ == nullptr) {
                    total_ = std::move(given);
                    continue;
                }
                add(*given, *total_);
                spare = std::move(given);
            }
            __atomic_store_n(&busy_, false, __ATOMIC_SEQ_CST);
        }
        return spare;
    }

    // The sums of all, once all are there.
    Sums<Real>* total() { return total_.get(); }

private:
    // The chunk whose turn it is, if it is done.
    Sums<Real>* next() const {
        const int64_t turn = __atomic_load_n(&turn_, __ATOMIC_SEQ_CST);
        return turn < CHUNKS ? __atomic_load_n(&waiting_[turn], __ATOMIC_SEQ_CST) : nullptr;
    }

    Sums<Real>* waiting_[CHUNKS] = {};
    Room total_;
    int64_t turn_ = 0;
    bool busy_ = false;
};

}  // namespace ranvier::RANVIER_LEVEL
