"""What a network learns from: input spikes and the class of each sample."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.simulation import AbstractSimulator, Solution, Stats, simulate
from ranvier.train.checkpoint import digest


class Dataset(eqx.Module):
    """Input spikes and labels, one of each per sample.

    Args:
        spikes: Input spikes of shape (samples, n), or one for each input population by name.
        label: Class of each sample, integers >= 0, shape (samples,).
        classes: Number of classes, where known: labels are then checked against it.

    Raises:
        ValueError: there is no sample, spikes and labels differ in number, or a label is out of range.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> from ranvier.train import Dataset
        >>> Dataset(rv.Spikes(jnp.array([[1.0, 2.0]]), jnp.array([[0, 1]])), jnp.array([2]), classes=3).size
        1
    """

    spikes: Spikes | dict[str, Spikes]
    label: Int[Array, " samples"]

    def __init__(self, spikes: Spikes | Mapping[str, Spikes], label: ArrayLike, *, classes: int | None = None):
        self.spikes = spikes if isinstance(spikes, Spikes) else dict(spikes)
        given = np.asarray(label)
        if given.ndim != 1 or given.size == 0 or not np.issubdtype(given.dtype, np.integer):
            msg = (
                "Dataset: `label` must hold one integer class per sample, shape (samples,), at least one; "
                f"got {given.dtype} of shape {given.shape}."
            )
            raise ValueError(msg)
        wrong = (given < 0) | (given >= (np.inf if classes is None else classes))
        if wrong.any():
            at = int(np.argmax(wrong))
            bound = ">= 0" if classes is None else f"in 0..{classes - 1}"
            msg = f"Dataset: labels must be {bound}; got {given[at]} for sample {at}."
            raise ValueError(msg)
        shapes = {leaf.shape for leaf in jax.tree.leaves(self.spikes)}
        if not shapes or any(len(shape) != 2 or shape[0] != given.size for shape in shapes):
            msg = (
                f"Dataset: `spikes` must have shape (samples, n) with one row for each of the {given.size} labels; "
                f"got {sorted(shapes)}."
            )
            raise ValueError(msg)
        self.label = jnp.asarray(given, jnp.int32)

    @property
    def size(self) -> int:
        """Number of samples."""
        return self.label.shape[0]

    def check(self, network: Network, t_end: float) -> None:
        """Refuse input spikes that the network cannot be simulated with, as `ranvier.simulate` does."""
        simulate(network, self.spikes, _Nothing(), t_end=t_end, throw=False)

    def digest(self) -> str:
        """A short fingerprint of all numbers, by which a resumed run knows its data again."""
        return digest(jax.tree.leaves(self))[:16]


class _Nothing(AbstractSimulator):
    """Simulates nothing: `simulate` checks its arguments, and that is all that is wanted."""

    def run(
        self,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: dict[str, Float[Array, "batch times"]],
    ) -> Solution:
        """Give back nothing."""
        del network, spikes, t_end, record
        none = jnp.zeros(0, jnp.int32)
        return Solution({}, {}, Stats(jnp.zeros((), jnp.int32), {}, {}, {}, {}, {}, none, none))
