"""The status table: what may be wrong with a simulation, one number and one sentence each, for every simulator.

`Stats.status` is 0, or the smallest number that applies. What is wrong with the arguments comes before what went wrong
with the run, which it may have caused.
"""

from collections.abc import Iterable

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Int

DROPPED = 1
RESET = 2
LEAK = 3
WEIGHT = 4
DELAY = 5
NEURON = 6
SPIKES = 7
RECORD = 8
NOT_FINITE = 9
STEP_SPIKES = 10
EVENTS = 11
INPUT_UNIT = 12
SYNAPSE = 13
WINDOWS = 14
RING = 15
INTERRUPTED = 16
TONIC = 17
PLACES = 18

STATUS = {
    0: "all went well",
    DROPPED: "more spikes than fit: the network fires a great deal, at the start most often since its weights are too "
    "large (ranvier.initializers.fluctuation_driven finds better ones), later since the learning rate is; or else "
    "raise max_spikes of the simulator",
    RESET: "v_reset is not below v_threshold for some neuron: it would fire without end; keep the two apart",
    LEAK: "v_leak is not below v_threshold for some neuron: it would start above threshold; keep the two "
    "apart, and give the neuron a bias if it is to fire by itself",
    WEIGHT: "a weight is not finite: the optimiser has diverged; lower its learning rate or clip the gradient",
    DELAY: "a delay is not finite, or outside its bounds: use ranvier.project after each step, or another bound; where "
    "it follows from a distance, bring the positions closer or take SpatialDelay(limit=Saturate())",
    NEURON: "a parameter of a neuron is out of its range (time constants must be above 0 ms, refractory times at least "
    "0 ms, all others finite): keep it in range while it is changed",
    SPIKES: "input spikes are not valid: times must be sorted and in [0, t_end], units inside the population",
    RECORD: "a record time is not in [0, t_end], or the record times are not ascending",
    NOT_FINITE: "a potential or current is not finite: for a neuron that ClockDriven integrates most likely its dt is "
    "too long, or else the neuron's own right-hand side overflows; for any other, weights or inputs are too large",
    STEP_SPIKES: "a neuron spikes more often in one step than fits: raise ClockDriven(step_spikes=...), or take a "
    "shorter dt",
    EVENTS: "more events than fit: raise events and history of Exact(...), events and queue of Queued(...), or "
    "step_events",
    INPUT_UNIT: "an input unit spikes more than once, and the chip can send one spike per input unit: give it more "
    "input units",
    SYNAPSE: "a pattern names a neuron outside its population, or the same synapse twice: each pair (pre, post) may "
    "stand once",
    WINDOWS: "EventDriven would cut t_end into more than 2^22 windows, each at most 8 (float32: 2) times the shortest "
    "time constant and no longer than the shortest delay around a cycle: make these longer, or t_end shorter",
    RING: "the delays are too many windows long for so many neurons in EventDriven: take a longer window, shorter "
    "delays, or fewer neurons",
    INTERRUPTED: "the simulation was stopped by Ctrl-C, and its results mean nothing",
    TONIC: "FirstSpike takes no neuron that fires without input, and v_leak + bias is not below v_threshold for some: "
    "take a smaller bias, or EventDriven",
    PLACES: "more spikes are on their way at the end than the state has places for: give the input spikes of the first "
    "call more places (inf, unit -1), or raise max_spikes of the simulator",
}
"""What each status means, and what to do about it."""


def first_status(problems: Iterable[tuple[int, Bool[ArrayLike, ""]]], before: Int[ArrayLike, ""] = 0) -> Int[Array, ""]:
    """The smallest key of `STATUS` whose problem is there, 0 if none is.

    Args:
        problems: Keys, and whether each applies.
        before: A status that comes first, if it is not 0: that of the arguments, which may have caused the rest.

    Example:
        >>> from ranvier.status import first_status
        >>> int(first_status([(9, True), (1, True)])), int(first_status([(1, True)], before=4))
        (1, 4)
    """
    none, first = max(STATUS) + 1, jnp.asarray(before, jnp.int32)
    codes = [jnp.where(there, code, none).astype(jnp.int32) for code, there in problems]
    least = jnp.min(jnp.stack([jnp.full((), none, jnp.int32), *codes]))
    return jnp.where(first > 0, first, jnp.where(least == none, 0, least))
