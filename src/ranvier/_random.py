"""Random numbers of NumPy's that a key of JAX's decides."""

import jax
import numpy as np
from jaxtyping import PRNGKeyArray


def generator(key: PRNGKeyArray) -> np.random.Generator:
    """A generator of NumPy's that a key of JAX's decides: double precision, whatever JAX is set to.

    Args:
        key: Random key.
    """
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
