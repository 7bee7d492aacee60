"""What came out of runs, from their folders, whoever made them: `ranvier train`, a study, or a `fit` of one's own."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ranvier.lab.config_file import read_config
from ranvier.lab.runs import CONFIG
from ranvier.train import RunError, RunFolder, best_epoch

TEST, VALIDATION, LOSS = "test accuracy", "validation accuracy", "validation loss"
"""Names of what runs are compared by, the best one first."""
DATA = ("training data", "validation data")
"""Names of the digests of data in `config.json`."""
ROWS = ("test", "validation", "spikes", "parameters", "learned", "seconds")
"""Numbers of a row of a study that are results."""


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What came out of one run.

    Args:
        place: Its folder, or the row of a study.
        seed: Its seed, or its random key.
        settings: Everything else that decides the result, by name.
        task: What was learned, in words.
        data: Digests of its data by name; empty where they are not known.
        numbers: Results by name: `test accuracy`, `validation accuracy`, `validation loss`, `parameters`, `seconds`.
        history: Metrics of every epoch, if they are known.
    """

    place: str
    seed: str
    settings: Mapping[str, Any]
    task: str
    data: Mapping[str, str]
    numbers: Mapping[str, float | int]
    history: Sequence[Mapping[str, Any]] = ()


def read_outcomes(folder: Path | str) -> list[Outcome]:
    """What came out of a run, of several seeds, or of a study.

    Args:
        folder: A run folder; or any folder with such inside; or that of a study which keeps rows of results only.

    Raises:
        RunError: there is no run, one is not finished, or a file is broken.

    Example:
        >>> import tempfile
        >>> from ranvier.lab import experiment, run
        >>> from ranvier.lab.comparison import read_outcomes
        >>> folder = tempfile.mkdtemp()
        >>> result = run(experiment("temporal-order", epochs=1), folder)
        >>> [one.seed for one in read_outcomes(folder)]
        ['0']
    """
    place = Path(folder)
    if (place / "metrics.jsonl").exists():
        return [_run(place)]
    inside = sorted(path.parent for path in place.rglob("metrics.jsonl") if (path.parent / "config.json").exists())
    if inside:
        return [_run(path) for path in inside]
    if (place / "results.json").exists():
        return _study(place)
    msg = f"{place} holds no run: there is no metrics.jsonl in it or below it, and no results.json of a study."
    raise RunError(msg)


def _run(place: Path) -> Outcome:
    """The outcome of a run folder; a file that lacks something is broken."""
    try:
        return _outcome(place)
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"{place} is broken: its metrics or its configuration lack something that ranvier writes ({error!r})."
        raise RunError(msg) from error


def _outcome(place: Path) -> Outcome:
    files = RunFolder(place)
    config, history = files.config(), files.epochs()
    if not files.samples.exists() or not history:
        msg = f"{place} is not finished, {len(history)} epochs are done; go on with it by --resume (resume=True) first."
        raise RunError(msg)
    options, implied = dict(config["options"]), config["implied"]
    best = history[best_epoch(history) - 1]
    numbers = {LOSS: best["validation_loss"], "seconds": sum(line["seconds"] for line in history)}
    if "validation_accuracy" in best:
        numbers[VALIDATION] = best["validation_accuracy"]
    numbers |= _tested(files, place)
    settings, seed = (options, options.pop("seed", None)) if options else (_plain_settings(implied), None)
    if (place / CONFIG).exists():
        settings["epochs"] = read_config(place / CONFIG)["epochs"]
    elif "patience" not in implied:
        settings["epochs"] = len(history)
    seed = implied.get("key") if seed is None else seed
    task = str(options.get("name") or "a task of one's own")
    return Outcome(
        str(place), str(seed), settings, task, {name: implied.get(name, "") for name in DATA}, numbers, history
    )


def _tested(files: RunFolder, place: Path) -> dict[str, float]:
    """The result on test data, from the run or from what a study has kept beside its folder."""
    beside = place.with_name(f"{place.name}.json")
    if files.finished:
        result = files.result()
        return {
            TEST: result["test_accuracy"],
            **({"parameters": result["parameters"]} if "parameters" in result else {}),
        }
    if beside.exists():
        kept = _json(beside)
        return {TEST: kept["test"]} if isinstance(kept.get("test"), float) else {}
    return {}


def _plain_settings(implied: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the result of a `fit` of one's own; of arrays, which a seed decides, their shapes."""
    left_out = {*DATA, "key"}
    found = {name: _shape(name, value) for name, value in implied.items() if name not in left_out}
    names = re.findall(r"'([^']+)'", str(found.get("learn", "")))
    return found | {"learn": ", ".join(names) or "weights and delays"} if "learn" in found else found


def _shape(name: str, value: Any) -> Any:
    drawn = name.startswith("network.") and isinstance(value, str)
    if drawn and (found := re.match(r"(\w+\[[\d, ]*\]) [0-9a-f]+$", value)):
        return found[1]
    return "numbers" if drawn and value.startswith("[") and name.endswith((".weight", ".raw", ".position")) else value


def _study(place: Path) -> list[Outcome]:
    """The outcomes of a study that trains the seeds of a case in one program, and keeps rows."""
    study = RunFolder(place).config().get("study", place.name)
    rows = _json(place / "results.json").get("rows", [])
    found = []
    for row in rows:
        words = {name: value for name, value in row.items() if name not in ROWS and isinstance(value, str | int)}
        for seed, one in row.get("seeds", {}).items():
            numbers = {TEST: one["test"], VALIDATION: one["validation"], "parameters": row["parameters"]}
            case = " ".join(map(str, words.values()))
            found.append(Outcome(f"{place}, {case}, seed {seed}", seed, words, f"study {study}", {}, numbers))
    if not found:
        msg = f"{place}/results.json has no results of single seeds; compare its run folders."
        raise RunError(msg)
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path} is broken or cannot be read ({error})."
        raise RunError(msg) from error
