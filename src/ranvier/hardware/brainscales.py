"""What a BrainScaleS-2 chip does to a network, in numbers: `BrainScaleS2`.

Times are the chip's own, in microseconds. The chip runs about a thousand times faster than its models, so only their
ratio to the time constant `tau` matters: a network's tau_mem = tau_syn stands for `tau`, and every time of the chip is
multiplied by their ratio. Potentials are in units of the threshold, v_threshold - v_leak. With `tau V' = -V + I`, as
here, an event of weight w lifts the potential by w/e at most; the published model is the same with a threshold of 2.6,
so that its largest weight, 63/30 = 2.1, is 2.1/2.6 = 63/78 of the threshold: four inputs at once and a fifth are needed
for a spike, which is why inputs are repeated.

The sources of the numbers are named by letters:

    [C] the public code of Göltz et al., "DelGrad", Nat. Commun. 16 (2025), and of calix and jaxsnn
    [M] measured in the chip data published with it
    [A] an assumption: no number is published
"""

import dataclasses
import math
from typing import Any

import equinox as eqx
from jaxtyping import Array, Int

FROZEN = (
    "threshold_shift",
    "threshold_spread",
    "gain_spread",
    "synapse_spread",
    "tau_mem_spread",
    "tau_syn_spread",
    "delay_offset",
)
"""Effects that belong to a chip and never change."""
TEMPORAL = ("threshold_noise", "delay_jitter", "spike_jitter", "spike_loss")
"""Effects that differ from run to run."""


