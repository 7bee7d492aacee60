"""From recordings to a file of spikes, in several processes.

This process reads the files, the others decode them and run the cochlea, and the samples are written in the order in
which they are read. The result does not depend on the number of processes.
"""

import dataclasses
import functools
import math
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from ranvier.datasets import Recording, Recordings, SpikeWriter, find_recordings
from ranvier.datasets.sounds import Sound, SoundError, read_sound
from ranvier.datasets.spike_files import SPLITS
from ranvier.encoders import Cochlea
from ranvier.encoders.cochlea import Train

AT_ONCE = 32
"""Recordings that go to a process together."""
NAMED = 50
"""Broken files that are named; there may be more."""
Told = Callable[[int, int], None]


class BrokenRecordings(ValueError):
    """Some recordings cannot be used; the message names them."""


class Encoded(NamedTuple):
    """What came of encoding.

    Args:
        samples: Number of samples in the file.
        spikes: Of all samples.
        classes: Names of the classes.
        speakers: Number of speakers, 0 where unknown.
        splits: Samples in each split that is known.
        left_out: Files that were broken, and why.
    """

    samples: int
    spikes: int
    classes: tuple[str, ...]
    speakers: int
    splits: dict[str, int]
    left_out: tuple[str, ...]


def encode(
    source: Path | str,
    out: Path | str,
    cochlea: Cochlea,
    *,
    label: str = "label",
    workers: int = 1,
    skip_broken: bool = False,
    tell: Told = lambda done, all_of_them: None,
) -> Encoded:
    """Encode recordings into a file in the layout of SHD.

    Args:
        source: Folder, archive or CSV file; see `ranvier.datasets.find_recordings`.
        out: The file to write. It appears when it is whole.
        cochlea: What makes spikes of sounds.
        label: Column of the CSV file that holds the labels.
        workers: Processes.
        skip_broken: Leave broken recordings out instead of refusing all.
        tell: Called with the number of recordings done, and of all, on the way.

    Raises:
        BrokenRecordings: some are broken or silent; all of them are named, and no file is written.
        FileNotFoundError: the source, or a file of a list, is not there.
        ValueError: the source holds no recording, or `cochlea` cannot hear sounds of that rate.

    Example:
        See `ranvier encode --help`.
    """
    recordings = find_recordings(source, label=label)
    classes = tuple(sorted({one.label for one in recordings.items}, key=_natural))
    speakers = sorted({one.speaker for one in recordings.items} - {""}, key=_natural)
    facts = {"encoder": "ranvier.encoders.Cochlea", **dataclasses.asdict(cochlea)}
    broken, done, spikes = [], 0, 0
    parts: dict[str, int] = dict.fromkeys(SPLITS, 0)
    with SpikeWriter(out, classes=classes, channels=cochlea.channels, speakers=speakers, facts=facts) as file:
        for one, found in _encoded(recordings, cochlea, workers):
            done += 1
            tell(done, len(recordings.items))
            if isinstance(found, str):
                broken.append(f"{one.file} {found}")
                continue
            spikes += len(found.time)
            who, split = (
                speakers.index(one.speaker) if one.speaker else -1,
                SPLITS.index(one.split) if one.split else -1,
            )
            parts |= {one.split: parts[one.split] + 1} if one.split else {}
            file.add(found.time, found.unit, label=classes.index(one.label), speaker=who, split=split, name=one.file)
        if broken and not (skip_broken and done > len(broken)):
            raise BrokenRecordings(_named(broken, done))
    there = {name: count for name, count in parts.items() if count}
    return Encoded(done - len(broken), spikes, classes, len(speakers), there, tuple(broken))


def _named(broken: Sequence[str], done: int) -> str:
    more = f"; and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
    way = "mend or remove them" if len(broken) == done else "mend or remove them, or leave them out: --skip-broken"
    return f"{len(broken)} of {done} recordings cannot be used; {way}. {'; '.join(broken[:NAMED])}{more}."


def _natural(text: str) -> tuple[float, str]:
    """Numbers by size, words by letters behind them."""
    return (float(text) if text.isdecimal() else math.inf), text


def _encoded(recordings: Recordings, cochlea: Cochlea, workers: int) -> Iterator[tuple[Recording, Train | str]]:
    """Each recording with its spikes, or with what is wrong with it."""
    work = functools.partial(encode_contents, cochlea)
    contents = recordings.contents()
    packs = iter(lambda: list(islice(contents, AT_ONCE)), [])
    if workers == 1:
        yield from chain.from_iterable(
            zip((one for one, _ in pack), work([c for _, c in pack]), strict=False) for pack in packs
        )
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        under_way: deque[tuple[list[Recording], Future[Any]]] = deque()
        for pack in packs:
            under_way.append(([one for one, _ in pack], pool.submit(work, [content for _, content in pack])))
            if len(under_way) > 2 * workers:
                yield from _arrived(under_way)
        while under_way:
            yield from _arrived(under_way)


def _arrived(under_way: deque[tuple[list[Recording], Future[Any]]]) -> Iterable[tuple[Recording, Train | str]]:
    items, future = under_way.popleft()
    return zip(items, future.result(), strict=True)


def encode_contents(cochlea: Cochlea, contents: Sequence[bytes]) -> list[Train | str]:
    """Spikes of the sounds in some files, or what is wrong with them.

    Args:
        cochlea: What makes spikes of sounds.
        contents: The bytes of each file.
    """
    found: list[Train | str | Sound] = []
    for content in contents:
        try:
            found.append(read_sound(content))
        except SoundError as error:
            found.append(str(error))
    rates = {one.rate for one in found if isinstance(one, Sound)}
    for rate in rates:
        places = [at for at, one in enumerate(found) if isinstance(one, Sound) and one.rate == rate]
        sounds = [one.pressure for one in found if isinstance(one, Sound) and one.rate == rate]
        for at, train in zip(places, cochlea.trains(sounds, rate=rate), strict=True):
            found[at] = (
                train if len(train.time) else "gives no spike: it is too faint, or no sound that the cochlea hears"
            )
    return [one for one in found if not isinstance(one, Sound)]
