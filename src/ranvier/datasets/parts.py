"""Which samples are for what: official splits, splits by speaker, or at random.

Nothing is ever chosen on test samples. Where the official test speakers are others than those of training, validation
on other speakers says more than on random samples of the same: on SHD a random split has promised 96 % where the test
speakers gave 83 %.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from ranvier.datasets.spike_files import SPLITS, SpikeFile


class Parts(NamedTuple):
    """Numbers of the samples to train on, to choose with, and to report."""

    train: Int[np.ndarray, " _"]
    validation: Int[np.ndarray, " _"]
    test: Int[np.ndarray, " _"]


def official_parts(file: SpikeFile) -> Parts:
    """The splits that a file names.

    Args:
        file: The file.

    Raises:
        ValueError: it names none, or one has no sample.
    """
    found = None if file.split is None else Parts(*(np.flatnonzero(file.split == at) for at in range(len(SPLITS))))
    if found is None or min(map(len, found)) == 0:
        there = "none" if found is None else dict(zip(SPLITS, map(len, found), strict=True))
        wanted = "samples of train, validation and test in extra/split"
        msg = f"{file.path}: expected {wanted}; found {there}. Split by speaker or at random."
        raise ValueError(msg)
    return found


def random_parts(file: SpikeFile, *, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> Parts:
    """Samples at random: speakers may be in several parts, so it says little about others.

    Args:
        file: The file.
        validation: Share of the samples.
        test: Share of the samples.
        seed: Decides which.

    Raises:
        ValueError: the shares leave a part without a sample.
    """
    order = np.random.default_rng(seed).permutation(file.size)
    return _cut(file, order, np.arange(file.size), validation, test)


def speaker_parts(file: SpikeFile, *, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> Parts:
    """Speakers at random: all samples of a speaker are in one part.

    Args:
        file: The file.
        validation: Share of the speakers.
        test: Share of the speakers.
        seed: Decides which.

    Raises:
        ValueError: the file names fewer than three speakers, or the shares leave a part without one.
    """
    who = _speakers(file)
    everybody = np.unique(who)
    order = np.random.default_rng(seed).permutation(len(everybody))
    return _cut(file, order, np.searchsorted(everybody, who), validation, test)


def leave_one_speaker_out(file: SpikeFile, speaker: int | str, *, seed: int = 0) -> Parts:
    """One speaker to report, another one, drawn by `seed`, to choose with, all others to train on.

    Args:
        file: The file.
        speaker: Name of the speaker, or number, from 0.
        seed: Decides who validates.

    Raises:
        ValueError: there is no such speaker, or there are fewer than three.
    """
    who = _speakers(file)
    names: dict[str, int] = {name: at for at, name in enumerate(file.speakers)}
    number = names.get(str(speaker), int(speaker) if str(speaker).isdecimal() else -1)
    others = np.setdiff1d(np.unique(who), number)
    if number not in who:
        known = ", ".join(file.speakers) or ", ".join(map(str, np.unique(who)))
        msg = f"{file.path}: there is no speaker {speaker}; there are {known}."
        raise ValueError(msg)
    other = int(np.random.default_rng(seed).choice(others))
    return Parts(
        np.flatnonzero((who != number) & (who != other)), np.flatnonzero(who == other), np.flatnonzero(who == number)
    )


def _speakers(file: SpikeFile) -> Int[np.ndarray, " samples"]:
    """The speaker of each sample, if the file names three or more."""
    who = file.speaker
    if who is None or who.min() < 0 or len(np.unique(who)) < 3:
        found = "none" if who is None or who.max() < 0 else f"{len(np.unique(who))}, and {(who < 0).sum()} unknown"
        msg = f"{file.path}: a split by speaker needs at least three, known for every sample; found {found}."
        raise ValueError(msg)
    return who


def _cut(
    file: SpikeFile,
    order: Int[np.ndarray, " groups"],
    group: Int[np.ndarray, " samples"],
    validation: float,
    test: float,
) -> Parts:
    """Groups in a random order, cut by shares."""
    few = [max(1, round(share * len(order))) if share > 0 else 0 for share in (validation, test)]
    if min(few) == 0 or len(order) - sum(few) < 1:
        msg = (
            f"{file.path}: shares {validation} for validation and {test} for test leave a part without a sample; there "
            f"are {len(order)} to be shared. Choose shares above 0 that leave some to train on."
        )
        raise ValueError(msg)
    ends = len(order) - sum(few), len(order) - few[1]
    return Parts(*(np.flatnonzero(np.isin(group, part)) for part in np.split(order, ends)))
