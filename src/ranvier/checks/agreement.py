"""Two gradients side by side: where does a surrogate, or the value of a spike, point, beside the exact derivative?"""

import dataclasses
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, ArrayLike, Float

from ranvier.checks.modes import gradient_of, is_derivative
from ranvier.events import Spikes, spike_count
from ranvier.network import Network
from ranvier.selection import partition
from ranvier.simulation import AbstractSimulator, Solution, simulate
from ranvier.summaries import AbstractSummary
from ranvier.surrogate import Surrogate


class Agreement(NamedTuple):
    """How one gradient vector lies to another.

    Args:
        cosine: Cosine of the angle between them: 1 for the same direction, 0 for none in common; NaN where one is 0.
        ratio: Norm of the second over that of the first.
    """

    cosine: float
    ratio: float


LOW = 0.5
"""A cosine below this one is explained."""


@dataclasses.dataclass(frozen=True, eq=False)
class AgreementReport(Mapping[str, Agreement]):
    """How two gradients lie to each other, part by part, and what that means; `str` of it is for people.

    Args:
        parts: An `Agreement` for each part, by names such as `weight of input->hidden`.
        norms: Norm of the first gradient of each part, and of the second.
        silent: Share of neurons without a spike, by population.
        stepped: Whether the second gradient is a sum over steps of a grid.

    Example:
        >>> from ranvier.checks import Agreement, AgreementReport
        >>> found = AgreementReport({"weight of a->b": Agreement(0.1, 2.0)}, {"weight of a->b": (1.0, 2.0)}, {}, False)
        >>> found["weight of a->b"].ratio, found.notes[0].partition(":")[0]
        (2.0, 'weight of a->b')
    """

    parts: dict[str, Agreement]
    norms: dict[str, tuple[float, float]]
    silent: dict[str, float]
    stepped: bool

    def __getitem__(self, name: str) -> Agreement:
        """The agreement of a part."""
        return self.parts[name]

    def __iter__(self) -> Iterator[str]:
        """Names of the parts."""
        return iter(self.parts)

    def __len__(self) -> int:
        """Number of parts."""
        return len(self.parts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to know about these numbers, in sentences."""
        found = []
        for name, (first, second) in self.norms.items():
            if first == 0 or second == 0:
                which = "neither gradient" if first == second else f"only the {'second' if first == 0 else 'first'}"
                found.append(f"{name}: {which} reaches it (norms {first:.2g} and {second:.2g}); there is no angle.")
        low = [name for name, one in self.parts.items() if one.cosine < LOW]
        if low:
            found.append(
                f"{', '.join(low)}: the two point elsewhere. An exact derivative says how the loss changes as spikes "
                "move, a surrogate or the value of a spike how it would change if spikes appeared or vanished. Where "
                "many spikes lie between a weight and the loss these differ, and neither is wrong. Parts without a "
                "spike between them and the loss see no surrogate: their cosine is near 1."
            )
        found += [
            f"{share:.0%} of the neurons of {name} fire in no sample. The exact gradient of the weights onto them is "
            "0; a surrogate's is not, so cosines of that part are lower by it."
            for name, share in self.silent.items()
            if share > 0
        ]
        if self.stepped:
            found.append(
                "The second gradient adds up a surrogate at every step of a grid: that part grows as 1/dt, and falls "
                "with the steepness. Compare ratios at one dt and one steepness only."
            )
        return tuple(found)

    def __str__(self) -> str:
        """A line for each part, then the notes."""
        width = max(map(len, self.parts), default=0)
        lines = [
            f"{name.ljust(width)}  cosine {one.cosine:6.3f}  ratio {one.ratio:.3g}" for name, one in self.parts.items()
        ]
        notes = ["\n".join(textwrap.wrap(note, 110)) for note in self.notes]
        return "\n\n".join(["\n".join(lines), *notes])


def gradient_agreement(
    network: Network,
    spikes: Spikes | Mapping[str, Spikes],
    exact: AbstractSimulator,
    other: AbstractSimulator,
    *,
    t_end: float,
    loss: Callable[[Solution], Float[Array, ""]],
    record: Mapping[str, ArrayLike | Sequence[Any] | AbstractSummary] | None = None,
) -> AgreementReport:
    """Compare the gradients of one loss on one network by two simulators, for each connection.

    `cosine = <g, s> / (|g| |s|)`, `ratio = |s| / |g|`, for g by `exact` and s by `other`.

    Args:
        network: The network.
        spikes: Input spikes, as for `ranvier.simulate`.
        exact: The simulator of the first gradient, a derivative, for example `ranvier.EventDriven()`.
        other: That of the second, for example `ranvier.EventDriven(gradient=ranvier.SpikeValue())`, or
            `ranvier.Surrogate(dt=0.1)`.
        t_end: End of the simulation (ms).
        loss: Function of the whole `Solution`, a scalar.
        record: Times at which to record potentials, as for `simulate`.

    Returns:
        An `Agreement` for the weights of each connection, and for its delays where they learn, by names such as
        `weight of input->hidden`. `print` it for what the numbers mean.

    Raises:
        ValueError: the gradient of `exact` is not the derivative of what it simulates.
        RuntimeError: a simulation did not go well.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.checks import gradient_agreement
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), weight=rv.initializers.constant(5.0), key=jax.random.key(0))
        >>> spikes = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))
        >>> found = gradient_agreement(
        ...     net, spikes, rv.EventDriven(), rv.ClockDriven(dt=1.0), t_end=20.0,
        ...     loss=lambda solution: rv.first_spike(solution.spikes["output"]).sum(),
        ... )
        >>> round(found["weight of input->output"].cosine, 4)
        1.0
    """
    if not is_derivative(exact):
        msg = (
            f"gradient_agreement: `exact` must have the exact derivative, to which the other is compared; got "
            f"{gradient_of(exact)}. Put ExactDerivative() there, and this one into `other`."
        )
        raise ValueError(msg)
    one, two = (_gradient(network, spikes, simulator, t_end, loss, record or {}) for simulator in (exact, other))
    norms = {name: (float(np.linalg.norm(one[name])), float(np.linalg.norm(two[name]))) for name in one}
    silent = _silent(network, simulate(network, spikes, exact, t_end=t_end))
    stepped = isinstance(other, Surrogate)
    return AgreementReport({name: compare(one[name], two[name]) for name in one}, norms, silent, stepped)


def _silent(network: Network, solution: Solution) -> dict[str, float]:
    """Share of the neurons of each population that fire in no sample."""
    found = {}
    for name, neuron in network.neurons.items():
        if neuron.spiking:
            counts = np.atleast_2d(np.asarray(spike_count(solution.spikes[name])))
            found[name] = float(np.mean(counts.sum(axis=0) == 0))
    return found


def _gradient(
    network: Network,
    spikes: Spikes | Mapping[str, Spikes],
    simulator: AbstractSimulator,
    t_end: float,
    loss: Callable[[Solution], Float[Array, ""]],
    record: Mapping[str, ArrayLike | Sequence[Any] | AbstractSummary],
) -> dict[str, Float[np.ndarray, " size"]]:
    """Gradient by connection and field."""
    learn, fixed = partition(network, "weight", "delay")

    @eqx.filter_jit
    def gradient(learn: Network) -> Network:
        value = lambda learn: loss(simulate(eqx.combine(learn, fixed), spikes, simulator, t_end=t_end, record=record))
        return jax.grad(value)(learn)

    found = {}
    for link in gradient(learn).connections:
        for field in ("weight", "delay"):
            vector = np.asarray(ravel_pytree(getattr(link, field))[0])
            if vector.size:
                found[f"{field} of {link.name}"] = vector
    return found


def compare(one: Float[np.ndarray, " size"], two: Float[np.ndarray, " size"]) -> Agreement:
    """How the second vector lies to the first.

    Args:
        one: A vector.
        two: Another one.
    """
    first, second = float(np.linalg.norm(one)), float(np.linalg.norm(two))
    if first == 0 or second == 0:
        return Agreement(float("nan"), second / first if first else float("nan"))
    return Agreement(float(one @ two) / (first * second), second / first)
