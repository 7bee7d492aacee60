"""Spoilt files for everything that reads files: `make fuzz`, `python tests/fuzz.py --cases 10000 nir csv`.

Each case is a good file with bytes or words changed, moved, cut out or put in; of archives also the members inside, so that
their checksums hold, and members that would run code if they were unpickled. A reader must refuse it with one of `CLEAN`, or
give something valid; the same as before where the format has a checksum. Whatever else comes of it is told, with the seed
and the number of the case, and its file is kept: another exception, code that ran, other numbers, a crash, a reader that
does not come back. Readers run in a process of their own, so that a crash is seen. `tests/test_fuzz.py` has a small share.
"""

import argparse
import contextlib
import faulthandler
import io
import json
import multiprocessing
import os
import pickle
import random
import re
import resource
import signal
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ranvier.train import RunError
from readers import READERS, Reader

CLEAN = (ValueError, RunError, FileNotFoundError)
SECONDS = 60
"""A reader that takes longer than this for a file of a few kB does not come back."""
MEMORY = 8 << 30
"""Bytes that a reader may ask for: one that wants more for such a file is wrong, and must not stop the machine."""
CANARY = Path(tempfile.gettempdir()) / f"ranvier-code-ran-{np.random.default_rng().integers(1 << 60)}"
WORDS = ["nan", "inf", "-inf", "-1", "0", "1e999", "1e308", "9" * 30, "null", "true", "[]", "{}", '""', '"', "'", ",", "\n", "=",
         "\0", "é", "\ufeff", "#", "[a]", "none", "__class__", "!!python/object/apply:os.system", "../..", "--", "--help",
         "0..999999999", "train", "report", "compare", "view", "export", "diagnose", "check-gradients", "--config"]  # fmt: skip


class Bomb:
    """Unpickled, it leaves a folder."""

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(CANARY),))


def change_bytes(content: bytes, chance: random.Random) -> bytes:
    """Some bytes flipped, overwritten, moved, doubled, cut out or put in."""
    found = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        at, many = chance.randrange(len(found) + 1), chance.choice([1, 2, 4, 8, 64])
        kind = chance.randrange(7)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            found[at : at + many] = chance.randbytes(1) * min(many, len(found) - at)
        elif kind == 2:
            found[at : at + many] = chance.choice([b"\0", b"\xff", b"\x7f", b"\x80"]) * min(many, len(found) - at)
        elif kind == 3:
            del found[at : at + many]
        elif kind == 4:
            found[at:at] = chance.randbytes(many)
        elif kind == 5:
            other = chance.randrange(len(found) + 1)
            found[at:at] = found[other : other + many]
        else:
            del found[at:]
    return bytes(found)


def change_words(content: bytes, chance: random.Random) -> bytes:
    """Some words of a text replaced by others, by words of its own, or taken out."""
    parts = re.split(r"([\s,:=\[\]{}\"]+)", content.decode())
    for _ in range(chance.choice([1, 1, 2, 4])):
        at = chance.randrange(len(parts))
        parts[at] = chance.choice([chance.choice(WORDS), chance.choice(parts), "", str(chance.uniform(-1e3, 1e3))])
    return "".join(parts).encode("utf-8", "surrogatepass")


def change_json(value: Any, chance: random.Random) -> Any:
    """One value of a JSON tree replaced, or a key taken out."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        if chance.random() < 0.1:
            return {name: one for name, one in value.items() if name != key}
        return value | {key: change_json(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        return [*value[:at], change_json(value[at], chance), *value[at + 1 :]]
    return chance.choice([None, True, -1, 0, 1e308, float("nan"), float("inf"), "", "a", "ranvier:x", [], {}, [[]], {"array": 1},
                          {"kind": "Network", "fields": {}}, {"function": "os:system"}, {"class": "os:system", "fields": {}}])  # fmt: skip


def change_archive(content: bytes, chance: random.Random) -> bytes:
    """An archive of NumPy with a member or a number changed, missing, double, or pickled; its checksums are those of the new content."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name, kind, made = chance.choice(sorted(arrays)), chance.randrange(8), io.BytesIO()
    old = arrays[name]
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[name] = np.array([Bomb()], object)
    elif kind == 2:
        arrays[name] = chance.choice(
            [old.astype("S8"), old[..., None], old.ravel()[:0], np.asarray(3), np.zeros((0, 2))]
        )
    elif kind == 3 and "header" in arrays:
        head = arrays["header"]
        text = head.tobytes().decode() if head.dtype == np.uint8 else str(head)
        text = json.dumps(change_json(json.loads(text), chance))
        arrays["header"] = np.frombuffer(text.encode(), np.uint8) if head.dtype == np.uint8 else np.asarray(text)
    elif kind == 4:
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr(f"{name}.npy", pickle.dumps(Bomb()))
        return made.getvalue()
    elif kind == 5:
        arrays[chance.choice(["extra", "../x", name + "."])] = old
    elif kind == 6:
        arrays[name] = (
            old.astype(chance.choice(["i8", "u1", "?", "f2", "f4", "f8", "c8"]), copy=True)
            if old.dtype.kind in "biuf"
            else old
        )
    elif old.dtype.kind in "iuf" and old.size:
        new = old.copy()
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            new.flat[chance.randrange(new.size)] = np.asarray(chance.choice([np.nan, np.inf, -1.0, 1e30])).astype(
                new.dtype
            )
        arrays[name] = new
    np.savez(made, allow_pickle=True, **arrays)
    return made.getvalue()


