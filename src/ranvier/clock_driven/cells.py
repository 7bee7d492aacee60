"""Cells: the neurons of one population under one interface, linear ones in closed form, others integrated."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ranvier.clock_driven.flow import Rates
from ranvier.clock_driven.linear_step import LinearState, linear_step, silent_step
from ranvier.clock_driven.ode_step import initial_state, ode_step
from ranvier.clock_driven.spike_search import Membrane
from ranvier.clock_driven.timing import Emitted, Grid
from ranvier.gradients import Parts
from ranvier.integrators import AbstractIntegrator
from ranvier.neurons import AbstractLinearNeuron, AbstractNeuron, AbstractODENeuron

Advanced = tuple[Any, Emitted, Int[Array, "batch size"]]


class AbstractCells(eqx.Module):
    """A population of neurons, for a batch of samples. Its state is a pytree of arrays."""

    @abc.abstractmethod
    def initial(self, batch: int) -> Any:
        """State at t = 0."""

    @abc.abstractmethod
    def advance(
        self,
        state: Any,
        step: Int[Array, ""],
        h: Float[Array, "batch 1"],
        times: Float[Array, "events batch size"],
        weights: Float[Array, "events batch size"],
    ) -> Advanced:
        """State h ms later, the spikes on the way, and how many did not fit."""

    @abc.abstractmethod
    def voltage(self, state: Any) -> Float[Array, "batch size"]:
        """Membrane potentials."""


class SilentCells(AbstractCells):
    """LI: neurons that never spike."""

    rates: Rates
    rest: Float[Array, "1 size"]
    bias: Float[Array, "1 size"]

    def initial(self, batch: int) -> LinearState:
        """At `v_leak`."""
        return at_leak(batch, self.bias)

    def advance(
        self,
        state: LinearState,
        step: Int[Array, ""],
        h: Float[Array, "batch 1"],
        times: Float[Array, "events batch size"],
        weights: Float[Array, "events batch size"],
    ) -> Advanced:
        """By the closed form, all events at once."""
        del step
        _, batch, size = times.shape
        nothing = jnp.zeros((0, batch, size), times.dtype), jnp.zeros((batch, size), jnp.int32)
        return silent_step(self.rates, state, h, times, weights), Emitted(nothing[0]), nothing[1]

    def voltage(self, state: LinearState) -> Float[Array, "batch size"]:
        """`v_leak + bias + u`."""
        return self.rest + state.u


class LinearCells(AbstractCells):
    """LIF: linear between events."""

    membrane: Membrane
    rest: Float[Array, "1 size"]
    bias: Float[Array, "1 size"]
    grid: Grid
    max_spikes: int = eqx.field(static=True)
    parts: Parts = eqx.field(static=True)

    def initial(self, batch: int) -> LinearState:
        """At `v_leak`."""
        return at_leak(batch, self.bias)

    def advance(
        self,
        state: LinearState,
        step: Int[Array, ""],
        h: Float[Array, "batch 1"],
        times: Float[Array, "events batch size"],
        weights: Float[Array, "events batch size"],
    ) -> Advanced:
        """By the closed form."""
        return linear_step(self.membrane, state, step, self.grid.dt, h, times, weights, self.max_spikes, self.parts)

    def voltage(self, state: LinearState) -> Float[Array, "batch size"]:
        """`v_leak + bias + u`; in the refractory time what the spike is worth is not in it."""
        if self.parts.reset or self.parts.refractory:
            return self.rest + jnp.where(state.resting, self.membrane.rho, state.u)
        return self.rest + state.u


class ODECells(AbstractCells):
    """Neurons given by a differential equation."""

    neuron: AbstractODENeuron
    integrator: AbstractIntegrator
    grid: Grid
    size: int = eqx.field(static=True)
    max_spikes: int = eqx.field(static=True)

    def initial(self, batch: int) -> Any:
        """The neuron's own."""
        state = initial_state(self.neuron, self.size, self.grid.dt.dtype)
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch, *leaf.shape)), state)

    def advance(
        self,
        state: Any,
        step: Int[Array, ""],
        h: Float[Array, "batch 1"],
        times: Float[Array, "events batch size"],
        weights: Float[Array, "events batch size"],
    ) -> Advanced:
        """By the integrator, event by event."""
        now = step.astype(self.grid.dt.dtype) * self.grid.dt
        within = jnp.where(times <= h[None], times, jnp.inf)

        def one(state: Any, h: Array, times: Array, weights: Array) -> Any:
            return ode_step(self.neuron, self.integrator, state, now, h, times, weights, self.max_spikes)

        result = jax.vmap(one, in_axes=(0, 0, 1, 1))(state, h[:, 0], within, weights)
        return result.state, Emitted(jnp.moveaxis(result.spikes, 1, 0)), result.lost

    def voltage(self, state: Any) -> Float[Array, "batch size"]:
        """The neuron's own."""
        return jax.vmap(self.neuron.voltage)(state.neuron)


def at_leak(batch: int, bias: Float[Array, "1 size"]) -> LinearState:
    """State of linear neurons at t = 0: u = -bias."""
    zero = jnp.zeros((batch, bias.shape[1]), bias.dtype)
    return LinearState(zero - bias, zero, jnp.zeros(zero.shape, jnp.int32), zero, jnp.zeros(zero.shape, bool))


def make_cells(
    neuron: AbstractNeuron, size: int, grid: Grid, integrator: AbstractIntegrator, max_spikes: int, parts: Parts
) -> AbstractCells:
    """Cells for any neuron.

    Args:
        neuron: The model.
        size: Neurons.
        grid: The steps.
        integrator: For a model without a closed form.
        max_spikes: Spikes of one neuron in one step.
        parts: How a spike is differentiated.

    Raises:
        ValueError: the neuron has neither a closed form nor a synapse, or no closed form where one is needed.
    """
    if isinstance(neuron, AbstractLinearNeuron):
        wide = lambda value: jnp.broadcast_to(value.astype(grid.dt.dtype), (1, size))
        rest, bias, threshold = wide(neuron.rest), wide(neuron.bias), wide(neuron.v_threshold)
        rates = Rates(1.0 / wide(neuron.tau_mem), 1.0 / wide(neuron.tau_syn))
        if not neuron.spiking:
            return SilentCells(rates, rest, bias)
        height = lax.stop_gradient(threshold - wide(neuron.v_leak))
        membrane = Membrane(rates, threshold - rest, wide(neuron.v_reset) - rest, wide(neuron.refractory), height)
        return LinearCells(membrane, rest, bias, grid, max_spikes, parts)
    if isinstance(neuron, AbstractODENeuron) and parts.scale > 0:
        msg = (
            f"ClockDriven: the value of a spike is known for LIF and LI populations only; got {type(neuron).__name__}. "
            "Take gradient=ExactDerivative()."
        )
        raise ValueError(msg)
    if isinstance(neuron, AbstractODENeuron):
        return ODECells(neuron, integrator, grid, size, max_spikes)
    msg = (
        f"ClockDriven: {type(neuron).__name__} is neither linear between events (AbstractLinearNeuron) nor an ordinary "
        f"differential equation with a synapse (AbstractODENeuron). Derive it from one of the two."
    )
    raise ValueError(msg)
