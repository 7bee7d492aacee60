"""Random networks for the tests, and their translation into the oracle's language.

`draw(seed)` gives one `Case`. Seeds walk through topologies, kinds of delay, ratios of the time constants and
refractory times with periods that have no common divisor: 63 of them in a row meet every pair. `draw(seed, structure)`
takes from `structure` what decides the program that JAX compiles, so that several networks share one: topology, kinds
of delay, which parameters have one value for each neuron, and the window.
"""

import dataclasses
import functools
import itertools
import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import build
import oracle
import ranvier as rv

T_END = 100.0
SIZES = {"left": 5, "right": 3, "hidden": 6, "upper": 4, "output": 3, "readout": 2}
RATIOS = (0.5, 1.0, 1.001, 2.0, 4.0, 2.7, 0.83)
REFRACTORY = (0.0, 2.5, math.inf, 0.0, 2.5)
KINDS = ("synaptic", "axonal", "dendritic", "fixed", "uniform", "none", "mixed", "synaptic", "mixed")
WINDOWS = (None, 1.0, 0.25, 2.0, 0.5)
TOPOLOGIES = {
    "layers": [("left", "hidden"), ("hidden", "upper"), ("upper", "readout")],
    "recurrent": [("left", "hidden"), ("hidden", "hidden"), ("hidden", "output"), ("hidden", "readout")],
    "skip": [("left", "hidden"), ("hidden", "output"), ("left", "output"), ("output", "readout"),
             ("hidden", "readout")],
    "loop": [("left", "hidden"), ("right", "upper"), ("hidden", "upper"), ("upper", "hidden"), ("upper", "output"),
             ("left", "hidden"), ("upper", "readout")],
}  # fmt: skip
BACKWARD = {("hidden", "hidden"), ("upper", "hidden")}
SHAPES = {
    "axonal": (True, False),
    "dendritic": (False, True),
    "uniform": (False, False),
    "none": (False, False),
}
LEARNED = {
    "synaptic": eqx.filter_jit(rv.SynapticDelay),  # one program rather than one for each of its operations
    "axonal": eqx.filter_jit(rv.AxonalDelay),
    "dendritic": eqx.filter_jit(rv.DendriticDelay),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, its input, record times, and the window to use."""

    seed: int
    kind: str
    network: rv.Network
    spikes: dict[str, rv.Spikes]
    record: dict[str, np.ndarray]
    window: float | None
    t_end: float = T_END


def delays(
    rng: np.random.Generator, form: np.random.Generator, kind: str, pre: int, post: int, low: float
) -> rv.FixedDelay | rv.SynapticDelay:
    """Delays of one kind between `low` and 12 ms, for one connection; of one form all have the same bounds."""
    kind = str(form.choice(["synaptic", "axonal", "dendritic", "fixed", "uniform"])) if kind == "mixed" else kind
    by_pre, by_post = SHAPES.get(kind, (True, True))
    shape = (pre if by_pre else 1, post if by_post else 1)
    value = jnp.asarray(rng.uniform(low + 0.1, 12.0, shape))
    if kind in LEARNED:
        return LEARNED[kind](value, low, 13.0, rv.delays.Clip() if form.random() < 0.5 else rv.delays.Sigmoid())
    return rv.FixedDelay(jnp.full((1, 1), low)) if kind == "none" else rv.FixedDelay(value, low, 13.0)


def neuron(rng: np.random.Generator, size: int, ratio: float, refractory: float, own: bool) -> rv.LIF:
    """A LIF population; with `own`, every parameter has one value for each neuron.

    All are arrays of NumPy: to JAX a plain number is of another type, and each mixture of types another program.
    """
    shape = (size,) if own else ()
    spread = lambda low, high: np.asarray(rng.uniform(low, high, shape))
    tau_syn = 5.0 * spread(0.8, 1.25) if own else np.asarray(5.0)
    parameters = {
        "tau_mem": ratio * tau_syn * (spread(0.9, 1.1) if own and ratio > 1.5 else 1.0),
        "tau_syn": tau_syn,
        "v_threshold": spread(0.9, 1.1),
        "v_reset": spread(-0.3, 0.2),
        "v_leak": spread(-0.1, 0.3),
        "refractory": refractory * spread(0.8, 1.2) if math.isfinite(refractory) else np.full(shape, refractory),
    }
    return rv.LIF(**{name: np.asarray(value, float) for name, value in parameters.items()})


def biased(seed: int, structure: int | None = None) -> Case:
    """The same network, weaker, with a bias for each neuron: about a third of the neurons fire by themselves."""
    case = draw(seed, structure)
    rng = np.random.default_rng([seed, 7])
    network = case.network
    for name, size in build.neuron_sizes(network).items():
        bias = jnp.asarray(rng.uniform(-0.4, 1.4, size))
        network = eqx.tree_at(lambda net, name=name: net[name].neuron.bias, network, bias)
    return dataclasses.replace(case, kind=f"{case.kind}, biased", network=scaled(network, 0.6))


def train(rng: np.random.Generator, size: int, count: int, t_end: float) -> rv.Spikes:
    """Random spikes between 0 and 85 % of `t_end`, the last two places free."""
    time = np.concatenate([np.sort(rng.uniform(0.0, 0.85 * t_end, count)), [np.inf, np.inf]])
    unit = np.concatenate([rng.integers(0, size, count), [-1, -1]])
    return rv.Spikes(jnp.asarray(time), jnp.asarray(unit, jnp.int32))


def scaled(network: rv.Network, gain: float) -> rv.Network:
    """The network with all weights times a number."""
    weights = lambda net: [link.weight for link in net.connections]
    return eqx.tree_at(weights, network, [jnp.asarray(gain * np.asarray(weight)) for weight in weights(network)])


@functools.cache
def draw(seed: int, structure: int | None = None) -> Case:
    """The random network of a seed; populations that may spike often fire 2 to 20 times per neuron."""
    form = seed if structure is None else structure
    counts: list[float] = []
    for attempt in range(8):
        gain = 1.0
        drawn = _draw(np.random.default_rng([seed, attempt]), np.random.default_rng([form, 4]), seed, form)
        for _ in range(6):
            case = dataclasses.replace(drawn, network=scaled(drawn.network, gain))
            counts = rates(case)
            once = math.isinf(float(np.max(case.network.neurons["hidden"].refractory)))
            if min(counts) >= (0.5 if once else 2.0) and max(counts) <= 20.0:
                return case
            gain *= 0.7 if max(counts) > 20.0 else 1.4
    msg = f"seed {seed}: no draw gives 2 to 20 spikes per neuron; the last gave {counts}"
    raise RuntimeError(msg)


def repeat(case: Case, count: int) -> dict[str, rv.Spikes]:
    """The input of a case as a batch: later samples are the first, slowed down."""
    scale = np.linspace(0.5, 1.0, count)[:, None]
    return {
        name: rv.Spikes(np.asarray(train.time) * scale, np.broadcast_to(train.unit, (count, *train.unit.shape)))
        for name, train in case.spikes.items()
    }


def rates(case: Case) -> list[float]:
    """Spikes per neuron of each spiking population; more than 40 if they did not fit."""
    solution = rv.simulate(case.network, case.spikes, rv.EventDriven(max_spikes=40), t_end=case.t_end, throw=False)
    if int(solution.stats.status) != 0:
        return [math.inf]
    spiking = [
        (name, size) for name, size in build.neuron_sizes(case.network).items() if case.network.neurons[name].spiking
    ]
    return [float(solution.stats.spikes[name]) / size for name, size in spiking]


def _draw(rng: np.random.Generator, form: np.random.Generator, seed: int, structure: int) -> Case:
    topology, kind, own = list(TOPOLOGIES)[structure % 4], KINDS[structure % 9], structure % 11 in (2, 6, 10)
    ratio, refractory = RATIOS[seed % 7], REFRACTORY[seed % 5]
    links, edges = [], TOPOLOGIES[topology]
    for pre, post in edges:
        back = (pre, post) in BACKWARD
        mean, spread = (-0.3, 0.5) if back else (0.9, 0.6)
        scale = (1.0 + ratio) / 2.0 * (1.0 if pre in ("left", "right") else 0.6)
        weight = scale * rng.normal(mean, spread, (SIZES[pre], SIZES[post]))
        links.append(
            rv.Connection(
                pre, post, jnp.asarray(weight), delays(rng, form, kind, *weight.shape, low=1.0 if back else 0.0)
            )
        )
    names = list(dict.fromkeys(itertools.chain(*edges)))
    models = {name: neuron(rng, SIZES[name], ratio, refractory, own) for name in ("hidden", "upper", "output")}
    models["readout"] = rv.LI(5.0 * ratio, 5.0, v_leak=0.1)
    models = {name: models[name] for name in names if name in models}
    inputs = {name: SIZES[name] for name in names if name not in models}
    network = build.network(inputs, models, {name: SIZES[name] for name in models}, links)
    spikes = {name: train(rng, size, 30, T_END) for name, size in inputs.items()}
    record = {name: np.sort(rng.uniform(0.0, T_END, 5)) for name in ("hidden", "readout")}
    return Case(seed, f"{topology}, {kind}, ratio {ratio}, refractory {refractory}, own {own}", network, spikes,
                record, WINDOWS[int(form.integers(5))])  # fmt: skip


@eqx.filter_jit
def delays_of(network: rv.Network) -> list[Array]:
    """Delays (ms) of every connection."""
    return [network.delay(link) for link in network.connections]


def floats(value: np.ndarray, size: int) -> list[float]:
    """One float per neuron."""
    return [float(x) for x in np.broadcast_to(np.asarray(value), (size,))]


def translate(network: rv.Network) -> oracle.OracleNetwork:
    """The same network for the oracle."""
    populations = {}
    for name, size in build.neuron_sizes(network).items():
        model = network.neurons[name]
        fields = ("tau_mem", "tau_syn", "v_reset", "v_leak", "refractory", "bias")
        populations[name] = oracle.OraclePopulation(
            size=size,
            v_threshold=floats(model.v_threshold, size) if model.spiking else None,
            **{field: floats(getattr(model, field), size) for field in fields},
        )
    connections = [
        oracle.OracleConnection(
            link.pre,
            link.post,
            np.asarray(link.weight).tolist(),
            np.broadcast_to(np.asarray(delay), link.weight.shape).tolist(),
        )
        for link, delay in zip(network.connections, delays_of(network), strict=True)
    ]
    return oracle.OracleNetwork(build.input_sizes(network), populations, connections)


def listed(spikes: rv.Spikes) -> list[tuple[float, int]]:
    """Spikes as (time, unit), without padding."""
    pairs = zip(np.asarray(spikes.time).tolist(), np.asarray(spikes.unit).tolist(), strict=True)
    return [(time, unit) for time, unit in pairs if time < math.inf]


def ask(case: Case) -> oracle.OracleResult:
    """What the oracle says about a case."""
    inputs = {name: listed(one) for name, one in case.spikes.items()}
    record = {name: times.tolist() for name, times in case.record.items()}
    return oracle.simulate(translate(case.network), inputs, case.t_end, record)


def compare(solution: rv.Solution, expected: oracle.OracleResult) -> dict[str, float]:
    """Largest errors of spike times (ms) and potentials; raises if units, their order or in-flight counts differ."""
    worst = {"time": 0.0, "voltage": 0.0}
    for name, train_of in solution.spikes.items():
        found, wanted = listed(train_of), expected.spikes[name]
        assert [unit for _, unit in found] == [unit for _, unit in wanted], f"order of spikes in {name}"
        errors = [abs(a - b) for (a, _), (b, _) in zip(found, wanted, strict=True)]
        worst["time"] = max([worst["time"], *errors])
    for name, potentials in solution.voltages.items():
        errors = np.abs(np.asarray(potentials) - np.asarray(expected.voltages[name]))
        worst["voltage"] = max(worst["voltage"], float(errors.max()))
    counted = {name: int(count) for name, count in solution.stats.in_flight.items()}
    assert counted == expected.in_flight, "events in flight"
    return worst
