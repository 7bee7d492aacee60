"""Reports as pages: they stand alone, hold the numbers of the run, and a real browser draws them without an error."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from browser import browse
from ranvier.checks import operations
from ranvier.pages import Known, Lines, Notes, Page, Plane, Points, Section, Series, Tile, run_page, write_page
from ranvier.pages.run import DRAWN
from ranvier.plots.fitted import FitRun
from ranvier.train.spreading import quantiles

KEY = jax.random.key(0)
NASTY = "</script><img src=x onerror=console.error('got in')> & \"yin\""


def network(scale: float = 1.0) -> rv.Network:
    weight = rv.initializers.normal(0.0, scale)
    return rv.feedforward([4, 6, 2], neuron=rv.LIF(), delay=rv.synaptic(0.0, 5.0), weight=weight, key=KEY)


def trains(spikes: int = 12) -> dict[str, rv.Spikes]:
    """Spikes of three samples, drawn at random; output 1 fires once, at 7 ms."""
    rng = np.random.default_rng(0)
    draw = lambda units: rv.Spikes(
        np.sort(rng.uniform(5, 40, (3, spikes)), axis=1), rng.integers(0, units, (3, spikes)).astype(np.int32)
    )
    output = rv.Spikes(np.array([[7.0, np.inf]] * 3), np.array([[1, -1]] * 3, np.int32))
    return {"input": draw(4), "hidden": draw(6), "output": output}


def told(epoch: int) -> dict[str, Any]:
    return {
        "epoch": epoch, "loss": 1 / epoch, "validation_loss": float("nan") if epoch == 2 else 1.1 / epoch,
        "accuracy": 0.5, "validation_accuracy": 0.25 * epoch, "silent": {"hidden": 0.1}, "seconds": 1.0,
        "spikes_per_neuron": {"hidden": 2.0}, "learning_rate": {"weight": 0.1}, "samples_per_second": 100.0,
        "quantiles": quantiles(network(float(epoch))),
    }  # fmt: skip


def a_run(spikes: int = 12) -> FitRun:
    return FitRun(
        NASTY, [told(epoch) for epoch in (1, 2, 3)], 3, network(), network(0.5), trains(spikes),
        target=np.array([1, 0, 1]), t_end=50.0, label=np.array([0, 0, 1, 1]), answer=np.array([0, 1, 1, -1]),
    )  # fmt: skip


def plane(rows: int = 8) -> Plane:
    across, up = np.meshgrid(np.arange(rows), np.arange(rows))
    kinds = (across > up).astype(int)
    points = np.array([[0.2, 0.8], [0.8, 0.2]])
    return Plane(title="Decisions", classes=("a", "b"), answer=kinds, lead=0 * kinds + 5, truth=kinds,
                 points=points, label=np.array([0, 1]), said=np.array([1, 1]))  # fmt: skip


def everything(spikes: int = 12) -> Page:
    """A page with every kind of figure."""
    page = run_page(
        a_run(spikes),
        Known(
            words="words", right=(True, False, True), tiles=(Tile("accuracy", "97 %"),), classes=(NASTY, "yang"), judged="test", test_accuracy=0.5,
            answers=(plane(),), operations=(("footprint", "1", NASTY),), operations_of="3 samples",
            doctor=((NASTY, "text"),), settings={NASTY: float("nan"), "delay": None}, origin={"jax": "0"},
        ),
    )  # fmt: skip
    points = Points(title="Groups", y="%", groups=(("A", (("seed 0", 1.0), ("seed 1", float("nan")))), ("B", ())))
    return Page(page.title, [*page.sections, Section("Groups", (points,))], page.words)


def content(path: Path) -> dict[str, Any]:
    """The numbers of a page."""
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(data)


def figures(path: Path, kind: str) -> list[dict[str, Any]]:
    return [one for section in content(path)["sections"] for one in section["figures"] if one["kind"] == kind]


def test_a_page_stands_alone_and_escapes_names(tmp_path: Path):
    path = write_page(tmp_path / "a.html", everything())
    text = path.read_text()
    outside = text.replace("http://www.w3.org/2000/svg", "")
    assert not re.findall(r"https?:|@import|url\(|<link|\bfetch\(|XMLHttp|<script[^>]*src=", outside)
    assert text.count("</script>") == 2
    assert f"<title>{'&lt;/script&gt;'}" in text
    assert content(path)["title"] == NASTY
    assert path.stat().st_size < 100_000


def test_the_numbers_of_a_run_are_on_its_page(tmp_path: Path):
    path = write_page(tmp_path / "a.html", everything())
    titles = [section["title"] for section in content(path)["sections"]]
    assert titles == ["Summary", "Learning", "Answers", "Samples", "Weights and delays", "Operations", "Doctor",
                      "Configuration", "Groups"]  # fmt: skip
    loss, accuracy = figures(path, "Lines")[:2]
    assert loss["series"][1]["values"] == [1.1, None, pytest.approx(0.36667)]
    assert (loss["mark"], accuracy["level"]) == (3, 50)
    (matrix,) = figures(path, "Matrix")
    assert matrix["counts"] == [[1, 1, 0], [0, 1, 1]]
    each = next(one for one in figures(path, "Table") if one["title"] == "Class by class")
    assert each["rows"][1] == ["yang", "2", "50.0 %", "50.0 %", "none (1)"]
    first = figures(path, "Histogram")[0]
    assert sum(first["counts"]["kept network"]) == sum(first["counts"]["before training"]) == 24
    bands = {one["title"]: one for one in figures(path, "Bands")}
    assert list(bands) == ["weights, input → hidden", "delays, input → hidden", "weights, hidden → output",
                           "delays, hidden → output"]  # fmt: skip
    weight = np.asarray(network(3.0).connections[0].weight)
    np.testing.assert_allclose(bands["weights, input → hidden"]["quantiles"][2][2], np.median(weight), rtol=1e-4)


def test_samples_keep_their_spikes_and_what_came_of_them(tmp_path: Path):
    path = write_page(tmp_path / "a.html", everything())
    (raster,) = figures(path, "Raster")
    assert raster["starts"] == [0, 4, 10, 12]
    assert [sample["right"] for sample in raster["samples"]] == [True, False, True]
    sample, there = raster["samples"][0], trains()
    assert sample["title"] == "sample 0: class yang"
    assert len(sample["time"]) == 25
    hidden = [(time, unit - 4) for time, unit in zip(sample["time"], sample["neuron"], strict=True) if 4 <= unit < 10]
    assert [unit for _, unit in hidden] == there["hidden"].unit[0].tolist()
    np.testing.assert_allclose([time for time, _ in hidden], there["hidden"].time[0], rtol=1e-4)


def test_potentials_of_outputs_that_do_not_spike_are_drawn(tmp_path: Path):
    spikes = {name: train for name, train in trains().items() if name != "output"}
    values = np.random.default_rng(0).normal(size=(3, 10, 2))
    run = dataclasses.replace(a_run(), spikes=spikes, voltages={"output": (np.arange(10.0), values)})
    path = write_page(tmp_path / "a.html", run_page(run, Known(classes=("yin", "yang"), right=(True,))))
    (raster,) = figures(path, "Raster")
    assert (raster["outputs"], raster["units"], raster["times"]) == (False, ["yin", "yang"], [0, 2, 4, 6, 8])
    np.testing.assert_allclose(raster["samples"][1]["traces"], values[1, ::2].T, rtol=1e-4)
    assert [sample["right"] for sample in raster["samples"]] == [True, None, None]
    found = browse(path, "", "--dump-dom")
    assert re.search(
        r'<div class="keys"><span><i[^>]*></i>yin</span><span><i[^>]*></i>yang</span></div><div><canvas', found
    )


def test_a_crowd_of_spikes_is_thinned_and_said_so(tmp_path: Path):
    path = write_page(tmp_path / "a.html", everything(20_000))
    (raster,) = figures(path, "Raster")
    assert all(len(sample["time"]) == DRAWN for sample in raster["samples"])
    assert "Of the 40,001 spikes of a sample at most 6,000 are drawn" in raster["note"]
    assert path.stat().st_size < 3e6


def test_of_a_run_that_has_just_begun_there_are_the_curves(tmp_path: Path):
    page = run_page(FitRun("mine", [told(1)], note="not finished"))
    assert [section.title for section in page.sections] == ["Learning", "Weights and delays"]
    assert page.words == "not finished"
    assert 'data-ready="9"' in browse(write_page(tmp_path / "a.html", page), "", "--dump-dom")


PROBE = """<script>
document.documentElement.dataset.over = document.documentElement.scrollWidth - innerWidth;
const raster = document.querySelector("canvas.raster"), place = raster.getBoundingClientRect();
const tips = new Set();
for (let x = 0; x < place.width; x += 4) for (let y = 0; y < place.height; y += 6) {
  raster.dispatchEvent(new PointerEvent("pointermove", { clientX: place.left + x, clientY: place.top + y }));
  if (tip.textContent) tips.add(tip.textContent);
}
document.documentElement.dataset.tips = JSON.stringify([...tips]);
for (const one of document.querySelectorAll("svg, canvas, circle"))
  one.dispatchEvent(new PointerEvent("pointermove", { clientX: 60, clientY: 60, bubbles: true }));
