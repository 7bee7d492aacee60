"""Bounds: how a learned delay is kept between `low` and `high`."""

import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractBound(eqx.Module):
    """How a delay is kept between `low` and `high`: a map from the learned number to ms, and back."""

    @abc.abstractmethod
    def delay(self, raw: Float[Array, "..."], low: float, high: float) -> Float[Array, "..."]:
        """Delay (ms) that the learned number `raw` stands for."""

    @abc.abstractmethod
    def raw(self, delay: Float[Array, "..."], low: float, high: float) -> Float[Array, "..."]:
        """Learned number that stands for `delay` (ms)."""

    @abc.abstractmethod
    def project(self, raw: Float[Array, "..."], low: float, high: float) -> Float[Array, "..."]:
        """Put the learned number back where it stands for an allowed delay."""


class Sigmoid(AbstractBound):
    """Smooth box, `d = low + (high - low) sigmoid(raw)`; with `high = inf`, `d = low + softplus(raw)`.

    Delays on the bound itself cannot be represented and are started a thousandth of the box (of a ms, where there
    is no upper bound) inside it. Source: the delay layer of Göltz et al., Nat. Commun. 16 (2025).
    """

    def delay(self, raw: Float[Array, "..."], low: float, high: float) -> Float[Array, "..."]:
        """`low + (high - low) sigmoid(raw)`."""
        if math.isinf(high):
            return low + jax.nn.softplus(raw)
        return low + (high - low) * jax.nn.sigmoid(raw)

    def raw(self, delay: Float[Array, "..."], low: float, high: float) -> Float[Array, "..."]:
        """`logit((d - low) / (high - low))`."""
        if math.isinf(high):
            excess = jnp.maximum(delay - low, 1e-3)
            return excess + jnp.log(-jnp.expm1(-excess))
        share = jnp.clip((delay - low) / (high - low), 1e-3, 1 - 1e-3)
        return jnp.log(share) - jnp.log1p(-share)

    def project(self, raw: Float[Array, "..."], low: float, high: float) -> Float[Array, "..."]:
        """Nothing to do: every number stands for an allowed delay."""
        del low, high
        return raw


class Clip(AbstractBound):
    """The learned number is the delay itself; `ranvier.project` clips it to [low, high] after each step."""

    def delay(self, raw: Float[Array, "..."], low: float, high: float) -> Float[Array, "..."]:
        """`raw`, unchanged: outside the box the simulator reports it."""
        del low, high
        return raw

    def raw(self, delay: Float[Array, "..."], low: float, high: float) -> Float[Array, "..."]:
        """`delay`, unchanged."""
        del low, high
        return delay

    def project(self, raw: Float[Array, "..."], low: float, high: float) -> Float[Array, "..."]:
        """`clip(raw, low, high)`."""
        return jnp.clip(raw, low, high)
