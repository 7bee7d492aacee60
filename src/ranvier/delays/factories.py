"""What a builder is asked for: a kind of delay, its bounds and its initial values, for populations yet to come."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, DTypeLike, PRNGKeyArray

from ranvier._concrete import concrete
from ranvier.delays.abstract import AbstractDelay, Per, check_bounds
from ranvier.delays.bounds import AbstractBound
from ranvier.delays.fixed import FixedDelay
from ranvier.delays.learned import AxonalDelay, DendriticDelay, SynapticDelay
from ranvier.delays.limits import AbstractLimit
from ranvier.delays.metrics import AbstractMetric
from ranvier.delays.spatial import SpatialDelay, Tortuosity
from ranvier.delays.speeds import FixedSpeed, LearnedSpeed
from ranvier.initializers import Initializer, constant, uniform
from ranvier.patterns import AbstractPattern
from ranvier.populations import Population

DelayFactory = Callable[..., AbstractDelay]
"""`(pre, post, pattern, dtype, *, key)`: two populations, the pattern between them, a dtype and a random key."""


def synaptic(
    low: float = 0.0,
    high: float = math.inf,
    init: Initializer | float | None = None,
    bound: AbstractBound | None = None,
) -> DelayFactory:
    """Ask a builder for one learnable delay per synapse, between `low` and `high` (ms).

    Args:
        low: Smallest delay (ms). Around a cycle it bounds the simulator's window: 0.5 or 1 ms is a good value there.
        high: Largest delay (ms), or inf.
        init: Initial delays (ms): a number or an initializer; default `uniform(low, high)`.
        bound: `Sigmoid()` (default) or `Clip()` of `ranvier.delays`.

    Returns:
        A function `(pre, post, pattern, dtype, *, key) -> SynapticDelay`.

    Raises:
        ValueError: bounds in the wrong order, or neither an upper bound nor initial delays.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(low=0.0, high=5.0), key=jax.random.key(0))
        >>> net.delay("input->output").shape
        (4, 3)
    """
    return _factory(SynapticDelay, low, high, init, bound)


def axonal(
    low: float = 0.0,
    high: float = math.inf,
    init: Initializer | float | None = None,
    bound: AbstractBound | None = None,
) -> DelayFactory:
    """Ask a builder for one learnable delay per sending neuron; arguments as for `synaptic`.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.axonal(low=0.0, high=5.0), key=jax.random.key(0))
        >>> net.delay("input->output").shape
        (4, 1)
    """
    return _factory(AxonalDelay, low, high, init, bound)


def dendritic(
    low: float = 0.0,
    high: float = math.inf,
    init: Initializer | float | None = None,
    bound: AbstractBound | None = None,
) -> DelayFactory:
    """Ask a builder for one learnable delay per receiving neuron; arguments as for `synaptic`.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.dendritic(low=0.0, high=5.0), key=jax.random.key(0))
        >>> net.delay("input->output").shape
        (1, 3)
    """
    return _factory(DendriticDelay, low, high, init, bound)


def fixed(delay: ArrayLike = 0.0, low: float | None = None, high: float | None = None) -> DelayFactory:
    """Ask a builder for delays that never learn: the same `delay` (ms) for every connection.

    Args:
        delay: Delays (ms), as for `ranvier.FixedDelay`.
        low: Lower bound (ms); needed only where `delay` is traced.
        high: Upper bound (ms); likewise.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.fixed(2.0), key=jax.random.key(0))
        >>> float(net.delay("input->output")[0, 0])
        2.0
    """

    def make(
        pre: Population, post: Population, pattern: AbstractPattern, dtype: DTypeLike, *, key: PRNGKeyArray
    ) -> FixedDelay:
        del pre, post, pattern, key
        known = concrete(delay)
        return FixedDelay(jnp.asarray(delay, dtype) if known is None else np.asarray(known, dtype), low, high)

    return make


def spatial(
    low: float = 0.0,
    high: float = math.inf,
    speed: float | None = 1.0,
    *,
    learn_speed: Per | None = None,
    tortuosity: float = 1.0,
    limit: AbstractLimit | None = None,
    metric: AbstractMetric | None = None,
) -> DelayFactory:
    """Ask a builder for delays that follow from the positions of the populations; give it a `position`, too.

    Args:
        low: Smallest delay (ms), that at distance 0. Around a cycle it bounds the simulator's window: 0.5 or 1 ms is a
            good value there.
        high: Largest delay (ms), or inf.
        speed: Speed (length per ms); None for that of the network.
        learn_speed: `Per.COMMON` for a speed of each connection that learns, `Per.SENDER` for one of each sender;
            default none learns.
        tortuosity: Largest factor by which an axon is longer than the direct way. Above 1 the factors are learned, and
            start anywhere between 1 and it.
        limit: What becomes of a way that takes longer than `high`, see `ranvier.SpatialDelay`.
        metric: How far apart two positions are, likewise.

    Returns:
        A function `(pre, post, pattern, dtype, *, key) -> SpatialDelay`.

    Raises:
        ValueError: bounds in the wrong order, `learn_speed` for another group of synapses or without a speed, or
            `tortuosity` below 1.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.spatial(speed=2.0), key=jax.random.key(0),
        ...                      position=rv.layouts.normal(1.0, 2))
        >>> net.delay("input->output").shape
        (4, 3)
    """
    SpatialDelay(speed, low, high, limit, metric)  # refuses what makes no sense
    if learn_speed not in (None, Per.COMMON, Per.SENDER) or (learn_speed and speed is None):
        msg = f"spatial: `learn_speed` must be Per.COMMON, Per.SENDER or None, with a `speed`; got {learn_speed}."
        raise ValueError(msg)
    if not 1 <= tortuosity < math.inf:
        msg = f"spatial: `tortuosity` must be a finite factor of at least 1; got {tortuosity}."
        raise ValueError(msg)

    def make(
        pre: Population, post: Population, pattern: AbstractPattern, dtype: DTypeLike, *, key: PRNGKeyArray
    ) -> SpatialDelay:
        fast = None
        if speed is not None:
            shape = (pre.size, 1) if learn_speed is Per.SENDER else ()
            fast = (FixedSpeed if learn_speed is None else LearnedSpeed)(jnp.full(shape, speed, dtype))
        longer = None
        if tortuosity > 1:
            factor = jax.random.uniform(key, pattern.shape(pre.size, post.size), dtype, 1.0, tortuosity)
            longer = Tortuosity(factor, 1.0, tortuosity)
        return SpatialDelay(fast, low, high, limit, metric, longer)

    return make


def _factory(
    kind: type[SynapticDelay | AxonalDelay | DendriticDelay],
    low: float,
    high: float,
    init: Initializer | float | None,
    bound: AbstractBound | None,
) -> DelayFactory:
    if init is None and math.isinf(high):
        msg = "delays: without an upper bound `high` give the initial delays, for example init=5.0."
        raise ValueError(msg)
    check_bounds("delays", low, high)
    start = uniform(low, high) if init is None else init if callable(init) else constant(float(init))

    def make(
        pre: Population, post: Population, pattern: AbstractPattern, dtype: DTypeLike, *, key: PRNGKeyArray
    ) -> AbstractDelay:
        shape = kind.per.shape(pattern, pre.size, post.size)
        return kind(start(key, shape, dtype), low, high, bound)

    return make
