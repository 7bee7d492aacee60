"""Augmentations: what training does to input spikes, anew in every step, and evaluation does not.

Each is a value that is called with the spikes of a batch and a random key, for `ranvier.train.Recipe(augment=...)`.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from ranvier.closed_form.sorting import sort_by_time
from ranvier.events import Spikes


@dataclasses.dataclass(frozen=True)
class Jitter:
    """Moves every spike by a normal number of its own, no further back than time 0.

    `t_n -> max(t_n + std N(0, 1), 0)`, and then sorts.

    Args:
        std: Standard deviation (ms), >= 0.

    Raises:
        ValueError: it is not.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.augmentations import Jitter
        >>> spikes = rv.Spikes(jnp.array([[1.0, 1.1, jnp.inf]]), jnp.array([[0, 1, -1]]))
        >>> moved = Jitter(0.5)(spikes, key=jax.random.key(0))
        >>> bool((jnp.diff(moved.time[0, :2]) >= 0).all()), moved.unit[0, 2].item()
        (True, -1)

    Source: Göltz et al., Nat. Mach. Intell. 3 (2021), doi:10.1038/s42256-021-00388-x, trains MNIST with noise on its
    input times.
    """

    std: float

    def __post_init__(self):
        if not 0 <= self.std < math.inf:
            msg = f"Jitter: `std` must be a time in ms >= 0; got {self.std}."
            raise ValueError(msg)

    def __call__(self, spikes: Spikes, *, key: PRNGKeyArray) -> Spikes:
        """Other times for the same spikes.

        Args:
            spikes: Spikes, shape (*batch, n).
            key: Random key.
        """
        noise = self.std * jax.random.normal(key, spikes.time.shape, spikes.time.dtype)
        moved = jnp.maximum(spikes.time + noise, 0.0)
        time, unit = sort_by_time(jnp.moveaxis(moved, -1, 0), jnp.moveaxis(spikes.unit, -1, 0))
        return Spikes(jnp.moveaxis(time, 0, -1), jnp.moveaxis(unit, 0, -1), spikes.size)
