"""The cochlea: places of tones, phase locking, its filters in closed form, and what it refuses."""

import numpy as np
import pytest

from ranvier.encoders import Cochlea
from ranvier.encoders.cochlea import STEP
from ranvier.encoders.hair_cells import HairCells, fire
from ranvier.plots import cochleagram

EAR = Cochlea(channels=48)


def tone(hertz: float, rate: int = 16_000, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2.0 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def vector_strength(time: np.ndarray, hertz: float) -> float:
    """1 where all spikes have the same phase, 0 where phases are spread evenly."""
    return float(np.abs(np.exp(2j * np.pi * hertz * time / 1000.0).mean()))


@pytest.mark.parametrize("hertz", [120.0, 500.0, 2000.0, 6000.0])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_tone_is_loudest_at_its_place(hertz: float, rate: int):
    drive = EAR.drive(tone(hertz, rate), rate=rate).mean(axis=1)
    assert abs(int(drive.argmax()) - int(np.abs(EAR.centres - hertz).argmin())) <= 1


def test_centres_are_even_on_the_erb_scale():
    steps = np.diff(21.4 * np.log10(1.0 + 0.00437 * EAR.centres))
    assert np.allclose(steps, steps[0])
    assert np.isclose(EAR.centres[0], 80.0)
    assert np.isclose(EAR.centres[-1], 7000.0)


def test_the_hair_cell_follows_the_closed_form():
    """A steady tone at a centre: the mean of max(a sin, 0)^p, which the low-pass leaves as it is."""
    ear = Cochlea(channels=8, low=500.0, high=4000.0, middle=0.0, compression=1.0)
    hertz = float(ear.centres[3])
    drive = ear.drive(tone(hertz, seconds=1.0), rate=16_000)[3]
    amplitude = 0.1 * np.sqrt(2.0)  # of a tone whose root mean square is `level`
    assert np.isclose(drive[400:3600].mean(), amplitude / np.pi, rtol=0.01)


def test_the_gammatone_passes_what_its_formula_says():
    """One ERB above a centre, far from the cut-off of the hair cell, the envelope is that of |H|."""
    ear = Cochlea(channels=4, low=2000.0, high=6000.0, middle=0.0, compression=1.0)
    centre = float(ear.centres[1])
    width = 24.7 * (1.0 + 0.00437 * centre)
    means = [ear.drive(tone(hertz, seconds=1.0), rate=16_000)[1][400:3600].mean() for hertz in (centre, centre + width)]
    assert np.isclose(means[1] / means[0], abs((1.0 + 1j / 1.019) ** -4), rtol=0.03)


def test_spikes_lock_to_low_tones_only():
    strength = {}
    for hertz in (200.0, 5000.0):
        spikes = EAR(tone(hertz), rate=16_000)
        own = np.asarray(spikes.time)[np.asarray(spikes.unit) == np.abs(EAR.centres - hertz).argmin()]
        own = own[own > 100.0]
        assert len(own) > 10
        strength[hertz] = vector_strength(own, hertz)
    assert strength[200.0] > 0.9
    assert strength[5000.0] < 0.4


def test_loudness_does_not_matter_but_the_order_of_sounds_does_not_either():
    rng = np.random.default_rng(0)
    sounds = [rng.normal(size=size) for size in (4000, 9000, 2500)]
    alone = [EAR(sound, rate=16_000) for sound in sounds]
    together = EAR.trains([0.01 * sounds[2], sounds[0], sounds[1]], rate=16_000)
    for one, same in zip((alone[2], alone[0], alone[1]), together, strict=True):
        assert np.array_equal(one.unit, same.unit)
        assert np.allclose(one.time, same.time, atol=1e-3)
    assert all(
        train.time[-1] < 1000.0 * len(sound) / 16_000 for train, sound in zip(together[1:], sounds, strict=False)
    )


def test_a_sound_may_have_another_rate():
    """The same tone, sampled at 16 and at 48 kHz, fires the same cells equally often."""
    counts = [np.bincount(EAR(tone(300.0, rate), rate=rate).unit, minlength=48) for rate in (16_000, 48_000)]
    assert abs(counts[0] - counts[1]).max() <= 2


def test_hair_cells_fire_as_leaky_integrators_do():
    """A constant drive: the interval is tau log(g/(g - 1)) plus the refractory time; adaptation makes it longer."""
    steady = np.full((4000, 1), 1.5, np.float32)
    plain = HairCells(gain=1.0, tau_mem=8.0, refractory=1.7, adaptation=0.0, tau_adapt=50.0)
    time, _ = fire(steady, STEP, plain)
    assert np.allclose(np.diff(time), 8.0 * np.log(3.0) + 1.7, atol=0.03)
    tired, _ = fire(steady, STEP, plain._replace(adaptation=0.1))
    assert len(tired) < len(time)
    assert np.diff(tired)[-1] > np.diff(tired)[0]


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (np.zeros(100), 16_000, "silent"),
        (np.ones(100), 16_000, "silent"),
        (np.zeros(0), 16_000, "at least one sample"),
        (np.array([0.0, np.nan]), 16_000, "finite"),
        (np.ones(9), 8_000, "nothing above 4000 Hz.*lower `high` to 3600"),
    ],
)
def test_what_it_refuses(sound: np.ndarray, rate: int, message: str):
    with pytest.raises(ValueError, match=message):
        EAR(sound, rate=rate)


@pytest.mark.parametrize(
    "wrong", [{"channels": 1}, {"high": 80.0}, {"gain": 0.0}, {"adaptation": -1.0}, {"level": np.nan}]
)
def test_wrong_numbers(wrong: dict):
    with pytest.raises(ValueError, match=f"Cochlea: `{next(iter(wrong))}`"):
        Cochlea(**wrong)


def test_the_picture_shows_every_spike():
    sound = tone(300.0)
    spikes = EAR(sound, rate=16_000)
    page = cochleagram(sound, 16_000, EAR.drive(sound, rate=16_000), spikes, EAR.centres, title="a tone")
    assert len(page.axes[2].collections[0].get_offsets()) == spikes.time.size
    with pytest.raises(ValueError, match="48 channels"):
        cochleagram(sound, 16_000, np.ones((3, 4)), spikes, EAR.centres)
