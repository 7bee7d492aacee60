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
from ranvier.plots.decisions import misses
from ranvier.plots.histograms import parameters
from ranvier.plots.report import answers, draw_report
from ranvier.plots.spike_raster import Event, causes, travel
from ranvier.plots.style import CLASSES, EXCITATORY, INHIBITORY, figure, tint

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


def test_a_raster_has_a_tick_for_each_spike():
    axes = figure(4.0, 3.0).add_subplot()
    spikes = {
        "input": rv.Spikes(jnp.array([1.0, 2.0, jnp.inf]), jnp.array([1, 0, -1])),
        "output": rv.Spikes(jnp.array([3.0]), jnp.array([1])),
    }
    rows = raster(
        axes, spikes, {"input": 2, "hidden": 5, "output": 2}, colours={"output": ["#ff0000", "#0000ff"]},
        names={"output": ["no", "yes"]},
    )  # fmt: skip
    ticks = {lines.get_label(): lines for lines in axes.collections if isinstance(lines, LineCollection)}
    assert list(ticks) == ["input", "hidden", "output"]
    drawn = [segment.mean(axis=0).tolist() for segment in ticks["input"].get_segments()]
    assert drawn == [[1.0, rows["input"][1]], [2.0, rows["input"][0]]]
    assert len(ticks["hidden"].get_segments()) == 0
    assert ticks["output"].get_colors()[0, :3].tolist() == [0, 0, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "input\n(2)",
        "hidden\n(5)",
        "no",
        "yes",
    ]
    assert axes.get_xlabel() == "time (ms)"


def test_populations_are_stacked_without_overlap():
    rows = raster(figure(4.0, 3.0).add_subplot(), {}, {"a": 1, "b": 200, "c": 3})
    edges = [(heights.min(), heights.max()) for heights in rows.values()]
    assert edges[0][1] < edges[1][0] < edges[1][1] < edges[2][0]
    assert all((np.diff(heights) > 0).all() for heights in rows.values())


def test_a_raster_wants_one_sample():
    spikes = rv.Spikes(jnp.ones((2, 1)), jnp.zeros((2, 1), jnp.int32))
    with pytest.raises(ValueError, match=r"one sample, shape \(n,\); got \(2, 1\)"):
        raster(figure(4.0, 3.0).add_subplot(), {"input": spikes}, {"input": 1})


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
    axes = figure(4.0, 4.0).add_subplot()
    answer = np.array([[0, 1], [2, -1]])
    decision_map(axes, answer, lead=np.array([[1.0, 1.0], [1.0, 0.0]]), truth=np.array([[0, 1], [2, -1]]))
    picture = axes.images[0].get_array()
    strength = 0.18 + 0.5 * (1 - np.exp(-1))
    for row, column, kind in [(0, 0, 0), (0, 1, 1), (1, 0, 2)]:
        np.testing.assert_allclose(picture[row, column], tint(CLASSES[kind], strength), atol=1e-6)
    np.testing.assert_allclose(picture[1, 1], tint("#808080", 0.12), atol=1e-6)
    assert axes.images[0].origin == "lower"
    assert len(axes.collections) == 4  # the borders of four regions


def test_a_confusion_matrix_counts_and_shows_what_it_counts():
    axes = figure(4.0, 4.0).add_subplot()
    label, answer = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 2, 1, -1, 2])
    assert confusion_matrix(axes, label, answer, list("abc")).tolist() == [[2, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
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
    upper, lower = figure(8.0, 4.0).subplots(1, 2)
    learning_curves(upper, lower, HISTORY, chosen=4, test_accuracy=0.875)
    loss = {line.get_label(): line for line in upper.lines}
    error = {line.get_label(): line for line in lower.lines}
    np.testing.assert_allclose(loss["validation"].get_ydata(), [2 / n for n in range(1, 6)])
    np.testing.assert_allclose(error["training"].get_ydata(), [50 / n for n in range(1, 6)])
    assert set(loss["chosen: epoch 4"].get_xdata()) == {4}
    assert set(error["test: 12.5 %"].get_ydata()) == {12.5}
    assert upper.get_yscale() == lower.get_yscale() == "log"
    assert lower.get_ylabel() == "wrong answers (%)"


def test_learning_curves_without_much_to_show():
    upper, lower = figure(8.0, 4.0).subplots(1, 2)
    learning_curves(upper, lower, [])
    assert not upper.lines
    learning_curves(upper, lower, [{"epoch": 1, "loss": -0.5, "accuracy": 1.0}])
    assert upper.get_yscale() == "linear"
    assert lower.lines[0].get_ydata()[0] > 0  # no error at all has a place on the axis


def test_histograms_count_every_parameter():
    net = network(0, rv.synaptic(0.0, 1.0))
    panels = figure(12.0, 3.0).subplots(1, 4).tolist()
    parameter_histograms(panels, net, network(1, rv.synaptic(0.0, 1.0)))
    for axes, group in zip(panels, parameters(net), strict=True):
        before, after = axes.containers[:2]
        assert sum(bar.get_height() for bar in before) == sum(bar.get_height() for bar in after) == group.values.size
        assert axes.get_title(loc="left") == f"{group.values.size} {group.title}"
    assert [axes.get_xlabel() for axes in panels] == ["weight (threshold)"] * 2 + ["delay (ms)"] * 2
    assert [line.get_xdata()[0] for line in panels[2].lines] == [0.0, 1.0]


def test_histograms_leave_out_delays_that_cannot_learn():
    net = network(0)
    assert [group.unit for group in parameters(net)] == ["weight (threshold)"] * 2
    with pytest.raises(ValueError, match="must be 2 for this network; got 1"):
        parameter_histograms([figure(3.0, 3.0).add_subplot()], net)


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
