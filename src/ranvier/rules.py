"""Rules: what the numbers of a network must be, said once, for constructors and for every simulator.

A rule has a value, a predicate written with operators that NumPy and JAX share, and the words for it. Where the value
is known the rule is checked at once, with the number in the message (`check`); inside a traced function it becomes a
status (`first_broken`). So a wrong number gets the same answer wherever it is met.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from ranvier._concrete import concrete
from ranvier.status import DELAY, NEURON, WEIGHT

LONGEST = 1e9
"""Time constants and delays must be below this (ms), some eleven days: float64 times keep 1e-7 ms there."""


class Rule(NamedTuple):
    """What a number must be.

    Args:
        status: Key of `ranvier.status.STATUS` where it is not.
        name: What the number is called, for the message.
        values: The number, and another it is compared with; they broadcast.
        right: `right(*values)`, true where it is as it should be.
        wanted: What it should be, in words.
        other: What the other number is called.
    """

    status: int
    name: str
    values: tuple[ArrayLike, ...]
    right: Callable[..., Any]
    wanted: str
    other: str = ""

    def broken(self) -> Bool[Array, ""]:
        """Whether some value breaks the rule, for traced functions."""
        return jnp.any(~jnp.asarray(self.right(*self.values)))


def check(owner: str, rules: Iterable[Rule]) -> None:
    """Refuse the first number that breaks a rule, where its value is known.

    Args:
        owner: Who asks, for the message: `LIF`, or `simulate`.
        rules: The rules.

    Raises:
        ValueError: a rule is broken; the message has the name, what was expected, and the first wrong number.

    Example:
        >>> from ranvier.rules import above_zero, check
        >>> check("LIF", [above_zero("tau_mem", -1.0)])
        Traceback (most recent call last):
        ValueError: LIF: `tau_mem` must be a time above 0 and below 1e+09 ms; got -1.0.
    """
    for rule in rules:
        known = [concrete(value) for value in rule.values]
        if any(value is None for value in known):
            continue
        holds = np.asarray(rule.right(*known))
        if holds.all():
            continue
        at = tuple(int(index) for index in np.argwhere(~holds)[0])
        got = [np.broadcast_to(np.asarray(value), holds.shape)[at] for value in known]
        name = rule.name if " " in rule.name else f"`{rule.name}`"
        numbers = f"{rule.name} = {got[0]} and {rule.other} = {got[1]}" if rule.other else f"{got[0]}"
        where = f" at {at[0] if len(at) == 1 else at}" if at else ""
        msg = f"{owner}: {name} must be {rule.wanted}; got {numbers}{where}."
        raise ValueError(msg)


def positive(name: str, value: ArrayLike, what: str) -> Rule:
    """A finite number above 0; `what` says what it is."""
    return Rule(NEURON, name, (value,), lambda x: (x > 0) & (x < np.inf), f"{what} above 0")


def above_zero(name: str, value: ArrayLike) -> Rule:
    """A time constant (ms), above 0 and not longer than any simulation."""
    wanted = f"a time above 0 and below {LONGEST:g} ms"
    return Rule(NEURON, name, (value,), lambda x: (x > 0) & (x < LONGEST), wanted)


def waiting(name: str, value: ArrayLike) -> Rule:
    """A refractory time (ms), at least 0, or infinite."""
    return Rule(NEURON, name, (value,), lambda x: x >= 0, ">= 0 ms (0 for none, inf for one spike)")


def finite(name: str, value: ArrayLike, status: int = NEURON) -> Rule:
    """A finite number."""
    return Rule(status, name, (value,), lambda x: abs(x) < np.inf, "finite")


def below(name: str, value: ArrayLike, other: str, bound: ArrayLike, status: int = NEURON) -> Rule:
    """A number below another parameter, called `other`."""
    return Rule(status, name, (value, bound), lambda x, y: x < y, f"below `{other}`", other)


def not_above(name: str, value: ArrayLike, other: str, bound: ArrayLike) -> Rule:
    """A number not above another parameter, called `other`."""
    return Rule(NEURON, name, (value, bound), lambda x, y: x <= y, f"at most `{other}`", other)


def finite_weights(link: str, weight: ArrayLike) -> Rule:
    """The weights of a connection."""
    advice = "finite (if training made them so: lower its learning rate or clip the gradient)"
    return Rule(WEIGHT, f"the weights of {link}", (weight,), lambda x: abs(x) < np.inf, advice)


PROJECT = "use ranvier.project after each step"
CLOSER = "bring the positions closer, raise the speed, or take SpatialDelay(limit=Saturate())"
"""What to do about delays outside of their bounds: free ones, and those that follow from positions."""


def within_bounds(link: str, delay: Float[Array, "..."], low: float, high: float, remedy: str = PROJECT) -> Rule:
    """The delays (ms) of a connection, with room for rounding."""
    slack = 1e-6 if delay.dtype == np.float64 else 1e-4
    low_bound, high_bound = low - slack, min(high + slack, LONGEST)
    advice = f"in [{low:g}, {high:g}] ms and below {LONGEST:g} ms ({remedy})"
    right = lambda x: (x >= low_bound) & (x <= high_bound)
    return Rule(DELAY, f"the delays of {link}", (delay,), right, advice)
