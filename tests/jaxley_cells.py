"""Two Hodgkin-Huxley cells in Jaxley joined by one synapse, as `neuron_reference.py` has them in NEURON."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import jaxley as jx
from jaxley.channels import HH
from jaxley.connect import connect
from jaxtyping import Array, Float

START = {"HH_m": 0.0529324853, "HH_h": 0.5961207535, "HH_n": 0.3176769141}


def two_cells(synapse: Any, pulses: int = 1, dt: float = 0.025, t_end: float = 40.0, sender: Any = None) -> jx.Network:
    """The network; `synapse` goes from cell 0 to cell 1, whose voltage is recorded."""
    cell = jx.Cell(jx.Branch(jx.Compartment(), ncomp=1), parents=[-1])
    net = jx.Network([cell, cell])
    if sender is None:
        net.insert(HH())
    else:
        net.cell(0).insert(sender)
        net.cell(1).insert(HH())
    net.set("v", -65.0)
    for name, value in START.items():
        net.cell(range(0 if sender is None else 1, 2)).set(name, value)
    connect(net.cell(0).branch(0).comp(0), net.cell(1).branch(0).comp(0), synapse)
    steps = round(t_end / dt)
    time = dt * jnp.arange(steps)
    current = jnp.zeros(steps)
    for at in range(pulses):
        first = 2.0 + 12.0 * at
        current = jnp.where((time > first - dt / 2) & (time < first + 1.0 - dt / 2), 0.02, current)
    net.cell(0).stimulate(current)
    net.cell(1).branch(0).comp(0).record("v")
    return net


def trainable(net: jx.Network, names: Sequence[str]) -> list[dict[str, Array]]:
    """Parameters to be differentiated: of the synapse by their key, of the sending cell by the name of its channel's."""
    for name in names:
        (net.cell(0) if name.startswith(("HH", "LIF")) else net).make_trainable(name, verbose=False)
    return net.get_parameters()


def voltage(net: jx.Network, dt: float = 0.025, **options: Any) -> Callable[..., Float[Array, " steps"]]:
    """The recorded voltage as a function of the parameters, a vector."""
    names = [next(iter(one)) for one in net.get_parameters()]

    def run(values: Float[Array, " parameters"]) -> Float[Array, " steps"]:
        params = [{name: values[at : at + 1]} for at, name in enumerate(names)]
        return jx.integrate(net, params=params, delta_t=dt, **options)[0]

    return run


def centre(v: Float[Array, " steps"], dt: float = 0.025) -> Float[Array, ""]:
    """When the answer comes: `sum(w t) / sum(w)`, `w = (v - v(0))^2`."""
    weight = (v - v[0]) ** 2
    return jnp.sum(weight * dt * jnp.arange(v.shape[0])) / jnp.sum(weight)