document.getElementById("theme").click();
</script>"""


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_draws_every_figure_and_a_pointer_finds_spikes(tmp_path: Path, width: int):
    path = write_page(tmp_path / "a.html", everything())
    path.write_text(path.read_text().replace("</body>", f"{PROBE}</body>"))
    found = browse(path, "light", "--dump-dom", size=(width, 800))
    many = sum(len(section["figures"]) for section in content(path)["sections"])
    assert f'data-ready="{many}"' in found
    assert int(re.search(r'data-over="(-?\d+)"', found)[1]) <= 0  # nothing is wider than the window
    assert 'data-theme="dark"' in found
    words = re.search(r'data-tips="(.*?)"', found)[1]
    assert "output yang at 7 ms" in words
    hidden = trains()["hidden"]
    assert f"hidden {hidden.unit[0, 0]} at {hidden.time[0, 0]:.4g} ms" in words
    assert "<img" not in found.replace(r"\u003cimg", "")
    assert len(re.findall(r"<path[^>]*\bd=\"M", found)) >= 15
    assert not re.findall(r'="[^"]*NaN[^"]*"', found)


def test_empty_figures_are_no_error(tmp_path: Path):
    nothing = (float("nan"), None)
    lines = Lines(title="a", x="epoch", y="b", at=(1, 2), series=(Series("none", nothing),), log=True)
    page = Page("empty", (Section("one", (lines, Notes(words=()), Points(y="", groups=()))),))
    assert 'data-ready="3"' in browse(write_page(tmp_path / "a.html", page), "", "--dump-dom")


def test_operations_are_counted_as_they_are_defined():
    """A network of known weights and spikes: 2 inputs, 3 hidden, 1 output, one weight 0, one pair without a synapse."""
    pattern = rv.Pairs(pre=[0, 0, 1, 1, 0], post=[0, 1, 0, 1, 2])  # input 1 does not reach hidden 2
    first = rv.Connection("input", "hidden", jnp.array([1.0, 2.0, 0.0, 4.0, 5.0]), pattern=pattern)
    second = rv.Connection("hidden", "output", jnp.ones((3, 1)))
    ends = {"input": rv.Population(2), "hidden": rv.Population(3, rv.LIF()), "output": rv.Population(1, rv.LIF())}
    net = rv.Network(ends, [first, second])
    spikes = {
        "input": rv.Spikes(jnp.array([[1.0, 2.0, 3.0], [1.0, jnp.inf, jnp.inf]]), jnp.array([[0, 1, 1], [0, -1, -1]])),
        "hidden": rv.Spikes(jnp.array([[2.1, 2.2, 9.99], [jnp.inf] * 3]), jnp.array([[0, 0, 2], [-1] * 3])),
        "output": rv.Spikes(jnp.array([[10.0], [jnp.inf]]), jnp.array([[0], [-1]])),
    }
    found = operations(net, spikes, t_end=10.0, step=1.0)
    # Input 0 reaches 3 synapses, input 1 one (the other has weight 0); each hidden spike one.
    assert found["synaptic_operations"] == {
        "Effective_MACs": 0.0,
        "Effective_ACs": (3 + 1 + 1 + 3 + 3) / 2,
        "Dense": 90.0,
    }
    assert found["connection_sparsity"] == pytest.approx(2 / 9)
    assert found["activation_sparsity"] == pytest.approx(1 - 3 / 80)  # two spikes of one neuron in one step count once
    assert found["parameter_count"] == 8
    assert found["footprint"] == sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(net))
    assert found["spikes"] == {"input": 2.0, "hidden": 1.5, "output": 0.5}
    with pytest.raises(ValueError, match="`step` must be above 0 ms; got 0"):
        operations(net, spikes, t_end=10.0, step=0.0)
    with pytest.raises(ValueError, match=r"must have shape \(samples, n\); got \(1,\) for 'input'"):
        operations(net, {"input": rv.Spikes(jnp.ones(1), jnp.zeros(1, jnp.int32))}, t_end=10.0)