def change_hdf5(path: Path, chance: random.Random) -> None:
    """Something inside an HDF5 file: a data set gone, of another type or shape, or with other numbers."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = chance.choice(names)
        old = file[name]
        if len(file.attrs) and chance.random() < 0.3:
            attribute = chance.choice(sorted(file.attrs))
            file.attrs[attribute] = chance.choice(["x", -1, 1 << 40, np.nan, np.zeros(3), np.zeros(0), np.bytes_(b"7")])
            return
        if chance.random() < 0.2 or not isinstance(old, h5py.Dataset):
            del file[name]
            return
        values = chance.choice(
            [np.zeros(3), np.array(-1), np.array("x", "S"), np.full((2, 2), np.nan), np.array([1 << 62])]
        )
        del file[name]
        file[name] = values


def spoil(reader: Reader, path: Path, good: bytes, chance: random.Random) -> None:
    """Write a spoilt file."""
    kind = chance.random()
    if reader.text and kind < 0.7:
        path.write_bytes(change_words(good, chance))
    elif good.startswith(b"PK") and kind < 0.4:
        path.write_bytes(change_archive(good, chance))
    elif good.startswith(b"\x89HDF") and kind < 0.3:
        path.write_bytes(good)
        change_hdf5(path, chance)
    else:
        path.write_bytes(change_bytes(good, chance))


def judge(reader: Reader, path: Path, wanted: Any, changed: bool) -> str:
    """What came of a file: `refused`, `same`, `other`, or what is wrong."""
    try:
        found = reader.read(path)
    except CLEAN as error:
        told = str(error)
        outcome = "refused" if told and len(told) < 2000 else f"a message of {len(told)} letters"
    except BaseException as error:
        outcome = f"{type(error).__name__}: {str(error)[:200]}"
    else:
        alike = repr(found) == repr(wanted)
        outcome = "same" if alike else "OTHER NUMBERS" if reader.exact and not changed else "other"
    if CANARY.exists():
        CANARY.rmdir()
        outcome = "CODE RAN"
    return outcome


def fuzz(name: str, cases: range, seed: int, folder: Path, tell: Any = None) -> Counter[str]:
    """Give a reader spoilt files; how many came to what.

    Args:
        name: Which one.
        cases: Their numbers.
        seed: Of what is spoilt.
        folder: An empty folder; files of which something was wrong stay there.
        tell: Told each number before its file is read.
    """
    reader, found = READERS[name], Counter[str]()
    path = folder / reader.name
    reader.write(path)
    good = path.read_bytes()
    wanted = reader.read(path)
    for case in cases:
        chance = random.Random(f"{name} {seed} {case}")
        spoil(reader, path, good, chance)
        inside = good[:2] == b"PK" or good[:4] == b"\x89HDF"
        if tell is not None:
            tell(case)
        outcome = judge(reader, path, wanted, changed=inside and rewritten(path, good))
        found[outcome] += 1
        if outcome not in ("refused", "same", "other") and found[outcome] <= 3:
            (folder / f"bad-{case}{path.suffix}").write_bytes(path.read_bytes())
            sys.stdout.write(f"{name}, seed {seed}, case {case}: {outcome}\n")
    return found


def rewritten(path: Path, good: bytes) -> bool:
    """Whether a container was written anew with other content, so that its own checksums hold: then it may say something else."""
    content = path.read_bytes()
    if content.startswith(b"\x89HDF"):
        return False
    with contextlib.suppress(Exception), zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.testzip() is None and content != good
    return False


def work(name: str, cases: range, seed: int, folder: str, at: Any, result: Any) -> None:
    """What the process of a reader does."""
    import jax

    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    jax.config.update("jax_enable_x64", True)

    def late(number: int, frame: Any) -> None:
        msg = f"it does not come back from {frame.f_code.co_name}"
        raise TimeoutError(msg)

    signal.signal(signal.SIGALRM, late)

    def tell(case: int) -> None:
        at.value = case
        signal.alarm(SECONDS)

    result.put(fuzz(name, cases, seed, Path(folder), tell))


def main() -> int:
    """All readers, each in its process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", default=list(READERS), metavar="READER", help=", ".join(READERS))
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case, to go on or to share the work")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    numbers = range(given.first, given.first + given.cases)
    wrong, context = 0, multiprocessing.get_context("spawn")
    for name in given.readers:
        start, folder = time.monotonic(), tempfile.mkdtemp(prefix="ranvier-fuzz-")
        at, result = context.Value("i", -1), context.SimpleQueue()
        process = context.Process(target=work, args=(name, numbers, given.seed, folder, at, result))
        process.start()
        process.join()
        if process.exitcode:
            sys.stdout.write(f"{name}: CRASH {process.exitcode} in case {at.value}, the file is in {folder}\n")
            wrong += 1
            continue
        found: Counter[str] = result.get()
        bad = {outcome: count for outcome, count in found.items() if outcome not in ("refused", "same", "other")}
        wrong += sum(bad.values())
        told = ", ".join(f"{found[outcome]} {outcome}" for outcome in ("refused", "same", "other"))
        sys.stdout.write(f"{name}: cases {numbers.start} to {numbers.stop - 1}, {told}, {sum(bad.values())} wrong {bad or ''}"
                         f" ({time.monotonic() - start:.0f} s){' ' + folder if bad else ''}\n")  # fmt: skip
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
