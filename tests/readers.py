"""Everything of ranvier that reads files, for `tests/fuzz.py`: a good file, how it is read, and what may come of a spoilt one."""

import contextlib
import dataclasses
import functools
import io
import struct
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import soundfile

import ranvier as rv
from ranvier.datasets import SpikeWriter, find_recordings, ntidigits, read_sound, read_spike_file
from ranvier.datasets.idx import read_idx
from ranvier.hardware import BrainScaleS2, EmulatedChip, Recording, load_recording, save_recording
from ranvier.interop import nir, recordings, scripts
from ranvier.lab import experiment
from ranvier.lab.cli import execute, train
from ranvier.lab.comparison.reading import read_outcomes
from ranvier.lab.config_file import read_config, write_config
from ranvier.train import RunFolder, read_arrays, save_arrays
from ranvier.train.samples import read_samples

SPIKES = rv.Spikes([0.25, 1.0, 1.0, 7.5], [3, 0, 2, 1], size=4)
TREE = {"a": jnp.arange(6.0).reshape(2, 3), "b": jnp.zeros(3, jnp.int32)}


def net() -> rv.Network:
    """A small network with learnable delays."""
    return rv.feedforward([2, 3], neuron=rv.LIF(), delay=rv.synaptic(0.5, 5.0), key=jax.random.key(0))


def leaves(tree: Any) -> list[Any]:
    """All arrays and other values of a tree, comparable."""
    found, shape = jax.tree.flatten(tree)
    return [*(value.tolist() if hasattr(value, "tolist") else value for value in found), str(shape)]


def spikes_of(spikes: rv.Spikes) -> list[Any]:
    """The numbers of spikes; raises where they are no spikes."""
    time, unit = np.asarray(spikes.time), np.asarray(spikes.unit)
    some = np.isfinite(time)
    assert not np.isnan(time).any()
    assert (unit[some] >= 0).all()
    assert spikes.size is None or (unit[some] < spikes.size).all()
    return [time.tolist(), unit.tolist(), spikes.size]


@dataclasses.dataclass(frozen=True)
class Reader:
    """How one kind of file is read.

    Args:
        name: The file's name; its ending may matter.
        write: Writes a good one into a path, and gives the file to spoil.
        read: Reads it: something that compares equal where the same was read. Asserts that it is valid.
        exact: Whether a file that is not refused must give the same: the format has a checksum.
        text: Whether it is text, of which words are changed rather than bytes.
    """

    name: str
    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    exact: bool = False
    text: bool = False


def _shd(path: Path) -> None:
    rng = np.random.default_rng(1)
    with SpikeWriter(path, classes=("a", "b"), channels=20, speakers=("x",)) as out:
        for label in (0, 1, 1, 0):
            out.add(np.sort(rng.uniform(0, 900, 20)), rng.integers(0, 20, 20), label=label, speaker=0, split=0)


def _read_shd(path: Path) -> Any:
    file = read_spike_file(path)
    rows = file.read(np.arange(file.size))
    about = [file.channels, file.classes, file.speakers]
    return [
        rows.time.tolist(),
        rows.unit.tolist(),
        file.label.tolist(),
        file.speaker.tolist(),
        file.split.tolist(),
        about,
    ]


def _tidigits(path: Path) -> None:
    rng = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        for part in ("train", "test"):
            names = [f"man-ae-{part}{number}-{said}" for number, said in enumerate(("o", "1", "z", "34"))]
            file[f"{part}_labels"] = np.array(names, "S")
            for name in names:
                file[f"{part}_timestamps/{name}"] = rng.uniform(0, 1, 8)
                file[f"{part}_addresses/{name}"] = rng.integers(0, 64, 8)


def _idx(path: Path) -> None:
    path.write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 4, *range(12)]))


def _aedat31(path: Path) -> None:
    body = b"".join(
        struct.pack("<II", int(u) << 1 | 1, round(1000 * float(t)))
        for t, u in zip(SPIKES.time, SPIKES.unit, strict=True)
    )
    path.write_bytes(b"#!AER-DAT3.1\r\n#!END-HEADER\r\n" + struct.pack("<hhiiiiii", 1, 0, 8, 4, 0, 4, 4, 4) + body)


def _sound(kind: str, path: Path) -> None:
    wave = 0.5 * np.sin(np.arange(400) / 5.0)
    content = io.BytesIO()
    soundfile.write(content, wave, 8000, format=kind)
    path.write_bytes(content.getvalue())


def _read_sound(path: Path) -> Any:
    found = read_sound(path.read_bytes())
    assert np.isfinite(found.pressure).all()
    return [found.rate, found.pressure.tolist()]


@functools.cache
def _wired() -> rv.Network:
    neuron = rv.LIF(6.0, 6.0, refractory=jnp.inf)
    return rv.feedforward([4, 2], neuron=neuron, weight=rv.initializers.constant(0.8), key=jax.random.key(0))


def _recording(path: Path) -> None:
    chip, inputs = EmulatedChip(BrainScaleS2()), {"input": jnp.ones((3, 4))}
    measured = chip.measure(_wired(), inputs, 60.0, key=jax.random.key(1))
    save_recording(path, Recording(chip.written(_wired()), inputs, measured, 60.0))


def _read_recording(path: Path) -> Any:
    return leaves(load_recording(path, _wired()))


def _list(path: Path) -> None:
    for number in range(3):
        _sound("WAV", path.parent / f"{number}.wav")
    path.write_text("file,label,speaker,split\n0.wav,yes,x,train\n1.wav,no,y,test\n2.wav,yes,x,train\n")


