"""Terms of the loss on potentials: how far silent neurons are from firing."""

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ranvier.events import spike_count
from ranvier.regularizers.activity import check_bound
from ranvier.simulation import Solution


@dataclasses.dataclass(frozen=True)
class PeakMargin:
    """Costs a neuron that is silent in a sample what its largest potential lacks to the threshold and a margin.

    `strength mean_i max(threshold + margin - max_n V_i(t_n), 0)` over the neurons i that do not fire; the mean over the
    batch. At a maximum dV/dt = 0, so its gradient is that of V at a fixed time: exact, for weights, delays and time
    constants, by every simulator, and there also where a neuron never fires. `fit` records the potentials.

    Args:
        population: Name of the population, another one than is read out.
        times: Ascending times (ms) at which potentials are compared.
        strength: Factor, >= 0.
        margin: How far above its threshold a potential should come, >= 0.
        threshold: Threshold of the population.

    Raises:
        ValueError: a number is out of range, or the times are.

    Example:
        >>> import numpy as np
        >>> from ranvier.regularizers import PeakMargin
        >>> PeakMargin("hidden", np.arange(1.0, 4.0), strength=0.1).record
        {'hidden': (1.0, 2.0, 3.0)}
    """

    population: str
    times: Sequence[float] | Float[np.ndarray, " times"]
    strength: float
    margin: float = 0.1
    threshold: float = 1.0

    def __post_init__(self):
        check_bound("PeakMargin", self.margin, self.strength, 1.0)
        flat = np.asarray(self.times, float)
        if (
            flat.ndim != 1
            or not flat.size
            or not (np.diff(flat) > 0).all()
            or not (0 <= flat[0] <= flat[-1] < math.inf)
        ):
            msg = f"PeakMargin: `times` must be finite, >= 0 ms and ascending, at least one; got {self.times}."
            raise ValueError(msg)
        object.__setattr__(self, "times", tuple(flat.tolist()))

    @property
    def record(self) -> dict[str, tuple[float, ...]]:
        """The times at which potentials have to be recorded."""
        return {self.population: tuple(self.times)}

    def __call__(self, solution: Solution) -> Float[Array, ""]:
        """What is added to the loss.

        Args:
            solution: What `ranvier.simulate` gave with `record=term.record`, with or without a batch axis.

        Raises:
            ValueError: the potentials were not recorded.
        """
        if self.population not in solution.voltages:
            msg = f"PeakMargin: the potentials of {self.population!r} were not recorded; pass record=term.record."
            raise ValueError(msg)
        silent = spike_count(jax.lax.stop_gradient(solution.spikes[self.population])) == 0
        lack = self.threshold + self.margin - jnp.max(solution.voltages[self.population], axis=-2)
        return self.strength * jnp.mean(jnp.where(silent, jnp.maximum(lack, 0.0), 0.0))
