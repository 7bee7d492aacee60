"""Losses: what training minimises, of the values of a readout and of the target.

Every loss is called as `loss(value, target)`. `value` is what a readout gives (see `ranvier.readouts`) for one sample
or for a batch, `target` is the class of each sample (`label`) or the numbers that are wanted; a loss is the mean over
the batch. `ranvier.train.Recipe(loss=...)` takes them as they are, their numbers bound by `functools.partial`:
`loss=partial(losses.relative_time_mse, margin=0.2)`. A loss of your own is any function of the same two.

`relative_time_mse` and `first_spike_cross_entropy` take `first`, first-spike times (ms) of shape (*batch, size) with
`inf` where an output is silent: the class is the output that fires first. `cross_entropy` takes numbers of which the
highest should be the label's, such as potentials; `squared_error` compares numbers.

Silent outputs, the same in every loss on first spikes:

* A silent output that is *not* the label contributes nothing. It cannot win, and there is no spike to move.
  To pretend that it fires at a time T would tie the loss to the origin of time, and the gradient would drag
  the label's spike towards T, away from the early side.
* A silent *label* costs the constant `silent`, without any gradient. Choose it above what a sample that fires
  can cost, so that curves and the choice of the best epoch see it. To bring the neuron back is the task of
  `ranvier.regularizers.SilentRecovery`.

Values and gradients are finite for times up to 1e12 ms, also in float32, with one exception: a label out of range that
JAX has traced cannot be refused, so its loss is NaN. Concrete labels are checked.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Integer

from ranvier._concrete import concrete

FLAT = 1e-12
"""Where 1 - p no longer falls in a focused cross-entropy, so that its gradient stays finite."""
LARGEST_EXPONENT = 50.0
"""Where the early-spike term of `first_spike_cross_entropy` goes on as a straight line, to stay finite."""


def relative_time_mse(
    first: Float[Array, "*batch size"],
    label: Int[ArrayLike, "*batch"],
    *,
    margin: float,
    silent: float = 100.0,
) -> Float[Array, ""]:
    """Every other output should fire `margin` after the label's; only differences of times count.

    `L = 1/2 sum_{k != y} ((t_k - t_y) - margin)^2`, the batch's mean. Shifting all times changes nothing.

    Args:
        first: First-spike times (ms), `inf` for silent, shape (*batch, size).
        label: Class y of each sample, 0 to size - 1, shape (*batch,).
        margin: Wanted lead of the label (ms), > 0; Göltz et al. use 0.2 tau_syn.
        silent: Loss (ms^2) of a sample whose label is silent. Other silent outputs add nothing.

    Returns:
        Loss in ms^2, a scalar. NaN if a traced label is out of range.

    Raises:
        ValueError: a number is out of range, or `label` does not hold one class per sample (its range is
            checked unless it is traced).

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier import losses
        >>> first = jnp.array([[1.0, 2.0, 1.5], [3.0, jnp.inf, 2.0]])
        >>> float(losses.relative_time_mse(first, jnp.array([0, 2]), margin=0.5))
        0.125

    Source: Göltz et al., "DelGrad", Nat. Commun. 16 (2025), doi:10.1038/s41467-025-63120-y. There a sample
    with any silent output costs 100 and teaches nothing; here the outputs that fired still learn.
    """
    owner = "relative_time_mse"
    _check(owner, "margin", margin, 0 < margin < math.inf, "a time in ms above 0")
    _check(owner, "silent", silent, 0 <= silent < math.inf, "a finite loss >= 0")
    _check_label(owner, first, label)
    return _relative_time_mse(first, label, margin, silent)


@jax.jit
def _relative_time_mse(
    first: Float[Array, "*batch size"],
    label: Integer[ArrayLike, "*batch"],
    margin: Float[ArrayLike, ""],
    silent: Float[ArrayLike, ""],
) -> Float[Array, ""]:
    is_label = _is_label(first, label)
    lag, rival, label_fired = _lags(first, is_label)
    excess = jnp.where(rival, lag - margin, 0.0)
    return _mean(jnp.sum(excess**2, axis=-1) / 2, is_label, label_fired, silent)


def first_spike_cross_entropy(
    first: Float[Array, "*batch size"],
    label: Int[ArrayLike, "*batch"],
    *,
    tau: float,
    early_strength: float = 0.0,
    early_tau: float | None = None,
    silent: float = 100.0,
) -> Float[Array, ""]:
    """Cross-entropy of a softmax over `-t_k / tau`, and, if wanted, a push towards early spikes.

    `L = ln sum_k exp(-(t_k - t_y) / tau) + early_strength exp(t_y / early_tau)`, the mean over the batch.

    Args:
        first: First-spike times (ms), `inf` for silent, shape (*batch, size).
        label: Class y of each sample, 0 to size - 1, shape (*batch,).
        tau: Difference of times (ms) that matters, > 0; Göltz et al. use 0.2 tau_syn.
        early_strength: Weight of the second term, >= 0; Göltz et al. use 0.005.
        early_tau: Its time constant (ms), default 5 tau, their ratio; a straight line beyond 50 early_tau.
        silent: Loss of a sample whose label is silent. Other silent outputs add nothing.

    Returns:
        Loss, a scalar without unit. NaN if a traced label is out of range.

    Raises:
        ValueError: as for `relative_time_mse`.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier import losses
        >>> round(float(losses.first_spike_cross_entropy(jnp.array([2.0, 2.0]), jnp.array(1), tau=0.2)), 4)
        0.6931

    Source: Göltz et al., Nat. Mach. Intell. 3 (2021), doi:10.1038/s42256-021-00388-x.
    """
    owner, wait = "first_spike_cross_entropy", 5 * tau if early_tau is None else early_tau
    _check(owner, "tau", tau, 0 < tau < math.inf, "a time in ms above 0")
    _check(owner, "early_strength", early_strength, 0 <= early_strength < math.inf, "a finite number >= 0")
    _check(owner, "early_tau", early_tau, 0 < wait < math.inf, "a time in ms above 0, or None for 5 tau")
    _check(owner, "silent", silent, 0 <= silent < math.inf, "a finite loss >= 0")
    _check_label(owner, first, label)
    return _first_spike_cross_entropy(first, label, tau, early_strength, wait, silent)


@jax.jit
def _first_spike_cross_entropy(
    first: Float[Array, "*batch size"],
    label: Integer[ArrayLike, "*batch"],
    tau: Float[ArrayLike, ""],
    early_strength: Float[ArrayLike, ""],
    wait: Float[ArrayLike, ""],
    silent: Float[ArrayLike, ""],
) -> Float[Array, ""]:
    is_label = _is_label(first, label)
    lag, rival, label_fired = _lags(first, is_label)
    score = jnp.where(rival, -lag / tau, jnp.where(is_label, 0.0, -jnp.inf))
    early = _bounded_exp(jnp.sum(jnp.where(is_label & label_fired, first, 0.0), axis=-1) / wait)
    return _mean(jax.nn.logsumexp(score, axis=-1) + early_strength * early, is_label, label_fired, silent)


def cross_entropy(
    value: Float[Array, "*batch size"], label: Int[ArrayLike, "*batch"], *, scale: float = 1.0, focus: float = 0.0
) -> Float[Array, ""]:
    """Cross-entropy of a softmax over a number per output, such as its highest potential: the highest should win.

    `L = (1 - p_y)^focus (-ln p_y)`, `p_y = exp(scale v_y) / sum_k exp(scale v_k)`, the mean over the batch.

    Args:
        value: A number per output, finite, shape (*batch, size); see `ranvier.readouts`.
        label: Class y of each sample, 0 to size - 1, shape (*batch,).
        scale: Steepness (per unit of the numbers), > 0.
        focus: How much less a sample counts that is right already, >= 0; 0 for the plain cross-entropy, 2 is usual.

    Returns:
        Loss, a scalar without unit. NaN if a traced label is out of range.

    Raises:
        ValueError: `scale` or `focus` is out of range, or `label` does not hold one class per sample (its range is
            checked unless it is traced).

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier import losses
        >>> round(float(losses.cross_entropy(jnp.array([1.0, 0.5]), jnp.array(0), scale=2.0)), 4)
        0.3133

    Source: on the maximum of the potential over time, Zenke & Vogels, Neural Comput. 33 (2021); with `focus`, Lin,
    Goyal, Girshick, He, Dollár, ICCV 2017.
    """
    owner = "cross_entropy"
    _check(owner, "scale", scale, 0 < scale < math.inf, "a finite number above 0")
    _check(owner, "focus", focus, 0 <= focus < math.inf, "a finite number >= 0")
    _check_label(owner, value, label)
    return _cross_entropy(value, label, scale, focus)


def every_step_cross_entropy(
    value: Float[Array, "*batch times size"], label: Int[ArrayLike, "*batch"], *, scale: float = 1.0, focus: float = 0.0
) -> Float[Array, ""]:
    """Cross-entropy at every one of several times: the right output should be the highest all along.

    The mean of `cross_entropy` over the times. Its readout is `ranvier.readouts.Potential` at several times; to answer
    with one class, pass `predict=lambda value: readouts.highest(value.mean(axis=-2))` to the recipe.

    Args:
        value: A number per time and output, finite, shape (*batch, times, size).
        label: Class y of each sample, 0 to size - 1, shape (*batch,).
        scale: Steepness (per unit of the numbers), > 0.
        focus: As for `cross_entropy`.

    Returns:
        Loss, a scalar without unit. NaN if a traced label is out of range.

    Raises:
        ValueError: as for `cross_entropy`.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier import losses
        >>> round(float(losses.every_step_cross_entropy(jnp.zeros((5, 2)), jnp.array(1))), 4)
        0.6931
    """
    _check_label("every_step_cross_entropy", value[..., 0, :], label)
    times = jnp.broadcast_to(jnp.asarray(label)[..., None], value.shape[:-1])
    return cross_entropy(value, times, scale=scale, focus=focus)


@partial(jax.jit, static_argnums=3)
def _cross_entropy(
    value: Float[Array, "*batch size"],
    label: Integer[ArrayLike, "*batch"],
    scale: Float[ArrayLike, ""],
    focus: float,
) -> Float[Array, ""]:
    is_label = _is_label(value, label)
    own = jnp.sum(jnp.where(is_label, value, 0.0), axis=-1, keepdims=True)
    loss = jax.nn.logsumexp(scale * (value - own), axis=-1)
    if focus > 0:
        loss = loss * jnp.maximum(-jnp.expm1(-loss), FLAT) ** focus  # 1 - p; a power below 1 is steep at 0
    return jnp.mean(jnp.where(jnp.any(is_label, axis=-1), loss, jnp.nan))


def squared_error(value: Float[Array, "*shape"], target: Float[ArrayLike, "*shape"]) -> Float[Array, ""]:
    """Mean squared difference from a target of the same shape: for regression, at one time or along a sequence.

    `L = mean (v - x)^2`, over the batch, the times if any, and the outputs.

    Args:
        value: What a readout gives, shape (*batch, outputs) or (*batch, times, outputs).
        target: What it should be, the same shape.

    Returns:
        Loss in the squared unit of the values, a scalar.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier import losses
        >>> float(losses.squared_error(jnp.array([0.5, 1.0]), jnp.array([0.0, 1.0])))
        0.125
    """
    if value.shape != jnp.shape(target):
        msg = f"squared_error: `target` must have the shape of `value`, {value.shape}; got {jnp.shape(target)}."
        raise ValueError(msg)
    return jnp.mean((value - jnp.asarray(target, value.dtype)) ** 2)


def _check(owner: str, name: str, value: float | None, right: bool, expected: str) -> None:
    if not right:
        msg = f"{owner}: `{name}` must be {expected}; got {value}."
        raise ValueError(msg)


def _check_label(owner: str, first: Float[Array, "*batch size"], label: ArrayLike) -> None:
    """Refuse labels that no output has."""
    size = first.shape[-1]
    kind, shape = jnp.result_type(label), jnp.shape(label)
    if not jnp.issubdtype(kind, jnp.integer) or shape != first.shape[:-1]:
        msg = (
            f"{owner}: `label` must hold integer classes, one per sample, of shape {first.shape[:-1]}; "
            f"got {kind} of shape {shape} for `first` of shape {first.shape}."
        )
        raise ValueError(msg)
    known = concrete(label)
    if known is not None:
        wrong = (known < 0) | (known >= size)
        if wrong.any():
            found = np.unique(known[wrong])[:5].tolist()
            msg = (
                f"{owner}: `label` must be in 0..{size - 1} for {size} outputs; got {found} in {wrong.sum()} "
                "samples. Number the classes from 0, or give the output population one neuron per class."
            )
            raise ValueError(msg)


def _is_label(first: Float[Array, "*batch size"], label: ArrayLike) -> Bool[Array, "*batch size"]:
    """Mark the label's output of each sample."""
    unit = jax.lax.broadcasted_iota(jnp.int32, first.shape, first.ndim - 1)
    return unit == jnp.asarray(label).astype(jnp.int32)[..., None]


