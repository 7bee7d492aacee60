"""How a network is trained: everything but the network, the data and the random key."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optax
from jaxtyping import Array, Float

from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.readouts import AbstractReadout, Decide, Record, as_readout
from ranvier.regularizers import SilentRecovery
from ranvier.rewiring import AbstractRewiring
from ranvier.simulation import AbstractSimulator, Solution
from ranvier.train.fingerprint import fingerprint

Loss = Callable[[Any, Any], Float[Array, ""]]
Regularizer = Callable[[Solution], Float[Array, ""]]
Cost = Callable[[Network], Float[Array, ""]]
Augment = Callable[..., Spikes]

NOT_PART_OF_THE_RESULT = ("simulator.threads", "simulator.key", "epochs")
"""What a run may be resumed with other values of: results do not depend on threads, the key of a simulator with noise
is replaced for every batch, and more epochs only go further."""

TAKEN = (
    *("epoch", "loss", "accuracy", "regularization", "bumped", "guarded", "silent", "spikes_per_neuron", "seconds"),
    *("learning_rate", "quantiles", "samples_per_second"),
)
"""Names that a metric cannot have."""


@dataclasses.dataclass(frozen=True, eq=False)
class Recipe:
    """How a network is trained.

    A sample is simulated, `readout(solution)` reads numbers off it, and `loss(value, target)` says how far they are
    from the sample's target. All functions see one sample, without batch axis.

    Args:
        simulator: How the network is simulated, for example `ranvier.EventDriven(max_spikes=1)`.
        t_end: End of each simulation (ms).
        readout: What is read off a simulation, such as `ranvier.readouts.FirstSpike("output")`. It knows what has to
            be recorded. Any `function(solution)` will do where nothing has to be; else `ranvier.readouts.Custom`.
        loss: `loss(value, target)`, a scalar; training minimises its mean over samples. All of `ranvier.losses` are
            such functions; `functools.partial` binds their numbers.
        predict: `predict(value)`, the class the network answers with, where targets are classes; -1 is no answer.
            Default the rule of the readout: first spike, or highest number.
        metrics: More numbers to follow, by name: `metric(value, target)`, a scalar, averaged over samples.
        regularizers: Functions of a solution that are added to the loss, such as
            `ranvier.regularizers.CountUpperBound("hidden", 10, strength=0.1)`. One that needs potentials says so in
            its `record`, as readouts do.
        costs: Functions of the network that are added to the loss of each step, such as
            `ranvier.wiring.WiringLength(0.01)`.
        optimiser: An optax optimiser. It sees only what learns; see `ranvier.train.by_path`.
        epochs: Times that training goes through the data, >= 1.
        batch: Samples per step, >= 1. A last batch that is not full counts with the samples it has.
        learn: What learns, in the words of `ranvier.partition`: `"weight"`, `"hidden->hidden.delay"`,
            `"hidden.tau_mem"`; default all weights and delays.
        augment: What training does to the input spikes of each batch and population, `augment(spikes, key=key)`, with a
            new key each time, for example `ranvier.augmentations.Jitter(0.3)`; default nothing.
        recovery: What wakes silent neurons after each step, for example `SilentRecovery()`; default nothing.
        rewiring: What moves synapses of `ranvier.Pairs` now and then, `ranvier.rewiring.Rewiring` or `DeepRewiring`;
            default nothing.
        patience: Stop when validation has not improved for so many epochs; default never.

    Raises:
        ValueError: `t_end`, `epochs`, `batch` or `patience` is not above 0, a metric has a name that is taken, or
            `readout` is not a function, or a regularizer wants potentials of the population that is read out.

    Example:
        >>> from functools import partial
        >>> import optax, ranvier as rv
        >>> from ranvier.train import Recipe
        >>> recipe = Recipe(rv.EventDriven(), t_end=10.0, readout=rv.readouts.FirstSpike("output"),
        ...                 loss=partial(rv.losses.relative_time_mse, margin=0.2), optimiser=optax.adam(0.01), epochs=5)
        >>> recipe.batch
        150
    """

    simulator: AbstractSimulator
    _: dataclasses.KW_ONLY
    t_end: float
    readout: AbstractReadout | Callable[[Solution], Any]
    loss: Loss
    optimiser: optax.GradientTransformation
    epochs: int
    predict: Decide | None = None
    metrics: Mapping[str, Loss] = dataclasses.field(default_factory=dict)
    regularizers: Sequence[Regularizer] = ()
    costs: Sequence[Cost] = ()
    batch: int = 150
    learn: tuple[str, ...] = ()
    augment: Augment | None = None
    recovery: SilentRecovery | None = None
    rewiring: AbstractRewiring | None = None
    patience: int | None = None

    def __post_init__(self):
        as_readout(self.readout)
        for name in ("t_end", "epochs", "batch", "patience"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                msg = f"Recipe: `{name}` must be above 0; got {value}."
                raise ValueError(msg)
        read = as_readout(self.readout).record
        wanted = [name for term in self.regularizers for name in getattr(term, "record", {})]
        twice = [name for name in wanted if name in read or wanted.count(name) > 1]
        if twice:
            other = "`readout`" if twice[0] in read else "another one"
            msg = f"Recipe: one of `regularizers` wants potentials of {twice[0]!r}, and so does {other}; keep one."
            raise ValueError(msg)
        wrong = [name for name in self.metrics if name in TAKEN or name.startswith("validation_")]
        if wrong:
            msg = f"Recipe: `metrics` cannot be named {', '.join(wrong)}, which fit records anyway; choose other names."
            raise ValueError(msg)

    @property
    def record(self) -> Record:
        """Times (ms) at which potentials are recorded, for the readout and for regularizers that want some."""
        wanted = [getattr(term, "record", {}) for term in self.regularizers]
        return {name: times for record in (as_readout(self.readout).record, *wanted) for name, times in record.items()}

    def describe(self) -> dict[str, Any]:
        """All that decides the result, as JSON knows it: what a resumed run is compared by.

        The numbers bound in the loss, and those of the optimiser, are among it.
        """
        found = fingerprint({field.name: getattr(self, field.name) for field in dataclasses.fields(self)})
        return {name: value for name, value in found.items() if name not in NOT_PART_OF_THE_RESULT}
