// A call: its arrays, element by element of the axes that `vmap` put in front, and the threads that share the samples.
//
// Elements of one network are shared out together, over tables made once. Backward, the samples of an element are cut
// into fixed chunks, each with gradient sums of its own, which are added in their order: so results do not depend on
// the number of threads.
#pragma once

#include <memory>

#include "../team.h"
#include "backward.h"
#include "forward.h"
#include "tally.h"

namespace ranvier::RANVIER_LEVEL {

// One array of one element. `axes`: how many axes it has without those of `vmap`.
template <class Number>
Number* part(const View& view, int64_t axes, const View& lead, int64_t lead_axes, int64_t element) {
    int64_t size = 1, index = 0, scale = 1;
    for (int64_t axis = view.rank - axes; axis < view.rank; ++axis) size *= view.dimensions[axis];
    for (int64_t axis = lead_axes - 1; axis >= 0; --axis) {
        const int64_t coordinate = element % lead.dimensions[axis];
        element /= lead.dimensions[axis];
        if (view.dimensions[axis] == 1) continue;
        index += coordinate * scale;
        scale *= view.dimensions[axis];
    }
    return static_cast<Number*>(view.data) + index * size;
}

// The arrays of one element of a call.
template <class Real>
struct Element {
    Given<Real> given;
    const Real *time, *record, *start;
    const int32_t* unit;
    int32_t status;
    Real *at, *voltage;  // forward
    int32_t* by;
    Kept<Real> kept;
    int32_t* peak_window;
    Real* peak;
    int32_t *silent, *guarded, *dropped, *in_flight, *events, *exact, *ended;
    Real *current, *since;
    const Real *direct, *seed, *seed_current, *presence;  // backward
    Real *of_weight, *of_delay, *of_theta, *of_rho, *of_refractory, *of_tau_mem, *of_tau_syn, *of_time, *of_start;
    bool broken;

    bool same_network(const Element& other) const { return memcmp(&given, &other.given, sizeof given) == 0; }
};

template <class Real>
class Batch {
public:
    explicit Batch(const Call& call) : call_(call), plan_(read_plan(call.plan, call.numbers)) {
        const View& first = call.out[0];
        lead_axes_ = first.rank - (call.backward ? 1 : 2);
        elements_ = 1;
        for (int64_t axis = 0; axis < lead_axes_; ++axis) elements_ *= first.dimensions[axis];
        samples_ = call.in[TIME].dimensions[call.in[TIME].rank - 2];
        chunks_ = smaller(CHUNKS, samples_);
        taus_ = call.backward && call.out[OF_TAU_MEM].dimensions[call.out[OF_TAU_MEM].rank - 1] > 0;
        timed_ = call.backward && call.out[OF_TIME].dimensions[call.out[OF_TIME].rank - 1] > 0;
        const View& current = call.backward ? call.in[SEED_CURRENT] : call.out[CURRENT];
        ends_ = current.dimensions[current.rank - 1] > 0;
        begun_ = call.backward && call.out[OF_START].dimensions[call.out[OF_START].rank - 1] > 0;
    }

    void run() {
        std::unique_ptr<Element<Real>[]> all(new Element<Real>[static_cast<size_t>(elements_)]);
        for (int64_t e = 0; e < elements_; ++e) all[e] = element(e);
        for (int64_t e = 0; e < elements_;) {
            int64_t last = e + 1;
            while (last < elements_ && all[last].same_network(all[e])) ++last;
            run_network(&all[e], last - e);
            e = last;
        }
    }

private:
    template <class Number>
    Number* in(Input which, int64_t axes, int64_t e) const {
        return part<Number>(call_.in[which], axes, call_.out[0], lead_axes_, e);
    }
    template <class Number>
    Number* out(int which, int64_t axes, int64_t e) const {
        return part<Number>(call_.out[which], axes, call_.out[0], lead_axes_, e);
    }

    Element<Real> element(int64_t e) const {
        Element<Real> it{};
        it.given = {in<Real>(WEIGHT, 1, e),  in<Real>(DELAY, 1, e),      in<Real>(THETA, 1, e),
                    in<Real>(RHO, 1, e),     in<Real>(REFRACTORY, 1, e), in<Real>(TAU_MEM, 1, e),
                    in<Real>(TAU_SYN, 1, e), in<Real>(HEIGHT, 1, e),     in<int32_t>(PRE, 1, e),
                    in<int32_t>(POST, 1, e)};
        it.time = in<Real>(TIME, 2, e);
        it.unit = in<int32_t>(UNIT, 2, e);
        it.record = in<Real>(RECORD, 2, e);
        it.start = in<Real>(START, 2, e);
        it.status = *in<int32_t>(STATUS, 1, e);
        call_.backward ? read_backward(it, e) : read_forward(it, e);
        return it;
    }

