"""`Surrogate`: a simulation on the grid from checked input to a `Solution`, with its counters."""

import math
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ranvier.checkpoints import Checkpoints
from ranvier.dense import dense
from ranvier.events import Spikes, spike_count
from ranvier.network import Network
from ranvier.neurons import linear
from ranvier.simulation import (
    AbstractSteppedSimulator,
    Records,
    Solution,
    Stats,
    argument_status,
    delivered,
    in_flight,
    refuse_without_room,
    times_of,
)
from ranvier.status import DROPPED, NOT_FINITE, first_status
from ranvier.surrogate.delay_lines import longest_delay
from ranvier.surrogate.grid import Rules, in_time_order, on_grid, potentials, simulate_on_grid
from ranvier.surrogates import SurrogateSpike, superspike
from ranvier.taps import AbstractTaps, Linear


class Surrogate(AbstractSteppedSimulator):
    """Simulation on a grid of steps whose spikes have a surrogate derivative: the usual way to train spiking networks.

    Here for comparison. Same networks, same losses, same `Solution`. LIF and LI populations only. Every number that
    learns has a gradient: weights, delays (an arrival between two instants is shared out), time constants, thresholds,
    refractory times and input times. What a spike sends is differentiated by the surrogate, the time that
    `Solution.spikes` reports by the slope of V at threshold. First order in dt, with a small error: a spike is sent
    with the mean of its instant. Delays may be 0, around a cycle too. Cost per step: the products with the weights, for
    per-synapse delays times the steps of the longest delay.

    Args:
        dt: Length of a step (ms).
        surrogate: Derivative of a spike, for example `ranvier.surrogates.superspike(beta=100.0)`.
        taps: How delays that learn are spread over steps: `Linear()`, or a kernel that sharpens during training,
            `Gaussian(sigma)` or `Tent(sigma)` of `ranvier.taps` (DCLS).
        detach_reset: Whether the reset counts as constant in the backward pass, as is usual.
        detach_time: Whether the instant within the step at which a spike is sent counts as constant, so that hidden
            spikes learn by the surrogate alone, as is usual. If not, the derivative of their times is added.
        checkpoint: What reverse mode keeps: time against memory.
        max_spikes: How many spikes per neuron are kept; a population shares its places.

    Raises:
        ValueError: an argument is out of range; or, when run, a neuron is neither LIF nor LI, or delays have no upper
            bound.

    References:
        Zenke & Vogels, Neural Comput. 33 (2021).

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), weight=rv.initializers.constant(5.0), key=jax.random.key(0))
        >>> spikes = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))
        >>> int(rv.simulate(net, spikes, rv.Surrogate(dt=0.1), t_end=20.0).stats.spikes["output"])
        3
    """

    dt: float = eqx.field(static=True, default=0.1)
    surrogate: SurrogateSpike = superspike()
    taps: AbstractTaps = Linear()
    detach_reset: bool = eqx.field(static=True, default=True)
    detach_time: bool = eqx.field(static=True, default=True)
    checkpoint: Checkpoints = Checkpoints()
    max_spikes: int = eqx.field(static=True, default=64)

    def __check_init__(self):
        if not (math.isfinite(self.dt) and self.dt > 0):
            msg = f"Surrogate: `dt` must be a time in ms above 0; got {self.dt}."
            raise ValueError(msg)
        if self.max_spikes < 1:
            msg = f"Surrogate: `max_spikes` must be at least 1; got {self.max_spikes}."
            raise ValueError(msg)
        if not isinstance(self.surrogate, SurrogateSpike):
            msg = (
                "Surrogate: `surrogate` must be the derivative of a spike, such as ranvier.surrogates.superspike(); "
                f"got {self.surrogate!r}."
            )
            raise ValueError(msg)

    def run(
        self,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: Records,
    ) -> Solution:
        """Simulate the network from 0 to `t_end` ms for every sample of the batch."""
        steps = max(1, math.ceil(t_end / self.dt - 1e-9))
        refuse_without_room(
            "Surrogate", network, spikes, record, max_spikes=self.max_spikes, steps=steps, matrices=True
        )
        longest = tuple(map(longest_delay, dense(network)))
        rules = Rules(
            self.dt, steps, self.surrogate, self.taps, self.detach_reset, self.detach_time, self.checkpoint, longest
        )
        return _run(network, spikes, t_end, times_of(record), rules, self.max_spikes)


@eqx.filter_jit  # without it every call would be compiled again, and nothing is ever freed of that
def _run(
    network: Network,
    spikes: dict[str, Spikes],
    t_end: float,
    record: dict[str, Float[Array, "batch times"]],
    rules: Rules,
    max_spikes: int,
) -> Solution:
    dtype = network.dtype
    trains = {name: on_grid(train, network.size(name), rules, dtype) for name, train in spikes.items()}
    traces = simulate_on_grid(network, trains, frozenset(record), rules)
    times = {name: trace.times for name, trace in traces.items() if trace.times is not None}
    fired = {name: trace.fired for name, trace in traces.items() if trace.fired is not None}
    found = {name: in_time_order(one, fired[name], max_spikes * one.shape[2], t_end) for name, one in times.items()}
    starts = {name: trace.start for name, trace in traces.items() if trace.start is not None}
    voltages = {name: potentials(start, linear(network.neurons[name], "Surrogate", ""), record[name], rules)
                for name, start in starts.items()}  # fmt: skip
    count = lambda times: jnp.sum(lax.stop_gradient(times) <= t_end, axis=(0, 2), dtype=jnp.int32)
    counts = {name: count(one) for name, one in times.items()}
    finite = [jnp.isfinite(voltage).all() for voltage in voltages.values()]
    state = _Counted(counts, found, jnp.all(jnp.array([True, *finite])))
    status = argument_status(network, spikes, t_end, record)
    return Solution(found, voltages, _stats(network, spikes, state, t_end, status))


class _Counted(NamedTuple):
    """Spikes there were, those for which there was room, and whether all potentials are finite."""

    fired: dict[str, Int[Array, " batch"]]
    found: dict[str, Spikes]
    finite: Array


def _stats(
    network: Network,
    inputs: dict[str, Spikes],
    counted: _Counted,
    t_end: float,
    before: Int[Array, ""],
) -> Stats:
    inputs, found = lax.stop_gradient(inputs), lax.stop_gradient(counted.found)
    number = lambda train: jnp.sum(jnp.isfinite(train.time), axis=-1, dtype=jnp.int32)
    none = jnp.zeros(next(iter(inputs.values())).time.shape[0], jnp.int32)
    nothing = dict.fromkeys(network.neurons, none)
    spikes = nothing | counted.fired
    dropped = nothing | {name: count - number(found[name]) for name, count in counted.fired.items()}
    silent = {name: jnp.full_like(none, network.size(name)) for name in network.neurons}
    for name, train in found.items():
        silent[name] = jnp.sum(spike_count(train) == 0, axis=-1, dtype=jnp.int32)
    links, trains, batch = dense(network), inputs | found, len(none)
    late = {name: in_flight(links, trains, name, t_end, batch) for name in network.neurons}
    lost = jnp.any(jnp.stack([count.sum() for count in dropped.values()]) > 0)
    status = first_status([(DROPPED, lost), (NOT_FINITE, ~counted.finite)], before)
    return Stats(status, spikes, dropped, silent, late, nothing, delivered(links, trains, batch), none)
