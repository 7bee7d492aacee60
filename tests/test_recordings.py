"""Spikes in files and objects of other tools: read again as they were, and a clear error for everything else."""

import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.interop import recordings as io
from ranvier.interop.recordings import nwb_units

SPIKES = rv.Spikes(jnp.array([0.25, 0.5, 0.5, 100.125]), jnp.array([3, 0, 2, 1]), 4)
FOUR = io.table([0, 1, 2, 3], size=4)


def same(one: rv.Spikes, other: rv.Spikes) -> bool:
    return (
        bool(jnp.array_equal(one.time, other.time))
        and bool(jnp.array_equal(one.unit, other.unit))
        and one.size == other.size
    )


def aedat31(path: Path, spikes: rv.Spikes, kind: int = 1) -> None:
    """Two packets of the kind, one of another kind between them; the last event is not valid."""
    event = lambda t, u, valid=1: struct.pack("<II", int(u) << 1 | valid, round(float(t) * 1000))
    events = [event(t, u) for t, u in zip(spikes.time, spikes.unit, strict=True)] + [event(200.0, 0, 0)]
    head = lambda kind, count: struct.pack("<hhiiiiii", kind, 0, 8, 4, 0, count, count, count)
    body = (
        head(kind, 2)
        + b"".join(events[:2])
        + head(0, 1)
        + bytes(8)
        + head(kind, len(events) - 2)
        + b"".join(events[2:])
    )
    path.write_bytes(b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n" + body)


FORMATS: dict[str, tuple[Callable[..., Any], Callable[[Path], rv.Spikes]]] = {
    "csv": (io.write_csv, lambda path: io.read_csv(path, size=4)),
    "npz": (io.write_npz, io.read_npz),
    "aer": (io.write_aer_text, lambda path: io.read_aer_text(path, FOUR).spikes),
    "aedat2": (io.write_aedat2, lambda path: io.read_aedat2(path, FOUR).spikes),
    "aedat31": (aedat31, lambda path: io.read_aedat31(path, FOUR).spikes),
    "nwb": (io.write_nwb, io.read_nwb),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.filterwarnings("ignore")
def test_what_is_written_is_read_again(name: str, tmp_path: Path):
    write, read = FORMATS[name]
    write(tmp_path / "a", SPIKES)
    found = read(tmp_path / "a")
    np.testing.assert_array_equal(found.unit, [3, 0, 2, 1])
    np.testing.assert_allclose(found.time, SPIKES.time, rtol=1e-15)
    assert found.size == 4
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read(tmp_path / "none")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_give_valid_spikes_or_a_clear_error(name: str, tmp_path: Path):
    """Formats without a checksum may read another time; none may crash, or give what is no spike."""
    write, read = FORMATS[name]
    path = tmp_path / "a"
    write(path, SPIKES)
    good, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for turn in range(1000 if name != "nwb" else 5):
        at, bit = int(rng.integers(len(good))), int(rng.integers(8))
        damaged = good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :] if turn % 20 else good[:at]
        path.write_bytes(damaged)
        try:
            found = read(path)
        except ValueError as error:
            refused += 1
            if str(path) not in str(error):
                raise
        else:
            time, unit = np.asarray(found.time), np.asarray(found.unit)
            assert np.isfinite(time).all()
            assert (np.diff(time) >= 0).all()
            assert ((unit >= 0) & (unit < 4)).all()
            assert name != "npz" or same(found, SPIKES)  # its checksums find everything
    assert refused > 0


def test_units_of_nwb_and_their_traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, cut = tmp_path / "a.nwb", {"compression": "gzip", "chunks": (2,)}

    def write(times: Any, ends: Any, **about: Any) -> None:
        with h5py.File(path, "w") as file:
            file.attrs["nwb_version"] = "2.8.0"
            file.create_dataset("units/spike_times", data=times, **about)
            file["units/spike_times_index"] = ends

    write([0.5, 0.7, 0.1, 0.7], np.array([0, 2, 2, 4], np.uint8), **cut)
    found = io.read_nwb(path)
    assert found.size == 4
    assert found.unit.tolist() == [3, 1, 1, 3]
    np.testing.assert_allclose(found.time, [100.0, 500.0, 700.0, 700.0], rtol=1e-15)
    for times, ends, message in [
        ([0.5], [2], "must ascend to the 1 times that there are"),
        ([0.5], [1, 0, 1], "must ascend"),
        ([[0.5]], [1], r"units/spike_times must be a list of numbers; got float64 of shape \(1, 1\)"),
        ([0.5, 0.1], [2], "unit 0: times must be in order"),
        ([-0.5], [1], "times must be finite and >= 0"),
        ([], np.zeros(0, int), "needs at least one unit; got none"),
    ]:
        write(times, ends)
        with pytest.raises(ValueError, match=message):
            io.read_nwb(path)
    write([0.5], [1])
    with h5py.File(path, "r+") as file:
        del file.attrs["nwb_version"]
    with pytest.raises(ValueError, match=r"a\.nwb: it is no NWB file: it does not say its nwb_version\.$"):
        io.read_nwb(path)
    broken = tmp_path / "broken.py"  # as HDF5 does it on bytes that it trusts
    broken.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(nwb_units, "__file__", str(broken))
    with pytest.raises(ValueError, match=r"it is damaged: the process that read it broke off \(signal 11\)"):
        io.read_nwb(path)


def test_text_that_is_wrong_names_the_line(tmp_path: Path):
    path = tmp_path / "a.csv"
    for text, message in {
        "": "the first line must be time_ms,unit; got nothing",
        "t,u\n1,2\n": "the first line must be time_ms,unit; got t,u",
        "time_ms,unit\n1,2\nx,1\n": "line 3 must have 2 numbers; got 'x 1'",
        "time_ms,unit\n1,2,3\n": "line 2 must have 2 numbers",
        "time_ms,unit\nnan,0\n": "times must be finite and >= 0",
        "time_ms,unit\n-1,0\n": "times must be finite and >= 0 .* event 0 has -1",
        "time_ms,unit\n1,0.5\n": "units must be whole numbers in 0..3; event 0 has 0.5",
        "time_ms,unit\n1,4\n": "units must be whole numbers in 0..3; event 0 has 4",
        "time_ms,unit\n2,0\n1,0\n": "event 1 comes at 1 ms, after one at 2 ms. `sort=True`",
    }.items():
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            io.read_csv(path, size=4)
    assert io.read_csv(path, size=4, sort=True).time.tolist() == [1.0, 2.0]
    path.write_text("1000 0\n1000.5 1\n")
    with pytest.raises(ValueError, match="times and addresses must be whole numbers >= 0; line 2"):
        io.read_aer_text(path, FOUR)
    path.write_text("# t a\n7 1000\n")
    assert io.read_aer_text(path, io.table([0] * 8, size=1), time_first=False).spikes.time.tolist() == [1.0]


def test_addresses_are_mapped_counted_and_refused(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("1 0\n2 1\n3 2\n")
    found = io.read_aer_text(path, io.table([0, -1, 1], size=2), tick=1.0)
    assert (found.spikes.unit.tolist(), found.left_out) == ([0, 1], 1)
    with pytest.raises(ValueError, match=r"event 2 has the address 2, but the table has 2 addresses"):
        io.read_aer_text(path, io.table([0, 1], size=2))
    davis = io.bits((22, 9), (12, 10), (11, 1), shape=(260, 346, 2), ignore=1 << 31 | 1 << 10)
    assert davis.unit(np.array([1 << 31, (259 << 22) | (345 << 12) | 1 << 11])).tolist() == [-1, 260 * 346 * 2 - 1]
    with pytest.raises(ValueError, match="event 0 has 300 in the field at bit 22, which has 260 values"):
        davis.unit(np.array([300 << 22]))
    for wrong in (
        lambda: io.bits((0, 1), shape=(3,)),
        lambda: io.bits((0, 1), (1, 1), shape=(2,)),
        lambda: io.table([5], size=2),
        lambda: io.AddressMap(0, abs),
    ):
        with pytest.raises(ValueError, match="bits|table|AddressMap"):
            wrong()


def test_address_events_that_are_wrong(tmp_path: Path):
    path = tmp_path / "a.aedat"
    aedat31(path, SPIKES)
    assert io.read_aedat31(path, FOUR).left_out == 2
    with pytest.raises(ValueError, match="does not start with #!AER-DAT2.0, but with b'#!AER-DAT3.1"):
        io.read_aedat2(path, FOUR)
    content = path.read_bytes()
    path.write_bytes(content[:-3])
    with pytest.raises(ValueError, match="says 3 events of 8 bytes"):
        io.read_aedat31(path, FOUR)
    path.write_bytes(content[:30])
    with pytest.raises(ValueError, match="has no end|no line #!END-HEADER"):
        io.read_aedat31(path, FOUR)
    path.write_bytes(b"#!AER-DAT2.0\r\n" + struct.pack(">IIII", 0, 5000, 1, 4000))
    with pytest.raises(ValueError, match="event 1 comes at 4 ms, after one at 5 ms"):
        io.read_aedat2(path, FOUR)
    path.write_bytes(b"#!AER-DAT2.0\r\n" + bytes(9))
    with pytest.raises(ValueError, match="is cut off"):
        io.read_aedat2(path, FOUR)


def test_writing_refuses_what_would_be_rounded_or_lost(tmp_path: Path):
    path = tmp_path / "a"
    odd, batch = rv.Spikes([0.00025], [0]), rv.Spikes([[1.0], [2.0]], [[0], [0]])
    for write in (io.write_aer_text, io.write_aedat2):
        with pytest.raises(ValueError, match=r"whole numbers of 0.001 ms; spike 0 is at 0.00025 ms"):
            write(path, odd)
    with pytest.raises(ValueError, match=r"below 2\^32 microseconds"):
        io.write_aedat2(path, rv.Spikes([5e6], [0]))
    for write in (io.write_csv, io.write_aer_text, io.write_aedat2, io.write_nwb):
        with pytest.raises(ValueError, match="writes one sample at a time"):
            write(path, batch)
    with pytest.raises(ValueError, match="traced"):
        jax.jit(lambda time: io.write_csv(path, rv.Spikes(time, jnp.zeros(1, int))))(jnp.ones(1))
    with pytest.raises(ValueError, match="known size"):
        io.to_neo(rv.Spikes([1.0], [0]), t_end=5.0)
    with pytest.raises(ValueError, match="none after t_end = 5.0 ms"):
        io.to_neo(rv.Spikes([6.0], [0], size=1), t_end=5.0)
    with pytest.raises(ValueError, match="as many labels"):
        io.write_shd(path, batch, [1])


def test_times_that_float32_rounds_are_told(tmp_path: Path):
    path = tmp_path / "long.csv"
    path.write_text("time_ms,unit\n1000.001,0\n3600000.123,1\n")
    with (
        jax.enable_x64(False),
        pytest.warns(UserWarning, match=r"long\.csv: times of up to 3.6e\+06 ms .* by up to 0.123"),
    ):
        io.read_csv(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float(io.read_csv(path).time[1]) == 3600000.123


def test_event_data_of_nir_and_its_traps():
    import nir

    batch = rv.Spikes(jnp.array([[0.5, 1.0], [2.0, jnp.inf]]), jnp.array([[1, 0], [1, -1]]), 2)
    data = io.to_event_data(batch, t_end=5.0, unit=1000.0)
    assert data.t_max == 0.005
    assert same(io.from_event_data(data, unit=1000.0), batch)
    make = lambda index, time: nir.EventData(np.array([index]), np.array([time]), n_neurons=2, t_max=5.0)
    for index, time, message in [
        ([0], [-1.0], "times must be finite and >= 0"),
        ([0], [np.nan], "times must be finite"),
        ([0], [6.0], "at most t_max = 5.0"),
        ([2], [1.0], "units must be whole numbers in 0..1"),
        ([-1], [1.0], "units must be whole numbers in 0..1"),
        ([0, 0], [2.0, 1.0], "times must be in order"),
        ([-1, 0], [np.inf, 1.0], "a spike behind padding"),
    ]:
        with pytest.raises(ValueError, match=message):
            io.from_event_data(make(index, time))


@pytest.mark.filterwarnings("ignore")
def test_trains_of_neo_and_their_traps():
    import neo

    found = io.from_neo(io.to_neo(SPIKES, t_end=200.0))
    assert sorted(zip(found.time.tolist(), found.unit.tolist(), strict=True)) == sorted(
        zip(SPIKES.time.tolist(), SPIKES.unit.tolist(), strict=True)
    )
    for times, message in {(2.0, 1.0): "times must be in order", (np.nan,): "times must be finite"}.items():
        with pytest.raises(ValueError, match=f"unit 0: {message}"):
            io.from_neo([neo.SpikeTrain(list(times), units="ms", t_stop=5.0)])
    with pytest.raises(ValueError, match="at least one unit"):
        io.from_neo([])


def test_events_of_tonic():
    kind = [("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", bool)]
    events = np.array([(1000, 33, 0, True), (2500, 0, 33, False)], dtype=kind)
    found = io.from_tonic(events, (34, 34, 2))
    assert found.time.tolist() == [1.0, 2.5]
    assert found.unit.tolist() == [34 * 34 + 33, 33 * 34]
    with pytest.raises(ValueError, match=r"`y` must be in 0..32; event 1 has 33"):
        io.from_tonic(events, (34, 33, 2))
    with pytest.raises(ValueError, match=r"must be a structured array with \['t', 'x'\]"):
        io.from_tonic(np.zeros(3), (700, 1, 1))


def test_the_layout_of_the_heidelberg_digits(tmp_path: Path):
    batch = rv.Spikes(jnp.array([[500.0, 1250.0], [2.0, jnp.inf]]), jnp.array([[1, 699], [0, -1]]), 700)
    io.write_shd(tmp_path / "a.h5", batch, [19, 3])
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["spikes/times"][0].tolist() == [0.5, 1.25]
        assert file["spikes/units"][0].tolist() == [1, 699]
        assert len(file["spikes/times"][1]) == 1
        assert file["labels"][:].tolist() == [19, 3]