    void read_forward(Element<Real>& it, int64_t e) const {
        it.at = out<Real>(AT, 2, e);
        it.by = out<int32_t>(BY, 2, e);
        it.voltage = out<Real>(VOLTAGE, 2, e);
        it.kept = {out<int32_t>(KEPT_WINDOW, 2, e), out<Real>(KEPT_OFFSET, 2, e),  nullptr,
                   out<Real>(KEPT_SLOPE, 2, e),     out<Real>(KEPT_RESTART, 2, e), out<int32_t>(SPIKES, 2, e)};
        it.peak_window = out<int32_t>(KEPT_PEAK_WINDOW, 2, e);
        it.peak = out<Real>(KEPT_PEAK, 2, e);
        it.silent = out<int32_t>(SILENT, 2, e);
        it.guarded = out<int32_t>(GUARDED, 2, e);
        it.dropped = out<int32_t>(DROPPED, 2, e);
        it.in_flight = out<int32_t>(IN_FLIGHT, 2, e);
        it.events = out<int32_t>(EVENTS, 1, e);
        it.exact = out<int32_t>(EXACT, 1, e);
        it.ended = out<int32_t>(ENDED, 0, e);
        it.current = ends_ ? out<Real>(CURRENT, 2, e) : nullptr;
        it.since = ends_ ? out<Real>(SINCE, 2, e) : nullptr;
    }

    void read_backward(Element<Real>& it, int64_t e) const {
        it.kept = {in<int32_t>(WINDOW, 2, e), in<Real>(OFFSET, 2, e),  in<int32_t>(SENDER, 2, e),
                   in<Real>(SLOPE, 2, e),     in<Real>(RESTART, 2, e), in<int32_t>(TOTAL, 2, e)};
        it.peak_window = in<int32_t>(PEAK_WINDOW, 2, e);
        it.peak = in<Real>(PEAK, 2, e);
        it.direct = in<Real>(DIRECT, 2, e);
        it.seed = in<Real>(SEED, 2, e);
        it.seed_current = ends_ ? in<Real>(SEED_CURRENT, 2, e) : nullptr;
        it.presence = plan_.parts.valued ? in<Real>(PRESENCE, 2, e) : nullptr;
        it.of_weight = out<Real>(OF_WEIGHT, 1, e);
        it.of_delay = out<Real>(OF_DELAY, 1, e);
        it.of_theta = out<Real>(OF_THETA, 1, e);
        it.of_rho = out<Real>(OF_RHO, 1, e);
        it.of_refractory = out<Real>(OF_REFRACTORY, 1, e);
        it.of_tau_mem = out<Real>(OF_TAU_MEM, 1, e);
        it.of_tau_syn = out<Real>(OF_TAU_SYN, 1, e);
        it.of_time = timed_ ? out<Real>(OF_TIME, 2, e) : nullptr;
        it.of_start = begun_ ? out<Real>(OF_START, 2, e) : nullptr;
    }

    int64_t places() const { return plan_.places - plan_.input_places; }

    // Samples or chunks, taken one by one by whichever thread is free.
    struct Job {
        const Batch& batch;
        const Network<Real>& net;
        Element<Real>* elements;
        Tally<Real>* tallies;
        int64_t count, taken;

        int64_t take() { return __atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED); }
    };

    // Once true it stays so: what follows is told by it that parts are missing.
    bool stopped() const {
        if (__atomic_load_n(&stopped_, __ATOMIC_RELAXED)) return true;
        if (__atomic_load_n(call_.struck, __ATOMIC_RELAXED) == call_.begun || !call_.stopped()) return false;
        __atomic_store_n(&stopped_, true, __ATOMIC_RELAXED);
        return true;
    }

    void share(Job& job, void (*work)(void*)) const {
        const int64_t wanted = plan_.threads > 0 ? plan_.threads : call_.workers.count;
        together(call_.workers, smaller(wanted, job.count), work, &job);
    }

