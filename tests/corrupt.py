"""Corrupted files in number: `python tests/corrupt.py [1000] [SEED]`; test_corrupted.py runs a few of them.

Each kind of file is damaged in many ways. What is read must be refused by name, or be the very same as before: with one
exception, samples of a WAV file, which have no checksum. They may be others, but never silence, nor of another length or
rate. Each thousand runs in a process of its own, so that a crash of a decoder would be seen.
"""

import collections
import io
import multiprocessing
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import soundfile

from ranvier.datasets import SoundError, SpikeFileError, SpikeWriter, find_recordings, read_sound, read_spike_file
from ranvier.encoders import Cochlea
from ranvier.lab.encoding import BrokenRecordings, encode

Damage = Callable[[bytes, np.random.Generator], bytes]
RATE = 16_000


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def cut_in_front(content: bytes, rng: np.random.Generator) -> bytes:
    return content[int(rng.integers(1, len(content))) :]


def flip(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for at in rng.integers(0, len(content), int(rng.integers(1, 4))):
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def flip_in_head(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    changed[int(rng.integers(0, min(96, len(content))))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def overwrite(content: bytes, rng: np.random.Generator) -> bytes:
    at, size = int(rng.integers(0, len(content))), int(rng.integers(1, 400))
    return content[:at] + rng.bytes(len(content[at : at + size])) + content[at + size :]


def erase(content: bytes, rng: np.random.Generator) -> bytes:
    at, size = int(rng.integers(0, len(content))), int(rng.integers(1, 4096))
    return content[:at] + bytes(len(content[at : at + size])) + content[at + size :]


def lose(content: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(0, len(content)))
    return content[:at] + content[at + int(rng.integers(1, 600)) :]


def swap(content: bytes, rng: np.random.Generator) -> bytes:
    half = int(rng.integers(1, len(content)))
    return content[half:] + content[:half]


DAMAGES: tuple[Damage, ...] = (cut, cut_in_front, flip, flip_in_head, overwrite, erase, lose, swap)


def written(wave: np.ndarray, kind: str, subtype: str | None = None, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format=kind, subtype=subtype)
    return file.getvalue()


def sound(seed: int) -> np.ndarray:
    """Half a second that is no pure tone."""
    rng = np.random.default_rng(seed)
    time = np.arange(RATE // 2) / RATE
    return 0.4 * np.sin(2 * np.pi * (200 + 900 * time) * time) + 0.02 * rng.standard_normal(len(time))


def other_things(rng: np.random.Generator) -> bytes:
    """What should not have been given the name of a sound at all, or is none."""
    wave = sound(0)
    wrong = wave.copy()
    wrong[int(rng.integers(len(wave)))] = (np.nan, np.inf, -np.inf, 1e30)[int(rng.integers(4))]
    head = bytearray(written(wave, "WAV"))
    head[24:28] = struct.pack("<I", int(rng.choice([0, 1, 7_999, 48_001, 2**31, 2**32 - 1])))
    made = [
        b"",
        b"this is no sound\n" * int(rng.integers(1, 99)),
        rng.bytes(int(rng.integers(1, 9999))),
        written(np.zeros(RATE), "WAV"),
        written(np.full(RATE, 0.3), "FLAC"),
        written(np.zeros(RATE), "OGG"),
        written(wrong, "WAV", "FLOAT"),
        written(wrong, "WAV", "DOUBLE"),
        written(np.zeros((RATE, 2)), "WAV"),
        written(np.stack([wave, -wave], axis=1), "WAV", "FLOAT"),  # the channels take each other away
        written(wave[:0], "WAV"),
        written(wave, "WAV", rate=96_000),
        bytes(head),
        b"RIFF" + bytes(int(rng.integers(0, 99))),
        b"fLaC" + rng.bytes(int(rng.integers(0, 999))),
        b"OggS" + rng.bytes(int(rng.integers(0, 999))),
        b"<html><body>404 Not Found</body></html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    ]
    return made[int(rng.integers(len(made)))]


def broken_sounds(count: int, seed: int) -> Iterator[tuple[str, bytes, bytes | None]]:
    """What was done, the damaged file, and the whole one."""
    rng = np.random.default_rng(seed)
    whole = [("wav", written(sound(1), "WAV")), ("wav float", written(sound(2), "WAV", "FLOAT")),
             ("wav 24", written(sound(3), "WAV", "PCM_24")), ("flac", written(sound(4), "FLAC")),
             ("flac 24", written(sound(5), "FLAC", "PCM_24")), ("ogg", written(sound(6), "OGG"))]  # fmt: skip
    for number in range(count):
        if number % 5 == 0:
            yield "other", other_things(rng), None
            continue
        (name, content), damage = whole[number % len(whole)], DAMAGES[int(rng.integers(len(DAMAGES)))]
        changed = damage(content, rng)
        if changed != content:
            yield f"{name}: {damage.__name__}", changed, content


def check_sounds(count: int, seed: int) -> dict[str, int]:
    """How many were refused, read as they were, or (WAV) read with other samples; anything else raises."""
    found: collections.Counter[str] = collections.Counter()
    for what, changed, whole in broken_sounds(count, seed):
        try:
            got = read_sound(changed)
        except SoundError:
            found["refused"] += 1
            continue
        assert whole is not None, f"{what}: taken for a sound: {changed[:60]!r}, {len(changed)} bytes"
        good = read_sound(whole)
        assert got.rate == good.rate, (what, got.rate)
        assert np.std(got.pressure) > 1e-5, what
        if len(got.pressure) == len(good.pressure) and np.array_equal(got.pressure, good.pressure):
            found["the same"] += 1
            continue
        assert what.startswith("wav"), what
        assert len(got.pressure) == len(good.pressure), (what, len(got.pressure))
        found["other samples of a WAV file"] += 1
    return dict(found)


def check_encoding(folder: Path, count: int, seed: int) -> int:
    """`ranvier encode` names each one that is broken, and writes nothing."""
    (folder / "word").mkdir()
    for number, (_, changed, _) in enumerate(broken_sounds(count, seed)):
        (folder / "word" / f"{number}.wav").write_bytes(changed)
    broken = set()
    for one, content in find_recordings(folder).contents():
        try:
            read_sound(content)
        except SoundError:
            broken.add(one.file)
    told = ""
    try:
        encode(folder, folder / "out.h5", Cochlea(channels=8))
    except BrokenRecordings as error:
        told = str(error)
    assert told.startswith(f"{len(broken)} of {count} recordings cannot be used"), told[:200]
    assert sum(f"{name} " in told for name in broken) == min(len(broken), 50)
    assert not (folder / "out.h5").exists()
    return len(broken)


def spike_files(folder: Path) -> dict[str, Path]:
    """Whole files: as ranvier writes them, and as SHD is published."""
    rng = np.random.default_rng(0)
    rows = [(np.sort(rng.uniform(0, 900, 300)), rng.integers(0, 40, 300), n % 3) for n in range(12)]
    own, other = folder / "own.h5", folder / "shd_train.h5"
    with SpikeWriter(own, classes=("a", "b", "c"), channels=40, speakers=("x", "y")) as out:
        for number, (time, unit, label) in enumerate(rows):
            out.add(time, unit, label=label, speaker=number % 2, split=number % 3)
    with h5py.File(other, "w") as file:
        times = file.create_dataset("spikes/times", (len(rows),), h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (len(rows),), h5py.vlen_dtype(np.uint16))
        for at, (time, unit, _) in enumerate(rows):
            times[at], units[at] = (time / 1000).astype(np.float16), unit.astype(np.uint16)
        file["labels"] = np.array([label for _, _, label in rows], np.uint16)
        file["extra/keys"] = [b"a", b"b", b"c"]
        file["extra/speaker"] = np.arange(len(rows), dtype=np.uint16) % 2
    return {"own": own, "published": other}


def check_spike_files(count: int, seed: int) -> dict[str, int]:
    """How many were refused by name, or read as they were; of published files, without a checksum, also others."""
    rng, found = np.random.default_rng(seed), collections.Counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        good = {name: (path.read_bytes(), read_spike_file(path)) for name, path in spike_files(folder).items()}
        for number in range(count):
            name = ("own", "published")[number % 2]
            content, whole = good[name]
            changed = DAMAGES[int(rng.integers(len(DAMAGES)))](content, rng)
            path = folder / f"shd_{number}.h5"
            path.write_bytes(changed)
            told = None
            try:
                got = read_spike_file(path)
            except SpikeFileError as error:
                told = str(error)
            path.unlink()
            if told is not None:
                assert str(path) in told, told
                found["refused"] += 1
                continue
            same = got.checksum == whole.checksum
            assert same or name == "published", f"{number}: other spikes in a file that has a checksum"
            rows = got.read(np.arange(got.size))
            assert np.isfinite(rows.time).all()
            assert got.count.sum() > 0
            assert 0 <= rows.unit.min() <= rows.unit.max() < got.channels
            found["the same" if same else "other numbers in a file without a checksum"] += 1
    return dict(found)


def check_folder(count: int, seed: int) -> int:
    with tempfile.TemporaryDirectory() as place:
        return check_encoding(Path(place), count, seed)


if __name__ == "__main__":
    count, seed = (int(word) for word in [*sys.argv[1:3], *("1000", "0")[len(sys.argv) - 1 :]])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for check in (check_sounds, check_folder, check_spike_files):
            sys.stdout.write(f"{check.__name__}, {count}: {pool.apply_async(check, (count, seed)).get(timeout=600)}\n")
