"""Pictures: what is in them, not how it looks; and that they leave no trace in Matplotlib's global state."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

import build
import ranvier as rv
from ranvier.plots import (
    Run,
    confusion_matrix,
    decision_map,
    learning_curves,
    parameter_histograms,
    raster,
    write_report,
)
from ranvier.plots.confusion import confusion_counts
from ranvier.plots.decisions import misses
from ranvier.plots.fitted import FitRun, draw_fit_run
from ranvier.plots.histograms import parameters
from ranvier.plots.report import answers, draw_report
from ranvier.plots.spike_raster import Event, causes, heights, travel
from ranvier.plots.style import CLASSES, EXCITATORY, INHIBITORY, figure, logarithmic, tint

HISTORY = [
    {
        "epoch": n,
        "loss": 1 / n,
        "accuracy": 1 - 0.5 / n,
        "validation_loss": 2 / n,
        "validation_accuracy": 1 - 0.6 / n,
    }
    for n in range(1, 6)
]
RESULT = {
    "name": "corners",
    "delay": "synaptic",
    "seed": 3,
    "test_accuracy": 0.875,
    "validation_accuracy": 0.9,
    "epochs": 5,
    "best_epoch": 4,
    "parameters": 40,
    "weights": 20,
    "delays": 20,
    "seconds": 12.3,
}


def network(seed: int, delay: rv.delays.DelayFactory | None = None) -> rv.Network:
    neuron = rv.LIF(2.0, 1.0, refractory=jnp.inf)
    return rv.feedforward(
        [2, 4, 3], neuron=neuron, delay=delay, weight=rv.initializers.normal(4.0, 1.0), key=jax.random.key(seed)
    )


def encode(points: np.ndarray) -> rv.Spikes:
    order = np.argsort(points, axis=1)
    return rv.Spikes(jnp.asarray(np.take_along_axis(points, order, 1)), jnp.asarray(order.astype(np.int32)))


def quadrant(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(x + y > 1.8, -1, np.where(x > 0.5, np.where(y > 0.5, 2, 1), 0))


def a_run(**changes: object) -> Run:
    points = np.random.default_rng(0).uniform(0, 0.9, (40, 2))
    standard = {
        "network": network(0, rv.synaptic(0.0, 1.0)),
        "simulator": rv.EventDriven(max_spikes=1),
        "t_end": 6.0,
        "encode": encode,
        "points": points,
        "label": quadrant(*points.T),
        "truth": quadrant,
        "classes": ("left", "low", "high"),
        "history": HISTORY,
        "result": RESULT,
        "initial": network(1, rv.synaptic(0.0, 1.0)),
    }
    return Run(**(standard | changes))


def texts(page: Figure) -> str:
    return " | ".join(text.get_text() for text in page.findobj(mpl.text.Text))


# Pieces


def test_pictures_are_functions_of_the_package():
    """Under their own names; no module stands where a function is looked for."""
    import ranvier.plots

    modules = {path.stem for path in Path(ranvier.plots.__file__).parent.glob("*.py")}
    assert not modules.intersection(ranvier.plots.__all__)
    assert all(callable(getattr(rv.plots, name)) for name in ranvier.plots.__all__)


def drawn(size: int, count: int, t_end: float = 40.0, seed: int = 0) -> rv.Spikes:
    rng = np.random.default_rng(seed)
    return rv.Spikes(np.sort(rng.uniform(0, t_end, count)), rng.integers(0, size, count), size)


def test_a_raster_has_a_tick_for_each_spike():
    spikes = {
        "input": rv.Spikes(jnp.array([1.0, 2.0, jnp.inf]), jnp.array([1, 0, -1]), size=2),
        "hidden": rv.Spikes(jnp.full(3, jnp.inf), jnp.full(3, -1), size=5),
        "output": rv.Spikes(jnp.array([3.0]), jnp.array([1]), size=2),
    }
    axes = raster(spikes, colours={"output": ["#ff0000", "#0000ff"]}, names={"output": ["no", "yes"]})
    rows = heights({"input": 2, "hidden": 5, "output": 2})
    ticks = {lines.get_label(): lines for lines in axes.collections if isinstance(lines, LineCollection)}
    assert list(ticks) == ["input", "hidden", "output"]
    places = [segment.mean(axis=0).tolist() for segment in ticks["input"].get_segments()]
    assert places == [[1.0, rows["input"][1]], [2.0, rows["input"][0]]]
    assert len(ticks["hidden"].get_segments()) == 0
    assert ticks["output"].get_colors()[0, :3].tolist() == [0, 0, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["input\n(2)", "hidden\n(5)", "no", "yes"]
    assert axes.get_xlabel() == "time (ms)"
    low, high = axes.get_ylim()
    assert low < min(heights.min() for heights in rows.values()) < max(map(np.max, rows.values())) < high


@pytest.mark.parametrize(("t_end", "wanted"), [(50.0, 50.0), (None, 3.0)])
def test_a_raster_ends_at_t_end(t_end: float | None, wanted: float):
    axes = raster(rv.Spikes([1.0, 3.0], [0, 1], size=2), t_end=t_end)
    np.testing.assert_allclose(axes.get_xlim(), (-0.02 * wanted, 1.02 * wanted))
    assert raster(rv.Spikes([np.inf], [-1], size=2)).get_xlim()[1] > 0


def test_pictures_go_into_the_axes_that_are_given():
    page = figure(9.0, 9.0)
    left, right = page.subplots(1, 2, sharex=True)
    assert raster(drawn(3, 5), t_end=40.0, ax=left) is left
    assert raster(drawn(8, 5), t_end=60.0, ax=right) is right
    assert left.get_xlim() == right.get_xlim() == pytest.approx((-1.2, 61.2))
    one = figure(4.0, 4.0).add_subplot()
    assert confusion_matrix(np.array([0]), np.array([0]), ["a"], ax=one) is one
    assert decision_map(np.array([[0, 1], [1, 0]]), ax=one) is one
    assert rv.plots.potentials(np.arange(3.0), np.ones((3, 1)), ax=one) is one
    assert learning_curves(HISTORY, ax=[left, right]) == [left, right]


def test_populations_that_do_not_spike_are_drawn_as_potentials():
    times, values = np.array([0.0, 10.0, 20.0]), np.array([[0.0, 1.0], [4.0, 2.0], [2.0, 0.0]])
    axes = raster({"input": drawn(2, 4, 5.0)}, voltages={"readout": (times, values)})
    first, second = (line for line in axes.lines if len(line.get_xdata()) == 3)
    assert first.get_xdata().tolist() == times.tolist()
    rows = heights({"input": 2, "readout": 2})["readout"]
    trace = first.get_ydata()
    np.testing.assert_allclose((trace - trace[0]) / (trace[1] - trace[0]), values[:, 0] / 4.0)
    np.testing.assert_allclose((second.get_ydata() - trace[0]) / (trace[1] - trace[0]), values[:, 1] / 4.0)
    assert rows.min() - 1.0 <= trace.min() < trace.max() <= rows.max() + 1.0
    assert [text.get_text() for text in axes.texts] == ["0", "4"]
    assert axes.get_xlim()[1] == pytest.approx(20.4)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["input\n(2)", "readout\n(2)"]


def overlaps(axes: mpl.axes.Axes) -> list[tuple[str, str]]:
    """Pairs of labels and titles that cover each other or stand outside the picture."""
    page = axes.figure
    page.draw_without_rendering()
    shown = [
        text
        for text in [*axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label, axes._left_title]
        if text.get_text()
    ]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    outside = [(name, "the edge") for name, box in boxes if box.x0 < -1 or box.y0 < -1 or box.x1 > page.bbox.x1 + 1]
    pairs = [
        (one, two) for n, (one, a) in enumerate(boxes) for two, b in boxes[n + 1 :] if a.shrunk(0.9, 0.9).overlaps(b)
    ]
    return outside + pairs


@pytest.mark.parametrize(
    ("spikes", "names"),
    [
        ({"input": drawn(20, 60), "a very long name of a population": drawn(1, 3), "hidden": drawn(1000, 4000)}, {}),
        ({f"population number {n}": drawn(3, 9) for n in range(9)}, {}),
        ({"input": drawn(784, 900), "digits": drawn(10, 9)}, {"digits": [f"digit number {n}" for n in range(10)]}),
        ({"input": drawn(4, 0), "output": drawn(3, 0)}, {"output": ["yin", "yang", "dot"]}),
        (drawn(1, 1), {}),
    ],
)  # fmt: skip
def test_labels_do_not_cover_each_other(spikes: dict, names: dict):
    assert overlaps(raster(spikes, t_end=40.0, names=names)) == []


def test_long_titles_stay_in_their_panels():
    populations = {
        "a very long input name": rv.Population(3),
        "an even longer name of neurons": rv.Population(4, rv.LIF()),
    }
    links = [rv.Connection(*populations, jnp.ones((3, 4)), name=name) for name in ("one", "two")]
    panels = parameter_histograms(rv.Network(populations, links))
    assert [overlaps(axes) for axes in panels] == [[], []]
    one, two = (axes._left_title.get_window_extent() for axes in panels)
    assert one.x1 < two.x0


def test_populations_are_stacked_without_overlap():
    rows = heights({"a": 1, "b": 200, "c": 3})
    edges = [(row.min(), row.max()) for row in rows.values()]
    assert edges[0][1] < edges[1][0] < edges[1][1] < edges[2][0]
    assert all((np.diff(row) > 0).all() for row in rows.values())


def test_a_raster_wants_one_sample_of_a_known_population():
    with pytest.raises(ValueError, match=r"one sample, shape \(n,\); got \(2, 1\)"):
        raster({"input": rv.Spikes(jnp.ones((2, 1)), jnp.zeros((2, 1), jnp.int32), size=1)})
    with pytest.raises(ValueError, match=r"raster: the number of units.*with_size"):
        raster(rv.Spikes([1.0], [0]))


def test_causes_are_what_arrived_before_the_spike_and_strongest_first():
    weight = jnp.array([[3.0], [0.5], [-2.0], [9.0]])
    link = rv.Connection("input", "output", weight, rv.FixedDelay(jnp.array([[1.0], [0.5], [0.2], [50.0]])))
    net = build.network({"input": 4}, {"output": rv.LIF(5.0, 5.0)}, {"output": 1}, [link])
    spikes = {
        "input": rv.Spikes(jnp.array([0.0, 1.0, 1.5, 2.0]), jnp.array([0, 1, 2, 3])),
        "output": rv.Spikes(jnp.array([3.0]), jnp.array([0])),
    }
    found = causes(net, spikes, "output", 0, counts=(2,))
    assert found == [
        Event("input", 0, 0.0, "output", 0, 1.0, 3.0, 3.0),
        Event("input", 2, 1.5, "output", 0, 1.7, -2.0, 3.0),
    ]
    assert len(causes(net, spikes, "output", 0, counts=(8, 2))) == 3
    assert causes(net, {**spikes, "output": rv.Spikes(jnp.array([jnp.inf]), jnp.array([-1]))}, "output", 0) == []


def test_delays_are_drawn_from_emission_to_arrival():
    axes = figure(4.0, 3.0).add_subplot()
    rows = {"a": np.array([0.0, 1.0]), "b": np.array([5.0])}
    travel(axes, rows, [Event("a", 1, 1.0, "b", 0, 1.5, 0.7, 2.0), Event("a", 0, 0.5, "b", 0, 1.75, -0.2, 2.0)])
    lines, stays = (part for part in axes.collections if isinstance(part, LineCollection))
    assert [segment.tolist() for segment in lines.get_segments()] == [
        [[1.0, 1.0], [1.5, 5.0]],
        [[0.5, 0.0], [1.75, 5.0]],
    ]
    assert [tuple(colour[:3]) for colour in lines.get_colors()] == [to_rgb(EXCITATORY), to_rgb(INHIBITORY)]
    assert [segment.tolist() for segment in stays.get_segments()][1] == [[1.75, 5.0], [2.0, 5.0]]
    travel(axes, rows, [])
    assert len(axes.collections) == 3


def test_decision_map_has_the_colours_of_the_classes():
    answer = np.array([[0, 1], [2, -1]])
    axes = decision_map(answer, lead=np.array([[1.0, 1.0], [1.0, 0.0]]), truth=np.array([[0, 1], [2, -1]]))
    picture = axes.images[0].get_array()
    strength = 0.18 + 0.5 * (1 - np.exp(-1))
    for row, column, kind in [(0, 0, 0), (0, 1, 1), (1, 0, 2)]:
        np.testing.assert_allclose(picture[row, column], tint(CLASSES[kind], strength), atol=1e-6)
    np.testing.assert_allclose(picture[1, 1], tint("#808080", 0.12), atol=1e-6)
    assert axes.images[0].origin == "lower"
    assert len(axes.collections) == 4  # the borders of four regions


def test_a_confusion_matrix_counts_and_shows_what_it_counts():
    label, answer = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 2, 1, -1, 2])
    axes = confusion_matrix(label, answer, list("abc"))
    assert confusion_counts(label, answer, 3).tolist() == [[2, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    shown = {(text.get_position(), text.get_text()) for text in axes.texts}
    assert shown == {((0, 0), "2"), ((2, 0), "1"), ((1, 1), "1"), ((3, 1), "1"), ((2, 2), "1")}
    assert axes.get_title(loc="left") == "2 of 6 wrong"


def test_wrong_answers_are_marked_in_the_colour_of_the_truth():
    axes = figure(4.0, 4.0).add_subplot()
    points = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    assert misses(axes, points, np.array([0, 1, 2]), np.array([0, 2, -1])) == 2
    (dots,) = (part for part in axes.collections if isinstance(part, PathCollection))
    assert dots.get_offsets().tolist() == points[1:].tolist()
    assert [tuple(colour[:3]) for colour in dots.get_facecolors()] == [to_rgb(CLASSES[1]), to_rgb(CLASSES[2])]
    assert misses(axes, points, np.array([0, 1, 2]), np.array([0, 1, 2])) == 0


def test_learning_curves():
    upper, lower = learning_curves(HISTORY, chosen=4, test_accuracy=0.875)
    loss = {line.get_label(): line for line in upper.lines}
    error = {line.get_label(): line for line in lower.lines}
    np.testing.assert_allclose(loss["validation"].get_ydata(), [2 / n for n in range(1, 6)])
    np.testing.assert_allclose(error["training"].get_ydata(), [50 / n for n in range(1, 6)])
    assert set(loss["chosen: epoch 4"].get_xdata()) == {4}
    assert set(error["test: 12.5 %"].get_ydata()) == {12.5}
    assert upper.get_yscale() == lower.get_yscale() == "log"
    assert lower.get_ylabel() == "wrong answers (%)"


def test_learning_curves_without_much_to_show():
    (upper,) = learning_curves([])
    assert not upper.lines
    upper, lower = learning_curves([{"epoch": 1, "loss": -0.5, "accuracy": 1.0}])
    assert upper.get_yscale() == lower.get_yscale() == "linear"
    assert lower.lines[0].get_ydata().tolist() == [0.0]
    assert lower.get_ylim()[0] > -0.1, "there is no error below 0"


def test_an_error_of_zero_is_shown_as_zero():
    lines = [{"epoch": n, "loss": 1.0, "accuracy": accuracy} for n, accuracy in enumerate((0.5, 0.99, 1.0), 1)]
    lower = learning_curves(lines, test_accuracy=1.0)[1]
    lower.figure.draw_without_rendering()
    np.testing.assert_allclose(lower.lines[0].get_ydata(), [50.0, 1.0, 0.0])
    labels = {label.get_text(): label.get_position()[1] for label in lower.get_yticklabels()}
    assert labels["0"] == 0.0
    height = lambda value: lower.transData.transform((1.0, value))[1]
    assert lower.bbox.y0 < height(0.0) < height(1.0) - 5 < height(10.0) < height(50.0) < lower.bbox.y1


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1.0, 10.0], "log"), ([0.0, 1.0, 10.0], "symlog"), ([-1.0, 2.0], "linear"), ([0.0, 0.0], "linear"), ([], "linear"),
     ([3.0, 3.0], "log"), ([1e-6, 1e6], "log"), ([np.nan, np.inf, 2.0], "log")],
)  # fmt: skip
def test_logarithmic_axes(values: list[float], scale: str):
    axes = figure(4.0, 3.0).add_subplot()
    axes.plot(values)
    logarithmic(axes.yaxis, np.array(values))
    assert axes.get_yscale() == scale
    axes.figure.draw_without_rendering()
    low, high = axes.get_ylim()
    assert all(low < value < high for value in values if np.isfinite(value))
    if scale != "linear":
        assert 1 < len(axes.get_yticks()) < 20


def test_histograms_count_every_parameter():
    net = network(0, rv.synaptic(0.0, 1.0))
    panels = parameter_histograms(net, network(1, rv.synaptic(0.0, 1.0)))
    for axes, group in zip(panels, parameters(net), strict=True):
        before, after = axes.containers[:2]
        assert sum(bar.get_height() for bar in before) == sum(bar.get_height() for bar in after) == group.values.size
        assert axes.get_title(loc="left") == f"{group.values.size} {group.title}"
    assert [axes.get_xlabel() for axes in panels] == ["weight (threshold)"] * 2 + ["delay (ms)"] * 2
    assert [line.get_xdata()[0] for line in panels[2].lines] == [0.0, 1.0]


def test_histograms_leave_out_delays_that_cannot_learn():
    net = network(0)
    assert [group.unit for group in parameters(net)] == ["weight (threshold)"] * 2
    with pytest.raises(ValueError, match="must be 2 axes for this network; got 1"):
        parameter_histograms(net, ax=[figure(3.0, 3.0).add_subplot()])


# The report


def test_answers_are_the_first_output_and_its_lead():
    run = a_run()
    answer, lead = answers(run, run.points)
    spikes = rv.simulate(run.network, encode(run.points), run.simulator, t_end=6.0).spikes["output"]
    for sample in range(len(run.points)):
        times = np.asarray(spikes.time[sample])
        assert answer[sample] == (int(spikes.unit[sample, 0]) if np.isfinite(times[0]) else -1)
        if np.isfinite(times[1]):
            assert lead[sample] == times[1] - times[0]


def test_no_output_spike_is_no_answer():
    weak = lambda key, shape, dtype: jnp.zeros(shape, dtype)
    quiet = rv.feedforward([2, 4, 3], neuron=rv.LIF(), weight=weak, key=jax.random.key(0))
    answer, lead = answers(a_run(network=quiet), np.array([[0.1, 0.2]]))
    assert answer.tolist() == [-1]
    assert lead.tolist() == [0.0]


def test_the_report_shows_everything():
    run = a_run()
    page = draw_report(run)
    told = texts(page)
    for wanted in (
        "87.50 % right on test",
        "network 2 - 4 - 3",
        "synaptic delays",
        "40 parameters (20 weights, 20 delays)",
        "validation 90.00 %",
        "seed 3",
        "5 epochs",
        "12 s",
        "Which output fires first",
        "chosen: epoch 4",
        "test: 12.5 %",
        "8 weights, input → hidden",
        "12 delays, hidden → output",
        "before training",
        "strongest causes",
    ):
        assert wanted in told, wanted
    answer, _ = answers(run, run.points)
    assert f"{(answer != run.label).sum()} of 40 wrong" in told
    for kind, name in enumerate(run.classes):
        right = answer[np.argmax(run.label == kind)] == kind
        title = next(text for text in told.split(" | ") if f"a sample of {name}:" in text)
        assert title.endswith("✓" if right else "✗")


def test_the_report_of_a_run_of_which_little_is_known():
    run = a_run(network=network(0), initial=None, result={}, history=[], label=np.zeros(40, int))
    page = draw_report(run)
    assert "% right" not in texts(page)
    assert "delays" not in texts(page)


def test_the_report_of_any_fit():
    populations = {"input": rv.Population(2), "hidden": rv.Population(3, rv.LIF()), "out": rv.Population(2, rv.LI())}
    links = [rv.Connection("input", "hidden", jnp.ones((2, 3))), rv.Connection("hidden", "out", jnp.ones((3, 2)))]
    trains = {
        "input": rv.Spikes(np.ones((2, 4)), np.zeros((2, 4), int)),
        "hidden": rv.Spikes(np.ones((2, 1)), [[0], [2]]),
    }
    times = np.arange(5.0)
    kinds = np.array([0, 1])
    page = draw_fit_run(
        FitRun("mine", HISTORY, 4, rv.Network(populations, links), None, trains, {"out": (times, np.ones((2, 5, 2)))},
               kinds, 40.0, kinds, kinds)
    )  # fmt: skip
    told = texts(page)
    for wanted in ("mine", "network 2 - 3 - 2", "0 of 2 wrong", "hidden\n(3)", "a sample of class 1", "out 1"):
        assert wanted in told, wanted


def test_write_report(tmp_path: Path):
    before = dict(mpl.rcParams)
    path = write_report(tmp_path, a_run())
    assert path == tmp_path / "report.png"
    assert [file.name for file in tmp_path.iterdir()] == ["report.png"]
    height, width = imread(path).shape[:2]
    assert (width, height) == (1920, 1584)
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_plots_do_not_import_pyplot():
    code = "import sys, ranvier.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0
