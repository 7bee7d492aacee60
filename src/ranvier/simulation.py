"""Simulation: one entry point, `simulate`, and what comes back, a `Solution`.

How the network is advanced is a value, the simulator (`EventDriven()`, ...). Whatever a simulator cannot hold or do is
counted in `Solution.stats` and, unless `throw=False`, raised.
"""

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PRNGKeyArray

from ranvier._concrete import concrete
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.neurons import AbstractLinearNeuron

STATUS = {
    0: "all went well",
    1: "more spikes than fit: raise the simulator's max_spikes, or make the network fire less (see stats.dropped)",
    2: "v_reset is not below v_threshold for some neuron: it would fire without end; keep the two apart",
    3: "v_leak is not below v_threshold for some neuron: it would start above threshold; keep the two apart",
    4: "a weight is not finite: the optimiser has diverged; lower its learning rate or clip the gradient",
    5: "a delay is not finite, or outside its bounds: use ranvier.project after each step, or another bound",
    6: "a time constant is not above 0, or a refractory time below 0: keep them positive while they are changed",
    7: "input spikes are not valid: times must be sorted and in [0, t_end], units inside the population",
    8: "a record time is not in [0, t_end], or the record times are not ascending",
    9: "a potential or current is not finite: weights or inputs are too large",
    10: "a neuron spikes more often in one step than fits: raise ClockDriven(step_spikes=...), or take a shorter dt",
    11: "more events than fit: raise events and history of Exact(...), events and queue of Queued(...), or step_events",
    12: "an input unit spikes more than once, and the substrate plays one spike for each: give it more input units",
}


def first_status(problems: Iterable[tuple[int, Bool[ArrayLike, ""]]]) -> Int[Array, ""]:
    """The smallest key of `STATUS` whose problem is there, 0 if none is.

    Example:
        >>> from ranvier.simulation import first_status
        >>> int(first_status([(9, True), (4, True), (1, False)]))
        4
    """
    none = max(STATUS) + 1
    least = jnp.min(jnp.stack([jnp.where(there, code, none) for code, there in problems]))
    return jnp.where(least == none, 0, least).astype(jnp.int32)


class Stats(eqx.Module):
    """What happened in a simulation, in numbers. Arrays have the batch axis of the input spikes, where there is one.

    Args:
        status: 0, or the first key of `ranvier.simulation.STATUS` that applies; one for the call.
        spikes: Spikes of each population.
        dropped: Spikes that did not fit `max_spikes`, per population; with `ClockDriven` also spikes and arriving
            events that did not fit in a step. The result is not valid.
        silent: Neurons without a spike, per population.
        in_flight: Events due after `t_end`, per receiving population.
        guarded: Spikes whose slope at threshold is so small that the gradient guard acts, per population.
        events: Synaptic events delivered or in flight.
        exact: Neuron-windows that took the exact path (the rest were aggregated, which is exact too); with
            `ClockDriven`, neuron-steps whose events were taken in order of time.
        forgotten: Events that a forgiving queue lost by its rule, per receiving population (`ClockDriven` with
            `Queued` layouts; else empty or 0).
    """

    status: Int[Array, ""]
    spikes: dict[str, Int[Array, "*batch"]]
    dropped: dict[str, Int[Array, "*batch"]]
    silent: dict[str, Int[Array, "*batch"]]
    in_flight: dict[str, Int[Array, "*batch"]]
    guarded: dict[str, Int[Array, "*batch"]]
    events: Int[Array, "*batch"]
    exact: Int[Array, "*batch"]
    forgotten: dict[str, Int[Array, "*batch"]] = eqx.field(default_factory=dict)


class Solution(eqx.Module):
    """What a simulation gives back.

    Args:
        spikes: Spikes of each population of neurons, sorted, padded; times in [0, t_end].
        voltages: For each recorded population its potentials, shape (batch, times, size) or (times, size).
        stats: Counters.
    """

    spikes: dict[str, Spikes]
    voltages: dict[str, Float[Array, "*batch times size"]]
    stats: Stats


