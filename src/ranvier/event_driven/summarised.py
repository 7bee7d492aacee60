"""From the engine's numbers to the summaries that were asked for.

Of a population the engine gives the highest u = V - v_leak, if it is wanted, and then the integral of u for each
distinct weight.
"""

import numpy as np
from jaxtyping import Array, Float

from ranvier.summaries import Summaries, above_rest


def integrals(asked: Summaries) -> list[float]:
    """The decays (per ms) of the weights of the integrals that are needed, each once.

    Args:
        asked: The summaries of one population.

    Example:
        >>> from ranvier.event_driven.summarised import integrals
        >>> from ranvier.summaries import Integral, Maximum, Mean
        >>> integrals((Mean(), Maximum(), Integral()))
        [0.0]
    """
    return list(dict.fromkeys(one.decay for one in asked if one.decay is not None))


def summarised(
    asked: Summaries, rows: Float[Array, "batch rows size"], leak: Float[Array, " size"], t_end: float
) -> Float[Array, "batch summaries size"]:
    """The summaries in the order in which they were asked for.

    Args:
        asked: The summaries of one population.
        rows: What the engine gave.
        leak: The potential at rest.
        t_end: End of the simulation (ms).
    """
    decays = integrals(asked)
    first = rows.shape[1] - len(decays)
    place = [0 if one.decay is None else first + decays.index(one.decay) for one in asked]
    return above_rest(asked, rows[:, np.array(place)], leak, t_end)
