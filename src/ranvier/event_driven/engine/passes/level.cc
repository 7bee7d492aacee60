// All passes for one vector level: compiled several times, each with RANVIER_LEVEL and the flags of that level.
#include "batch.h"
#include "grid_loop.h"

namespace ranvier::RANVIER_LEVEL {

void run(const Call& call) {
    if (call.wide)
        Batch<double>(call).run();
    else
        Batch<float>(call).run();
}

void run_grid(const Grid& grid, bool backward) {
    if (backward)
        gather_on_grid(grid);
    else
        scatter_on_grid(grid);
}

}  // namespace ranvier::RANVIER_LEVEL
