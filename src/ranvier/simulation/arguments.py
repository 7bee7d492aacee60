"""Arguments of a simulation that are no such thing at all: one sentence for each likely mistake."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import jax
import jax.core
import numpy as np

from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.simulation.solution import AbstractSimulator


def check_kinds(network: object, spikes: object, simulator: object, t_end: object, record: object) -> None:
    """Refuse what has the wrong type; values are checked later.

    Args:
        network: What should be a `Network`.
        spikes: What should be `Spikes`, or a mapping to them.
        simulator: What should be a simulator.
        t_end: What should be a number.
        record: What should be a mapping to times, or None.

    Raises:
        ValueError: one of them is something else.
    """
    _check_network(network)
    for name, train in spikes.items() if isinstance(spikes, Mapping) else [(None, spikes)]:
        _check_train(name, train)
    if isinstance(simulator, type) and issubclass(simulator, AbstractSimulator):
        msg = f"simulate: `simulator` is the class {simulator.__name__}; add parentheses: {simulator.__name__}()."
        raise ValueError(msg)
    if not isinstance(simulator, AbstractSimulator):
        msg = f"simulate: `simulator` must be a simulator, such as ranvier.EventDriven(); got {_kind(simulator)}."
        raise ValueError(msg)
    _check_end(t_end)
    if record is not None and not isinstance(record, Mapping):
        msg = (
            "simulate: `record` must map names of populations to times in ms, such as "
            f"record={{'output': [1.0, 2.0]}}; got {_kind(record)}."
        )
        raise ValueError(msg)


def _check_network(network: object) -> None:
    if not isinstance(network, Network):
        msg = f"simulate: `network` must be a ranvier.Network; got {_kind(network)}."
        raise ValueError(msg)
    if any(leaf is None for link in network.connections for leaf in (link.weight, *jax.tree.leaves(link.delay))):
        msg = (
            "simulate: `network` is one part of a partition, without all its numbers; put the parts together: "
            "ranvier.combine(learn, fixed)."
        )
        raise ValueError(msg)


def _check_train(name: str | None, train: object) -> None:
    if isinstance(train, Spikes):
        return
    what = "`spikes`" if name is None else f"`spikes` of {name!r}"
    advice = "pass ranvier.Spikes(time, unit), the time (ms) and the neuron of each spike"
    if isinstance(train, (np.ndarray, jax.Array)):
        advice += ", or make them of an array of 0 and 1 over time with ranvier.Spikes.from_dense"
    msg = f"simulate: {what} must be ranvier.Spikes; got {_kind(train)}: {advice}."
    raise ValueError(msg)


def _check_end(t_end: object) -> None:
    if isinstance(t_end, jax.core.Tracer):
        msg = (
            "simulate: `t_end` must be known when JAX traces the function, since it decides what is compiled; got a "
            "traced value. Close over it, or make it static: jax.jit(f, static_argnames='t_end')."
        )
        raise ValueError(msg)
    number = isinstance(t_end, Real) and not isinstance(t_end, bool)
    if not number and not (isinstance(t_end, (np.ndarray, jax.Array)) and t_end.shape == ()):
        msg = f"simulate: `t_end` must be one number, a time in ms; got {_kind(t_end)}."
        raise ValueError(msg)


def _kind(value: Any) -> str:
    """What something is, in a few words."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, (np.ndarray, jax.Array)):
        return f"an array of shape {value.shape}"
    return f"{type(value).__name__} {value!r}" if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
