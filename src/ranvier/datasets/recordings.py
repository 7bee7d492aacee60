"""Recordings: which sounds there are in a folder, an archive or a list, and what is known of each.

Where a CSV file lists `file, label, speaker, split` it is believed. Else a recording's label is the folder in which it
lies; where all lie in one, the beginning of its name: `7_jackson_32.wav` is label 7, speaker jackson. Names of Google
Speech Commands, `WORD/SPEAKER_nohash_0.wav`, tell speaker and split: by the official lists where they are there, else
by the published rule, which the lists follow.
"""

import csv
import hashlib
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ranvier.datasets.spike_files import SPLITS

ENDINGS = (".wav", ".flac", ".ogg", ".oga")
ARCHIVES = (".zip", ".tar", ".gz", ".tgz")
COMMANDS = "_nohash_"
"""What stands in each name of Google Speech Commands, behind the speaker."""
LISTS = {"validation_list.txt": "validation", "testing_list.txt": "test"}
NAMES = {"train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
         "test": "test", "testing": "test", "": ""}  # fmt: skip
"""Names that a list may give to a split."""


class Recording(NamedTuple):
    """One recording.

    Args:
        file: Its name, from the folder or archive on, with slashes.
        label: What is said.
        speaker: Who says it; empty where unknown.
        split: `train`, `validation`, `test`; empty where unknown.
    """

    file: str
    label: str
    speaker: str = ""
    split: str = ""


class Recordings(NamedTuple):
    """Recordings and where they lie: use `find_recordings`.

    Args:
        items: The recordings.
        places: Folder or archive in which each lies, and the name it has there.
    """

    items: tuple[Recording, ...]
    places: tuple[tuple[Path, str], ...]

    def contents(self) -> Iterator[tuple[Recording, bytes]]:
        """Each recording with the bytes of its file, place by place."""
        wanted: dict[Path, dict[str, Recording]] = {}
        for item, (place, inner) in zip(self.items, self.places, strict=True):
            wanted.setdefault(place, {})[inner] = item
        for place, names in wanted.items():
            for inner, content in _contents(place, names):
                yield names[inner], content


def find_recordings(source: Path | str, *, label: str = "label") -> Recordings:
    """The recordings of a folder, an archive or a list.

    Args:
        source: A folder (archives in it are opened, too), a zip or tar archive, or a CSV file with the columns `file`,
            `label`, and where known `speaker` and `split`; files are looked for in its folder and in archives there.
        label: The column that holds the labels.

    Raises:
        FileNotFoundError: there is no such source, or a file of the list is missing.
        ValueError: it holds no recording, is broken, or the list lacks a column.

    Example:
        >>> import tempfile, pathlib
        >>> from ranvier.datasets import find_recordings
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> for name in ("yes", "no"):
        ...     (folder / name).mkdir()
        ...     (folder / name / "ab12_nohash_0.wav").touch()
        >>> [(one.label, one.speaker, one.split) for one in find_recordings(folder).items]
        [('no', 'ab12', 'train'), ('yes', 'ab12', 'train')]
    """
    source = Path(source)
    if not source.exists():
        msg = f"there is no {source}; name a folder, a zip or tar archive, or a CSV file of recordings."
        raise FileNotFoundError(msg)
    if source.suffix.lower() == ".csv":
        return _listed(source, label)
    there = _in_folder(source) if source.is_dir() else dict.fromkeys(_members(source), source)
    sounds = {name: place for name, place in there.items() if _is_sound(name)}
    if not sounds:
        msg = f"{source} holds no recording; expected files that end in {', '.join(ENDINGS)}, or archives of them."
        raise ValueError(msg)
    official = {name: text for name, text in _texts(there) if PurePosixPath(name).name in LISTS}
    names = sorted(sounds)
    items = tuple(_described(names, _official(official)))
    return Recordings(items, tuple((sounds[name], name) for name in names))


