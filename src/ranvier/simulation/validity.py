"""What the arguments of a simulation must be: checked with their numbers where known, a status where they are traced.

The rules of a network's own numbers stand in `Network.rules`; here are those of input spikes and record times.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int

from ranvier._concrete import concrete
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.status import RECORD, SPIKES, first_status
from ranvier.summaries import AbstractSummary, Summaries, as_summaries

Records = Mapping[str, Float[Array, "batch times"] | Summaries]
"""What is recorded, by population: potentials at times (ms), or summaries."""

ROOM = 1 + 1e-6
"""Times may pass t_end by this factor: in float32 a time at the end may be rounded up."""


def times_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record times among what is recorded."""
    return {name: at for name, at in record.items() if not isinstance(at, tuple)}


def summaries_of(record: Mapping[str, Any]) -> dict[str, Summaries]:
    """The summaries among what is recorded."""
    return {name: at for name, at in record.items() if isinstance(at, tuple)}


@eqx.filter_jit
def argument_status(network: Network, spikes: Mapping[str, Spikes], t_end: float, record: Records) -> Int[Array, ""]:
    """What is wrong with the arguments of a simulation: 0, or a key of `ranvier.status.STATUS`.

    Args:
        network: The network.
        spikes: Input spikes of every input population, shape (batch, n).
        t_end: End of the simulation (ms).
        record: Record times (ms) by population, shape (batch, times); summaries have no rules.
    """
    network, spikes, record = lax.stop_gradient((network, dict(spikes), times_of(record)))
    found = [(rule.status, rule.broken()) for _, rules in network.rules() for rule in rules]
    for name, train in spikes.items():
        wrong = spike_problems(train.time, train.unit, network.size(name), t_end, jnp)
        found += [(SPIKES, jnp.any(mask)) for mask in wrong.values()]
    found += [(RECORD, jnp.any(record_problems(times, t_end, jnp))) for times in record.values()]
    return first_status(found)


def spike_problems(time: Any, unit: Any, size: int, t_end: float, xp: Any) -> dict[str, Any]:
    """For every spike what is wrong with it, arrays of the shape of `time`; `xp` is NumPy or jax.numpy."""
    spike = time != np.inf
    earlier = xp.concatenate([xp.full_like(time[..., :1], -np.inf), time[..., :-1]], axis=-1)
    return {
        "time is NaN": xp.isnan(time),
        "times must be >= 0 ms": time < 0,
        f"times must not be after t_end = {t_end} ms (use inf for no spike)": spike & (time > t_end * ROOM),
        "times must be sorted (Spikes.from_ragged sorts)": time < earlier,
        f"units must be in 0..{size - 1}": spike & ((unit < 0) | (unit >= size)),
    }


def record_problems(times: Any, t_end: float, xp: Any) -> Any:
    """For every record time whether it is out of range or earlier than the one before it."""
    earlier = xp.concatenate([xp.full_like(times[..., :1], 0.0), times[..., :-1]], axis=-1)
    return ~((times >= earlier) & (times >= 0) & (times <= t_end * ROOM))


def check_spikes(network: Network, trains: Mapping[str, Spikes], t_end: float) -> None:
    """Refuse input spikes that cannot be simulated, naming the first that is wrong, where they are known."""
    for name, train in trains.items():
        size = network.size(name)
        if train.size not in (None, size):
            msg = (
                f"simulate: `spikes` of {name!r} are of a population of {train.size} units, the network's has {size}. "
                "Give the network an input of that size, or the spikes another with spikes.with_size(n)."
            )
            raise ValueError(msg)
        time, unit = concrete(train.time), concrete(train.unit)
        if time is None or unit is None:
            continue
        for problem, where in spike_problems(time, unit, size, t_end, np).items():
            if where.any():
                at = tuple(int(index) for index in np.argwhere(where)[0])
                msg = f"simulate: `spikes` of {name!r}: {problem}; got time {time[at]} ms, unit {unit[at]} at {at}."
                raise ValueError(msg)


def check_record(
    network: Network, record: Mapping[str, ArrayLike | Sequence[Any] | AbstractSummary], t_end: float, batch: int
) -> dict[str, Float[Array, "*batch times"] | Summaries]:
    """Record times as arrays, refused where they are known and wrong, and summaries."""
    times = {}
    for name, given in record.items():
        if name not in network.neurons:
            why = "an input, which has no potential" if name in network.inputs else "no population"
            msg = f"simulate: `record` names {name!r}, {why}; this network has {list(network.neurons)}."
            raise ValueError(msg)
        asked = as_summaries(given)
        if asked:
            times[name] = _integrated(network, name, asked)
            continue
        at = _numbers(name, given)
        at = at if jnp.issubdtype(at.dtype, jnp.floating) else at.astype(jnp.result_type(float))
        known = concrete(at)
        if at.ndim not in (1, 2) or at.shape[-1] == 0 or at.shape[:-1] not in ((), (1,), (batch,)):
            msg = (
                f"simulate: `record` times of {name!r} must be (times,) or (batch, times) with a batch of {batch}, "
                f"and at least one time; got shape {at.shape}."
            )
            raise ValueError(msg)
        if known is not None and np.any(record_problems(known, t_end, np)):
            msg = f"simulate: `record` times of {name!r} must be ascending and in [0, {t_end}] ms; got {known}."
            raise ValueError(msg)
        times[name] = at
    return times


def _integrated(network: Network, name: str, asked: Summaries) -> Summaries:
    """Summaries of a population that has them."""
    if network.neurons[name].spiking:
        msg = (
            f"simulate: `record` asks for {asked[0]} of {name!r}, whose neurons spike; summaries are of populations "
            f"that integrate, ranvier.LI. Record its potentials at times, such as record={{{name!r}: [1.0, 2.0]}}."
        )
        raise ValueError(msg)
    return asked


def _numbers(name: str, given: Any) -> Array:
    """Record times as an array."""
    try:
        at = jnp.asarray(given)
    except (TypeError, ValueError):  # a string, None, or lists of several lengths
        at = None
    if at is None or at.dtype == bool:
        msg = (
            f"simulate: `record` must give the times in ms at which to record {name!r}, such as "
            f"record={{{name!r}: [1.0, 2.0]}}, or summaries such as ranvier.summaries.Maximum(); got {given!r}."
        )
        raise ValueError(msg)
    return at
