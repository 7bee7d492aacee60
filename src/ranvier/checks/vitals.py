"""What a diagnosis measures: one simulation of some samples, and one gradient."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ranvier.checks.findings import table
from ranvier.delays.learned import _LearnedDelay
from ranvier.events import Spikes, first_spike, spike_count
from ranvier.network import Network
from ranvier.neurons import AbstractLinearNeuron
from ranvier.readouts import AbstractReadout
from ranvier.selection import partition
from ranvier.simulation import AbstractSimulator, simulate

GRID = 100
"""Times at which potentials are looked at."""
NEAR = 0.01
"""Share of the distance of its bounds within which a delay is at one of them."""


@dataclasses.dataclass(frozen=True, eq=False)
class Input:
    """An input population.

    Args:
        count: Spikes of each unit, shape (samples, units).
        latest: The latest spike time (ms), before what is after the end was left out; 0 without any.
        earliest: The earliest; 0 without any.
        late: Share of the spikes after the end, which were left out.
    """

    count: Float[np.ndarray, "samples units"]
    latest: float
    earliest: float
    late: float


@dataclasses.dataclass(frozen=True, eq=False)
class Layer:
    """A population of neurons.

    Args:
        count: Spikes of each neuron, shape (samples, neurons); zeros where it does not spike.
        spiking: Whether it can.
        peak: Largest potential of each neuron above rest, in units of its threshold above rest (of 1 where it does not
            spike), over samples and times; NaN where a spike is no threshold.
        lag: Median time (ms) from the first arrival that is possible to the first spike of a neuron; NaN without any.
        distance: Threshold above rest.
        bias: Mean bias of the neurons, in units of that distance; 0 where they are not linear.
        alone: Share of the neurons that fire without input, since their bias takes them to threshold.
        tau: Membrane and synaptic time constant (ms); NaN where it has none.
        once: Whether a neuron can spike once only.
        dropped: Spikes that did not fit.
        in_flight: Events onto it due after the end, as a share.
        fan_in: Sum of all weights onto each neuron.
    """

    count: Float[np.ndarray, "samples neurons"]
    spiking: bool
    peak: Float[np.ndarray, " neurons"]
    lag: float
    distance: float
    bias: float
    alone: float
    tau: tuple[float, float]
    once: bool
    dropped: int
    in_flight: float
    fan_in: Float[np.ndarray, " neurons"]

    @property
    def silent(self) -> Bool[np.ndarray, " neurons"]:
        """Neurons without a spike in any sample; none where they do not spike."""
        return (self.count.sum(axis=0) == 0) & self.spiking


@dataclasses.dataclass(frozen=True, eq=False)
class Vitals:
    """What was measured.

    Args:
        t_end: End of the simulation (ms).
        status: Status of the simulation.
        inputs: Input populations by name.
        layers: Populations of neurons by name, in the order in which spikes pass.
        links: For each connection its ends.
        weights: Weights of each connection.
        delays: Delays (ms) of each connection that learns them.
        at_bound: Share of those at a bound.
        gradients: Gradient of the loss by path, if there is a loss.
        values: What the readout gives, shape (samples, outputs), if there is one.
        answers: The class it means for each sample, -1 for none; None where nothing says so.
        target: Classes of the samples, if known.
        features: Spike times and counts of the inputs, one row for each sample.
        loss: The loss, NaN without one.
        trouble: Why there is no gradient; empty where there is one.
    """

    t_end: float
    status: int
    inputs: dict[str, Input]
    layers: dict[str, Layer]
    links: dict[str, tuple[str, str]]
    weights: dict[str, Float[np.ndarray, "..."]]
    delays: dict[str, Float[np.ndarray, "..."]]
    at_bound: dict[str, float]
    gradients: dict[str, Float[np.ndarray, "..."]]
    values: Float[np.ndarray, "samples outputs"] | None
    answers: Int[np.ndarray, " samples"] | None
    target: Int[np.ndarray, " samples"] | None
    features: Float[np.ndarray, "samples features"]
    loss: float
    trouble: str

    def table(self) -> str:
        """The numbers as text."""
        rows = [
            {"population": name, "neurons": str(layer.count.shape[1]), "spikes per neuron": f"{layer.count.mean():.3g}",
             "never fire": f"{layer.silent.mean():.0%}" if layer.spiking else "-",
             "largest potential": f"{np.median(layer.peak):.3g}"}
            for name, layer in self.layers.items()
        ]  # fmt: skip
        parts = [table(rows)]
        if self.gradients:
            parts.append(table([
                {"learns": path, "numbers": str(array.size), "gradient": f"{np.linalg.norm(array):.3g}"}
                for path, array in self.gradients.items()
            ]))  # fmt: skip
        return "\n\n".join([*parts, *([f"No gradient: {self.trouble}"] if self.trouble else [])])


def measure(
    network: Network,
    spikes: Spikes | Mapping[str, Spikes],
    simulator: AbstractSimulator,
    t_end: float,
    readout: AbstractReadout | None,
    loss: Callable[[Any, Any], Float[Array, ""]] | None,
    target: Any,
    learn: tuple[str, ...],
) -> Vitals:
    """Measure everything.

    Args:
        network: The network.
        spikes: Input spikes with a batch axis.
        simulator: How it is simulated.
        t_end: End of the simulation (ms).
        readout: What is read off, if anything.
        loss: `loss(value, target)` of one sample, if there is one.
        target: Classes or other targets of the samples, as NumPy arrays.
        learn: What learns, in the words of `ranvier.partition`.
    """
    given = {network.inputs[0]: spikes} if isinstance(spikes, Spikes) else dict(spikes)
    given = {name: train.with_size(network.size(name)) for name, train in given.items()}
    beyond = float(np.nextafter(np.asarray(t_end, network.dtype), np.inf))
    trains = {name: train.crop(0.0, beyond) for name, train in given.items()}
    record = {name: np.linspace(0, t_end, GRID + 1)[1:].astype(network.dtype) for name in network.neurons}
    solution = simulate(network, trains, simulator, t_end=t_end, record=record, throw=False)
    values, total, gradients, trouble = _learned(network, trains, simulator, t_end, readout, loss, target, learn)
    learned = {link.name: link for link in network.connections if isinstance(link.delay, _LearnedDelay)}
    whole = target is not None and np.ndim(target) == 1 and np.issubdtype(np.asarray(target).dtype, np.integer)
    return Vitals(
        t_end=t_end,
        status=int(solution.stats.status),
        inputs={name: _input(given[name], trains[name]) for name in given},
        layers={name: _layer(network, name, solution, trains) for name in _order(network)},
        links={link.name: (link.pre, link.post) for link in network.connections},
        weights={link.name: np.asarray(link.weight) for link in network.connections},
        delays={name: np.asarray(network.delay(link)) for name, link in learned.items()},
        at_bound={name: _at_bound(np.asarray(network.delay(link)), link.delay) for name, link in learned.items()},
        gradients=gradients,
        values=values,
        answers=None
        if values is None or readout is None or readout.decide is None
        else np.asarray(readout.decide(jnp.asarray(values))),
        target=np.asarray(target) if whole else None,
        features=np.concatenate([_features(train, t_end) for train in trains.values()], axis=1),
        loss=total,
        trouble=trouble,
    )


def _learned(
    network: Network,
    trains: dict[str, Spikes],
    simulator: AbstractSimulator,
    t_end: float,
    readout: AbstractReadout | None,
    loss: Callable[[Any, Any], Float[Array, ""]] | None,
    target: Any,
    learn: tuple[str, ...],
) -> tuple[Any, float, dict[str, Any], str]:
    """What the readout gives, the loss, its gradient by path, and why there is none."""
    if readout is None:
        return None, float("nan"), {}, ""
    moved, fixed = partition(network, *learn)

    def value(moved: Network) -> tuple[Array, Any]:
        whole = eqx.combine(moved, fixed)
        found = readout(simulate(whole, trains, simulator, t_end=t_end, record=readout.record, throw=False))
        if loss is None or target is None:
            return jnp.zeros((), network.dtype), found
        return jnp.mean(jax.vmap(loss)(found, jax.tree.map(jnp.asarray, target))), found

    try:
        (total, found), gradient = jax.value_and_grad(value, has_aux=True)(moved)
    except (ValueError, TypeError) as error:
        total, found = value(moved)
        return _values(found), float(total), {}, str(error).partition("\n")[0]
    if loss is None or target is None:
        return _values(found), float("nan"), {}, ""
    return _values(found), float(total), _by_path(gradient), ""


def _order(network: Network) -> list[str]:
    """Populations of neurons, those first that are fewest connections away from an input."""
    away = dict.fromkeys(network.inputs, 0)
    for _ in network.names:
        for link in network.connections:
            if link.pre in away:
                away[link.post] = min(away.get(link.post, len(network.names)), away[link.pre] + 1)
    return sorted(network.neurons, key=lambda name: away.get(name, len(network.names)))


def _values(found: Any) -> Float[np.ndarray, "samples outputs"] | None:
    array = np.asarray(found) if isinstance(found, jax.Array) else None
    return array if array is not None and array.ndim == 2 else None


def _by_path(gradient: Network) -> dict[str, Float[np.ndarray, "..."]]:
    """Gradients of connections and populations, by the words of `ranvier.partition`."""
    found: dict[str, Any] = {}
    for link in gradient.connections:
        for field in ("weight", "delay"):
            leaves = [np.asarray(leaf).ravel() for leaf in jax.tree.leaves(getattr(link, field))]
            if leaves:
                found[f"{link.name}.{field}"] = np.concatenate(leaves)
    return found


def _input(given: Spikes, kept: Spikes) -> Input:
    time = np.asarray(given.time)
    there = np.isfinite(time)
    late = int(there.sum() - np.isfinite(np.asarray(kept.time)).sum())
    latest, earliest = (float(time[there].max()), float(time[there].min())) if there.any() else (0.0, 0.0)
    return Input(np.asarray(spike_count(kept)), latest, earliest, late / max(int(there.sum()), 1))


def _layer(network: Network, name: str, solution: Any, trains: dict[str, Spikes]) -> Layer:
    neuron, stats = network.neurons[name], solution.stats
    voltage = np.asarray(solution.voltages[name])
    linear = isinstance(neuron, AbstractLinearNeuron)
    rest = np.asarray(neuron.v_leak) if linear else voltage[:, :1].mean()
    high = np.asarray(neuron.v_threshold) if neuron.spiking and linear else rest + (np.nan if neuron.spiking else 1.0)
    fan_in = np.zeros(network.size(name))
    onto = [link for link in network.connections if link.post == name]
    for link in onto:
        weight, receiver = np.asarray(link.weight), link.pattern.receiver
        fan_in += weight.sum(axis=0) if receiver is None else np.bincount(receiver, weight, minlength=len(fan_in))
    sizes = {link.name: network.size(name) for link in onto}
    sent = {**trains, **solution.spikes}
    due = sum(int(np.isfinite(np.asarray(sent[link.pre].time)).sum()) * sizes[link.name] for link in onto)
    tau = (float(np.mean(neuron.tau_mem)), float(np.mean(neuron.tau_syn))) if linear else (np.nan, np.nan)
    return Layer(
        count=np.asarray(spike_count(solution.spikes[name])) if neuron.spiking else np.zeros_like(voltage[:, 0]),
        spiking=neuron.spiking,
        peak=np.max((voltage - rest) / (high - rest), axis=(0, 1)),
        lag=_lag(solution.spikes[name], trains) if neuron.spiking else np.nan,
        distance=float(np.mean(high - rest)),
        bias=float(np.mean(np.asarray(neuron.bias) / (high - rest))) if linear else 0.0,
        alone=float(np.mean(np.asarray(neuron.rest) >= high)) if linear and neuron.spiking else 0.0,
        tau=tau,
        once=neuron.spiking and linear and bool(np.all(np.isinf(np.asarray(neuron.refractory)))),
        dropped=int(np.sum(np.asarray(stats.dropped.get(name, 0)))),
        in_flight=float(np.sum(np.asarray(stats.in_flight.get(name, 0)))) / max(due, 1),
        fan_in=fan_in,
    )


def _lag(spikes: Spikes, trains: dict[str, Spikes]) -> float:
    """Median time from a sample's first input spike to the first spike of each neuron that fires."""
    first = np.asarray(first_spike(spikes))
    start = np.min([np.asarray(train.time).min(axis=1) for train in trains.values()], axis=0)
    fired = np.isfinite(first)
    gaps = first[fired] - np.broadcast_to(start[:, None], first.shape)[fired]
    return float(np.median(gaps)) if len(gaps) else float("nan")


def _features(train: Spikes, t_end: float) -> Float[np.ndarray, "samples features"]:
    """First spike times in units of the end, a silent unit beyond it; and counts."""
    first = np.minimum(np.asarray(first_spike(train)), 1.5 * t_end) / t_end
    count = np.asarray(spike_count(train))
    return np.concatenate([first, count / max(float(count.max()), 1.0)], axis=1)


def _at_bound(delay: Float[np.ndarray, "..."], kind: Any) -> float:
    width = kind.high - kind.low
    if not np.isfinite(width) or width <= 0:
        return float(np.mean(delay <= kind.low))
    return float(np.mean((delay <= kind.low + NEAR * width) | (delay >= kind.high - NEAR * width)))
