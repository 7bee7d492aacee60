"""The benchmark of scaling, small: every library that is installed, and rows of what fails."""

import dataclasses
import json
import math
import sys
from pathlib import Path

import pytest

from ranvier.lab.bench import scaling, scaling_plot
from ranvier.lab.bench.peers import PEERS, Load, Outcome, Peer

TINY = Load(longest=10.0, duration=40.0, hidden=4, spikes=300, batch=1, threads=1, inputs=3)


def told(by: str, outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.setattr(scaling, "LEAST", 0.0)
    monkeypatch.setitem(PEERS, by, Peer(by, "ranvier", "none", "for a test", lambda load: lambda: outcome))
    return scaling.row(by, TINY, 1)


@pytest.mark.parametrize("by", PEERS)
def test_every_library_that_is_installed_gives_a_whole_row(by: str):
    """Each in a process of its own, as in the benchmark: others do not run where JAX is as strict as in the tests."""
    if not PEERS[by].installed:
        pytest.skip(f"{by} is not installed")
    found = scaling.in_process(by, TINY, 2)
    assert found["failed"] is None
    assert found["ms_per_sample"] > 0
    assert found["mb"] >= 0
    assert found["first_s"] > 0
    assert found["rate_hz"] is None if by == "adseq" else found["rate_hz"] >= 0
    assert {"by", "delays", *dataclasses.asdict(TINY)} < set(found)
    assert json.loads(json.dumps(found)) == found


def test_a_row_that_fails_says_so(monkeypatch: pytest.MonkeyPatch):
    broken = scaling.in_process("EventDriven", dataclasses.replace(TINY, hidden=0), 1)
    assert "Error" in broken["failed"]
    assert broken["ms_per_sample"] is None
    assert broken["hidden"] == 0
    assert scaling.in_process("EventDriven", TINY, 1, limit=0.05)["failed"] == "not done after 0.05 s"
    monkeypatch.setattr(sys, "executable", "false")
    assert scaling.in_process("EventDriven", TINY, 1)["failed"] == "ended with status 1"


@pytest.mark.parametrize(
    ("outcome", "words"),
    [(Outcome(math.nan, 1.0, 1.0), "its value is nan"), (Outcome(1.0, 0.0, 1.0), "its largest derivative is 0.0"),
     (Outcome(1.0, math.inf, 1.0), "its largest derivative is inf")],
)  # fmt: skip
def test_a_value_without_a_gradient_is_no_measurement(outcome: Outcome, words: str, monkeypatch: pytest.MonkeyPatch):
    assert told("broken", outcome, monkeypatch)["failed"] == words
    assert told("sound", Outcome(1.0, 2.0, 3.0), monkeypatch)["rate_hz"] == pytest.approx(75.0)


def made(by: str = "EventDriven", load: Load = scaling.USUAL, **found: float) -> dict:
    numbers = {"rate_hz": 0.0, "ms_per_sample": 4.0, "mb": 10.0, "first_s": 1.0, "failed": None}
    return {"by": by, "delays": "none", **dataclasses.asdict(load), **numbers, **found}


def test_the_summary_and_the_picture(tmp_path: Path):
    vary = lambda **others: dataclasses.replace(scaling.LONG if "longest" in others else scaling.USUAL, **others)
    rows = [
        *(made(load=vary(longest=longest), ms_per_sample=ms) for longest, ms in ((64.0, 5.0), (1024.0, 4.0))),
        *(made(load=vary(duration=1e3 * s), mb=20.0 + s * 40_000 * 100 / 2**20) for s in (1, 2, 4)),
        made("spyx", ms_per_sample=2.0),
        made("eventax", scaling.SMALL) | {"failed": "not done after 120 s", "ms_per_sample": None},
    ]
    said = scaling.summary(rows).splitlines()
    assert said == ["longest delay: slowest over fastest 1.25", "memory: 20 MB and 100 bytes a spike, within 0.0 MB",
                    "spyx usual: 0.5 times ours"]  # fmt: skip
    scaling_plot.draw(rows, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 10_000


def test_what_is_asked_for_is_known():
    with pytest.raises(ValueError, match="there is no norse to compare with; there are EventDriven, DCLS"):
        scaling.measure(by=("norse",))
    assert {load.hidden for load in scaling.loads(PEERS["EventDriven"])} >= {64, 2048}
    assert [load.longest for load in scaling.loads(PEERS["DCLS"])] == [64.0, 256.0, 64.0, 256.0, scaling.SMALL.longest]
    assert set(scaling.loads(PEERS["DCLS"])) < set(scaling.loads(PEERS["EventDriven"]))
    assert scaling.loads(PEERS["eventax"]) == [scaling.SMALL]
