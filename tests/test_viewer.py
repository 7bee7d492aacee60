"""The viewer: what is in a scene, and that the page draws it, in a real browser where there is one."""

import json
import re
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest

import ranvier as rv
from browser import browse
from ranvier.viewer import Scene, by_delays, by_layers, draw_network, positions, scene, write_film, write_page

KEY = jax.random.key(0)


def seen(size: int = 6, dimensions: int = 2, spikes: int = 12, **given: object) -> Scene:
    """A recurrent network whose spikes are drawn at random: nothing here depends on how they came about."""
    layout = rv.layouts.normal(1.0, dimensions)
    net = rv.recurrent([4, size, 3], neuron=rv.LIF(), delay=rv.spatial(1.0), position=layout, readout=rv.LIF(), key=KEY)
    rng = np.random.default_rng(0)
    train = lambda units: rv.Spikes(
        np.sort(rng.uniform(0, 40, spikes)), rng.integers(0, units, spikes).astype(np.int32)
    )
    trains = {name: train(net.size(name)) for name in net.names}
    return scene(net, trains, t_end=50.0, title="a <test>", units=("yin", "yang", "dot"), label=1, **given)


def test_a_scene_holds_the_network_and_its_spikes():
    net = rv.feedforward([2, 3, 2], neuron=rv.LIF(), delay=rv.spatial(0.5), position=rv.layouts.normal(1.0, 3), key=KEY)
    trains = {
        "input": rv.Spikes(jnp.array([1.0, 4.0, jnp.inf]), jnp.array([1, 0, -1])),
        "hidden": rv.Spikes(jnp.array([2.0]), jnp.array([2])),
        "output": rv.Spikes(jnp.array([3.0, 5.0]), jnp.array([1, 0])),
    }
    found = scene(net, trains, t_end=9.0)
    assert found.starts == (0, 2, 5, 7)
    assert found.time.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert found.neuron.tolist() == [1, 4, 6, 0, 5]
    assert found.answer == (1, 3.0)
    assert found.units == ("0", "1")
    assert found.note == "12 synapses"
    link = net["hidden->output"]
    mine = (found.pre == 3) & (found.post == 6)
    assert found.weight[mine].tolist() == pytest.approx([float(link.weight[1, 1])])
    assert found.delay[mine].tolist() == pytest.approx([float(net.delay(link)[1, 1])])
    np.testing.assert_allclose(found.place[2:5], net["hidden"].position)
    few = scene(net, trains, t_end=9.0, drawn=6)
    assert few.note == "the 6 strongest of 12 synapses"
    assert np.abs(few.weight[few.post < 5]).min() >= np.sort(np.abs(np.ravel(net.connections[0].weight)))[-3]
    with pytest.raises(ValueError, match="no population of this network"):
        scene(net, {"hiden": trains["hidden"]}, t_end=9.0)
    with pytest.raises(ValueError, match=r"must be those of one sample; got shape \(1, 1\)"):
        scene(net, {"input": rv.Spikes(jnp.ones((1, 1)), jnp.zeros((1, 1), jnp.int32))}, t_end=9.0)


