"""Delays: how long a spike travels from neuron i of `pre` to neuron j of `post`, in ms.

A delay module, called, gives an array that broadcasts to (pre, post): `SynapticDelay` one value per synapse,
`AxonalDelay` one per sending neuron, `DendriticDelay` one per receiving neuron, `FixedDelay` values that never
learn. The bounds live here and nowhere else, and so does the way they are kept: a `Sigmoid` bound learns an
unconstrained number behind a smooth box, a `Projection` learns the delay itself and is put back into the box after
each step (`ranvier.project`).

`synaptic(...)`, `axonal(...)`, `dendritic(...)` and `fixed(...)` say what kind a builder such as `feedforward`
should make for each of its connections.
"""

import abc
import math
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, Float, PRNGKeyArray

from ranvier._concrete import concrete
from ranvier.initializers import Initializer, constant, uniform

DelayFactory = Callable[..., "AbstractDelay"]


class AbstractBound(eqx.Module):
    """How a delay is kept between `low` and `high`: a map from the learned number to ms, and back."""

    @abc.abstractmethod
    def delay(self, raw: Float[Array, "#pre #post"], low: float, high: float) -> Float[Array, "#pre #post"]:
        """Delay (ms) that the learned number `raw` stands for."""

    @abc.abstractmethod
    def raw(self, delay: Float[Array, "#pre #post"], low: float, high: float) -> Float[Array, "#pre #post"]:
        """Learned number that stands for `delay` (ms)."""

    @abc.abstractmethod
    def project(self, raw: Float[Array, "#pre #post"], low: float, high: float) -> Float[Array, "#pre #post"]:
        """Put the learned number back where it stands for an allowed delay."""


class Sigmoid(AbstractBound):
    """Smooth box, `d = low + (high - low) sigmoid(raw)`; with `high = inf`, `d = low + softplus(raw)`.

    Delays on the bound itself cannot be represented and are started a thousandth of the box (of a ms, where there
    is no upper bound) inside it. Source: the delay layer of Göltz et al., Nat. Commun. 16 (2025).
    """

    def delay(self, raw: Float[Array, "#pre #post"], low: float, high: float) -> Float[Array, "#pre #post"]:
        """`low + (high - low) sigmoid(raw)`."""
        if math.isinf(high):
            return low + jax.nn.softplus(raw)
        return low + (high - low) * jax.nn.sigmoid(raw)

    def raw(self, delay: Float[Array, "#pre #post"], low: float, high: float) -> Float[Array, "#pre #post"]:
        """`logit((d - low) / (high - low))`."""
        if math.isinf(high):
            excess = jnp.maximum(delay - low, 1e-3)
            return excess + jnp.log(-jnp.expm1(-excess))
        share = jnp.clip((delay - low) / (high - low), 1e-3, 1 - 1e-3)
        return jnp.log(share) - jnp.log1p(-share)

    def project(self, raw: Float[Array, "#pre #post"], low: float, high: float) -> Float[Array, "#pre #post"]:
        """Nothing to do: every number stands for an allowed delay."""
        del low, high
        return raw


class Projection(AbstractBound):
    """The learned number is the delay itself; `ranvier.project` clips it to [low, high] after each step."""

    def delay(self, raw: Float[Array, "#pre #post"], low: float, high: float) -> Float[Array, "#pre #post"]:
        """`raw`, unchanged: outside the box the simulator reports it."""
        del low, high
        return raw

    def raw(self, delay: Float[Array, "#pre #post"], low: float, high: float) -> Float[Array, "#pre #post"]:
        """`delay`, unchanged."""
        del low, high
        return delay

    def project(self, raw: Float[Array, "#pre #post"], low: float, high: float) -> Float[Array, "#pre #post"]:
        """`clip(raw, low, high)`."""
        return jnp.clip(raw, low, high)


class AbstractDelay(eqx.Module):
    """A delay (ms) for every synapse of one connection."""

    low: eqx.AbstractVar[float]
    high: eqx.AbstractVar[float]
    learns: eqx.AbstractClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def __call__(self) -> Float[Array, "#pre #post"]:
        """Delays (ms), of a shape that broadcasts to (pre, post)."""

    @abc.abstractmethod
    def project(self) -> "AbstractDelay":
        """This delay, put back between its bounds."""


