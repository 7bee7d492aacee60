// A time as window and offset.
#pragma once

#include <cmath>
#include <cstdint>

#include "../physics/device.h"

namespace ranvier::RANVIER_LEVEL {

constexpr int64_t NEVER = int64_t{1} << 62;

struct Moment {
    int64_t window;
    double offset;
};

// Window and offset of the moment `duration` (ms) after an offset of window k; NEVER if it is infinite.
inline Moment after(int64_t k, double offset, double duration, double window) {
    const double passed = floor((offset + duration) / window);
    if (!(passed < 1e15)) return {NEVER, 0.0};
    return {k + static_cast<int64_t>(passed), offset + duration - passed * window};
}

}  // namespace ranvier::RANVIER_LEVEL
