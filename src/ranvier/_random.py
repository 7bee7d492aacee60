"""Random keys of JAX: checked, and as a generator of NumPy's."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray


def generator(key: PRNGKeyArray) -> np.random.Generator:
    """A generator of NumPy's that a key of JAX's decides: double precision, whatever JAX is set to.

    Args:
        key: Random key.
    """
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())


def check_key(owner: str, key: Any) -> None:
    """Refuse what is no random key.

    Args:
        owner: Who asks, for the message.
        key: What should be one.

    Raises:
        ValueError: it is something else.

    Example:
        >>> import jax
        >>> from ranvier._random import check_key
        >>> check_key("example", jax.random.key(0))
    """
    known = isinstance(key, jax.Array) and (jnp.issubdtype(key.dtype, jax.dtypes.prng_key) or key.dtype == jnp.uint32)
    if not known:
        msg = f"{owner}: `key` must be a random key, such as jax.random.key(0); got {key!r}."
        raise ValueError(msg)
