"""Peak memory of one gradient, against the number of input spikes, the duration and the longest delay.

Each row runs in a process of its own; what is told is its peak resident size less that of the same process before the
gradient. What is kept for the gradient is 20 bytes per place for a spike (float32); scratch is per thread.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ranvier.connections import Connection
from ranvier.delays import synaptic
from ranvier.event_driven import EventDriven
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.neurons import LIF
from ranvier.patterns import AllToAll
from ranvier.populations import Population
from ranvier.selection import partition
from ranvier.simulation import simulate

ROWS = [
    {"spikes": 2000, "t_end": 1000.0, "delay": 60.0},
    {"spikes": 4000, "t_end": 1000.0, "delay": 60.0},
    {"spikes": 8000, "t_end": 1000.0, "delay": 60.0},
    {"spikes": 8000, "t_end": 2000.0, "delay": 60.0},
    {"spikes": 8000, "t_end": 4000.0, "delay": 60.0},
    {"spikes": 8000, "t_end": 1000.0, "delay": 250.0},
    {"spikes": 8000, "t_end": 1000.0, "delay": 1000.0},
]


def measure(row: dict[str, float]) -> dict[str, float]:
    """One row, in a fresh process."""
    command = [sys.executable, "-m", "ranvier.lab.bench.memory", json.dumps(row)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


def gradient(spikes: int, t_end: float, delay: float, hidden: int = 128, batch: int = 32) -> dict[str, float]:
    """Take one gradient in this process and say what it cost."""
    rng, key = np.random.default_rng(0), jax.random.key(0)
    kind = synaptic(1.0, delay)
    populations = {"input": Population(700), "hidden": Population(hidden, LIF(20.0, 5.0))}
    draw = lambda pre: jax.random.normal(key, (populations[pre].size, hidden), jnp.float32)
    wait = lambda pre: kind(populations[pre], populations["hidden"], AllToAll(), jnp.float32, key=key)
    links = [
        Connection(pre, "hidden", 0.02 * draw(pre) + mean, wait(pre))
        for pre, mean in (("input", 0.02), ("hidden", 0.0))
    ]
    learn, rest = partition(Network(populations, links))

    def value(learn: Network, count: int) -> jax.Array:
        times = np.sort(rng.uniform(0, t_end, (batch, count)), axis=1).astype(np.float32)
        train = Spikes(times, rng.integers(0, 700, times.shape, np.int32))
        solution = simulate(eqx.combine(learn, rest), train, EventDriven(), t_end=t_end, throw=False)
        return jnp.sum(jnp.where(jnp.isfinite(solution.spikes["hidden"].time), solution.spikes["hidden"].time, 0.0))

    jax.block_until_ready(eqx.filter_grad(value)(learn, 10))
    before = _peak()
    jax.block_until_ready(eqx.filter_grad(value)(learn, spikes))
    return {"spikes": spikes, "t_end": t_end, "delay": delay, "before_mb": before, "gradient_mb": _peak() - before}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: Sequence[str]) -> None:
    """What the fresh process runs."""
    sys.stdout.write(json.dumps(gradient(**json.loads(arguments[0]))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
