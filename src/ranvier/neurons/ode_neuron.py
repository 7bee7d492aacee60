"""A neuron of the user's own: three functions and a dictionary of parameters."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from ranvier._parameters import parameter
from ranvier.neurons.abstract_ode import AbstractODENeuron
from ranvier.rules import Rule, check, finite
from ranvier.synapses import AbstractSynapse, ExponentialCurrent


class ODENeuron(AbstractODENeuron):
    """Any neuron `state' = dynamics`, with a spike where `condition` crosses 0 from below, and then `reset`.

    The functions are written for a whole population, in plain `jax.numpy`: each variable of the state is an array
    (size,), each parameter a scalar or an array (size,). The first variable is the potential, and what `ranvier` shows
    as such. Condition and reset must be differentiable, as the dynamics.

    Args:
        dynamics: `dynamics(t, state, current, parameters)`, the slope per ms of each variable, as a sequence. t is in
            ms, `state` a tuple of the variables, `current` that of the synapse.
        condition: `condition(state, parameters)`: a spike is where this number crosses 0 from below. Without a reset it
            has to fall below 0 before the neuron can spike again.
        reset: `reset(state, parameters)`, the variables after a spike, as a sequence; None for no reset.
        initial: Value of each variable at t = 0, scalars or one per neuron. They are differentiable parameters too.
        parameters: Numbers by name, scalars or one per neuron: the leaves that can learn.
        synapse: What turns events into the current.

    Raises:
        ValueError: `initial` is empty, or a value of `initial` or of `parameters` is not finite; and, when run, a
            function does not give one value per variable.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> def dynamics(t, state, current, parameters):
        ...     v, = state
        ...     return [(current - v) / parameters["tau_mem"]]
        >>> neuron = rv.ODENeuron(
        ...     dynamics,
        ...     condition=lambda state, parameters: state[0] - parameters["v_threshold"],
        ...     reset=lambda state, parameters: [0.0],
        ...     initial=[0.0],
        ...     parameters={"tau_mem": 10.0, "v_threshold": 1.0},
        ... )
        >>> round(float(neuron.dynamics(0.0, neuron.initial(1, float), jnp.array([2.0]))[0, 0]), 6)
        0.2
    """

    functions: tuple[Callable, Callable, Callable | None] = eqx.field(static=True)
    start: tuple[Float[Array, "*#size"], ...]
    parameters: dict[str, Float[Array, "*#size"]]
    synapse: AbstractSynapse
    spiking: ClassVar[bool] = True
    learns: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        dynamics: Callable,
        condition: Callable,
        reset: Callable | None = None,
        *,
        initial: Sequence[ArrayLike],
        parameters: Mapping[str, ArrayLike] | None = None,
        synapse: AbstractSynapse | None = None,
    ):
        self.functions = (dynamics, condition, reset)
        self.start = tuple(parameter("ODENeuron", f"initial[{index}]", value) for index, value in enumerate(initial))
        self.parameters = {name: parameter("ODENeuron", name, value) for name, value in (parameters or {}).items()}
        self.synapse = ExponentialCurrent() if synapse is None else synapse
        if not self.start:
            msg = "ODENeuron: `initial` must hold one value per variable, the potential first; got none."
            raise ValueError(msg)
        check("ODENeuron", self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """All of them are finite."""
        numbers = {f"initial[{index}]": value for index, value in enumerate(self.start)} | self.parameters
        return (*(finite(name, value) for name, value in numbers.items()), *self.synapse.rules())

    def initial(self, size: int, dtype: DTypeLike) -> Float[Array, "variables size"]:
        """The given values."""
        return jnp.stack([jnp.broadcast_to(value, (size,)).astype(dtype) for value in self.start])

    def dynamics(
        self, t: ArrayLike, state: Float[Array, "variables size"], current: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """The user's slopes."""
        return _stack("dynamics", self.functions[0](t, tuple(state), current, self.parameters), state)

    def voltage(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """The first variable."""
        return state[0]

    def condition(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """The user's condition."""
        return jnp.broadcast_to(jnp.asarray(self.functions[1](tuple(state), self.parameters)), state.shape[1:])

    def reset(self, state: Float[Array, "variables size"]) -> Float[Array, "variables size"]:
        """The user's reset."""
        reset = self.functions[2]
        return state if reset is None else _stack("reset", reset(tuple(state), self.parameters), state)


def _stack(name: str, values: object, state: Float[Array, "variables size"]) -> Float[Array, "variables size"]:
    """The user's values, one per variable, as one array."""
    if not isinstance(values, Sequence | Array) or len(values) != len(state):
        got = len(values) if isinstance(values, Sequence | Array) else type(values).__name__
        msg = f"ODENeuron: `{name}` must give one value for each of the {len(state)} variables of `initial`; got {got}."
        raise ValueError(msg)
    return jnp.stack([jnp.broadcast_to(jnp.asarray(value, state.dtype), state.shape[1:]) for value in values])
