"""A small share of `tests/fuzz.py`: spoilt files are refused in words or read as what they say, and run no code."""

import os
import random
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from fuzz import CANARY, Bomb, change_archive, fuzz, judge, spoil
from readers import READERS, Reader

DEAR = {"nwb": 5, "command line": 20, "config.toml": 20}
"""Readers that take longer, and how many files they get."""


@pytest.mark.parametrize("name", READERS)
def test_spoilt_files_are_refused_or_read_as_what_they_say(name: str, tmp_path: Path):
    found = fuzz(name, range(DEAR.get(name, 40)), 1, tmp_path)
    assert set(found) <= {"refused", "same", "other"}, found
    assert found["refused"] + found["other"] > 0


FOUND = {"nwb": 3971, "network": 3158, "samples": 1272, "chip recording": 8362, "npz": 7624}
"""Cases of seed 0 that were once told in thousands of letters, by an error that says nothing, or not at all: the first
ended the process, in HDF5.
"""


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once_stays_mended(name: str, tmp_path: Path):
    reader, path = READERS[name], tmp_path / READERS[name].name
    reader.write(path)
    spoil(reader, path, path.read_bytes(), random.Random(f"{name} 0 {FOUND[name]}"))
    assert judge(reader, path, None, changed=True) in ("refused", "other")


@pytest.mark.parametrize("name", ["spike file", "nir"])
def test_a_list_of_no_kind_ends_no_process(name: str, tmp_path: Path):
    """HDF5 calls a function that is not there where a list of different lengths is neither of numbers nor a text."""
    reader, path = READERS[name], tmp_path / READERS[name].name
    reader.write(path)
    good = path.read_bytes()
    found = [one.start() for one in re.finditer(rb"\x19[\0\1][\0\1]\0\x10\0\0\0", good)]
    assert len(found) >= 3
    for at in found:
        path.write_bytes(good[: at + 1] + bytes([good[at + 1] & 0xF0 | 5]) + good[at + 2 :])
        assert judge(reader, path, None, changed=True) in ("refused", "other")


def test_a_broken_attribute_of_a_spike_file_is_refused_in_words(tmp_path: Path):
    reader, path = READERS["spike file"], tmp_path / "a.h5"
    reader.write(path)
    good, found = path.read_bytes(), set()
    for at in range(good.index(b"channels\0") - 16, good.index(b"channels\0") + 48):
        path.write_bytes(good[:at] + b"\x80" + good[at + 1 :])
        found.add(judge(reader, path, reader, changed=True))
    assert found == {"refused", "other"}
    for value in ("x", np.zeros(3), 2.5):
        path.write_bytes(good)
        with h5py.File(path, "r+") as file:
            file.attrs["channels"] = value
        with pytest.raises(ValueError, match="the attribute channels must be a whole number"):
            reader.read(path)
    path.write_bytes(good)
    with h5py.File(path, "r+") as file:
        file.attrs["channels"] = 21
    with pytest.raises(ValueError, match=r"channels, classes or speakers are not those that were written"):
        reader.read(path)


def test_a_reader_that_unpickles_would_be_found(tmp_path: Path):
    """What the fuzzer says of a reader that runs code, gives other numbers, or raises something else."""
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(3))
    unpickle = Reader(
        "a.npz", print, lambda path: [x.tolist() for x in dict(np.load(path, allow_pickle=True)).values()]
    )
    for seed in range(50):
        path.write_bytes(change_archive(path.read_bytes(), random.Random(seed)))
        if judge(unpickle, path, None, changed=True) == "CODE RAN":
            break
        np.savez(path, a=np.arange(3))
    else:
        pytest.fail("no file of 50 had code in it")
    assert not CANARY.exists()
    assert judge(Reader("a", print, lambda path: 1, exact=True), path, 2, changed=False) == "OTHER NUMBERS"
    assert judge(Reader("a", print, lambda path: 1 // 0), path, 2, changed=False).startswith("ZeroDivisionError")
    assert Bomb().__reduce__()[0] is os.mkdir