class AbstractSimulator(eqx.Module):
    """A way to advance a network. `run` gets checked input, always with a batch axis."""

    @abc.abstractmethod
    def run(
        self,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: dict[str, Float[Array, "batch times"]],
    ) -> Solution:
        """Simulate the network from 0 to `t_end` ms for every sample of the batch."""


class AbstractNoisySimulator(AbstractSimulator):
    """A simulator with noise, which its random key decides. Learning gives it another key for every batch."""

    key: eqx.AbstractVar[PRNGKeyArray]

    @abc.abstractmethod
    def with_key(self, key: PRNGKeyArray) -> "AbstractNoisySimulator":
        """The same simulator with other noise."""


def simulate(
    network: Network,
    spikes: Spikes | Mapping[str, Spikes],
    simulator: AbstractSimulator,
    *,
    t_end: float,
    record: Mapping[str, ArrayLike | Sequence] | None = None,
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
            {population: (batch, times)}, ascending. At a spike time the value is that after the reset.
        throw: Raise if anything did not fit or was not valid; otherwise only `stats` tells.

    Returns:
        A `Solution`; with a batch axis where `spikes` have one.

    Raises:
        ValueError: an argument is not valid (before tracing).
        RuntimeError: the simulation's status is not 0 and `throw`.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> neuron = rv.LIF(refractory=jnp.inf)
        >>> net = rv.feedforward([2, 3], neuron=neuron, weight=rv.constant(9.0), key=jax.random.key(0))
        >>> spikes = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))
        >>> solution = rv.simulate(net, spikes, rv.EventDriven(), t_end=20.0)
        >>> int(solution.stats.spikes["output"])
        3
    """
    if not (np.isfinite(t_end) and t_end > 0):
        msg = f"simulate: `t_end` must be a finite time in ms above 0; got {t_end}."
        raise ValueError(msg)
    trains = _by_population(network, spikes)
    batched = next(iter(trains.values())).time.ndim == 2
    _check_spikes(network, trains, float(t_end))
    if not batched:
        trains = jax.tree.map(lambda leaf: leaf[None], trains)
    batch = next(iter(trains.values())).time.shape[0]
    times = _check_record(network, record or {}, float(t_end), batch)
    if throw:
        _check_network(network)
    wide = {name: jnp.broadcast_to(at, (batch, at.shape[-1])) for name, at in times.items()}
    solution = simulator.run(network, trains, float(t_end), wide)
    if not batched:
        status = solution.stats.status
        solution = jax.tree.map(lambda leaf: leaf if leaf is status else leaf[0], solution)
    return _throw(solution) if throw else solution


def _by_population(network: Network, spikes: Spikes | Mapping[str, Spikes]) -> dict[str, Spikes]:
    names = [name for name, _ in network.input_sizes]
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


def _check_spikes(network: Network, trains: dict[str, Spikes], t_end: float) -> None:
    """Refuse input spikes that cannot be simulated, naming the first that is wrong."""
    for name, train in trains.items():
        time, unit = concrete(train.time), concrete(train.unit)
        if time is None or unit is None:
            continue
        size = network.size(name)
        spike = time != np.inf
        earlier = np.concatenate([np.full((*time.shape[:-1], 1), -np.inf), time[..., :-1]], axis=-1)
        problems = {
            "time is NaN": np.isnan(time),
            "times must be >= 0 ms": time < 0,
            f"times must not be after t_end = {t_end} ms (use inf for no spike)": spike & (time > t_end),
            "times must be sorted (Spikes.from_ragged sorts)": time < earlier,
            f"units must be in 0..{size - 1}": spike & ((unit < 0) | (unit >= size)),
        }
        for problem, where in problems.items():
            if where.any():
                at = tuple(int(index) for index in np.argwhere(where)[0])
                msg = f"simulate: `spikes` of {name!r}: {problem}; got time {time[at]} ms, unit {unit[at]} at {at}."
                raise ValueError(msg)


def _check_record(
    network: Network, record: Mapping[str, ArrayLike | Sequence], t_end: float, batch: int
) -> dict[str, Float[Array, "*batch times"]]:
    times = {}
    for name, given in record.items():
        if name not in network.neurons:
            msg = f"simulate: `record` names {name!r}; this network has {list(network.neurons)}."
            raise ValueError(msg)
        at = jnp.asarray(given)
        at = at if jnp.issubdtype(at.dtype, jnp.floating) else at.astype(jnp.result_type(float))
        known = concrete(at)
        if at.ndim not in (1, 2) or at.shape[-1] == 0 or at.shape[:-1] not in ((), (1,), (batch,)):
            msg = (
                f"simulate: `record` times of {name!r} must be (times,) or (batch, times) with a batch of {batch}, "
                f"and at least one time; got shape {at.shape}."
            )
            raise ValueError(msg)
        if known is not None and not (np.all((known >= 0) & (known <= t_end)) and np.all(np.diff(known) >= 0)):
            msg = f"simulate: `record` times of {name!r} must be ascending and in [0, {t_end}] ms; got {known}."
            raise ValueError(msg)
        times[name] = at
    return times


def _check_network(network: Network) -> None:
    """Refuse numbers that no simulation can use, naming the first that is wrong: training may have changed them."""
    for link in network.connections:
        _check_values(f"the weights of {link.name}", link.weight, np.isfinite, f"finite ({STATUS[4]})")
        low, high = link.delay.low, link.delay.high
        slack = 1e-6 if network.dtype == np.float64 else 1e-4
        inside = lambda delay, low=low - slack, high=high + slack: (delay >= low) & (delay <= high) & (delay < np.inf)
        _check_values(f"the delays of {link.name}", link.delay(), inside, f"in [{low}, {high}] ms ({STATUS[5]})")
    for name, neuron in network.neurons.items():
        if not isinstance(neuron, AbstractLinearNeuron):
            continue  # the others have no parameters in common
        for field in ("tau_mem", "tau_syn"):
            positive = lambda tau: (tau > 0) & (tau < np.inf)
            _check_values(f"`{field}` of {name!r}", getattr(neuron, field), positive, "a finite time above 0 ms")
        _check_values(f"`refractory` of {name!r}", neuron.refractory, lambda time: time >= 0, ">= 0 ms")
        threshold = concrete(neuron.v_threshold)
        for field in ("v_reset", "v_leak"):
            if threshold is not None and neuron.spiking:
                below = lambda v, threshold=threshold: v < threshold
                wanted = f"below its `v_threshold`, {threshold} ({STATUS[2 if field == 'v_reset' else 3]})"
                _check_values(f"`{field}` of {name!r}", getattr(neuron, field), below, wanted)


def _check_values(what: str, value: ArrayLike, right: Callable[[np.ndarray], np.ndarray], wanted: str) -> None:
    known = concrete(value)
    if known is None or np.all(holds := right(known)):
        return
    at = tuple(int(index) for index in np.argwhere(~np.atleast_1d(holds))[0])
    got = np.broadcast_to(known, np.shape(np.atleast_1d(holds)))[at]
    msg = f"simulate: {what} must be {wanted}; got {got} at {at}."
    raise ValueError(msg)


def _throw(solution: Solution) -> Solution:
    """Raise what went wrong: with the numbers where they are known, with a fixed message inside a traced function."""
    status = concrete(solution.stats.status)
    if status is None:
        code = solution.stats.status
        messages = [f"simulate: {message}." for message in STATUS.values()]
        return eqx.branched_error_if(solution, jnp.any(code > 0), jnp.max(code), messages)
    if status.any():
        dropped = {name: int(np.max(count)) for name, count in solution.stats.dropped.items()}
        msg = f"simulate: {STATUS[int(status.max())]}. Spikes dropped, worst sample: {dropped}."
        raise RuntimeError(msg)
    return solution
