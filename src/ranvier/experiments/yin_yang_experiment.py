"""Every number of a run, in one frozen dataclass, and the published ones.

The Yin-Yang protocol is that of DelGrad (Göltz et al., Nat. Commun. 16, 2025): samples, encoding, time constants,
network, loss, optimiser. There V' = -V/tau_mem + I; here tau_mem V' = -V + I. With tau_mem = 2 ms that makes our
weights, their initial values and their learning rates twice the published ones. The published schedule multiplies the
rates by 0.95 every 20 epochs (`schedule="step", decay=0.95`); ours ends in a cosine. The rates were chosen on the
validation data of seeds 5 to 8.
"""

import dataclasses
import math
from typing import Any

NAMES = ("yin-yang",)
METHODS = ("event-driven", "first-spike", "clock-driven", "surrogate")
DELAYS = ("none", "axonal", "dendritic", "synaptic")
SCHEDULES = ("constant", "step", "cosine")
LOSSES = ("relative", "cross-entropy")
DTYPES = ("float32", "float64")

POSITIVE = ("hidden", "epochs", "batch", "decay_epochs", "weight_lr", "delay_lr", "max_inverse_slope", "dt", "beta")

USED_BY = {
    "max_inverse_slope": ("event-driven",),
    "dt": ("clock-driven", "surrogate"),
    "beta": ("surrogate",),
    "detach_time": ("surrogate",),
}
"""Methods that have a use for a field; with others it must be left as it is."""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Every number of a run. Times in ms, weights in units of the threshold.

    Args:
        name: The data set.
        method: How spikes and gradients come about: `event-driven`, `first-spike` and `clock-driven` are exact,
            `surrogate` is not.
        delay: Kind of delay: `none`, `axonal`, `dendritic` or `synaptic`.
        hidden: Hidden neurons.
        weight_mean: Mean of the initial weights.
        weight_std: Their standard deviation.
        delay_low: Smallest delay.
        delay_high: Largest delay.
        delay_mean: Mean of the initial delays.
        delay_std: Their standard deviation.
        weight_lr: Learning rate of the weights, at the start.
        delay_lr: Learning rate of the delays (of the number behind the sigmoid), at the start.
        schedule: Course of both: `constant`, `step` or `cosine`.
        decay: What `step` multiplies them by, or where `cosine` ends, as a share.
        decay_epochs: Every how many epochs `step` does so.
        loss: `relative` (margins between first spikes) or `cross-entropy`.
        margin: Lead that `relative` asks of the right output.
        loss_tau: Time scale of `cross-entropy`.
        early_strength: Weight of its push towards early spikes.
        recovery: Smallest increment of the weights onto silent neurons; 0 for no recovery.
        max_inverse_slope: Largest 1/V' (ms) in the gradient of a spike; inf for no limit. `event-driven` only.
        dt: Step of `clock-driven` and `surrogate`.
        beta: Steepness of the surrogate, `ranvier.surrogates.superspike(beta)`.
        detach_time: Whether hidden spikes learn by the surrogate alone; see `ranvier.clock_driven.SurrogateSpikes`.
        tau_mem: Membrane time constant.
        tau_syn: Synaptic time constant.
        t_early: Input spike time of value 0.
        t_late: Input spike time of value 1.
        t_end: End of each simulation.
        epochs: Epochs.
        batch: Samples per step.
        patience: Stop when validation has not improved for so many epochs; None for never.
        dtype: `float32` or `float64`.
        seed: Decides initial weights and delays, and the order of the samples.

    Raises:
        ValueError: a number is out of range or a name is unknown.

    Example:
        >>> from ranvier.experiments import Experiment
        >>> Experiment(hidden=10).delay
        'synaptic'
    """

    name: str = "yin-yang"
    method: str = "event-driven"
    delay: str = "synaptic"
    hidden: int = 30
    weight_mean: float = 2.0
    weight_std: float = 2.0
    delay_low: float = 0.0
    delay_high: float = 1.0
    delay_mean: float = 0.5
    delay_std: float = 0.06
    weight_lr: float = 0.02
    delay_lr: float = 0.02
    schedule: str = "cosine"
    decay: float = 0.001
    decay_epochs: int = 20
    loss: str = "relative"
    margin: float = 0.2
    loss_tau: float = 0.2
    early_strength: float = 0.005
    recovery: float = 0.001
    max_inverse_slope: float = math.inf
    dt: float = 0.1
    beta: float = 100.0
    detach_time: bool = False
    tau_mem: float = 2.0
    tau_syn: float = 1.0
    t_early: float = 0.15
    t_late: float = 2.0
    t_end: float = 8.0
    epochs: int = 300
    batch: int = 150
    patience: int | None = None
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self):
        choices = {
            "name": NAMES,
            "method": METHODS,
            "delay": DELAYS,
            "schedule": SCHEDULES,
            "loss": LOSSES,
            "dtype": DTYPES,
        }
        for field, valid in choices.items():
            _require(getattr(self, field) in valid, field, f"one of {', '.join(valid)}", repr(getattr(self, field)))
        for field in POSITIVE:
            _require(getattr(self, field) > 0, field, "above 0", getattr(self, field))
        _require(self.patience is None or self.patience >= 1, "patience", "above 0, or None", self.patience)
        _require(0 <= self.seed < 2**32, "seed", "in 0..2**32 - 1", self.seed)
        for field in dataclasses.fields(self):
            methods = USED_BY.get(field.name, METHODS)
            if self.method not in methods and getattr(self, field.name) != field.default:
                users = " and ".join(methods)
                msg = f"{field.name} is of no use to the method {self.method}, only to {users}; leave it out."
                raise ValueError(msg)

    def describe(self) -> dict[str, Any]:
        """The experiment as JSON knows it."""
        return {name: str(value) if value == math.inf else value for name, value in dataclasses.asdict(self).items()}


def _require(right: bool, field: str, wanted: str, got: Any) -> None:
    if not right:
        msg = f"{field} must be {wanted}; got {got}."
        raise ValueError(msg)


YIN_YANG = Experiment()
"""The Yin-Yang protocol with synaptic delays."""

PER_DELAY: dict[str, dict[str, Any]] = {
    "none": {"weight_mean": 1.0, "weight_lr": 0.04},
    "axonal": {"weight_lr": 0.01, "delay_lr": 0.005},
    "dendritic": {"weight_lr": 0.01, "delay_lr": 0.005},
    "synaptic": {},
}
"""What differs from `YIN_YANG` for each kind of delay."""


def yin_yang(delay: str = "synaptic", **changes: Any) -> Experiment:
    """The Yin-Yang experiment with some kind of delay, and whatever else is to be different.

    Example:
        >>> from ranvier.experiments import yin_yang
        >>> yin_yang("none", hidden=10).weight_mean
        1.0
    """
    if delay not in DELAYS:
        msg = f"delay must be one of {', '.join(DELAYS)}; got {delay!r}."
        raise ValueError(msg)
    return dataclasses.replace(YIN_YANG, delay=delay, **(PER_DELAY[delay] | changes))
