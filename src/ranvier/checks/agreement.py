"""Two gradients side by side: where does a surrogate, or the value of a spike, point, beside the exact derivative?"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float

from ranvier.checks.modes import gradient_of, is_derivative
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.selection import partition
from ranvier.simulation import AbstractSimulator, Solution, simulate


class Agreement(NamedTuple):
    """How one gradient vector lies to another.

    Args:
        cosine: Cosine of the angle between them: 1 for the same direction, 0 for none in common; NaN where one is 0.
        ratio: Norm of the second over that of the first.
    """

    cosine: float
    ratio: float


def gradient_agreement(
    network: Network,
    spikes: Spikes | Mapping[str, Spikes],
    exact: AbstractSimulator,
    other: AbstractSimulator,
    *,
    t_end: float,
    loss: Callable[[Solution], Float[Array, ""]],
    record: Mapping[str, ArrayLike] | None = None,
) -> dict[str, Agreement]:
    """Compare the gradients of one loss on one network by two simulators, for each connection.

    `cosine = <g, s> / (|g| |s|)`, `ratio = |s| / |g|`, for g by `exact` and s by `other`.

    Args:
        network: The network.
        spikes: Input spikes, as for `ranvier.simulate`.
        exact: The simulator of the first gradient, a derivative, for example `ranvier.EventDriven()`.
        other: That of the second, for example `ranvier.EventDriven(gradient=ranvier.SpikeValue())`, or
            `ranvier.Surrogate(dt=0.1)`.
        t_end: End of the simulation (ms).
        loss: Function of the whole `Solution`, a scalar.
        record: Times at which to record potentials, as for `simulate`.

    Returns:
        An `Agreement` for the weights of each connection, and for its delays where they learn, by names such as
        `weight of input->hidden`.

    Raises:
        ValueError: the gradient of `exact` is not the derivative of what it simulates.
        RuntimeError: a simulation did not go well.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.checks import gradient_agreement
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), weight=rv.initializers.constant(5.0), key=jax.random.key(0))
        >>> spikes = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))
        >>> found = gradient_agreement(
        ...     net, spikes, rv.EventDriven(), rv.ClockDriven(dt=1.0), t_end=20.0,
        ...     loss=lambda solution: rv.first_spike(solution.spikes["output"]).sum(),
        ... )
        >>> round(found["weight of input->output"].cosine, 4)
        1.0
    """
    if not is_derivative(exact):
        msg = (
            f"gradient_agreement: `exact` must have the exact derivative, to which the other is compared; got "
            f"{gradient_of(exact)}. Put ExactDerivative() there, and this one into `other`."
        )
        raise ValueError(msg)
    one, two = (_gradient(network, spikes, simulator, t_end, loss, record or {}) for simulator in (exact, other))
    return {name: compare(one[name], two[name]) for name in one}


def _gradient(
    network: Network,
    spikes: Spikes | Mapping[str, Spikes],
    simulator: AbstractSimulator,
    t_end: float,
    loss: Callable[[Solution], Float[Array, ""]],
    record: Mapping[str, ArrayLike],
) -> dict[str, Float[np.ndarray, " size"]]:
    """Gradient by connection and field."""
    learn, fixed = partition(network, "weight", "delay")

    @eqx.filter_jit
    def gradient(learn: Network) -> Network:
        value = lambda learn: loss(simulate(eqx.combine(learn, fixed), spikes, simulator, t_end=t_end, record=record))
        return jax.grad(value)(learn)

    found = {}
    for link in gradient(learn).connections:
        for field in ("weight", "delay"):
            vector = np.asarray(ravel_pytree(getattr(link, field))[0])
            if vector.size:
                found[f"{field} of {link.name}"] = vector
    return found


def compare(one: Float[np.ndarray, " size"], two: Float[np.ndarray, " size"]) -> Agreement:
    """How the second vector lies to the first.

    Args:
        one: A vector.
        two: Another one.
    """
    first, second = float(np.linalg.norm(one)), float(np.linalg.norm(two))
    if first == 0 or second == 0:
        return Agreement(float("nan"), second / first if first else float("nan"))
    return Agreement(float(one @ two) / (first * second), second / first)