def _run(path: Path) -> None:
    """A run folder; the file is one of its JSON files."""
    folder = RunFolder(path.parent)
    line = {"epoch": 1, "loss": 0.5, "validation_loss": 0.5, "validation_accuracy": 0.5, "seconds": 1.0}
    if not folder.finished:
        folder.start({"name": "yin-yang", "seed": 0}, {"batch": 3}, {"versions": {}}, resume=False)
        folder.append_epoch(line)
        folder.append_epoch(line | {"epoch": 2})
        save_arrays(folder.samples, {"target": np.zeros(2)}, simulator=None, trouble="", t_end=1.0, record={}, learn=[])
        folder.finish({"test_accuracy": 0.5, "parameters": 3})


def _read_run(path: Path) -> Any:
    folder = RunFolder(path.parent)
    folder.config(), folder.epochs(), folder.result()
    return [(one.numbers, one.settings) for one in read_outcomes(path.parent)]


def _samples(path: Path) -> None:
    spikes = {"spikes.input.time": np.ones((2, 3)), "spikes.input.unit": np.zeros((2, 3), np.int32)}
    save_arrays(path, spikes, simulator=None, trouble="", t_end=1.0, record={}, learn=["weight"])


def _script(path: Path) -> None:
    facts = '{"samples": 1, "populations": [{"name": "a", "input": false, "size": 3}]}'
    np.savez(path, facts=np.asarray(facts), p0_index=np.array([0, 2]), p0_time=np.array([1.0, 2.0]))


def _config(path: Path) -> None:
    write_config(experiment("yin-yang", hidden=4), path)


def _read_config(path: Path) -> Any:
    given = read_config(path)
    return experiment(given.pop("task", "yin-yang"), **given).describe()


def _arguments(path: Path) -> None:
    words = [
        "train",
        "yin-yang",
        "--hidden",
        "4",
        "--delay",
        "axonal",
        "--seeds",
        "0..2",
        "--epochs",
        "3",
        "--out",
        "x",
    ]
    path.write_text("\n".join(words))


def _read_arguments(path: Path) -> Any:
    """The words of a file as a command line; training itself is left out."""
    words = path.read_text("utf-8", errors="replace").split("\n")
    if words[:1] in (["study"], ["bench"], ["completion"]):
        return 0

    def reached(*_: Any) -> Any:
        msg = "training would begin"
        raise ValueError(msg)

    with (
        mock.patch.object(train.Job, "run", reached),
        mock.patch.object(train, "run_workers", reached),
        mock.patch("ranvier.lab.dry_run.estimate", reached),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()) as told,
    ):
        status = execute(words)
    assert status in (0, 1, 2), status
    assert status == 0 or told.getvalue().count("\n") == 1, told.getvalue()
    return told.getvalue()


def _quiet(read: Callable[[Path], Any], path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read(path)


FOUR = recordings.table([0, 1, 2, 3], size=4)
save_net = lambda path: rv.save(path, net())
save_tree = lambda path: save_arrays(path, TREE, epoch=3)
read_tree = lambda path: leaves(read_arrays(path, TREE)[0])
listed = lambda path: [(one.label, one.speaker, one.split) for one in find_recordings(path).items]
digits = lambda path: [
    leaves((part.time, part.unit, part.label)) for part in (ntidigits(path).train, ntidigits(path).test)
]

READERS = {
    "network": Reader("a.npz", save_net, lambda path: leaves(rv.load(path)), exact=True),
    "checkpoint": Reader("a.npz", save_tree, read_tree, exact=True),
    "samples": Reader("samples.npz", _samples, lambda path: leaves(read_samples(RunFolder(path.parent)).spikes), exact=True),
    "config.json": Reader("config.json", _run, _read_run, text=True),
    "metrics.jsonl": Reader("metrics.jsonl", _run, _read_run, text=True),
    "metrics.json": Reader("metrics.json", _run, _read_run, text=True),
    "config.toml": Reader("config.toml", _config, _read_config, text=True),
    "spike file": Reader("a.h5", _shd, _read_shd, exact=True),
    "tidigits": Reader("a.h5", _tidigits, partial(_quiet, digits)),
    "idx": Reader("a", _idx, lambda path: read_idx(path).array.tolist()),
    "csv": Reader("a.csv", lambda path: recordings.write_csv(path, SPIKES),
                  lambda path: spikes_of(recordings.read_csv(path, size=4)), text=True),
    "npz": Reader("a.npz", lambda path: recordings.write_npz(path, SPIKES),
                  lambda path: spikes_of(recordings.read_npz(path)), exact=True),
    "address events": Reader("a.txt", lambda path: recordings.write_aer_text(path, SPIKES),
                             lambda path: spikes_of(recordings.read_aer_text(path, FOUR).spikes), text=True),
    "aedat 2": Reader("a.aedat", lambda path: recordings.write_aedat2(path, SPIKES),
                      lambda path: spikes_of(recordings.read_aedat2(path, FOUR).spikes)),
    "aedat 3.1": Reader("a.aedat", _aedat31, lambda path: spikes_of(recordings.read_aedat31(path, FOUR).spikes)),
    "nwb": Reader("a.nwb", lambda path: recordings.write_nwb(path, SPIKES), partial(_quiet, lambda path: spikes_of(recordings.read_nwb(path)))),
    "nir": Reader("a.nir", lambda path: nir.write(path, net()), lambda path: leaves(nir.read(path)), exact=True),
    "chip recording": Reader("a.npz", _recording, _read_recording, exact=True),
    "script's result": Reader("a.npz", _script, lambda path: leaves(scripts.read_spikes(path)), exact=True),
    "wav": Reader("a.wav", partial(_sound, "WAV"), _read_sound),
    "flac": Reader("a.flac", partial(_sound, "FLAC"), _read_sound),
    "list": Reader("list.csv", _list, listed, text=True),
    "command line": Reader("words", _arguments, _read_arguments, text=True),
}  # fmt: skip
