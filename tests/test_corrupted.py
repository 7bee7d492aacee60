"""A few of the corrupted files of `python tests/corrupt.py`, which makes thousands."""

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

import corrupt
from ranvier.datasets import SoundError, SpikeFileError, read_sound, read_spike_file


def test_corrupted_sounds_are_refused_or_the_same():
    found = corrupt.check_sounds(150, 7)
    assert found["refused"] > 100
    assert set(found) <= {"refused", "the same", "other samples of a WAV file"}


def test_corrupted_files_of_spikes_are_refused_or_the_same():
    found = corrupt.check_spike_files(150, 7)
    assert found["refused"] > 100


def test_encoding_names_every_one_that_is_broken(tmp_path: Path):
    assert corrupt.check_encoding(tmp_path, 40, 7) > 30


def test_of_a_header_with_a_wrong_rate_nothing_is_believed():
    """Neither format has a checksum of its header; both say the rate twice."""
    wave = corrupt.sound(0)
    for kind, at in (("WAV", 24), ("FLAC", 19)):
        for bit in range(8):
            content = bytearray(corrupt.written(wave, kind))
            content[at] ^= 1 << bit
            with pytest.raises(SoundError, match=r"per second|cannot be decoded"):
                read_sound(bytes(content))


def test_a_wav_file_that_says_less_than_it_holds_is_refused():
    content = bytearray(corrupt.written(corrupt.sound(0), "WAV"))
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", 8000)
    with pytest.raises(SoundError, match="its length is in doubt"):
        read_sound(bytes(content))


def test_flac_of_24_bits_is_checked_by_its_sum():
    content = corrupt.written(corrupt.sound(0), "FLAC", "PCM_24")
    assert len(read_sound(content).pressure) == 8000
    wrong = bytearray(content)
    wrong[26] ^= 1
    with pytest.raises(SoundError, match="checksum"):
        read_sound(bytes(wrong))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return corrupt.spike_files(tmp_path)["own"]


def test_a_heap_that_would_keep_hdf5_busy_for_ever_is_refused(own: Path):
    content = bytearray(own.read_bytes())
    at = content.index(b"GCOL") + 16
    content[at : at + 16] = bytes(16)  # object 0 of size 0: the next one begins where it does
    own.write_bytes(content)
    with pytest.raises(SpikeFileError, match="heap at byte [0-9]+ holds an object of an impossible size"):
        read_spike_file(own)


def test_a_list_of_more_elements_than_the_file_has_bytes_is_refused(own: Path):
    with h5py.File(own) as file:
        place = file["spikes/times"].id.get_chunk_info(0).byte_offset
    content = bytearray(own.read_bytes())
    content[place + 16 : place + 20] = struct.pack("<I", 2**31)
    own.write_bytes(content)
    with pytest.raises(SpikeFileError, match="spikes/times is broken: entry 1 has 2147483648 elements"):
        read_spike_file(own)


@pytest.mark.parametrize(("time", "unit", "words"), [(1e300, 0, "time 1e"), (0.5, 2**40, "unit 1099511627776")])
def test_numbers_that_would_not_fit_are_refused(tmp_path: Path, time: float, unit: int, words: str):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, value in (("times", np.array([time])), ("units", np.array([unit]))):
            file.create_dataset(f"spikes/{name}", (1,), h5py.vlen_dtype(value.dtype))[0] = value
        file["labels"] = np.array([0])
    with pytest.raises(SpikeFileError, match=words):
        read_spike_file(tmp_path / "a.h5")
