// The same calls for a program on another device, whose arrays come as plain ones: see `library.py`.
#include <exception>

#include "grid.h"
#include "team.h"

extern "C" {

// 0, or 1 if something was thrown: not enough memory, most likely.
__attribute__((visibility("default"))) int ranvier_call(int backward, int wide, const int64_t* plan,
                                                        const double* numbers, const ranvier::View* in,
                                                        const ranvier::View* out) {
    ranvier::Call call{};
    call.backward = backward != 0;
    call.wide = wide != 0;
    call.plan = plan;
    call.numbers = numbers;
    const int inputs = backward ? ranvier::INPUTS : ranvier::STATUS + 1;
    const int outputs = backward ? static_cast<int>(ranvier::GRADIENTS) : static_cast<int>(ranvier::OUTPUTS);
    for (int at = 0; at < inputs; ++at) call.in[at] = in[at];
    for (int at = 0; at < outputs; ++at) call.out[at] = out[at];
    call.workers = ranvier::own_workers();
    try {
        ranvier::run(call);
    } catch (const std::exception&) {
        return 1;
    }
    return 0;
}

// One pass of the grid that the engine is compared with.
__attribute__((visibility("default"))) void ranvier_grid(int backward, const ranvier::Grid* grid) {
    ranvier::run_grid(*grid, backward != 0);
}

// The vector level that this machine runs at.
__attribute__((visibility("default"))) const char* ranvier_level() { return ranvier::level_name(); }
}