    void run_network(Element<Real>* elements, int64_t count) const {
        Network<Real> net = empty_network<Real>(plan_, elements[0].given.weight);
        int32_t status = 0;
        for (int64_t e = 0; e < count; ++e) call_.backward ? refuse_backward(elements[e]) : empty(elements[e]);
        bool some = false;
        for (int64_t e = 0; e < count; ++e) some = some || elements[e].status == 0;
        if (some) status = fill(net, elements[0].given);
        for (int64_t e = 0; e < count; ++e)
            if (elements[e].status == 0) elements[e].status = status;
        if (some && status == 0) call_.backward ? backward(net, elements, count) : forward(net, elements, count);
        if (call_.backward) return;
        for (int64_t e = 0; e < count; ++e) end(elements[e]);
    }

    // An element in which nothing happens.
    void empty(Element<Real>& it) const {
        const int64_t spikes = samples_ * places(), counters = samples_ * plan_.populations;
        for (int64_t at = 0; at < spikes; ++at) it.at[at] = INFINITY;
        for (int64_t at = 0; at < spikes; ++at) it.by[at] = -1;
        zero(it.voltage, samples_ * plan_.values);
        if (ends_) zero(it.current, samples_ * plan_.neurons);
        for (int64_t at = 0; ends_ && at < spikes; ++at) it.since[at] = -INFINITY;
        for (int32_t* counter : {it.silent, it.guarded, it.dropped, it.in_flight, it.kept.total})
            zero(counter, counters);
        zero(it.events, samples_);
        zero(it.exact, samples_);
        if (it.status == 0) return;
        zero(it.kept.window, spikes);
        zero(it.peak_window, samples_ * plan_.peaks);
        zero(it.peak, 2 * samples_ * plan_.peaks);
        for (Real* kept : {it.kept.offset, it.kept.slope, it.kept.restart}) zero(kept, spikes);
    }

    // Not a number is what there is to say about the gradient of a simulation that was refused.
    void refuse_backward(Element<Real>& it) const {
        const auto nan = [](Real* to, int64_t count) {
            for (int64_t at = 0; at < count; ++at) to[at] = NAN;
        };
        nan(it.of_weight, plan_.weights);
        nan(it.of_delay, plan_.delays);
        for (Real* to : {it.of_theta, it.of_rho, it.of_refractory}) nan(to, plan_.neurons);
        if (taus_) nan(it.of_tau_mem, plan_.neurons);
        if (taus_) nan(it.of_tau_syn, plan_.neurons);
        if (timed_) nan(it.of_time, samples_ * plan_.given_places);
        if (begun_) nan(it.of_start, 2 * samples_ * plan_.neurons);
    }

    template <class Number>
    static void zero(Number* to, int64_t count) {
        memset(to, 0, static_cast<size_t>(count) * sizeof(Number));
    }

    void end(Element<Real>& it) const {
        if (it.status == 0 && stopped()) {
            it.status = IS_INTERRUPTED;
            empty(it);
        }
        int32_t dropped = 0;
        for (int64_t at = 0; at < samples_ * plan_.populations; ++at) dropped |= it.dropped[at];
        *it.ended = it.status != 0 ? it.status : dropped != 0 ? IS_DROPPED : it.broken ? IS_NOT_FINITE : 0;
    }

    void forward(const Network<Real>& net, Element<Real>* elements, int64_t count) const {
        Job job{*this, net, elements, nullptr, count * samples_, 0};
        share(job, [](void* given) {
            Job& job = *static_cast<Job*>(given);
            std::unique_ptr<Forward<Real>> room;
            for (int64_t task = job.take(); task < job.count && !job.batch.stopped(); task = job.take()) {
                if (!room) room.reset(new Forward<Real>(job.net));
                job.batch.simulate_one(job, *room, task);
            }
        });
    }

    void simulate_one(Job& job, Forward<Real>& room, int64_t task) const {
        Element<Real>& it = job.elements[task / samples_];
        if (it.status != 0) return;
        const int64_t b = task % samples_, at = b * places(), counter = b * plan_.populations;
        Outcome<Real> outcome{it.at + at,
                              it.by + at,
                              it.voltage + b * plan_.values,
                              kept(it, b),
                              it.peak_window + b * plan_.peaks,
                              it.peak + 2 * b * plan_.peaks,
                              it.silent + counter,
                              it.guarded + counter,
                              it.dropped + counter,
                              it.in_flight + counter,
                              it.events + b,
                              it.exact + b,
                              ends_ ? it.current + b * plan_.neurons : nullptr,
                              ends_ ? it.since + at : nullptr};
        const bool fine = simulate(job.net, room, given(it, b), outcome, [this] { return stopped(); });
        if (!fine) __atomic_store_n(&it.broken, true, __ATOMIC_RELAXED);
    }

