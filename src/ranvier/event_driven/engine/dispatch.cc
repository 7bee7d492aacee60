// Which vector level a call runs at: the best one that this library holds and this machine has.
#include "grid.h"
#include "interrupts.h"
#include "team.h"

namespace ranvier {

namespace plain {
void run(const Call& call);
void run_grid(const Grid& grid, bool backward);
}  // namespace plain

#ifdef RANVIER_X86_LEVELS
namespace avx2 {
void run(const Call& call);
void run_grid(const Grid& grid, bool backward);
}  // namespace avx2
namespace avx512 {
void run(const Call& call);
void run_grid(const Grid& grid, bool backward);
}  // namespace avx512
#endif

namespace {

struct Level {
    const char* name;
    void (*run)(const Call&);
    void (*run_grid)(const Grid&, bool);
};

Level best() {
#ifdef RANVIER_X86_LEVELS
    __builtin_cpu_init();
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
    const bool some = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    if (wide && some) return {"x86-64-v4", avx512::run, avx512::run_grid};
    if (some) return {"x86-64-v3", avx2::run, avx2::run_grid};
#endif
#ifdef RANVIER_NATIVE
    return {"native", plain::run, plain::run_grid};
#else
    return {"baseline", plain::run, plain::run_grid};
#endif
}

const Level& level() {
    static const Level chosen = best();
    return chosen;
}

}  // namespace

void run(const Call& call) {
    const Watch watch;
    Call watched = call;
    watched.struck = &struck;
    watched.begun = __atomic_load_n(&struck, __ATOMIC_RELAXED);
    watched.stopped = stopped;
    level().run(watched);
}

const char* level_name() { return level().name; }

void run_grid(const Grid& grid, bool backward) { level().run_grid(grid, backward); }

}  // namespace ranvier
