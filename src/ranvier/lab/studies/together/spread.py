"""What many runs are worth: median and quartiles."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def spread(accuracy: Sequence[float] | Float[np.ndarray, "*shape"]) -> dict[str, float]:
    """Median and quartiles.

    Example:
        >>> from ranvier.lab.studies.together.spread import spread
        >>> spread([0.7, 0.9, 0.8])["median"]
        0.8
    """
    low, median, high = np.quantile(np.asarray(accuracy, float), (0.25, 0.5, 0.75))
    return {"low": float(low), "median": float(median), "high": float(high)}
