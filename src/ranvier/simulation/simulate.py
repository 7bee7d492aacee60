"""`simulate`: the one entry point. How the network is advanced is a value, the simulator."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.rules import check
from ranvier.simulation.arguments import check_kinds
from ranvier.simulation.refusal import refuse
from ranvier.simulation.solution import AbstractSimulator, AbstractSteppedSimulator, Solution
from ranvier.simulation.state import State, check_state
from ranvier.simulation.validity import Records, check_record, check_spikes, summaries_of, times_of
from ranvier.summaries import AbstractSummary


def simulate(
    network: Network,
    spikes: Spikes | Mapping[str, Spikes],
    simulator: AbstractSimulator,
    *,
    t_end: float,
    record: Mapping[str, ArrayLike | Sequence[Any] | AbstractSummary] | None = None,
    start: State | None = None,
    end: bool = False,
    throw: bool = True,
) -> Solution:
    """Simulate a network from 0 to `t_end` ms, differentiably.

    Args:
        network: The network; differentiate with respect to its leaves.
        spikes: Input spikes, `Spikes` of shape (n,) or (batch, n), or one for each input population by name.
            Gradients of input spikes are taken with respect to `spikes.time`.
        simulator: How, for example `ranvier.EventDriven()`.
        t_end: End of the simulation (ms), > 0.
        record: Times (ms) at which to record the potentials of a population, {population: (times,)} or
            {population: (batch, times)}, ascending. At a spike time the value is that after the reset. Of a population
            that does not spike also a summary over the whole simulation, or several: {population:
            ranvier.summaries.Maximum()}.
        start: State to go on from, `Solution.end` of the call before; its time is then 0. Default at rest.
        end: Whether to give the state at `t_end`, in `Solution.end`. Runs in pieces are the run in one piece, and so
            are their gradients, where one reverse pass is taken through all.
        throw: Raise if anything did not fit or was not valid; otherwise only `stats` tells.

    Returns:
        A `Solution`; with a batch axis where `spikes` have one.

    Raises:
        ValueError: an argument is not valid (before tracing).
        RuntimeError: the simulation's status is not 0 and `throw`.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> neuron = rv.LIF(refractory=jnp.inf)
        >>> net = rv.feedforward([2, 3], neuron=neuron, weight=rv.initializers.constant(9.0), key=jax.random.key(0))
        >>> spikes = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))
        >>> solution = rv.simulate(net, spikes, rv.EventDriven(), t_end=20.0)
        >>> int(solution.stats.spikes["output"])
        3
    """
    check_kinds(network, spikes, simulator, t_end, record)
    if not (np.isfinite(t_end) and t_end > 0):
        msg = f"simulate: `t_end` must be a finite time in ms above 0; got {t_end}."
        raise ValueError(msg)
    trains = _by_population(network, spikes)
    batched = next(iter(trains.values())).time.ndim == 2
    check_spikes(network, trains, float(t_end))
    trains = {name: train.with_size(network.size(name)) for name, train in trains.items()}
    if not batched:
        trains = jax.tree.map(lambda leaf: leaf[None], trains)
    batch = next(iter(trains.values())).time.shape[0]
    times = check_record(network, record or {}, float(t_end), batch)
    if throw:
        for part, rules in network.known_rules():
            check(f"simulate: {part}".removesuffix(": "), rules)
    asked = summaries_of(times) | _wide(times_of(times), batch)
    if start is None and not end:
        solution = _run(simulator, network, trains, float(t_end), asked)
    else:
        _no_summaries(asked)
        begun = None if start is None else check_state(network, start, (batch,) if batched else ())
        solution = simulator.run_from(network, trains, float(t_end), times_of(asked), begun, end)
    if not batched:
        status = solution.stats.status
        solution = jax.tree.map(lambda leaf: leaf if leaf is status else leaf[0], solution)
    return refuse(solution) if throw else solution


def _wide(times: dict[str, Array], batch: int) -> dict[str, Array]:
    """Record times of every sample."""
    return {name: jnp.broadcast_to(at, (batch, at.shape[-1])) for name, at in times.items()}


def _no_summaries(record: Records) -> None:
    """Summaries are of whole runs: refuse them for a piece of one."""
    for name in summaries_of(record):
        msg = (
            f"simulate: a summary of {name!r} is of a run from rest to `t_end`, and this one has `start` or `end`: "
            "record times instead, or leave these out."
        )
        raise ValueError(msg)


def _run(
    simulator: AbstractSimulator, network: Network, trains: dict[str, Spikes], t_end: float, record: Records
) -> Solution:
    """Simulate; where it is done in steps, summaries are those of the potentials at the steps."""
    asked = summaries_of(record)
    if not asked or not isinstance(simulator, AbstractSteppedSimulator):
        return simulator.run(network, trains, t_end, record)
    batch = next(iter(trains.values())).time.shape[0]
    steps = np.arange(0.0, t_end, simulator.dt)
    grid = np.append(steps[steps < t_end * (1 - 1e-9)], t_end)
    at_steps = _wide(dict.fromkeys(asked, jnp.asarray(grid, network.dtype)), batch)
    solution = simulator.run(network, trains, t_end, times_of(record) | at_steps)
    summarise = lambda name, voltage: jnp.stack([one.on_grid(voltage, grid) for one in asked[name]], axis=-2)
    voltages = {name: summarise(name, one) if name in asked else one for name, one in solution.voltages.items()}
    return Solution(solution.spikes, voltages, solution.stats)


def _by_population(network: Network, spikes: Spikes | Mapping[str, Spikes]) -> dict[str, Spikes]:
    names = list(network.inputs)
    trains = {names[0]: spikes} if isinstance(spikes, Spikes) and len(names) == 1 else spikes
    if isinstance(trains, Spikes) or set(trains) != set(names):
        got = "one Spikes" if isinstance(trains, Spikes) else list(trains)
        msg = f"simulate: `spikes` must name the network's input populations {names}; got {got}."
        raise ValueError(msg)
    leading = {name: train.time.shape[:-1] for name, train in trains.items()}
    if len(set(leading.values())) > 1 or any(len(shape) > 1 for shape in leading.values()):
        msg = f"simulate: all input `spikes` need one shape, (n,) or (batch, n) with one batch; got {leading}."
        raise ValueError(msg)
    if any(0 in train.time.shape[:-1] for train in trains.values()):
        msg = "simulate: `spikes` hold an empty batch; pass at least one sample."
        raise ValueError(msg)
    return {name: trains[name] for name in names}
