"""Other tools that are told how training goes: what they have written is read back."""

import sys
from pathlib import Path
from typing import Any

import pytest

from ranvier.train import NoProgress, Several, TensorBoard, WeightsAndBiases
from ranvier.train.sinks import scalars


def told(epoch: int) -> dict[str, Any]:
    quantiles = {"input->output.weight": [0.0, 0.1, 0.2, 0.3, 0.4]}
    return {"epoch": epoch, "loss": 1 / epoch, "bumped": 3, "silent": {"hidden": 0.25}, "quantiles": quantiles}


NAMES = {"loss", "bumped", "silent/hidden",
         *(f"quantiles/input->output.weight/{share}" for share in ("5%", "25%", "50%", "75%", "95%"))}  # fmt: skip


def test_metrics_become_single_numbers():
    assert set(scalars(told(1))) == NAMES
    assert scalars(told(2))["quantiles/input->output.weight/75%"] == 0.3


def test_tensorboard_reads_what_was_written_and_a_resumed_run_goes_on(tmp_path: Path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for first in (1, 3):
        log = TensorBoard(tmp_path / "logs")
        log.start(4, first - 1)
        for epoch in (first, first + 1):
            log.phase("training")
            log.epoch(told(epoch))
        log.interrupted()
        log.stop()
        log.stop()
    found = accumulator.EventAccumulator(str(tmp_path / "logs"), size_guidance={"tensors": 0})
    found.Reload()
    assert set(found.Tags()["tensors"]) == NAMES
    course = [(event.step, float(event.tensor_proto.float_val[0])) for event in found.Tensors("loss")]
    assert course == [(epoch, pytest.approx(1 / epoch)) for epoch in (1, 2, 3, 4)]


@pytest.mark.slow
def test_weights_and_biases_keeps_a_run_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    log = WeightsAndBiases("delays", name="first", config={"hidden": 3}, mode="offline", folder=tmp_path)
    log.start(2, 0)
    run = log.run
    for epoch in (1, 2):
        log.epoch(told(epoch))
    assert (run.project, run.name, run.config["hidden"], run.step) == ("delays", "first", 3, 2)
    log.stop()
    (file,) = tmp_path.rglob("*.wandb")
    content = file.read_bytes()
    assert content.count(b"quantiles/input->output.weight/5%") >= 2  # once for each epoch
    assert all(part in content for part in (b"loss", b"0.5", b"silent/hidden", b"hidden", b"delays"))


class Made:
    """A stand-in for a run of the service."""

    def __init__(self, **about: Any):
        self.about, self.said = about, []

    def log(self, numbers: dict[str, float], step: int) -> None:
        self.said.append((step, numbers["loss"]))

    def finish(self) -> None:
        self.said.append("finished")


def test_weights_and_biases_is_told_every_epoch(monkeypatch: pytest.MonkeyPatch):
    runs: list[Made] = []
    fake = type(sys)("wandb")
    fake.init = lambda **about: runs.append(Made(**about)) or runs[-1]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    log = Several(NoProgress(), WeightsAndBiases("delays", config={"hidden": 3}, mode="offline"))
    log.start(2, 0)
    log.phase("training")
    for epoch in (1, 2):
        log.epoch(told(epoch))
    log.interrupted()
    log.stop()
    log.stop()
    assert runs[0].about == {"project": "delays", "name": None, "config": {"hidden": 3}, "mode": "offline", "dir": None}
    assert runs[0].said == [(1, 1.0), (2, 0.5), "finished"]


@pytest.mark.parametrize(
    ("sink", "extra"), [(TensorBoard("logs"), "tensorboard"), (WeightsAndBiases("delays"), "wandb")]
)
def test_a_missing_package_is_one_sentence_that_names_the_command(
    sink: Any, extra: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, extra, None)
    for name in [name for name in sys.modules if name.startswith(f"{extra}.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=rf"not installed: pip install 'ranvier\[{extra}\]'\.$"):
        sink.start(2, 0)
    sink.stop()
