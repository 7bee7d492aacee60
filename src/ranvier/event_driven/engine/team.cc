#include "team.h"

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

// How XLA's pool hands work over, the thread sanitizer cannot see: it is told.
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#else
#define __tsan_release(address)
#define __tsan_acquire(address)
#endif

namespace ranvier {
namespace {

// One piece of work; tasks that a pool begins only when all is done find it closed.
struct Work {
    void (*work)(void*);
    void* argument;
    std::mutex lock;
    std::condition_variable left;
    bool closed = false;
    int inside = 0;
    std::exception_ptr thrown;

    void run() {
        try {
            work(argument);
        } catch (...) {
            const std::lock_guard guard(lock);
            thrown = std::current_exception();
        }
    }

    void join_in() {
        {
            const std::lock_guard guard(lock);
            if (closed) return;
            ++inside;
        }
        run();
        const std::lock_guard guard(lock);
        --inside;
        left.notify_all();
    }

    void close() {
        std::unique_lock guard(lock);
        closed = true;
        left.wait(guard, [this] { return inside == 0; });
    }
};

void begin(void* given) {
    __tsan_acquire(given);
    const std::unique_ptr<std::shared_ptr<Work>> shared(static_cast<std::shared_ptr<Work>*>(given));
    (*shared)->join_in();
}

void schedule_own(void*, void (*task)(void*), void* argument) { std::thread(task, argument).detach(); }

}  // namespace

void together(const Workers& workers, int64_t threads, void (*work)(void*), void* argument) {
    if (threads < 2) return work(argument);
    const auto shared = std::make_shared<Work>();
    shared->work = work;
    shared->argument = argument;
    for (int64_t thread = 1; thread < threads; ++thread) {
        auto given = std::make_unique<std::shared_ptr<Work>>(shared);
        __tsan_release(given.get());
        try {
            workers.schedule(workers.pool, begin, given.get());
        } catch (const std::exception&) {
            break;  // no more threads can be started: those there are do the work
        }
        static_cast<void>(given.release());
    }
    shared->run();
    shared->close();
    if (shared->thrown) std::rethrow_exception(shared->thrown);
}

Workers own_workers() { return {static_cast<int64_t>(std::thread::hardware_concurrency()), nullptr, schedule_own}; }

}  // namespace ranvier