def _lags(
    first: Float[Array, "*batch size"], is_label: Bool[Array, "*batch size"]
) -> tuple[Float[Array, "*batch size"], Bool[Array, "*batch size"], Bool[Array, "*batch 1"]]:
    """Lag `t_k - t_y` of each output behind the label's, for which outputs it counts, and if the label fired.

    The lag is finite everywhere, so that no unused branch can put a NaN into a gradient.
    """
    fired = first != jnp.inf  # NaN is not silence: it must stay NaN
    time = jnp.where(fired, first, 0.0)
    label_fired = jnp.any(is_label & fired, axis=-1, keepdims=True)
    lag = time - jnp.sum(jnp.where(is_label, time, 0.0), axis=-1, keepdims=True)
    return lag, fired & label_fired & ~is_label, label_fired


def _mean(
    loss: Float[Array, "*batch"],
    is_label: Bool[Array, "*batch size"],
    label_fired: Bool[Array, "*batch 1"],
    silent: Float[ArrayLike, ""],
) -> Float[Array, ""]:
    loss = jnp.where(label_fired[..., 0], loss, silent)
    return jnp.mean(jnp.where(jnp.any(is_label, axis=-1), loss, jnp.nan))


def _bounded_exp(exponent: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """`exp`, continued beyond `LARGEST_EXPONENT` as its tangent."""
    beyond = jnp.maximum(exponent - LARGEST_EXPONENT, 0.0)
    return jnp.exp(jnp.minimum(exponent, LARGEST_EXPONENT)) * (1 + beyond)
