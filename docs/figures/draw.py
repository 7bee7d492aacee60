"""Draws the figures of the concepts: `python docs/figures/draw.py [NAME ...] [--into FOLDER]`, all of them by default.

Each function makes one figure from a simulation or from an equation, and checks what it shows where it can.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import ranvier as rv
from ranvier.plots.spike_raster import causes, heights, travel
from ranvier.plots.style import CLASSES, DELAY, FAINT, INK, SMALL, WEIGHT, figure, tidy
from ranvier.train import adam, answers, by_path
from ranvier.viewer import draw_network, scene

HERE = Path(__file__).parent
BLUE, ORANGE, GREEN, PINK = CLASSES[:4]


def first_network() -> Figure:
    """The network of the start page, trained, with one sample on its way through it."""
    net = rv.feedforward(
        [4, 30, 3],
        neuron=rv.LIF(tau_mem=2.0, tau_syn=1.0, refractory=jnp.inf),
        delay=rv.synaptic(low=0.0, high=1.0),
        weight=rv.initializers.normal(1.5, 0.8),
        key=jax.random.key(0),
    )
    encode = partial(rv.encoders.latency, t_early=0.15, t_late=2.0)
    train, validation, test = (
        rv.Dataset(encode(part.feature), part.label, classes=3) for part in rv.datasets.yin_yang_splits()
    )
    simulator = rv.EventDriven(max_spikes=1)
    recipe = rv.Recipe(
        simulator,
        t_end=8.0,
        readout=rv.readouts.FirstSpike("output"),
        loss=partial(rv.losses.relative_time_mse, margin=0.2),
        optimiser=by_path({"weight": adam(0.02), "delay": adam(0.02)}),
        epochs=20,
        batch=150,
    )
    trained = rv.fit(net, train, validation, recipe, key=jax.random.key(1)).network
    one = rv.Spikes(test.spikes.time[0], test.spikes.unit[0], size=4)
    trains = {"input": one, **rv.simulate(trained, one, simulator, t_end=8.0).spikes}
    winner = int(rv.first_spike(trains["output"]).argmin())
    page = figure(8.0, 4.6, layout="constrained")
    axes = page.add_subplot()
    names = {"input": ("x", "y", "1 - x", "1 - y"), "output": ("yin", "yang", "dot")}
    rv.plots.raster(trains, ax=axes, names=names, colours={"output": CLASSES[:3]})
    travel(axes, heights({name: train.size for name, train in trains.items()}),
           causes(trained, trains, "output", winner, counts=(9, 3)))  # fmt: skip
    return page


def exactness() -> Figure:
    """A potential between events, and the spike time against a delay: continuous, and rounded to a grid."""
    weight = jnp.array([[4.0], [4.0], [4.0]])
    simulator, spikes = rv.EventDriven(), rv.Spikes([1.0, 2.5, 4.0], [0, 1, 2], size=3)

    def network(delay: jax.Array, neuron: rv.LIF | rv.LI) -> rv.Network:
        link = rv.Connection("input", "output", weight, rv.AxonalDelay(delay, 0.0, 10.0, bound=rv.delays.Clip()))
        return rv.Network({"input": rv.Population(3), "output": rv.Population(1, neuron)}, [link])

    @jax.jit
    def spike(third: jax.Array) -> jax.Array:
        net = network(jnp.array([[0.5], [1.0], [0.0]]).at[2, 0].set(third), rv.LIF(10.0, 3.0))
        return rv.first_spike(rv.simulate(net, spikes, simulator, t_end=30.0).spikes["output"])[0]

    page = figure(9.5, 3.6, layout="constrained")
    left, right = page.subplots(1, 2)
    times = jnp.linspace(0.0, 9.0, 400)
    net = network(jnp.array([[0.5], [1.0], [1.2]]), rv.LIF(10.0, 3.0))
    solution = rv.simulate(net, spikes, simulator, t_end=30.0, record={"output": times})
    left.plot(times, solution.voltages["output"][:, 0], color=INK)
    left.axhline(1.0, color=FAINT, lw=0.8, ls="--")
    for at in (1.5, 3.5, 5.2):
        left.plot([at, at], [-0.12, -0.02], color=BLUE, lw=2)
    for at in solution.spikes["output"].time[:2]:
        left.axvline(float(at), color=ORANGE, lw=1)
    left.set(xlabel="time (ms)", ylabel="potential (thresholds)", title="three events, two spikes")
    delay = jnp.linspace(0.0, 2.0, 161)
    exact = jax.vmap(spike)(delay)
    right.plot(delay, exact, color=INK, label="continuous")
    right.plot(delay, jax.vmap(spike)(jnp.round(delay / 0.5) * 0.5), color=PINK, label="delay rounded to 0.5 ms")
    right.set(xlabel="delay of the third event (ms)", ylabel="spike time (ms)", title="rounded delays have no slope")
    right.legend(frameon=False)
    slope, h = jax.grad(spike)(1.2), 1e-2
    assert abs(slope - (spike(1.2 + h) - spike(1.2 - h)) / (2 * h)) < 1e-3
    return _tidied(page)


def adjoint() -> Figure:
    """The adjoint of one neuron with one delayed event: it runs back from a record and is read at the arrival."""
    tau_mem, tau_syn, weight, delay, sent, end = 10.0, 3.0, 4.0, 2.0, 1.0, 12.0
    net = rv.Network(
        {"input": rv.Population(1), "output": rv.Population(1, rv.LI(tau_mem, tau_syn))},
        [rv.Connection("input", "output", jnp.array([[weight]]), rv.AxonalDelay(jnp.array([[delay]]), 0.0, 5.0,
                                                                                  bound=rv.delays.Clip()))],
    )  # fmt: skip
    times = np.linspace(0.0, end, 481)

    def potential(net: rv.Network, times: np.ndarray) -> jax.Array:
        spikes = rv.Spikes([sent], [0])
        return rv.simulate(net, spikes, rv.EventDriven(), t_end=end, record={"output": times}).voltages["output"][:, 0]

    left_over = end - times
    p_u = np.exp(-left_over / tau_mem)  # dL/du(t) for L = u(end)
    p_i = tau_syn / (tau_mem - tau_syn) * (np.exp(-left_over / tau_mem) - np.exp(-left_over / tau_syn))
    arrival = sent + delay
    at = np.searchsorted(times, arrival)
    owed = weight * (p_i[at] / tau_syn - p_u[at] / tau_mem)
    learn, fixed = rv.partition(net, "delay")
    slope = jax.grad(lambda learn: potential(rv.combine(learn, fixed), np.array([end]))[0])(learn)
    assert abs(float(jax.tree.leaves(slope)[0].sum()) - owed) < 1e-3

    page = figure(8.0, 4.4, layout="constrained")
    above, below = page.subplots(2, 1, sharex=True)
    above.plot(times, potential(net, times), color=INK)
    above.axvline(sent, color=FAINT, lw=1, ls=":")
    above.axvline(arrival, color=BLUE, lw=1)
    above.annotate("sent", (sent + 0.1, 0.6), fontsize=SMALL, color=INK)
    above.annotate("arrives, a delay later", (arrival + 0.6, 0.02), fontsize=SMALL, color=BLUE)
    above.set(ylabel="potential u", title="forward: from the event to the loss, here L = u at 12 ms")
    below.plot(times, p_u, color=ORANGE, label="$p_u$ = dL/du")
    below.plot(times, p_i, color=GREEN, label="$p_I$ = dL/dI")
    below.axvline(arrival, color=BLUE, lw=1)
    below.plot([arrival] * 2, [p_u[at], p_i[at]], "o", color=BLUE)
    below.set(xlabel="time (ms)", ylabel="adjoint", title="backward: what u and I at each time are worth to the loss")
    below.annotate(f"dL/dw = $p_I$ = {p_i[at]:.3f}\ndL/dd = w ($p_I/\\tau_s - p_u/\\tau_m$) = {owed:.3f}",
                   (arrival + 0.15, 0.78), fontsize=SMALL, color=BLUE)  # fmt: skip
    below.legend(frameon=False, loc="center right")
    return _tidied(page)


def kernels() -> Figure:
    """The potential after one event for several ratios of the time constants, and its slope with respect to one."""

    def kappa(s: jax.Array, tau_mem: float, tau_syn: float) -> jax.Array:
        x = s * (1 / tau_mem - 1 / tau_syn)
        near = jnp.abs(x) < 1e-3
        ratio = jnp.where(near, 1 + x / 2 + x**2 / 6, jnp.expm1(x) / jnp.where(near, 1.0, x))
        return s / tau_mem * jnp.exp(-s / tau_mem) * ratio

    s = jnp.linspace(0.0, 40.0, 400)
    page = figure(9.5, 3.4, layout="constrained")
    left, right = page.subplots(1, 2)
    slope = jax.vmap(jax.grad(kappa, argnums=1), in_axes=(0, None, None))
    for colour, tau_syn in zip((BLUE, ORANGE, GREEN), (2.0, 10.0, 30.0), strict=True):
        label = f"{tau_syn:g} ms"
        left.plot(s, kappa(s, 10.0, tau_syn), color=colour, label=label)
        right.plot(s, slope(s, 10.0, tau_syn), color=colour, label=label)
    left.set(
        xlabel="time since the event (ms)", ylabel=r"$\kappa$", title=r"$\tau_{mem}$ = 10 ms, $\tau_{syn}$ as named"
    )
    right.axhline(0, color=FAINT, lw=0.8)
    right.set(xlabel="time since the event (ms)", ylabel=r"$\partial\kappa/\partial\tau_{mem}$ (1/ms)",
              title="a slower membrane: less now, more later")  # fmt: skip
    left.legend(frameon=False)
    return _tidied(page)


def lost_events() -> Figure:
    """The share of events that queues with too few places lose, from `benchmarks/drops.json`."""
    rows = json.loads((HERE.parents[1] / "benchmarks" / "drops.json").read_text("utf-8"))["rows"]
    page = figure(6.5, 3.6, layout="constrained")
    axes = page.add_subplot()
    load = [row["load"] for row in rows]
    for colour, (key, label) in zip(
        CLASSES, {"single first": "SingleQueue(First())", "single latest": "SingleQueue(Latest())",
                  "fifo 2": "FifoQueue(2)", "fifo 4": "FifoQueue(4)", "fifo 8": "FifoQueue(8)"}.items(),
        strict=False,
    ):  # fmt: skip
        axes.plot(load, [row[key] for row in rows], "o-", ms=3, color=colour, label=label)
    axes.set(xlabel="load: delay times rate of spikes", ylabel="events lost (%)",
             title="what a queue has no room for")  # fmt: skip
    axes.legend(frameon=False, fontsize=SMALL)
    return _tidied(page)


def loss_jumps() -> Figure:
    """A loss against one weight: smooth between the places where a spike appears; the slopes of two gradients."""
    net = rv.feedforward(
        [20, 4, 1], neuron=rv.LIF(20.0, 5.0), readout=rv.LI(20.0, 5.0),
        weight=[rv.initializers.normal(1.0, 0.5), rv.initializers.normal(0.4, 0.2)], key=jax.random.key(3),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    spikes = rv.Spikes(np.sort(rng.uniform(0.0, 80.0, 40)), rng.integers(0, 20, 40), size=20)

    def value(gain: jax.Array, gradient: rv.ExactDerivative | rv.SpikeValue) -> jax.Array:
        scaled = _with_weight(net, net["input->hidden"].weight * gain)
        readout = rv.readouts.MeanPotential("output")
        simulator = rv.EventDriven(gradient=gradient)
        return readout(rv.simulate(scaled, spikes, simulator, t_end=100.0, record=readout.record))[0]

    gains = jnp.linspace(0.8, 1.6, 321)
    exact = jax.jit(jax.vmap(jax.value_and_grad(partial(value, gradient=rv.ExactDerivative()))))
    worth = jax.jit(jax.vmap(jax.grad(partial(value, gradient=rv.SpikeValue()))))
    loss, slope = exact(gains)
    page = figure(9.5, 3.6, layout="constrained")
    left, right = page.subplots(1, 2)
    left.plot(gains, loss, color=INK, lw=1)
    left.set(xlabel="all input weights, times", ylabel="mean potential of the output", title="a jump for every spike")
    right.plot(gains, slope, color=ORANGE, lw=1, label="exact derivative")
    right.plot(gains, worth(gains), color=BLUE, lw=1, label="value of a spike")
    trend = float((loss[-1] - loss[0]) / (gains[-1] - gains[0]))
    right.axhline(trend, color=INK, lw=1, ls="--", label="slope from end to end")
    right.set(xlabel="all input weights, times", ylabel="slope", title="what the gradients say",
              ylim=(-0.5 * abs(trend), 3.5 * abs(trend)))  # fmt: skip
    right.legend(frameon=False, fontsize=SMALL)
    return _tidied(page)


def _with_weight(net: rv.Network, weight: jax.Array) -> rv.Network:
    learn, fixed = rv.partition(net, "input->hidden.weight")
    return rv.combine(jax.tree.map(lambda _: weight, learn), fixed)


def surrogates() -> Figure:
    """The functions that stand for the derivative of a step."""
    page = figure(6.5, 3.4, layout="constrained")
    axes = page.add_subplot()
    u = jnp.linspace(-1.0, 1.0, 401)
    chosen = {"superspike(10)": rv.surrogates.superspike(10.0), "superspike(100)": rv.surrogates.superspike(100.0),
              "sigmoid(10)": rv.surrogates.sigmoid(10.0), "triangle(2)": rv.surrogates.triangle(2.0)}  # fmt: skip
    for colour, (name, surrogate) in zip(CLASSES, chosen.items(), strict=False):
        axes.plot(u, jax.vmap(jax.grad(lambda x, s=surrogate: s(x)))(u), color=colour, label=name)
    axes.set(xlabel="potential above threshold", ylabel="derivative of the spike", title="surrogates for a step")
    axes.legend(frameon=False)
    return _tidied(page)


def in_space() -> Figure:
    """A network whose delays are distances, and a sample in it."""
    net = rv.recurrent(
        [12, 40, 3], neuron=rv.LIF(20.0, 5.0), delay=rv.spatial(low=1.0, high=30.0, speed=0.3),
        position=rv.layouts.normal(1.0, dimensions=2), pattern=rv.patterns.near(0.15, scale=0.8),
        weight=rv.initializers.normal(0.4, 1.2), key=jax.random.key(1),
    )  # fmt: skip
    spikes = rv.Spikes(jnp.linspace(1.0, 30.0, 36), jnp.arange(36) % 12, size=12)
    solution = rv.simulate(net, spikes, rv.EventDriven(), t_end=60.0)
    page = figure(9.5, 4.4, layout="constrained")
    left, right = page.subplots(1, 2)
    draw_network(scene(net, {"input": spikes, **solution.spikes}, t_end=60.0, title="neurons at their places"), left)
    link = net["hidden->hidden"]
    place = net["hidden"].position
    far = jnp.linalg.norm(place[link.pattern.pre] - place[link.pattern.post], axis=-1)
    right.plot(far, net.delay("hidden->hidden"), ".", color=DELAY)
    line = jnp.array([0.0, float(far.max())])
    right.plot(line, 1.0 + line / 0.3, color=WEIGHT, lw=1, label="low + distance / speed")
    assert jnp.allclose(net.delay("hidden->hidden"), 1.0 + far / 0.3, rtol=1e-4)
    right.legend(frameon=False)
    tidy(right, title="delays of hidden->hidden", x="distance", y="delay (ms)")
    return page


def depth() -> Figure:
    """How many neurons fire in each of eight layers: weights of one size, and set for trembling membranes."""
    shape, spikes = [60] * 9, _noise(60, 40.0)
    page = figure(9.0, 3.6, layout="constrained")
    left, right = page.subplots(1, 2)
    driven = lambda rates: [rv.initializers.fluctuation_driven(rate, 20.0, 5.0) for rate in rates]
    starts = {
        "normal(0.1, 0.3)": rv.initializers.normal(0.1, 0.3),
        "normal(0.3, 0.5)": rv.initializers.normal(0.3, 0.5),
        "driven, 40 Hz for all": driven([40.0] * 8),
        "driven, each layer's rate": driven([40.0] + [10.0] * 7),
    }
    for colour, (name, weight) in zip(CLASSES, starts.items(), strict=False):
        net = rv.feedforward(shape, neuron=rv.LIF(20.0, 5.0, refractory=2.0), weight=weight, key=jax.random.key(0))
        fired = rv.simulate(net, spikes, rv.EventDriven(max_spikes=400), t_end=500.0).spikes
        counts = [rv.spike_count(train) for train in fired.values()]
        layer = range(1, len(counts) + 1)
        left.plot(layer, [100 * float((count == 0).mean()) for count in counts], "o-", color=colour, label=name)
        right.plot(layer, [2 * float(count.mean()) for count in counts], "o-", color=colour, label=name)
    left.set(xlabel="layer", ylabel="silent neurons (%)", title="who is silent")
    right.set(xlabel="layer", ylabel="rate (Hz)", title="how much the others fire", yscale="symlog")
    left.legend(frameon=False, fontsize=SMALL)
    return _tidied(page)


def _noise(units: int, rate: float) -> rv.Spikes:
    """Poisson spikes of half a second (Hz)."""
    rng = np.random.default_rng(1)
    count = rng.poisson(0.5 * rate * units)
    return rv.Spikes(np.sort(rng.uniform(0.0, 500.0, count)), rng.integers(0, units, count), size=units)


def decisions() -> Figure:
    """What the two networks of the tutorial on Yin-Yang answer in the plane."""
    encode = partial(rv.encoders.latency, t_early=0.15, t_late=2.0)
    train, validation, _ = (
        rv.Dataset(encode(part.feature.astype("float32")), part.label, classes=3)
        for part in rv.datasets.yin_yang_splits()
    )
    grid = np.linspace(0.01, 0.99, 90)
    x, y = (axis.ravel() for axis in np.meshgrid(grid, grid))
    plane = rv.Dataset(
        encode(np.stack([x, y, 1 - x, 1 - y], axis=1).astype("float32")), np.zeros(x.size, int), classes=3
    )
    truth = rv.datasets.yin_yang_class(x, y).reshape(90, 90)
    near = rv.initializers.normal(0.5, 0.04)
    kinds = {
        "weights": (rv.fixed(0.0), rv.initializers.normal(1.65, 0.71), adam(0.03)),
        "weights and delays": (rv.synaptic(0.0, 1.0, init=near), rv.initializers.normal(2.0, 1.5),
                               by_path({"weight": adam(0.044), "delay": adam(0.028)})),
    }  # fmt: skip
    page = figure(8.0, 4.2, layout="constrained")
    for axes, (name, (delay, weight, optimiser)) in zip(page.subplots(1, 2), kinds.items(), strict=True):
        neuron = rv.LIF(tau_mem=2.0, tau_syn=1.0, refractory=jnp.inf)
        net = rv.feedforward(
            [4, 5, 3], neuron=neuron, delay=delay, weight=weight, dtype="float32", key=jax.random.key(0)
        )
        recipe = rv.Recipe(
            rv.EventDriven(max_spikes=1, max_inverse_slope=20.0),
            t_end=8.0,
            readout=rv.readouts.FirstSpike("output"),
            loss=partial(rv.losses.relative_time_mse, margin=0.2),
            optimiser=optimiser,
            recovery=rv.regularizers.SilentRecovery(),
            epochs=30,
            batch=150,
        )
        trained = rv.fit(net, train, validation, recipe, key=jax.random.key(1)).network
        answer = np.asarray(answers(trained, plane, recipe)).reshape(90, 90)
        rv.plots.decision_map(answer, truth=truth, ax=axes)
        axes.set_title(name, loc="left", color=INK, fontweight="bold")
    return page


FIGURES = (first_network, exactness, adjoint, kernels, lost_events, loss_jumps, surrogates, in_space, depth, decisions)


def _tidied(page: Figure) -> Figure:
    for axes in page.axes:
        tidy(axes, title=axes.get_title(), x=axes.get_xlabel(), y=axes.get_ylabel())
        axes.set_title("")
    return page


def main() -> None:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(one.__name__ for one in FIGURES))
    parser.add_argument("--into", type=Path, default=HERE)
    asked = parser.parse_args()
    if unknown := set(asked.names) - {one.__name__ for one in FIGURES}:
        parser.error(
            f"no such figure: {', '.join(sorted(unknown))}; there are {', '.join(one.__name__ for one in FIGURES)}"
        )
    for draw in FIGURES:
        if not asked.names or draw.__name__ in asked.names:
            draw().savefig(asked.into / f"{draw.__name__}.png", dpi=130)


if __name__ == "__main__":
    main()
