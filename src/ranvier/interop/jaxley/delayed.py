"""`DelayedSynapse`: from a spike of one compartment to an effect on another, some ms later."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxley.synapses import Synapse
from jaxtyping import Array, ArrayLike, Float

from ranvier.interop.jaxley.crossings import UNKNOWN, crossing, rises
from ranvier.interop.jaxley.effects import AbstractEffect, Conductance
from ranvier.interop.jaxley.interface import arguments, suffixed
from ranvier.interop.jaxley.kernels import AbstractKernel, Exponential, step
from ranvier.interop.jaxley.waiting import moved
from ranvier.queues import AbstractQueue, FifoQueue, RingQueue, SingleQueue
from ranvier.rules import check, finite, waiting

FOUR = FifoQueue(4)
EXPONENTIAL, CONDUCTANCE = Exponential(), Conductance()


class DelayedSynapse(Synapse):
    """An event-triggered synapse with a delay, for `jaxley.connect.connect`.

    When the voltage v_pre of the sending compartment crosses `v_th` from below at a time t, between two steps, an
    arrival happens at `t + delay`, inside a step. The kernel answers it, `g(s)` after s ms, and the effect makes a
    current of it: with the defaults

        tau g' = -g        an arrival: g += 1        I = gS g (v_post - e_syn)

    Every number is a parameter of each synapse and can be trained: `delay`, `v_th`, those of the kernel (`tau`) and
    those of the effect (`gS`, `e_syn`). In tables of Jaxley each has the name of the synapse in front;
    `synapse.key("delay")` writes it. Derivatives are those of the simulated model, exactly; they see spikes move, not
    appear.

    Jaxley takes two synapses of one name for one, whatever they hold. So what is static stands in the name: `name`, a
    word for the kernel and the effect where they are not the default, one for the queue, and its capacity:
    `DelayedSynapse4`, `DelayedSynapseDoubleCurrent8`.

    Args:
        delay: Delay (ms), >= 0, with which a synapse starts. Give it bounds when it is trained: `SigmoidTransform` of
            `jaxley.optimize.transforms`. Below one step it acts as late as the next step.
        v_th: Threshold of the sending compartment (mV).
        kernel: `Exponential(tau)` or `DoubleExponential(tau_rise, tau_decay)`.
        effect: `Conductance(gS, e_syn)` or `Current(iS)`.
        queue: Spikes on their way: a queue of `ranvier.queues`, `FifoQueue(4)` at first. It needs as many places as
            there can be spikes within one delay: the longest delay divided by the shortest time between spikes, and one
            more. What does not fit is counted in the state `dropped`; `ranvier.interop.jaxley.check` raises if there is
            any. As one synapse has one delay, spikes arrive in order: Fifo, sorted and heap queues do the same, and the
            first is fastest. A `RingQueue` needs a clock, which Jaxley does not give.
        name: What the type of synapse is called, before what is added.

    Raises:
        ValueError: a number is not valid, or the queue is a `RingQueue`.

    Example:
        >>> from ranvier.interop.jaxley import DelayedSynapse
        >>> synapse = DelayedSynapse(delay=5.0)
        >>> synapse.name, synapse.key("delay"), synapse.synapse_params[synapse.key("delay")]
        ('DelayedSynapse4', 'DelayedSynapse4_delay', 5.0)
    """

    def __init__(
        self,
        delay: float = 1.0,
        v_th: float = -20.0,
        *,
        kernel: AbstractKernel = EXPONENTIAL,
        effect: AbstractEffect = CONDUCTANCE,
        queue: AbstractQueue = FOUR,
        name: str = "DelayedSynapse",
    ):
        if isinstance(queue, RingQueue):
            msg = (
                "DelayedSynapse: `queue` must not be a RingQueue: its slots belong to steps, and Jaxley tells "
                "a synapse neither time nor step. Take FifoQueue(capacity)."
            )
            raise ValueError(msg)
        check("DelayedSynapse", [waiting("delay", delay), finite("delay", delay), finite("v_th", v_th)])
        self.kernel, self.effect, self.queue = kernel, effect, queue
        kind = type(queue).__name__.removesuffix("Queue").removeprefix("Fifo")
        keep = type(queue.keep).__name__ if isinstance(queue, SingleQueue) else ""
        self.suffix = f"{kernel.code}{effect.code}{kind}{keep}{queue.places}"
        super().__init__(suffixed(name, self.suffix))
        own = {"delay": float(delay), "v_th": float(v_th)}
        self.synapse_params = {self.key(k): v for k, v in {**effect.parameters(), **kernel.parameters(), **own}.items()}
        seen = {"v_prev": UNKNOWN, "v_prev2": UNKNOWN}
        counted = dict.fromkeys((*kernel.states, "g_avg", "dropped"), 0.0)
        waits = dict.fromkeys(self._slots, float("inf"))
        self.synapse_states = {self.key(k): v for k, v in {**seen, **counted, **waits}.items()}
        self.node_states, self.node_params = {}, {}  # what Jaxley 1.0 asks for

    def key(self, name: str) -> str:
        """How Jaxley calls a parameter or state: `"delay"` becomes `"DelayedSynapse4_delay"`.

        Args:
            name: A parameter (`delay`, `v_th`, `gS`, ...) or a state (`g`, `g_avg`, `dropped`, ...).
        """
        return f"{self._name}_{name}"

    def change_name(self, new_name: str) -> "DelayedSynapse":
        """Give the type another name; what is static stays in it.

        Args:
            new_name: The name before what is added.
        """
        return super().change_name(suffixed(new_name, self.suffix))

    @property
    def _slots(self) -> list[str]:
        return [f"slot{place}" for place in range(self.queue.places)]

    def update_states(self, states: dict[str, Array], *given: Any) -> dict[str, Array]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The states one step later; called by Jaxley, in the order of arguments of 0.14 or of 1.0."""
        dt, v_pre, _, params = arguments(given)
        state, own = self._own(states), self._own(params)
        slots, old = [state[slot] for slot in self._slots], state["v_prev"]
        after_crossing = lambda: moved(
            self.queue, slots, _left(state["v_prev2"], old, v_pre, own["v_th"], own["delay"], dt), dt
        )
        # In most steps nobody spikes; under `vmap` both are computed.
        waits = jax.lax.cond(
            jnp.any(rises(old, v_pre, own["v_th"])), after_crossing, lambda: moved(self.queue, slots, None, dt)
        )
        before = tuple(state[name] for name in self.kernel.states)
        after, average = step(self.kernel, before, waits.arrival[None], dt, own)
        new = dict(zip(self.kernel.states, after, strict=True))
        new |= {"v_prev": v_pre, "v_prev2": state["v_prev"], "g_avg": average}
        new |= {"dropped": state["dropped"] + waits.lost.astype(average.dtype)}
        new |= dict(zip(self._slots, waits.slots, strict=True))
        return {self.key(name): value for name, value in new.items()}

    def compute_current(self, states: dict[str, Array], *given: Any) -> Float[Array, "*shape"]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The current (nA) out of the receiving compartment; called by Jaxley."""
        _, _, v_post, params = arguments(given)
        return self.effect.current(states[self.key("g_avg")], v_post, self._own(params))

    def _own(self, values: dict[str, Array]) -> dict[str, Array]:
        """Parameters or states without the name of the synapse in front."""
        return {name.removeprefix(f"{self._name}_"): value for name, value in values.items()}


# Three voltages per step are kept for reverse mode; the ten intermediate values of the crossing are computed again.
@functools.partial(jax.checkpoint, prevent_cse=False)
def _left(
    older: Float[Array, "*shape"],
    old: Float[Array, "*shape"],
    new: Float[Array, "*shape"],
    threshold: Float[Array, "*#shape"],
    delay: Float[Array, "*#shape"],
    dt: Float[ArrayLike, ""],
) -> Float[Array, "*shape"]:
    """Time (ms) from now to the arrival of a spike of the last step, `inf` without one."""
    part = crossing(older, old, new, threshold)
    crossed = part < jnp.inf
    return jnp.where(crossed, delay - (1.0 - jnp.where(crossed, part, 1.0)) * dt, jnp.inf)
