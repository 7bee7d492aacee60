"""The tasks of spoken words, on small files in the published layouts."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import ranvier as rv
from ranvier.datasets import SpikeWriter, read_spike_file
from ranvier.datasets.spike_files import Rows
from ranvier.lab import experiment, load_run
from ranvier.lab.cli import execute
from ranvier.lab.spike_tasks import Auto, Pooled
from ranvier.lab.waking import mean_weight
from spike_sets import write_published, write_words

SMALL = {"hidden": 6, "epochs": 2, "batch": 20, "rest": 40.0, "shift": 1, "move": 5.0}
DELAYS = {"delay_high": 10.0, "delay_recurrent_high": 10.0}


def options(**settings: object) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def result(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def test_people_train_on_their_own_file_and_go_on_later(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = str(write_words(tmp_path / "words.h5"))
    train = ["train", words, *options(**SMALL | DELAYS), "--schedule", "constant"]
    assert execute([*train, "--epochs", "3", "--out", str(tmp_path / "once")]) == 0
    assert "42 train, 9 validation, 9 test" in capsys.readouterr().err
    assert (tmp_path / "once" / "report.png").stat().st_size > 50_000
    found = result(tmp_path / "once")
    assert found["delay"] == "synaptic"
    assert found["delays"] == 20 * 6 + 6 * 6
    made, network = load_run(tmp_path / "once")
    assert made.task.file == words
    assert network.size("hidden") == 6
    part = [*train, "--out", str(tmp_path / "part"), "--quiet"]
    assert execute([*part, "--epochs", "1"]) == 0
    assert execute([*part, "--epochs", "3", "--resume"]) == 0
    losses = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("part", "once")
    ]
    assert losses[0] == losses[1]
    assert len(set(losses[0])) == 3


@pytest.mark.parametrize(("channels", "each"), [(20, 400), (140, 2500), (700, 8000)])
def test_initial_weights_wake_neurons_whatever_the_data(channels: int, each: int):
    rng = np.random.default_rng(channels)
    time = np.sort(rng.uniform(0.0, 800.0, (8, each)), axis=1)
    some = Rows(np.arange(9) * each, time.ravel(), rng.integers(0, channels, 8 * each))
    weight = mean_weight(some, 19.0, 20.0, 5.0)
    link = rv.Connection("input", "output", np.full((channels, 1), weight))
    net = rv.Network({"input": rv.Population(channels), "output": rv.Population(1, rv.LIF(20.0, 5.0))}, [link])
    spikes = rv.Spikes(time, some.unit.reshape(8, each), size=channels)
    fired = rv.simulate(net, spikes, rv.EventDriven(max_spikes=64), t_end=850.0).stats.spikes["output"].mean()
    assert fired == pytest.approx(19.0, rel=0.1)  # there: in steps of 1 ms
    rare = Rows(np.array([0, 0, 40]), np.linspace(0.0, 400.0, 40), np.zeros(40, int))  # a silent one; 1 spike for 20
    assert mean_weight(rare, 19.0, 20.0, 5.0) == mean_weight(rare, 2.0, 20.0, 5.0)


def test_a_weight_is_found_where_all_spikes_come_at_once():
    """Nobody can fire 16 times then: one spike is wanted, and the search ends."""
    once = Rows(np.array([0, 400, 800]), np.full(800, 0.5), np.zeros(800, int))
    weight = mean_weight(once, 16.0, 20.0, 5.0)
    assert 400 * weight * 0.157 == pytest.approx(1.0, rel=0.05)  # 0.157 of a volley is its highest potential
    far = Rows(np.array([0, 80]), np.repeat([0.0, 3999.0], 40), np.zeros(80, int))
    assert 0.0 < mean_weight(far, 1000.0, 0.1, 0.05) <= 1e6  # too far apart to fire as often as wanted
    assert mean_weight(Rows(np.array([0, 0]), np.zeros(0), np.zeros(0, int)), 16.0, 20.0, 5.0) == 1.0


def test_shd_validates_on_speakers_of_the_training_file(tmp_path: Path):
    write_published(tmp_path / "shd_train.h5", 60, speakers=10)
    write_published(tmp_path / "shd_test.h5", 15, speakers=12, seed=1)
    made = experiment("shd", folder=str(tmp_path), speakers=3)
    files, rows = made.task.files()
    assert list(map(len, rows)) == [42, 18, 15]
    assert not set(files[0].speaker[rows[0]]) & set(files[0].speaker[rows[1]])
    assert made.task.inputs == 140
    assert made.network().size("input") == 140
    arguments = options(folder=tmp_path, **SMALL, delay="axonal", layers=2)
    assert execute(["train", "shd", *arguments, "--no-recurrent", "--quiet", "--out", str(tmp_path / "run")]) == 0
    assert result(tmp_path / "run")["delays"] == 140 + 6


def test_shd_without_speakers_is_refused(tmp_path: Path):
    for name in ("shd_train.h5", "shd_test.h5"):
        write_published(tmp_path / name, 9)
    with pytest.raises(ValueError, match=r"shd_train.h5: expected more than 2 speakers"):
        experiment("shd", folder=str(tmp_path)).task.files()


def test_ssc_has_three_files(tmp_path: Path):
    for seed, name in enumerate(("ssc_train.h5", "ssc_valid.h5", "ssc_test.h5")):
        write_published(tmp_path / name, 12 + 3 * seed, seed=seed)
    arguments = options(folder=tmp_path, **SMALL, delay="none", channels=70)
    assert execute(["train", "ssc", *arguments, "--quiet", "--out", str(tmp_path / "run")]) == 0
    assert result(tmp_path / "run")["weights"] == 70 * 6 + 6 * 6 + 6 * 3


@pytest.mark.parametrize("task", ["gsc", "spoken-digits", "shd", "ssc"])
def test_where_the_data_should_be_is_told(task: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RANVIER_DATA", raising=False)
    with pytest.raises(ValueError, match=f"{task}: the data are not there"):
        experiment(task).data()


def test_a_test_file_of_training_samples_is_refused(tmp_path: Path):
    write_published(tmp_path / "shd_train.h5", 60, speakers=10)
    write_published(tmp_path / "shd_test.h5", 60, speakers=10)
    task = experiment("shd", folder=str(tmp_path)).task
    assert "48 of 60 test samples are among those to train on" in " ".join(task.notes())
    with pytest.raises(ValueError, match=r"48 of 60 test samples.*shd_train.h5 and .*shd_test.h5 hold the same"):
        task.data("float32")


def test_digits_of_a_new_speaker(tmp_path: Path):
    words = str(write_words(tmp_path / "digits.h5"))
    made = experiment("spoken-digits", file=words, split="leave-out", split_speaker="speaker4")
    files, rows = made.task.files()
    assert set(files[0].speaker[rows[2]]) == {4}


def test_channels_are_merged_and_late_spikes_left_out(tmp_path: Path):
    file = read_spike_file(write_words(tmp_path / "words.h5"))
    pooled, rows = Pooled(file, 5, 60.0), np.array([3, 0])
    start, time, unit = file.read(rows)
    few = pooled.read(rows)
    assert np.array_equal(few.time, time[time < 60.0])
    assert np.array_equal(few.unit, unit[time < 60.0] // 4)
    assert np.diff(few.start).tolist() == [int((time[a:b] < 60.0).sum()) for a, b in itertools.pairwise(start)]
    notes = experiment(str(tmp_path / "words.h5"), cut=60.0).task.notes()
    assert notes[-1] == "words.h5: spikes from 60 ms on are left out"
    with pytest.raises(ValueError, match="channels must be at most that; got 21"):
        Pooled(file, 21, 60.0)


def test_no_such_file(capsys: pytest.CaptureFixture[str]):
    assert execute(["train", "none.h5"]) == 2
    assert "none.h5: no such file. Make one of recordings: ranvier encode FOLDER none.h5" in capsys.readouterr().err


def test_test_samples_of_a_file_without_validation_are_not_learned(tmp_path: Path):
    path = tmp_path / "words.h5"
    with SpikeWriter(path, classes=("no", "yes"), channels=5) as out:
        for sample in range(20):
            out.add(np.array([1.0, 2.0]), np.array([0, 1]), label=sample % 2, split=(0, 2)[sample % 4 == 0])
    with pytest.raises(
        ValueError, match="expected samples of train, validation and test.* Split by speaker or at random"
    ):
        Auto().parts(read_spike_file(path))
