"""How a network is trained: everything but the network, the data and the random key."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optax
from jaxtyping import Array, ArrayLike, Float, Int

from ranvier.events import Spikes
from ranvier.regularizers import SilentRecovery
from ranvier.simulation import AbstractSimulator, Solution

Loss = Callable[[Solution, Int[Array, ""]], Float[Array, ""]]
Predict = Callable[[Solution], Int[Array, ""]]
Augment = Callable[..., Spikes]

NOT_PART_OF_THE_RESULT = ("threads", "key")
"""Fields of a simulator that results do not depend on: a run may be resumed with other values. The key of a simulator
with noise is replaced for every batch."""


@dataclasses.dataclass(frozen=True, eq=False)
class Recipe:
    """How a network is trained.

    `loss` and `predict` are written for one sample and see a `Solution` without batch axis.

    Args:
        simulator: How the network is simulated, for example `ranvier.EventDriven(max_spikes=1)`.
        t_end: End of each simulation (ms).
        loss: `loss(solution, label)`, a scalar; training minimises its mean over samples.
        predict: `predict(solution)`, the class the network answers with.
        optimiser: An optax optimiser. It sees only what learns; see `ranvier.train.by_field`.
        epochs: Times that training goes through the data, >= 1.
        batch: Samples per step, >= 1. A last batch that is not full counts with the samples it has.
        learn: Fields to learn, as for `ranvier.partition`; default weights and delays.
        record: Times (ms) at which to record the potentials of a population, for losses on `solution.voltages`, as for
            `ranvier.simulate`: {population: (times,)}; default nothing.
        augment: What training does to the input spikes of each batch and population, `augment(spikes, key=key)`, with a
            new key each time, for example `ranvier.augmentations.Jitter(0.3)`; default nothing.
        recovery: What wakes silent neurons after each step, for example `SilentRecovery()`; default nothing.
        patience: Stop when validation has not improved for so many epochs; default never.

    Raises:
        ValueError: `t_end`, `epochs`, `batch` or `patience` is not above 0.

    Example:
        >>> import optax, ranvier as rv
        >>> from ranvier.train import Recipe
        >>> recipe = Recipe(rv.EventDriven(), t_end=10.0, loss=lambda solution, label: 0.0,
        ...                 predict=lambda solution: 0, optimiser=optax.adam(0.01), epochs=5)
        >>> recipe.batch
        150
    """

    simulator: AbstractSimulator
    _: dataclasses.KW_ONLY
    t_end: float
    loss: Loss
    predict: Predict
    optimiser: optax.GradientTransformation
    epochs: int
    batch: int = 150
    learn: tuple[str, ...] = ()
    record: Mapping[str, ArrayLike] = dataclasses.field(default_factory=dict)
    augment: Augment | None = None
    recovery: SilentRecovery | None = None
    patience: int | None = None

    def __post_init__(self):
        for name in ("t_end", "epochs", "batch", "patience"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                msg = f"Recipe: `{name}` must be above 0; got {value}."
                raise ValueError(msg)

    def describe(self) -> dict[str, Any]:
        """The recipe's numbers as JSON knows them: what a resumed run is compared by."""
        fields = {
            field.name: getattr(self.simulator, field.name)
            for field in dataclasses.fields(self.simulator)
            if field.name not in NOT_PART_OF_THE_RESULT
        }
        simulator = ", ".join(f"{name}={value!r}" for name, value in fields.items())
        return {
            "simulator": f"{type(self.simulator).__name__}({simulator})",
            "t_end": float(self.t_end),
            "epochs": self.epochs,
            "batch": self.batch,
            "learn": list(self.learn),
            "record": {name: np.asarray(times).tolist() for name, times in self.record.items()} or None,
            "augment": None if self.augment is None else repr(self.augment),
            "recovery": None if self.recovery is None else repr(self.recovery),
            "patience": self.patience,
        }
