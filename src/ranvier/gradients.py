"""How a spike is differentiated: what the simulators take as `gradient`.

Let a neuron spike at t*, u its potential above rest (v_leak + bias), theta its threshold above rest, V' the slope of u
just before t*, p_u = dL/du, and of each event that the spike causes, of weight w, x_I = dL/dI at its arrival. Two
things can be said about the spike: what its time is worth and what it is worth to have it at all,

    G = sum over its events of dL/d(arrival)        W = dL/d(presence) + sum over its events of w x_I

(`presence` is 1 for each spike, and what `ranvier.spike_count` counts). With V'_r the slope where integration resumes
after the refractory time, at r, the potential answers for

    p_u- = timing (p_u(r) V'_r - G)/V' - (dL/dt*)/V' + h W        h = scale/(v_threshold - v_leak)

`ExactDerivative` is timing = 1, scale = 0. dL/dt* is what the loss itself says of the time: it always counts as such.
Derivatives with respect to delays, input times and refractory times are derivatives of times, whatever `gradient` is.
"""

import abc
import dataclasses
import math
from typing import NamedTuple


class Parts(NamedTuple):
    """The numbers of the module's equation, the largest 1/V' in it, what W has of reset and refractory time, and the
    width of near misses in units of the threshold."""

    timing: float
    scale: float
    max_inverse_slope: float
    reset: float
    refractory: float
    near: float


@dataclasses.dataclass(frozen=True)
class AbstractGradient(abc.ABC):
    """A way to differentiate a spike. Hashable; holds plain numbers."""

    @abc.abstractmethod
    def parts(self) -> Parts:
        """What goes into the equation."""


@dataclasses.dataclass(frozen=True)
class ExactDerivative(AbstractGradient):
    """The derivative of what was simulated: spikes move, and none appears or vanishes.

    `p_u- = (p_u(r) V'_r - G - dL/dt*)/V'`. It equals the limit of central differences wherever there is one. It does
    not see that the loss jumps where a spike appears or vanishes, and a count of spikes has no derivative but zero: to
    differentiate `ranvier.spike_count` raises.

    Example:
        >>> import ranvier as rv
        >>> rv.EventDriven().gradient
        ExactDerivative()
    """

    def parts(self) -> Parts:
        """Timing alone."""
        return Parts(1.0, 0.0, math.inf, 0.0, 0.0, 0.0)


@dataclasses.dataclass(frozen=True)
class SpikeValue(AbstractGradient):
    """The value of a spike: what the loss would lose, to first order, if the spike were not there.

    `p_u- = h W + timing (p_u(r) V'_r - G)/V' - (dL/dt*)/V'`, `h = scale/(v_threshold - v_leak)`, h itself not
    differentiated. Not the derivative of the simulated loss, but an estimate of the derivative of its mean over noise
    at the threshold, from one run without noise. For networks of many spikes, whose loss changes more by spikes that
    appear and vanish than by those that move. Spike counts become differentiable.

    With the reset's own effect, W also has `p_u(r) (rho - theta) e^{-R/tau_mem}`, with that of the refractory time R
    `p_u(r) (rho (1 - e^{-R/tau_mem}) - I(t*) kappa(R))`: together, what the neuron's potential at r = t* + R is less
    what it would be without the spike. Potentials recorded before r do not count in that.

    A silent neuron has no spike whose value could teach it anything. With `near`, its highest potential in (0, t_end]
    counts as a spike that might have been: there `p_u += n h W`, `n = e^{(V - v_threshold)/(near (v_threshold -
    v_leak))}`, W being what its events would have been worth, with nothing of reset, refractory time and presence.

    Args:
        scale: What h is in units of the threshold, > 0. Larger ones compound where spikes drive each other.
        timing: Share of the derivative of times, >= 0, in what a spike does to others. 0 leaves only the value.
        max_inverse_slope: Largest 1/V' (ms) used in derivatives of times, > 0. With the guard of the simulator, if it
            has one, the smaller of the two counts.
        reset: Whether W has the effect of the reset.
        refractory: Whether W has the effect of the refractory time.
        near: How far below its threshold, in units of the threshold above v_leak, the highest potential of a silent
            neuron still counts, >= 0; 0: not at all. 0.3 wakes networks that are silent at first. `EventDriven` only.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> net = rv.feedforward([1, 1], neuron=rv.LIF(), weight=rv.initializers.constant(9.0), key=jax.random.key(0))
        >>> learn, fixed = rv.partition(net, "weight")
        >>> spikes, simulator = rv.Spikes([1.0], [0]), rv.EventDriven(gradient=rv.SpikeValue())
        >>> def spikes_of(learn):
        ...     solution = rv.simulate(rv.combine(learn, fixed), spikes, simulator, t_end=20.0)
        ...     return rv.spike_count(solution.spikes["output"]).sum()
        >>> bool(jax.grad(spikes_of)(learn).connections[0].weight > 0)
        True
    """

    scale: float = 1.0
    timing: float = 0.0
    max_inverse_slope: float = math.inf
    reset: bool = False
    refractory: bool = False
    near: float = 0.0

    def __post_init__(self):
        for name, value, fits, wanted in (
            ("scale", self.scale, 0 < self.scale < math.inf, "finite and above 0"),
            ("timing", self.timing, 0 <= self.timing < math.inf, "finite and at least 0"),
            ("near", self.near, 0 <= self.near < math.inf, "finite and at least 0"),
            ("max_inverse_slope", self.max_inverse_slope, self.max_inverse_slope > 0, "a time in ms above 0"),
        ):
            if not fits:
                msg = f"SpikeValue: `{name}` must be {wanted}; got {value}."
                raise ValueError(msg)

    def parts(self) -> Parts:
        """The value, and a share of the timing."""
        return Parts(
            float(self.timing), float(self.scale), float(self.max_inverse_slope), float(self.reset),
            float(self.refractory), float(self.near),
        )  # fmt: skip


def no_near_misses(gradient: AbstractGradient, owner: str) -> AbstractGradient:
    """The same gradient, for a simulator that looks at spikes only.

    Args:
        gradient: What a user chose.
        owner: Name of the simulator, for the message.

    Raises:
        ValueError: it has near misses.

    Example:
        >>> import ranvier as rv
        >>> rv.gradients.no_near_misses(rv.SpikeValue(), "ClockDriven").near
        0.0
    """
    near = gradient.parts().near
    if near > 0:
        msg = f"{owner}: SpikeValue(near={near}) is for EventDriven; leave `near` out, or take rv.EventDriven(...)."
        raise ValueError(msg)
    return gradient
