"""What the first gradient of `ClockDriven` costs, most of which is compiling: CPU time in fresh processes.

    python benchmarks/first_gradient.py [FOLDER ...]

Each FOLDER holds the sources of another version (its `src`), measured in turn with this one; the last column is this
version over the last of them. Without any, `FirstSpike` on the same network is what to compare with. A process
measures `jax.grad` of a sum of spike times, called for the first time outside of `jit`, and then the median of ten more
calls inside `jit`.
"""

import os
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

REPEATS = 3
HERE = str(Path(__file__).parents[1] / "src")
NETWORKS = {
    "4-6-3 LIF": """
net = rv.feedforward([4, 6, 3], neuron=rv.LIF(refractory=jnp.inf), delay=rv.synaptic(low=0.0, high=1.0), key=key)
spikes, fields = rv.Spikes(jnp.array([1.0, 2.0, 3.0, 4.0]), jnp.arange(4)), ("weight", "delay")
""",
    "2 AdEx": """
net = rv.feedforward([2, 2], neuron=rv.AdEx(), key=key)
spikes, fields = rv.Spikes(jnp.array([1.0, 2.0]), jnp.arange(2)), ("weight",)
""",
}
PROGRAM = """
import statistics, time
import jax, jax.numpy as jnp, ranvier as rv
key = jax.random.key(0)
{network}
learn, fixed = rv.partition(net, *fields)
def loss(learn):
    solution = rv.simulate(rv.combine(learn, fixed), spikes, {simulator}, t_end=20.0)
    times = solution.spikes["output"].time
    return jnp.sum(jnp.where(jnp.isfinite(times), times, 0.0))
begin = time.process_time()
jax.block_until_ready(jax.grad(loss)(learn))
first = time.process_time() - begin
compiled, walls = jax.jit(jax.grad(loss)), []
for _ in range(11):
    begin = time.perf_counter()
    jax.block_until_ready(compiled(learn))
    walls.append(time.perf_counter() - begin)
print(first, statistics.median(walls[1:]))
"""


def measure(network: str, simulator: str, sources: str) -> tuple[float, float]:
    """CPU time of the first gradient (s) and wall time of a later one (s), in a fresh process."""
    program = PROGRAM.format(network=NETWORKS[network], simulator=simulator)
    environment = os.environ | {"PYTHONPATH": sources}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    first, later = map(float, done.stdout.split())
    return first, later


def main(others: list[str]) -> None:
    """Print the table."""
    clock = "rv.ClockDriven(dt=0.25)"
    print(f"{'network':10} {'version':40} {'first gradient (CPU s)':>23} {'later ones (ms)':>16} {'ratios':>13}")
    for network in NETWORKS:
        plain = [] if others or "AdEx" in network else [("FirstSpike", "rv.FirstSpike()", HERE)]
        runs = [("this", clock, HERE), *plain, *((folder, clock, folder) for folder in others)]
        found = np.array([[measure(network, *run[1:]) for run in runs] for _ in range(REPEATS)])
        medians = [[statistics.median(found[:, at, column]) for column in (0, 1)] for at in range(len(runs))]
        for (name, _, _), (first, later) in zip(runs, medians, strict=True):
            ratios = f"{medians[0][0] / first:6.2f} {medians[0][1] / later:6.2f}"
            print(f"{network:10} {name[-40:]:40} {first:23.2f} {1000 * later:16.2f} {ratios}")


if __name__ == "__main__":
    main(sys.argv[1:])
