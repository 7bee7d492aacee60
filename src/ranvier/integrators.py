"""Integrators: how the state of an ODE neuron is advanced between two events, and what it was in between.

An integrator sees a vector field `field(s, state)`, the slope s ms after the start, and nothing of neurons or synapses.
Each neuron has its own length of time h, since its events are its own; h = 0 changes nothing.
"""

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ranvier._exprel import exprel

Field = Callable[[Float[Array, " size"], Float[Array, "variables size"]], Float[Array, "variables size"]]


class AbstractIntegrator(eqx.Module):
    """A one-step method."""

    @abc.abstractmethod
    def advance(
        self,
        field: Field,
        state: Float[Array, "variables size"],
        slope: Float[Array, "variables size"],
        h: Float[Array, " size"],
    ) -> Float[Array, "variables size"]:
        """State h ms later; `slope` is `field(0, state)`, which the caller has already."""


class RK4(AbstractIntegrator):
    """The classical Runge-Kutta method, fourth order. The default: accurate, and stable while h < 2.8 / rate.

    Source: Kutta, Z. Math. Phys. 46 (1901).

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> decay = lambda s, state: -state
        >>> end = rv.integrators.RK4().advance(decay, jnp.ones((1, 1)), -jnp.ones((1, 1)), jnp.array([0.1]))
        >>> round(float(end[0, 0]), 5)
        0.90484
    """

    def advance(
        self,
        field: Field,
        state: Float[Array, "variables size"],
        slope: Float[Array, "variables size"],
        h: Float[Array, " size"],
    ) -> Float[Array, "variables size"]:
        """Four slopes: at the start, twice in the middle, at the end."""
        step = h[None]
        middle = field(0.5 * h, state + 0.5 * step * slope)
        again = field(0.5 * h, state + 0.5 * step * middle)
        end = field(h, state + step * again)
        return state + step / 6.0 * (slope + 2.0 * (middle + again) + end)


class ExponentialEuler(AbstractIntegrator):
    """Exponential Euler with the rates of the step's middle, second order.

    Each variable is advanced by the exact flow of `x' = f + J (x - x_mid)`, where J is the diagonal of the Jacobian and
    f, J and x_mid belong to the middle of the step, which an exponential Euler step of h/2 has found. Gating variables
    and leaks may be much faster than h without harm, so it allows Hodgkin-Huxley neurons longer steps than `RK4`.

    Source: Börgers & Nectow, SIAM J. Sci. Comput. 35 (2013).

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> decay = lambda s, state: -20.0 * state
        >>> method = rv.integrators.ExponentialEuler()
        >>> end = method.advance(decay, jnp.ones((1, 1)), -20.0 * jnp.ones((1, 1)), jnp.array([1.0]))
        >>> bool(abs(end[0, 0]) < 1e-6)
        True
    """

    def advance(
        self,
        field: Field,
        state: Float[Array, "variables size"],
        slope: Float[Array, "variables size"],
        h: Float[Array, " size"],
    ) -> Float[Array, "variables size"]:
        """Half a step to find the middle, then the whole step with its rates."""
        step, half = h[None], 0.5 * h
        rate = _diagonal(field, jnp.zeros_like(h), state)
        middle = state + 0.5 * step * exprel(0.5 * step * rate) * slope
        rate = _diagonal(field, half, middle)
        return state + step * exprel(step * rate) * (field(half, middle) + rate * (state - middle))


def _diagonal(
    field: Field, s: Float[Array, " size"], state: Float[Array, "variables size"]
) -> Float[Array, "variables size"]:
    """Derivative of each variable's slope with respect to that variable."""
    basis = jnp.eye(state.shape[0], dtype=state.dtype)

    def own(direction: Float[Array, " variables"]) -> Float[Array, " size"]:
        tangent = jnp.broadcast_to(direction[:, None], state.shape)
        moved = jax.jvp(lambda x: field(s, x), (state,), (tangent,))[1]
        return direction @ moved

    return jax.vmap(own)(basis)


def hermite(
    start: Float[Array, "*shape"],
    start_slope: Float[Array, "*shape"],
    end: Float[Array, "*shape"],
    end_slope: Float[Array, "*shape"],
    fraction: Float[Array, "*#shape"],
) -> Float[Array, "*shape"]:
    """Cubic through the values and slopes of both ends of a step, at a fraction of it: an error of O(h^4).

    Args:
        start: Values at the start.
        start_slope: Slopes there, per step (that is, times h).
        end: Values at the end.
        end_slope: Slopes there, per step.
        fraction: Where, 0 at the start and 1 at the end.

    Returns:
        Values at that fraction.

    Example:
        >>> import jax.numpy as jnp
        >>> cube = hermite(jnp.zeros(1), jnp.zeros(1), jnp.ones(1), 3.0 * jnp.ones(1), jnp.array([0.5]))
        >>> float(cube[0])
        0.125
    """
    rise = end - start
    bend = 3.0 * rise - 2.0 * start_slope - end_slope
    twist = start_slope + end_slope - 2.0 * rise
    return start + fraction * (start_slope + fraction * (bend + fraction * twist))