def test_every_network_has_a_place():
    net = rv.recurrent([4, 20, 3], neuron=rv.LIF(), delay=rv.synaptic(1.0, 9.0), key=KEY)
    for places in (positions(net), by_layers(net)):
        every = np.concatenate([places[name] for name in net.names])
        assert len(np.unique(every.round(6), axis=0)) == 27
    apart = {name: place[:, 0].mean() for name, place in by_layers(net).items()}
    assert apart["input"] < apart["hidden"] < apart["output"]
    assert by_delays(net)["hidden"].shape == (20, 3)
    high = rv.feedforward([9, 9], neuron=rv.LIF(), position=rv.layouts.normal(1.0, 5), key=KEY)
    whole = np.concatenate([one.position for one in high.members])
    drawn = np.concatenate(list(positions(high).values()))
    spread = np.linalg.svd(whole - whole.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(np.linalg.svd(drawn, compute_uv=False), spread[:3], rtol=1e-6)


def test_pictures_and_films(tmp_path: Path):
    flat, deep = seen(), seen(dimensions=3)
    assert draw_network(flat).name == "rectilinear"
    assert draw_network(deep).name == "3d"
    import PIL.Image

    for one in (flat, deep):
        with PIL.Image.open(write_film(tmp_path / "film.gif", one, seconds=0.5, fps=6)) as film:
            assert film.n_frames == 3
            film.seek(0)
            first = np.asarray(film.convert("RGB"), int)
            film.seek(1)
            assert np.abs(np.asarray(film.convert("RGB"), int) - first).max() > 50  # something has moved
    with pytest.raises(ValueError, match="must end in .gif or .mp4; got film.avi"):
        write_film(tmp_path / "film.avi", flat)
    if shutil.which("ffmpeg") is None:
        with pytest.raises(ValueError, match="needs ffmpeg"):
            write_film(tmp_path / "film.mp4", flat)


def test_the_page_stands_alone(tmp_path: Path):
    one = seen()
    text = write_page(tmp_path / "view.html", one).read_text()
    assert not re.findall(r"(?:src|href)\s*=|https?:|import\s", text)
    assert "<title>a &lt;test&gt;</title>" in text
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)[1])
    np.testing.assert_allclose(data["delay"], one.delay, rtol=1e-4)
    np.testing.assert_allclose(np.reshape(data["place"], (-1, 3)), one.place, rtol=1e-4)
    assert data["neuron"] == one.neuron.tolist()


@pytest.mark.slow
def test_a_browser_draws_300_neurons_fast_enough(tmp_path: Path):
    page = write_page(tmp_path / "view.html", seen(293, 3, 700))
    assert page.stat().st_size < 3e6
    found = browse(page, "measure", "--dump-dom")
    times = [float(one) for one in re.search(r'data-frames="([0-9. ]+)"', found)[1].split()]
    assert len(times) == 60
    for part in (times[1:30], times[30:]):  # at rest, and while it is turned; the machine may be busy with others
        assert min(part) < 1000 / 30, times
    assert int(re.search(r'data-events="(\d+)"', found)[1]) > 1000


@pytest.mark.slow
def test_spikes_travel_and_the_output_decides(tmp_path: Path):
    one = seen()
    page = write_page(tmp_path / "view.html", one)
    shots = []
    for at in (0.0, 20.0, 20.8):
        path = tmp_path / f"{at}.png"
        browse(page, f"t={at}", f"--screenshot={path}")
        shots.append((255 * matplotlib.image.imread(path)[..., :3]).astype(int))
    assert shots[0].shape == (800, 1200, 3)
    upper = [shot[120:680] for shot in shots]
    assert np.count_nonzero(np.abs(upper[1] - upper[2]).max(axis=-1) > 40) > 50  # dots have moved
    words = [shot[700:745, :700] for shot in shots]
    assert (words[0].max(axis=-1) < 60).all()  # nothing is decided at the start
    assert (words[1].max(axis=-1) > 150).any()


def test_no_name_breaks_the_page_and_no_number_that_is_none_gets_in(tmp_path: Path):
    seen = scene(rv.feedforward([2, 3], neuron=rv.LIF(), key=KEY), {}, t_end=5.0, title="__DATA__ <!--<script>",
                 units=("</script>", "<!--<script>", "c"))  # fmt: skip
    page = write_page(tmp_path / "a.html", seen).read_text()
    assert "<title>__DATA__ &lt;!--&lt;script&gt;</title>" in page
    (data,) = re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert "<" not in data
    assert json.loads(data)["units"] == list(seen.units)
    ends = {"input": rv.Population(1), "output": rv.Population(1, rv.LIF())}
    wrong = rv.Network(ends, [rv.Connection("input", "output", jnp.array([[jnp.nan]]))])
    with pytest.raises(ValueError, match="input->output has weights or delays that are not finite"):
        scene(wrong, {}, t_end=5.0)


def test_few_neurons_in_many_dimensions_have_a_place():
    net = rv.feedforward([1, 1], neuron=rv.LIF(), delay=rv.spatial(), position=rv.layouts.normal(1.0, 4), key=KEY)
    place = scene(net, {}, t_end=5.0).place
    assert place.shape == (2, 3)
    apart = np.linalg.norm(np.asarray(net["input"].position[0]) - np.asarray(net["output"].position[0]))
    assert np.linalg.norm(place[0] - place[1]) == pytest.approx(apart)
