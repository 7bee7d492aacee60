"""`LIF`: a leaky integrate-and-fire channel for Jaxley that resets between steps, not on them."""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxley.channels import Channel
from jaxtyping import Array, ArrayLike, Float

from ranvier.interop.jaxley.crossings import UNKNOWN, crossing
from ranvier.rules import below, check, finite, positive


class LIF(Channel):
    """A leak and a threshold: `cm v' = gLeak (eLeak - v) + ...`, and `v := v_reset` when v reaches `v_th`.

    Jaxley's own `Fire` resets on the grid, before synapses see the voltage: they see no spike, and the derivative of
    the k-th spike time is wrong by a factor k. Here the voltage is reset at the time of its crossing, inside the step,
    and what is left of the step follows from there. The recorded voltage stays above `v_th` for the two steps in which
    the spike is noticed, so that `DelayedSynapse` and `crossing_times`, with the same threshold, see it too.

    What is left of the step decays with the time constant of the leak, `cm / gLeak`: exact for currents, of first order
    in dt, as Jaxley is, for further conductances. A cell can spike at most every third step.

    The state `since` holds the time (ms) since the spike at the step that noticed it, else `inf`.

    Args:
        gLeak: Leak conductance (S/cm2), > 0.
        eLeak: Leak potential (mV).
        v_th: Threshold (mV).
        v_reset: Potential after a spike (mV), below `v_th`.
        name: Name of the channel.

    Raises:
        ValueError: a number is not finite, `gLeak` is not above 0, or `v_reset` is not below `v_th`.

    Example:
        >>> from ranvier.interop.jaxley import LIF
        >>> LIF(v_th=-50.0).channel_params["LIF_v_th"]
        -50.0
    """

    def __init__(
        self,
        gLeak: float = 1e-4,
        eLeak: float = -70.0,
        v_th: float = -50.0,
        v_reset: float = -70.0,
        *,
        name: str = "LIF",
    ):
        rules = [
            positive("gLeak", gLeak, "a conductance"),
            finite("eLeak", eLeak),
            finite("v_th", v_th),
            finite("v_reset", v_reset),
        ]
        check("LIF", [*rules, below("v_reset", v_reset, "v_th", v_th)])
        self.current_is_in_mA_per_cm2 = True
        super().__init__(name)
        own = {"gLeak": float(gLeak), "eLeak": float(eLeak), "v_th": float(v_th), "v_reset": float(v_reset)}
        self.channel_params = {f"{self._name}_{key}": value for key, value in own.items()}
        states = {"v_prev": UNKNOWN, "v_prev2": UNKNOWN, "since": float("inf")}
        self.channel_states = {f"{self._name}_{key}": value for key, value in states.items()}
        self.current_name = f"i_{self._name}"

    def update_states(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, states: Mapping[str, Array], dt: float, v: Float[Array, "*shape"], params: Mapping[str, Array]
    ) -> dict[str, Array]:
        """The states and the voltage one step later; called by Jaxley."""
        own = lambda values, key: values[f"{self._name}_{key}"]
        since, old, older = own(states, "since"), own(states, "v_prev"), own(states, "v_prev2")
        threshold, jump = own(params, "v_th"), own(params, "v_th") - own(params, "v_reset")
        tau = params["capacitance"] / (1000.0 * own(params, "gLeak"))
        spiked = since < jnp.inf
        passed = jnp.where(spiked, since, 0.0)
        # The voltage as if it had been reset at its crossing, now and, to find the next crossing, one step ago.
        v = jnp.where(spiked, v - jump * jnp.exp(-(passed + dt) / tau), v)
        old = jnp.where(spiked, old - jump * jnp.exp(-passed / tau), old)
        older = jnp.where(spiked, UNKNOWN, older)
        part = crossing(older, old, v, threshold)
        since = jnp.where(part < jnp.inf, (1.0 - jnp.where(part < jnp.inf, part, 0.0)) * dt, jnp.inf)
        since = jnp.where((v >= threshold) & (old >= threshold), dt, since)  # above it all through the step
        new = {"v_prev": v, "v_prev2": old, "since": since}
        return {f"{self._name}_{key}": value for key, value in new.items()} | {"v": v}

    def compute_current(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, states: Mapping[str, Array], v: Float[Array, "*shape"], params: Mapping[str, Array]
    ) -> Float[Array, "*shape"]:
        """Current (mA/cm2) of the leak; called by Jaxley."""
        del states
        return params[f"{self._name}_gLeak"] * (v - params[f"{self._name}_eLeak"])

    def init_state(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, states: Mapping[str, Array], v: ArrayLike, params: Mapping[str, Array], delta_t: float
    ) -> dict[str, Array]:
        """Nothing to initialise; called by Jaxley."""
        del states, v, params, delta_t
        return {}
