"""Look at the values of an array where there are any: arguments are validated before tracing, never during it."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.core
import numpy as np
from jaxtyping import ArrayLike


def concrete(value: ArrayLike | Sequence[Any]) -> np.ndarray | None:
    """The values of `value`, or None where it is only a tracer."""
    return None if isinstance(value, jax.core.Tracer) else np.asarray(value)