    Sample<Real> given(const Element<Real>& it, int64_t b) const {
        const int64_t at = b * plan_.given_places;
        return {it.time + at, it.unit + at, it.record + b * plan_.record_times, it.start + 2 * b * plan_.neurons};
    }

    Kept<Real> kept(const Element<Real>& it, int64_t b) const {
        const int64_t at = b * places();
        return {it.kept.window + at, it.kept.offset + at,  call_.backward ? it.kept.unit + at : nullptr,
                it.kept.slope + at,  it.kept.restart + at, it.kept.total + b * plan_.populations};
    }

    void backward(const Network<Real>& net, Element<Real>* elements, int64_t count) const {
        std::unique_ptr<Tally<Real>[]> tallies(new Tally<Real>[static_cast<size_t>(count)]);
        Job job{*this, net, elements, tallies.get(), count * chunks_, 0};
        share(job, [](void* given) {
            Job& job = *static_cast<Job*>(given);
            std::unique_ptr<Backward<Real>> room;
            std::unique_ptr<Sums<Real>> sums;
            for (int64_t task = job.take(); task < job.count && !job.batch.stopped(); task = job.take()) {
                if (!room) room.reset(new Backward<Real>(job.net, job.batch.taus_));
                job.batch.differentiate_chunk(job, *room, sums, task);
            }
        });
        for (int64_t e = 0; e < count && !stopped(); ++e)
            if (elements[e].status == 0) settle_element(net, elements[e], tallies[e].total());
    }

    // `sums`: room that was used before, or none.
    void differentiate_chunk(Job& job, Backward<Real>& room, std::unique_ptr<Sums<Real>>& sums, int64_t task) const {
        const Element<Real>& it = job.elements[task / chunks_];
        if (it.status != 0) return;
        sums ? clear(*sums) : sums.reset(new Sums<Real>(plan_));
        room.sums = sums.get();
        const int64_t chunk = task % chunks_;
        for (int64_t b = chunk * samples_ / chunks_; b < (chunk + 1) * samples_ / chunks_; ++b) {
            const int64_t at = b * places(), input = b * plan_.given_places;
            const Returning<Real> sample{given(it, b),
                                         kept(it, b),
                                         it.peak_window + b * plan_.peaks,
                                         it.peak + 2 * b * plan_.peaks,
                                         it.direct + at,
                                         it.seed + b * plan_.values,
                                         ends_ ? it.seed_current + b * plan_.neurons : nullptr,
                                         it.presence ? it.presence + at : nullptr,
                                         timed_ ? it.of_time + input : nullptr,
                                         begun_ ? it.of_start + 2 * b * plan_.neurons : nullptr};
            differentiate(job.net, room, sample, [this] { return stopped(); });
        }
        sums = job.tallies[task / chunks_].take(chunk, std::move(sums));
    }

    // Gradients of the sums of all samples; there are no sums where there are no samples.
    void settle_element(const Network<Real>& net, Element<Real>& it, Sums<Real>* sums) const {
        Sums<Real> nothing(plan_);
        Sums<Real>& total = sums != nullptr ? *sums : nothing;
        settle(net, total, it.of_weight, it.of_delay);
        for (int64_t n = 0; n < plan_.neurons; ++n) {
            it.of_theta[n] = static_cast<Real>(total.theta[n]);
            it.of_rho[n] = static_cast<Real>(total.rho[n]);
            it.of_refractory[n] = static_cast<Real>(total.refractory[n]);
            if (!taus_) continue;
            const Rates& rates = net.neurons.rates[n];
            it.of_tau_mem[n] = static_cast<Real>(-rates.mem * rates.mem * total.rate_mem[n]);
            it.of_tau_syn[n] = static_cast<Real>(-rates.syn * rates.syn * total.rate_syn[n]);
        }
    }

    const Call& call_;
    mutable bool stopped_ = false;
    const Plan plan_;
    int64_t lead_axes_, elements_, samples_, chunks_;
    bool taus_, timed_, begun_, ends_;
};

}  // namespace ranvier::RANVIER_LEVEL
