"""`GivenSpikes`: a synapse whose spikes are given as times, not found in a voltage."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxley.synapses import Synapse
from jaxtyping import Array, ArrayLike, Float

from ranvier._concrete import concrete
from ranvier.events import Spikes
from ranvier.interop.jaxley.effects import AbstractEffect, Conductance
from ranvier.interop.jaxley.interface import arguments, suffixed
from ranvier.interop.jaxley.kernels import AbstractKernel, Exponential, step
from ranvier.rules import check, finite, waiting

EXPONENTIAL, CONDUCTANCE = Exponential(), Conductance()


class GivenSpikes(Synapse):
    """A synapse that is driven by given spike times: of a stimulus, a recording, or a network simulated elsewhere.

    The times are parameters of each synapse, `time0`, `time1`, ... (ms), `inf` where a place is free, in any order, and
    any number of them may lie in one step. They can be trained like every other parameter, and derivatives with respect
    to them are exact. Otherwise it is a `DelayedSynapse`: an arrival at `time + delay`, a kernel, an effect.

    Jaxley wants a sending compartment for every synapse. Its voltage is not used: connect the receiving compartment
    with itself.

    Args:
        capacity: Places for spike times, the same for all synapses of this type.
        delay: Delay (ms), >= 0, with which a synapse starts.
        kernel: `Exponential(tau)` or `DoubleExponential(tau_rise, tau_decay)`.
        effect: `Conductance(gS, e_syn)` or `Current(iS)`.
        name: What the type of synapse is called, before what is added: words for kernel and effect, and the capacity.

    Raises:
        ValueError: `capacity` is not a whole number of at least 1, or a number is not valid.

    Example:
        >>> from ranvier.interop.jaxley import GivenSpikes
        >>> synapse = GivenSpikes(3)
        >>> synapse.name, synapse.columns([2.0, 7.5])
        ('GivenSpikes3', {'GivenSpikes3_time0': 2.0, 'GivenSpikes3_time1': 7.5, 'GivenSpikes3_time2': inf})
    """

    def __init__(
        self,
        capacity: int,
        delay: float = 0.0,
        *,
        kernel: AbstractKernel = EXPONENTIAL,
        effect: AbstractEffect = CONDUCTANCE,
        name: str = "GivenSpikes",
    ):
        if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:
            msg = f"GivenSpikes: `capacity` must be a whole number of places, at least 1; got {capacity!r}."
            raise ValueError(msg)
        check("GivenSpikes", [waiting("delay", delay), finite("delay", delay)])
        self.kernel, self.effect, self.capacity = kernel, effect, capacity
        self.suffix = f"{kernel.code}{effect.code}{capacity}"
        super().__init__(suffixed(name, self.suffix))
        own = {**effect.parameters(), **kernel.parameters(), "delay": float(delay)}
        times = dict.fromkeys(self._times, math.inf)
        self.synapse_params = {self.key(k): v for k, v in {**own, **times}.items()}
        self.synapse_states = {self.key(k): 0.0 for k in (*kernel.states, "g_avg", "now")}
        self.node_states, self.node_params = {}, {}  # what Jaxley 1.0 asks for

    def key(self, name: str) -> str:
        """How Jaxley calls a parameter or state: `"time0"` becomes `"GivenSpikes4_time0"`.

        Args:
            name: A parameter (`time0`, `delay`, `gS`, ...) or a state (`g`, `g_avg`, `now`).
        """
        return f"{self._name}_{name}"

    def change_name(self, new_name: str) -> "GivenSpikes":
        """Give the type another name; what is static stays in it.

        Args:
            new_name: The name before what is added.
        """
        return super().change_name(suffixed(new_name, self.suffix))

    def columns(self, times: ArrayLike | Sequence[Any] | Spikes) -> dict[str, float | Float[np.ndarray, " synapses"]]:
        """Spike times by the names of Jaxley's table; `view.set(key, value)` puts each of them into it.

        Args:
            times: Times (ms): of one synapse, or of all synapses of a view, shape (synapses, spikes); or `Spikes`
                without a batch, whose unit k drives the k-th synapse.

        Returns:
            For each place its key, and a number or one value per synapse; `inf` in free places.

        Raises:
            ValueError: there are more spikes than places, a time is negative or NaN, or the spikes are of no known
                size.
        """
        known = _by_unit(times) if isinstance(times, Spikes) else concrete(times)
        known = None if known is None else np.asarray(known, float)
        if known is None or known.ndim not in (1, 2) or np.isnan(known).any() or (known < 0).any():
            got = (
                "a traced array" if known is None else f"shape {known.shape}, smallest {np.min(known, initial=np.inf)}"
            )
            msg = (
                f"GivenSpikes.columns: `times` must be known times >= 0 (ms), (synapses, spikes) or one row; got {got}."
            )
            raise ValueError(msg)
        known = np.sort(known, axis=-1)
        most = int(np.sum(known < np.inf, axis=-1).max(initial=0))
        if most > self.capacity:
            msg = (
                f"GivenSpikes.columns: a synapse has {most} spikes, but only {self.capacity} places; raise `capacity`."
            )
            raise ValueError(msg)
        places = np.full((*known.shape[:-1], self.capacity), np.inf)
        width = min(known.shape[-1], self.capacity)
        places[..., :width] = known[..., :width]
        take = (lambda place: float(places[place])) if known.ndim == 1 else (lambda place: places[:, place])
        return {self.key(name): take(place) for place, name in enumerate(self._times)}

    @property
    def _times(self) -> list[str]:
        return [f"time{place}" for place in range(self.capacity)]

    def update_states(self, states: dict[str, Array], *given: Any) -> dict[str, Array]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The states one step later; called by Jaxley, in the order of arguments of 0.14 or of 1.0."""
        dt, _, _, params = arguments(given)
        state, own = self._own(states), self._own(params)
        arrival = jnp.stack([own[name] for name in self._times]) + own["delay"][None]
        start, end = state["now"] * dt, (state["now"] + 1.0) * dt  # steps are counted: a sum of dt drifts in float32
        # Each in one step only, whatever the rounding: a step starts where the last one ended. Before 0 there was none.
        due = ((arrival > start[None]) | ((start == 0)[None] & (arrival == 0))) & (arrival <= end[None])
        arrival = jnp.where(due, jnp.where(due, arrival, 0.0) - start[None], jnp.inf)
        before = tuple(state[name] for name in self.kernel.states)
        after, average = step(self.kernel, before, arrival, dt, own)
        new = dict(zip(self.kernel.states, after, strict=True))
        new |= {"g_avg": average, "now": state["now"] + 1.0}
        return {self.key(name): value for name, value in new.items()}

    def compute_current(self, states: dict[str, Array], *given: Any) -> Float[Array, "*shape"]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The current (nA) out of the receiving compartment; called by Jaxley."""
        _, _, v_post, params = arguments(given)
        return self.effect.current(states[self.key("g_avg")], v_post, self._own(params))

    def _own(self, values: dict[str, Array]) -> dict[str, Array]:
        """Parameters or states without the name of the synapse in front."""
        return {name.removeprefix(f"{self._name}_"): value for name, value in values.items()}


def _by_unit(spikes: Spikes) -> Float[np.ndarray, "size spikes"]:
    """Times of each unit in a row of its own."""
    time, unit = concrete(spikes.time), concrete(spikes.unit)
    if spikes.size is None or time is None or unit is None or time.ndim != 1:
        msg = (
            "GivenSpikes.columns: the spikes must be known, of one sample, and of a population of known size; got "
            f"size {spikes.size} and shape {spikes.time.shape}. Say the size with spikes.with_size(n)."
        )
        raise ValueError(msg)
    rows = [time[(unit == one) & np.isfinite(time)] for one in range(spikes.size)]
    width = max(map(len, rows), default=0)
    return np.array([np.pad(row, (0, width - len(row)), constant_values=np.inf) for row in rows]).reshape(-1, width)