def _is_sound(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in ENDINGS and "_background_noise_" not in path.parts and not path.name.startswith(".")


def _described(names: Sequence[str], official: dict[str, str]) -> Iterator[Recording]:
    """What the names of files tell."""
    paths = [PurePosixPath(name) for name in names]
    one_folder = len({path.parent for path in paths}) == 1
    for name, path in zip(names, paths, strict=True):
        if COMMANDS in path.stem:
            key = f"{path.parent.name}/{path.stem}"
            split = official.get(key, "train") if official else which_split(path.stem)
            yield Recording(name, path.parent.name, path.stem.partition(COMMANDS)[0], split)
        elif one_folder:
            first, *others = path.stem.split("_")
            yield Recording(name, first, others[0] if len(others) > 1 else "")
        else:
            yield Recording(name, path.parent.name)


def which_split(stem: str) -> str:
    """The published split of a recording of Google Speech Commands: 10 % validation, 10 % test, no speaker in two.

    Args:
        stem: Name of the file without folder and ending, `SPEAKER_nohash_0`.

    Example:
        >>> from ranvier.datasets import which_split
        >>> which_split("171b56dc_nohash_0")
        'validation'

    Source: Warden, arXiv:1804.03209.
    """
    most = 2**27 - 1
    number = int(hashlib.sha1(stem.partition(COMMANDS)[0].encode(), usedforsecurity=False).hexdigest(), 16)
    share = 100.0 * (number % (most + 1)) / most
    return "validation" if share < 10 else "test" if share < 20 else "train"


def _official(texts: dict[str, str]) -> dict[str, str]:
    """Splits of the official lists, by word and name without ending."""
    return {
        str(PurePosixPath(line.strip()).with_suffix("")): LISTS[PurePosixPath(name).name]
        for name, text in texts.items()
        for line in text.splitlines()
        if line.strip()
    }


def _listed(source: Path, label: str) -> Recordings:
    """The recordings of a CSV file."""
    with source.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        columns, rows = list(table.fieldnames or ()), list(table)
    missing = [name for name in ("file", label) if name not in columns]
    if missing or not rows:
        why = f"it lacks {', '.join(missing)}" if missing else "it has no row"
        msg = f"{source}: expected the columns file, {label}, and where known speaker, split; {why}; it has {columns}."
        if label in missing and len(columns) > 1:
            msg += " Another column may hold the labels: --label-column NAME."
        raise ValueError(msg)
    items = [Recording(row["file"], row[label], row.get("speaker") or "", row.get("split") or "") for row in rows]
    for number, one in enumerate(items, start=2):
        if one.split not in NAMES or not one.label:
            msg = f"{source}, line {number}: expected a label and a split of {', '.join(SPLITS)}; got {one}."
            raise ValueError(msg)
    twice = len(items) - len({one.file for one in items})
    if twice:
        msg = f"{source}: {twice} files are listed twice; expected each once."
        raise ValueError(msg)
    there = _in_folder(source.parent)
    lost = [one.file for one in items if one.file not in there]
    if lost:
        msg = (
            f"{source}: {len(lost)} of {len(items)} files are neither in its folder nor in an archive there: "
            f"{', '.join(lost[:5])}{', ...' if len(lost) > 5 else ''}."
        )
        raise FileNotFoundError(msg)
    places = tuple((there[one.file], one.file) for one in items)
    return Recordings(tuple(one._replace(split=NAMES[one.split]) for one in items), places)


def _in_folder(folder: Path) -> dict[str, Path]:
    """Names of all files of a folder and of the archives in it, and where each lies."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        packed = path.suffix.lower() in ARCHIVES
        names, place = (_members(path), path) if packed else ([path.relative_to(folder).as_posix()], folder)
        twice = [name for name in names if name in found and _is_sound(name)]
        if twice:
            msg = f"{twice[0]} is in {found[twice[0]]} and in {place}; keep one, or unpack both into folders."
            raise ValueError(msg)
        found |= dict.fromkeys(names, place)
    return found


def _members(archive: Path) -> list[str]:
    """Names of the files in an archive."""
    try:
        if archive.suffix.lower() == ".zip":
            with zipfile.ZipFile(archive) as file:
                return [one.filename for one in file.infolist() if not one.is_dir()]
        with tarfile.open(archive) as file:
            return [one.name.removeprefix("./") for one in file if one.isfile()]
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, ValueError) as error:
        msg = f"{archive} is broken or no archive ({str(error)[:200]}); fetch it again."
        raise ValueError(msg) from error


def _texts(there: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """The small text files beside the recordings that may be official lists."""
    lists: dict[Path, list[str]] = {}
    for name, place in there.items():
        if PurePosixPath(name).name in LISTS:
            lists.setdefault(place, []).append(name)
    for place, names in lists.items():  # an archive is gone through once
        for name, content in _contents(place, names):
            yield name, content.decode("utf-8", "replace")


def _contents(place: Path, names: Sequence[str] | dict[str, Recording]) -> Iterator[tuple[str, bytes]]:
    """Bytes of files of a folder or an archive; of a broken member none."""
    if place.is_dir():
        for name in names:
            yield name, (place / name).read_bytes()
    elif place.suffix.lower() == ".zip":
        with zipfile.ZipFile(place) as file:
            for name in names:
                try:
                    yield name, file.read(name)
                except (zipfile.BadZipFile, EOFError, OSError, ValueError, RuntimeError):
                    yield name, b""
    else:
        wanted = set(names)
        with tarfile.open(place) as file:
            for one in file:
                name = one.name.removeprefix("./")
                if name in wanted:
                    content = file.extractfile(one)
                    yield name, content.read() if content is not None else b""