class _BoundedDelay(AbstractDelay):
    """What the three learnable kinds share: a raw array, a box, and the bound that keeps it."""

    raw: eqx.AbstractVar[Float[Array, "#pre #post"]]
    bound: eqx.AbstractVar[AbstractBound]

    def __call__(self) -> Float[Array, "#pre #post"]:
        """Delays (ms), of a shape that broadcasts to (pre, post)."""
        return self.bound.delay(self.raw, self.low, self.high)

    def project(self) -> "AbstractDelay":
        """This delay, put back between its bounds."""
        return eqx.tree_at(lambda delay: delay.raw, self, self.bound.project(self.raw, self.low, self.high))


class SynapticDelay(_BoundedDelay):
    """One learnable delay per synapse.

    Args:
        delay: Delays (ms), shape (pre, post), inside the bounds.
        low: Smallest delay allowed (ms), >= 0.
        high: Largest delay allowed (ms), or inf.
        bound: How they are kept inside, `Sigmoid()` or `Projection()`.

    Raises:
        ValueError: wrong shape, bounds in the wrong order, or a delay outside them.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> rv.SynapticDelay(jnp.full((2, 3), 0.5), low=0.0, high=1.0)().shape
        (2, 3)
    """

    raw: Float[Array, "pre post"]
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    bound: AbstractBound
    learns: ClassVar[tuple[str, ...]] = ("raw",)

    def __init__(self, delay: ArrayLike, low: float = 0.0, high: float = math.inf, bound: AbstractBound | None = None):
        delay, self.low, self.high = _check("SynapticDelay", delay, low, high)
        self.bound = Sigmoid() if bound is None else bound
        self.raw = self.bound.raw(delay, self.low, self.high)


class AxonalDelay(_BoundedDelay):
    """One learnable delay per sending neuron, shape (pre, 1); arguments as for `SynapticDelay`.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> rv.AxonalDelay(jnp.full((2, 1), 0.5), low=0.0, high=1.0)().shape
        (2, 1)
    """

    raw: Float[Array, "pre 1"]
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    bound: AbstractBound
    learns: ClassVar[tuple[str, ...]] = ("raw",)

    def __init__(self, delay: ArrayLike, low: float = 0.0, high: float = math.inf, bound: AbstractBound | None = None):
        delay, self.low, self.high = _check("AxonalDelay", delay, low, high, columns=1)
        self.bound = Sigmoid() if bound is None else bound
        self.raw = self.bound.raw(delay, self.low, self.high)


class DendriticDelay(_BoundedDelay):
    """One learnable delay per receiving neuron, shape (1, post); arguments as for `SynapticDelay`.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> rv.DendriticDelay(jnp.full((1, 3), 0.5), low=0.0, high=1.0)().shape
        (1, 3)
    """

    raw: Float[Array, "1 post"]
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    bound: AbstractBound
    learns: ClassVar[tuple[str, ...]] = ("raw",)

    def __init__(self, delay: ArrayLike, low: float = 0.0, high: float = math.inf, bound: AbstractBound | None = None):
        delay, self.low, self.high = _check("DendriticDelay", delay, low, high, rows=1)
        self.bound = Sigmoid() if bound is None else bound
        self.raw = self.bound.raw(delay, self.low, self.high)


