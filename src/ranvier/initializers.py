"""Random initial values, as functions `(key, shape, dtype) -> array` in the manner of `jax.nn.initializers`.

`fluctuation_driven` chooses weights by what they do to a membrane: with u = V - v_leak - bias, tau_mem u' = -u + I and
tau_syn I' = -I, an event of weight w adds `w eps(s)`, and whatever the ratio of the time constants

    integral of eps = tau_syn        integral of eps^2 = tau_syn^2 / (2 (tau_mem + tau_syn))

so n senders with Poisson spikes at rate nu give u the mean `n nu tau_syn E[w]` and, over time, the variance
`n nu E[w^2] tau_syn^2 / (2 (tau_mem + tau_syn))`. Such a membrane rises through a threshold xi standard deviations
above its mean `exp(-xi^2 / 2) / (2 pi sqrt(tau_mem tau_syn))` times per ms.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, Float, Int, Num, PRNGKeyArray

from ranvier._concrete import concrete

Initializer = Callable[..., Float[Array, "*shape"]]


def normal(mean: float, std: float) -> Initializer:
    """Values from a normal distribution, `N(mean, std^2)`.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> rv.initializers.normal(1.0, 0.5)(jax.random.key(0), (4, 3), jnp.float32).shape
        (4, 3)
    """

    def initialize(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike) -> Float[Array, "*shape"]:
        return mean + std * jax.random.normal(key, shape, dtype)

    return initialize


def uniform(low: float, high: float) -> Initializer:
    """Values spread evenly between `low` and `high`.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> bool((rv.initializers.uniform(1.0, 2.0)(jax.random.key(0), (4, 3), jnp.float32) >= 1.0).all())
        True
    """

    def initialize(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike) -> Float[Array, "*shape"]:
        return jax.random.uniform(key, shape, dtype, low, high)

    return initialize


def constant(value: float) -> Initializer:
    """The same value everywhere.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> float(rv.initializers.constant(2.0)(jax.random.key(0), (4, 3), jnp.float32)[0, 0])
        2.0
    """

    def initialize(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike) -> Float[Array, "*shape"]:
        del key
        return jnp.full(shape, value, dtype)

    return initialize


def fluctuation_driven(
    rate: Float[ArrayLike, ""],
    tau_mem: Float[ArrayLike, ""] = 20.0,
    tau_syn: Float[ArrayLike, ""] = 5.0,
    *,
    mean: Float[ArrayLike, ""] = 0.0,
    xi: Float[ArrayLike, ""] = 1.0,
    share: float = 1.0,
    receiver: Int[ArrayLike, " synapses"] | None = None,
    distance: Float[ArrayLike, ""] = 1.0,
) -> Initializer:
    """Weights with which many input spikes make a membrane tremble below its threshold, and cross it now and then.

    With nu the rate per ms and n the number of senders, normal weights of mean and variance

        mu_w = share mean / (n nu tau_syn)
        sigma_w^2 = share ((distance - mean) / xi)^2 / (n nu tau_syn^2 / (2 (tau_mem + tau_syn))) - mu_w^2

    so that the free membrane has the mean `mean` above rest and the standard deviation `(distance - mean) / xi`. Delays
    change neither. The weights onto one neuron have exactly the mean mu_w: otherwise chance alone would make some
    neurons fire all the time and others never, whatever the number of senders.

    Args:
        rate: Expected spikes of each sender per second (Hz).
        tau_mem: Membrane time constant of the receiver (ms).
        tau_syn: Its synaptic time constant (ms); any ratio to `tau_mem`.
        mean: Mean of the membrane above its resting potential, below `distance`.
        xi: Distance of the threshold from that mean, in standard deviations of the membrane; 1 to 3 are usual. The
            larger, the fewer spikes: see `expected_rate`, and `xi_for_rate`.
        share: What this connection contributes to mean and variance, where a neuron has several: their shares add up to
            1. A recurrent layer usually takes 0.9 from the layer before and 0.1 from itself.
        receiver: Where weights are those of `Pairs`, the receiving neuron of each synapse (`pattern.post`): each neuron
            gets weights for the number of senders that it has.
        distance: Threshold above rest, `v_threshold - v_leak - bias`.

    Raises:
        ValueError: a number is out of its range, or weights that give the mean vary the membrane more than wanted.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> start = rv.initializers.fluctuation_driven(rate=10.0, tau_mem=20.0, tau_syn=5.0)
        >>> weight = start(jax.random.key(0), (200, 100), jnp.float32)
        >>> bool(abs(weight.mean()) < 0.05), bool(abs(weight.std() - 1.0) < 0.05)
        (True, True)

    Source: Rossbroich, Gygax & Zenke, "Fluctuation-driven initialization for spiking neural network training",
    Neuromorph. Comput. Eng. 2 (2022), doi:10.1088/2634-4386/ac97bb.
    """
    positive = {"rate": rate, "tau_mem": tau_mem, "tau_syn": tau_syn, "xi": xi, "share": share, "distance": distance}
    for name, value in positive.items():
        _check_positive("fluctuation_driven", name, value)

    above = jnp.asarray(distance) - mean

    def initialize(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike) -> Float[Array, "*shape"]:
        if receiver is None and len(shape) != 2:
            msg = (
                f"fluctuation_driven: weights of shape {shape} need `receiver`, the receiving neuron of each synapse; "
                "pass receiver=pattern.post."
            )
            raise ValueError(msg)
        senders, noise = in_degrees(shape, receiver), jax.random.normal(key, shape, dtype)
        events = jnp.asarray(senders, dtype) * jnp.asarray(rate, dtype) / 1000  # per ms
        mu = share * mean / (events * tau_syn)
        wanted = share * (above / xi) ** 2
        variance = wanted * 2 * (tau_mem + tau_syn) / (events * tau_syn**2) - mu**2
        _check_variance(variance, mean, wanted)
        return jnp.asarray(mu + jnp.sqrt(variance) * _balanced(noise, receiver)).astype(dtype)

    return initialize


def in_degrees(shape: tuple[int, ...], receiver: Int[ArrayLike, " synapses"] | None) -> Any:
    """Senders of a neuron: one number where all are joined with all, else that of each synapse's receiver.

    Args:
        shape: Of the weights, (pre, post) or (synapses,).
        receiver: Receiving neuron of each synapse; None where all are joined with all.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.initializers import in_degrees
        >>> in_degrees((5, 3), None), in_degrees((4,), jnp.array([7, 0, 7, 7])).tolist()
        (5, [3, 1, 3, 3])
    """
    if receiver is None:
        return shape[0]
    return _sums(jnp.ones(shape, jnp.int32), receiver)


def _balanced(noise: Float[Array, "*shape"], receiver: Int[ArrayLike, " synapses"] | None) -> Float[Array, "*shape"]:
    """Noise that adds up to 0 at every receiver of two synapses or more, with the variance it had."""
    if receiver is None:
        senders = noise.shape[0]
        centred = noise - jnp.mean(noise, axis=0, keepdims=True)
        return centred * math.sqrt(senders / (senders - 1)) if senders > 1 else noise
    count = in_degrees(noise.shape, receiver).astype(noise.dtype)
    centred = noise - _sums(noise, receiver) / count
    return jnp.where(count > 1, centred * jnp.sqrt(count / jnp.maximum(count - 1.0, 1.0)), noise)


def _sums(values: Num[Array, " synapses"], receiver: Int[ArrayLike, " synapses"]) -> Num[Array, " synapses"]:
    """For each synapse the sum over all synapses of its receiver."""
    receiver = jnp.asarray(receiver)
    group = jnp.searchsorted(jnp.sort(receiver), receiver)  # smaller than the number of synapses, one per receiver
    return jnp.zeros_like(values).at[group].add(values)[group]


def expected_rate(
    xi: Float[ArrayLike, ""], tau_mem: Float[ArrayLike, ""], tau_syn: Float[ArrayLike, ""]
) -> Float[Array, ""]:
    """How often a membrane that many spikes drive rises through a threshold xi standard deviations above its mean.

    `e^{-xi^2/2} / (2 pi sqrt(tau_mem tau_syn))`: Rice's formula for a Gaussian membrane without reset. As the rate of a
    neuron it is an estimate, good where the neuron fires rarely.

    Args:
        xi: Distance of the threshold from the mean, in standard deviations of the membrane.
        tau_mem: Membrane time constant (ms).
        tau_syn: Synaptic time constant (ms).

    Returns:
        Rate in Hz.

    Example:
        >>> from ranvier.initializers import expected_rate
        >>> round(float(expected_rate(1.0, 20.0, 5.0)), 2)
        9.65
    """
    return 1000 * jnp.exp(-(jnp.asarray(xi) ** 2) / 2) / (2 * math.pi * jnp.sqrt(jnp.asarray(tau_mem) * tau_syn))


def xi_for_rate(
    rate: Float[ArrayLike, ""],
    tau_mem: Float[ArrayLike, ""],
    tau_syn: Float[ArrayLike, ""],
    *,
    lowest: float = 1.0,
    highest: float = 3.0,
) -> Float[Array, ""]:
    """The `xi` at which neurons fire at about this rate; the inverse of `expected_rate`, between two bounds.

    Args:
        rate: Rate (Hz).
        tau_mem: Membrane time constant (ms).
        tau_syn: Synaptic time constant (ms).
        lowest: Smallest value; membranes that tremble more than that burst.
        highest: Largest value; beyond it neurons hardly ever fire.

    Example:
        >>> from ranvier.initializers import xi_for_rate
        >>> round(float(xi_for_rate(2.0, 20.0, 5.0)), 2)
        2.04
    """
    most = expected_rate(0.0, tau_mem, tau_syn)
    return jnp.clip(jnp.sqrt(2 * jnp.log(jnp.maximum(most / rate, 1.0))), lowest, highest)


def _check_positive(owner: str, name: str, value: ArrayLike) -> None:
    known = concrete(value)
    if known is not None and not np.all((known > 0) & (known < np.inf)):
        msg = f"{owner}: `{name}` must be a finite number above 0; got {value}."
        raise ValueError(msg)


def _check_variance(
    variance: Float[ArrayLike, "*synapses"], mean: Float[ArrayLike, ""], wanted: Float[ArrayLike, ""]
) -> None:
    known = concrete(variance)
    if known is not None and not np.all(known >= 0):
        msg = (
            f"fluctuation_driven: equal weights that give the membrane a mean of {mean} vary it more than is wanted, a "
            f"variance of {wanted}. Lower `mean` or `xi`, or expect more spikes: a higher `rate`, more senders."
        )
        raise ValueError(msg)
