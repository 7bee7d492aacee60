"""Small files of spikes that tests share: three classes, each a pattern of its own, jittered and thinned out."""

from pathlib import Path

import h5py
import numpy as np

from ranvier.datasets import SpikeWriter

CLASSES, CHANNELS = ("no", "so", "yes"), 20


def patterns(samples: int, channels: int = CHANNELS, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """Times (ms), units and class of each sample; the patterns are the same for every seed."""
    known, rng = np.random.default_rng(99), np.random.default_rng(seed)
    each = [(known.uniform(0, 120, 60), known.integers(0, channels, 60)) for _ in CLASSES]
    found = []
    for sample in range(samples):
        time, unit = each[sample % 3]
        time = np.maximum(time + rng.normal(0.0, 2.0, 60), 0.0)
        kept = np.flatnonzero(rng.uniform(size=60) < rng.uniform(0.5, 1.0))
        order = kept[np.argsort(time[kept])]
        found.append((time[order], unit[order], sample % 3))
    return found


def write_words(path: Path, samples: int = 60, speakers: int = 12, *, splits: bool = True) -> Path:
    """A file as `ranvier encode` writes it."""
    names = [f"speaker{n}" for n in range(speakers)]
    with SpikeWriter(path, classes=CLASSES, channels=CHANNELS, speakers=names) as out:
        for sample, (time, unit, label) in enumerate(patterns(samples)):
            who = sample // 3 % max(speakers, 1) if speakers else -1
            out.add(time, unit, label=label, speaker=who, split=[0, 0, 0, 1, 2][who % 5] if splits else -1)
    return path


def write_published(path: Path, samples: int, *, speakers: int = 0, seed: int = 0) -> Path:
    """A file as SHD and SSC are published: 700 channels, float16 seconds, no word about splits or channels."""
    rows = patterns(samples, 700, seed)
    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (samples,), h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (samples,), h5py.vlen_dtype(np.uint16))
        for at, (time, unit, _) in enumerate(rows):
            times[at], units[at] = (time / 1000.0).astype(np.float16), unit.astype(np.uint16)
        file["labels"] = np.array([label for _, _, label in rows], np.uint16)
        file["extra/keys"] = [name.encode() for name in CLASSES]
        if speakers:
            file["extra/speaker"] = np.arange(samples, dtype=np.uint16) // 3 % speakers
    return path