class BrainScaleS2(eqx.Module):
    """One BrainScaleS-2 chip: what it can hold, how it rounds, how its circuits differ, and how it trembles.

    Each effect is a number, and 0 (or None, or inf for a limit) is off: `dataclasses.replace(chip, spike_loss=0.0)`.
    `BrainScaleS2.ideal()` has all of them off, `BrainScaleS2.stressed(seed)` adds those that nobody has published, and
    `chip.scaled(...)` multiplies the random ones. Spreads are standard deviations relative to the nominal value.

    Args:
        chip_seed: Which chip: decides the frozen pattern of its circuits. May be traced, to map over chips.
        tau: Membrane and synaptic time constant (us), set alike. [C]
        weight_bits: Bits of a synapse besides its sign; a weight is one of `-(2^bits - 1) .. 2^bits - 1` steps. [C]
        weight_limit: Weight of the largest code, in units of the threshold, where weights saturate. [C]
        delay_low: Smallest delay of a delay element (us): refractory counter 50, `counter / 8 + 2`. [C]
        delay_high: Largest delay (us): counter 250. [C]
        delay_step: Step of the delay (us). [C]
        delay_offset: Spread (us) of what is left of a delay element's own offset after calibration; 0.05 tau. A fit to
            the chip data allows 0.02 to 0.09 tau. [A]
        delay_jitter: Jitter (us) of each spike in a delay element, 0.01 tau. [C]
        threshold_shift: By how much thresholds are too high on average. [C]
        threshold_spread: Spread of the thresholds over neurons. [C]
        threshold_noise: Spread of each neuron's threshold from batch to batch. [C]
        gain_spread: Spread over neurons of the gain of all their synapses. Stress: 0.1. [A]
        synapse_spread: Spread over synapses of their gain. Stress: 0.05. [A]
        tau_mem_spread: Spread over neurons of the membrane time constant. Stress: 0.05. [A]
        tau_syn_spread: Spread over neurons of the synaptic time constant. Stress: 0.05. [A]
        spike_jitter: Jitter (us) of each spike of a neuron. [C: none in the published model]
        spike_loss: Chance that a spike of a neuron is lost on its way, to its receivers and to us. The chip data miss
            0.2 % of output spikes with delays [M] and 4.3 % without; that the difference are outputs that do not reach
            their threshold, which the emulation has of its own, is an assumption. [A]
        timestamp: Resolution (us) of the times that are read. [C]
        latency: Time (us) from a neuron's time stamp to the arrival at its receivers, which is not read. [C]
        circuits: Neuron circuits, in two halves; a delay element takes two. [C]
        rows: Rows of synapses of each half; a signed weight takes two, an element one. [C; the element's row: A]
        delay_elements: Delay elements, all on one half. [C]

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> from ranvier.hardware import BrainScaleS2
        >>> chip = BrainScaleS2(chip_seed=3)
        >>> chip.largest_code, chip.delay_codes
        (63, (50, 250))
    """

    chip_seed: int | Int[Array, ""] = 0
    _: dataclasses.KW_ONLY
    tau: float = eqx.field(static=True, default=6.0)
    weight_bits: int | None = eqx.field(static=True, default=6)
    weight_limit: float = eqx.field(static=True, default=63 / 78)
    delay_low: float = eqx.field(static=True, default=8.25)
    delay_high: float = eqx.field(static=True, default=33.25)
    delay_step: float = eqx.field(static=True, default=0.125)
    delay_offset: float = eqx.field(static=True, default=0.3)
    delay_jitter: float = eqx.field(static=True, default=0.06)
    threshold_shift: float = eqx.field(static=True, default=0.05)
    threshold_spread: float = eqx.field(static=True, default=0.031)
    threshold_noise: float = eqx.field(static=True, default=0.015)
    gain_spread: float = eqx.field(static=True, default=0.0)
    synapse_spread: float = eqx.field(static=True, default=0.0)
    tau_mem_spread: float = eqx.field(static=True, default=0.0)
    tau_syn_spread: float = eqx.field(static=True, default=0.0)
    spike_jitter: float = eqx.field(static=True, default=0.0)
    spike_loss: float = eqx.field(static=True, default=0.002)
    timestamp: float = eqx.field(static=True, default=0.008)
    latency: float = eqx.field(static=True, default=0.08)
    circuits: int = eqx.field(static=True, default=512)
    rows: int = eqx.field(static=True, default=256)
    delay_elements: int = eqx.field(static=True, default=128)

    def __check_init__(self):
        some = (*FROZEN, *TEMPORAL, "timestamp", "latency", "delay_step")
        rules: dict[str, tuple[bool, str]] = {
            name: (0 <= getattr(self, name) < math.inf, "a finite number >= 0") for name in some
        }
        bits = self.weight_bits
        rules |= {
            "tau": (0 < self.tau < math.inf, "a time in us above 0"),
            "weight_bits": (bits is None or 1 <= bits <= 16, "1 to 16, or None for weights without steps"),
            "weight_limit": (0 < self.weight_limit < math.inf if bits else self.weight_limit > 0, "above 0, and finite "
                             "unless weight_bits is None"),
            "delay_low": (0 <= self.delay_low < self.delay_high, "0 <= delay_low < delay_high"),
            "spike_loss": (0 <= self.spike_loss < 1, "a chance in [0, 1)"),
        }  # fmt: skip
        for name, (right, wanted) in rules.items():
            if not right:
                msg = f"BrainScaleS2: `{name}` must be {wanted}; got {getattr(self, name)}."
                raise ValueError(msg)

    @classmethod
    def ideal(cls, chip_seed: int | Int[Array, ""] = 0) -> "BrainScaleS2":
        """A chip without any effect: real-valued weights and delays, and every spike as it is.

        Example:
            >>> from ranvier.hardware import BrainScaleS2
            >>> BrainScaleS2.ideal().weight_bits is None
            True
        """
        off: dict[str, Any] = dict.fromkeys(
            (*FROZEN, *TEMPORAL, "timestamp", "latency", "delay_step", "delay_low"), 0.0
        )
        return cls(chip_seed, weight_bits=None, weight_limit=math.inf, delay_high=math.inf, **off)

    @classmethod
    def stressed(cls, chip_seed: int | Int[Array, ""] = 0) -> "BrainScaleS2":
        """A chip with the assumed effects at the upper end of what the data allow. [A]

        Example:
            >>> from ranvier.hardware import BrainScaleS2
            >>> BrainScaleS2.stressed().gain_spread
            0.1
        """
        return cls(
            chip_seed,
            gain_spread=0.1,
            synapse_spread=0.05,
            tau_mem_spread=0.05,
            tau_syn_spread=0.05,
            delay_offset=0.54,
            spike_loss=0.01,
        )

    def scaled(self, *, frozen: float = 1.0, temporal: float = 1.0) -> "BrainScaleS2":
        """The same chip with its frozen pattern, and its noise, multiplied.

        Args:
            frozen: Factor of everything in `FROZEN`, >= 0.
            temporal: Factor of everything in `TEMPORAL`, >= 0.

        Example:
            >>> from ranvier.hardware import BrainScaleS2
            >>> BrainScaleS2().scaled(temporal=0.0).delay_jitter
            0.0
        """
        factors = dict.fromkeys(FROZEN, frozen) | dict.fromkeys(TEMPORAL, temporal)
        changes: dict[str, Any] = {name: factor * getattr(self, name) for name, factor in factors.items()}
        return dataclasses.replace(self, **changes)

    @property
    def largest_code(self) -> int | None:
        """Code of the largest weight; None where weights have no steps."""
        return None if self.weight_bits is None else 2**self.weight_bits - 1

    @property
    def delay_codes(self) -> tuple[int, int]:
        """Refractory counters of the smallest and the largest delay."""
        return round((self.delay_low - 2.0) / self.delay_step), round((self.delay_high - 2.0) / self.delay_step)
