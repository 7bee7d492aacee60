"""What a network learns from: input spikes, and what should come of each sample."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Int, PyTree, Shaped

from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.simulation import AbstractSimulator, Records, Solution, Stats, simulate
from ranvier.train.checkpoint import digest


class Dataset(eqx.Module):
    """Input spikes and targets, one of each per sample.

    Integer targets are classes, 0, 1, ..., and accuracy is measured; targets of floats are numbers to be met.

    Args:
        spikes: Input spikes of shape (samples, n), or one for each input population by name.
        target: What the loss compares with: an array whose first axis is the samples, such as the class of each,
            shape (samples,), or any pytree of them.
        classes: Number of classes, where the targets are classes; default one more than the largest.

    Raises:
        ValueError: there is no sample, spikes and targets differ in number, or a class is out of range.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> from ranvier.train import Dataset
        >>> spikes = rv.Spikes(jnp.array([[1.0, 2.0]]), jnp.array([[0, 1]]))
        >>> Dataset(spikes, jnp.array([2]), classes=3).size
        1
        >>> Dataset(spikes, jnp.array([[0.1, 0.7]])).classes is None  # two numbers per sample to be met
        True
    """

    spikes: Spikes | dict[str, Spikes]
    target: PyTree[Shaped[Array, "samples ..."]]
    classes: int | None = eqx.field(static=True)

    def __init__(self, spikes: Spikes | Mapping[str, Spikes], target: PyTree[ArrayLike], *, classes: int | None = None):
        self.spikes = spikes if isinstance(spikes, Spikes) else _by_input(spikes)
        plain = isinstance(target, list) and all(np.ndim(one) == 0 for one in target)
        given = np.asarray(target) if plain else jax.tree.map(np.asarray, target)
        self.classes = _classes(given, classes)
        samples = {leaf.shape[:1] for leaf in jax.tree.leaves(given)}
        if len(samples) != 1 or samples & {(), (0,)}:
            shapes = [leaf.shape for leaf in jax.tree.leaves(given)]
            msg = f"Dataset: `target` must have one entry per sample, shape (samples, ...), at least one; got {shapes}."
            raise ValueError(msg)
        size = samples.pop()[0]
        shapes = {leaf.shape for leaf in jax.tree.leaves(self.spikes)}
        if not shapes or any(len(shape) != 2 or shape[0] != size for shape in shapes):
            msg = (
                f"Dataset: `spikes` must have shape (samples, n) with one row for each of the {size} targets; "
                f"got {sorted(shapes)}."
            )
            raise ValueError(msg)
        whole = lambda leaf: np.issubdtype(leaf.dtype, np.integer)
        self.target = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.int32 if whole(leaf) else None), given)

    @property
    def size(self) -> int:
        """Number of samples."""
        return jax.tree.leaves(self.target)[0].shape[0]

    def check(self, network: Network, t_end: float) -> None:
        """Refuse input spikes that the network cannot be simulated with, as `ranvier.simulate` does."""
        simulate(network, self.spikes, _Nothing(), t_end=t_end, throw=False)

    def take(self, places: Int[np.ndarray, " n"]) -> "Dataset":
        """Some of the samples.

        Args:
            places: Their numbers.
        """
        return jax.tree.map(lambda leaf: leaf[places], self)

    def digest(self) -> str:
        """A short fingerprint of all numbers, by which a resumed run knows its data again."""
        return digest(jax.tree.leaves(self))[:16]


def _by_input(spikes: Any) -> dict[str, Spikes]:
    """Spikes of several input populations; one sentence where they are something else."""
    if isinstance(spikes, Mapping) and all(isinstance(one, Spikes) for one in spikes.values()):
        return dict(spikes)
    got = (
        f"a mapping of {type(next(iter(spikes.values()), None)).__name__}"
        if isinstance(spikes, Mapping)
        else type(spikes)
    )
    msg = (
        "Dataset: `spikes` must be ranvier.Spikes, or a mapping from input populations to them; got "
        f"{getattr(got, '__name__', got)}. Of lists of times and units, one per sample, make them by "
        "ranvier.Spikes.from_ragged(times, units)."
    )
    raise ValueError(msg)


def _classes(target: PyTree[Shaped[np.ndarray, "..."]], classes: int | None) -> int | None:
    """Number of classes, checked; None where the targets are no classes."""
    whole = isinstance(target, np.ndarray) and target.size > 0 and np.issubdtype(target.dtype, np.integer)
    if not whole:
        if classes is not None:
            kind = f"{target.dtype} of shape {target.shape}" if isinstance(target, np.ndarray) else "a pytree"
            msg = f"Dataset: with `classes`, `target` must hold integer classes, one or more per sample; got {kind}."
            raise ValueError(msg)
        return None
    wrong = (target < 0) | (target >= (np.inf if classes is None else classes))
    if wrong.any():
        at = tuple(int(place) for place in np.argwhere(wrong)[0])
        bound = ">= 0" if classes is None else f"in 0..{classes - 1}"
        msg = (
            f"Dataset: integer targets are classes and must be {bound}; got {target[at]} for sample {at[0]}. "
            "Pass floats for numbers that are not classes."
        )
        raise ValueError(msg)
    return int(target.max()) + 1 if classes is None else classes


class _Nothing(AbstractSimulator):
    """Simulates nothing: `simulate` checks its arguments, and that is all that is wanted."""

    def run(
        self,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: Records,
    ) -> Solution:
        """Give back nothing."""
        del network, spikes, t_end, record
        none = jnp.zeros(0, jnp.int32)
        return Solution({}, {}, Stats(jnp.zeros((), jnp.int32), {}, {}, {}, {}, {}, none, none))