class FixedDelay(AbstractDelay):
    """Delays that never learn: a scalar, or an array that broadcasts to (pre, post).

    Args:
        delay: Delays (ms), >= 0. A scalar becomes shape (1, 1). The smallest is the lower bound.

    Example:
        >>> import ranvier as rv
        >>> rv.FixedDelay(1.5)().shape
        (1, 1)
    """

    value: Float[Array, "#pre #post"]
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    learns: ClassVar[tuple[str, ...]] = ()

    def __init__(self, delay: ArrayLike):
        self.value, _, _ = _check("FixedDelay", delay, 0.0, math.inf)
        known = concrete(self.value)
        self.low, self.high = (0.0, math.inf) if known is None else (float(known.min()), float(known.max()))

    def __call__(self) -> Float[Array, "#pre #post"]:
        """Delays (ms), of a shape that broadcasts to (pre, post)."""
        return self.value

    def project(self) -> "AbstractDelay":
        """Itself: it never moves."""
        return self


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
        bound: `Sigmoid()` (default) or `Projection()`.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> rv.synaptic(low=0.0, high=5.0)(4, 3, jnp.float32, key=jax.random.key(0))().shape
        (4, 3)
    """
    return _factory(lambda pre, post: (pre, post), SynapticDelay, low, high, init, bound)


def axonal(
    low: float = 0.0,
    high: float = math.inf,
    init: Initializer | float | None = None,
    bound: AbstractBound | None = None,
) -> DelayFactory:
    """Ask a builder for one learnable delay per sending neuron; arguments as for `synaptic`.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> rv.axonal(low=0.0, high=5.0)(4, 3, jnp.float32, key=jax.random.key(0))().shape
        (4, 1)
    """
    return _factory(lambda pre, post: (pre, 1), AxonalDelay, low, high, init, bound)


def dendritic(
    low: float = 0.0,
    high: float = math.inf,
    init: Initializer | float | None = None,
    bound: AbstractBound | None = None,
) -> DelayFactory:
    """Ask a builder for one learnable delay per receiving neuron; arguments as for `synaptic`.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> rv.dendritic(low=0.0, high=5.0)(4, 3, jnp.float32, key=jax.random.key(0))().shape
        (1, 3)
    """
    return _factory(lambda pre, post: (1, post), DendriticDelay, low, high, init, bound)


def fixed(delay: ArrayLike = 0.0) -> DelayFactory:
    """Ask a builder for delays that never learn: the same `delay` (ms) for every connection.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> float(rv.fixed(2.0)(4, 3, jnp.float32, key=jax.random.key(0))()[0, 0])
        2.0
    """

    def make(pre: int, post: int, dtype: DTypeLike, *, key: PRNGKeyArray) -> FixedDelay:
        del pre, post, key
        return FixedDelay(jnp.asarray(delay, dtype))

    return make


def _factory(
    shape: Callable[[int, int], tuple[int, int]],
    kind: Callable[..., AbstractDelay],
    low: float,
    high: float,
    init: Initializer | float | None,
    bound: AbstractBound | None,
) -> DelayFactory:
    if init is None and math.isinf(high):
        msg = "delays: without an upper bound `high` give the initial delays, for example init=rv.uniform(0, 10)."
        raise ValueError(msg)
    _check_bounds("delays", low, high)
    start = uniform(low, high) if init is None else init if callable(init) else constant(float(init))

    def make(pre: int, post: int, dtype: DTypeLike, *, key: PRNGKeyArray) -> AbstractDelay:
        return kind(start(key, shape(pre, post), dtype), low, high, bound)

    return make


def _check_bounds(owner: str, low: float, high: float) -> None:
    if not (0 <= low < high):
        msg = f"{owner}: bounds must satisfy 0 <= low < high (ms); got low = {low}, high = {high}."
        raise ValueError(msg)


def _check(
    owner: str, delay: ArrayLike, low: float, high: float, rows: int | None = None, columns: int | None = None
) -> tuple[Float[Array, "#pre #post"], float, float]:
    """Bring a delay argument to two axes and refuse what no delay can be."""
    _check_bounds(owner, low, high)
    array = jnp.asarray(delay)
    array = array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(jnp.result_type(float))
    array = array.reshape(1, 1) if array.ndim == 0 else array
    wanted = f"({rows or 'pre'}, {columns or 'post'})"
    if array.ndim != 2 or rows not in (None, array.shape[0]) or columns not in (None, array.shape[1]):
        msg = f"{owner}: `delay` must have shape {wanted}; got {array.shape}."
        raise ValueError(msg)
    known = concrete(array)
    slack = 1e-6 * max(1.0, abs(low))
    if known is not None and not np.all((known >= low - slack) & (known <= high + slack) & np.isfinite(known)):
        msg = (
            f"{owner}: `delay` must be finite and between {low} and {high} ms; "
            f"got values from {known.min()} to {known.max()}."
        )
        raise ValueError(msg)
    return array, float(low), float(high)
