"""What `fit` left in a run folder, read and put into words for a page."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.checks import Diagnosis, operations
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.pages import Known, Tile
from ranvier.plots.fitted import FitRun
from ranvier.train.picture import read_fit
from ranvier.train.run_folder import RunFolder
from ranvier.train.stuck import diagnose_fit

STEP = 1.0
"""Length of a step (ms) by which activity is compared with networks that have one."""


def known_of_fit(folder: Path | str, network: Network | None = None, *, doctor: bool = True) -> tuple[FitRun, Known]:
    """What is known of a run.

    Args:
        folder: The folder.
        network: As for `write_fit_page`.
        doctor: Whether the doctor examines the network.

    Raises:
        RunError: it is not a run folder, or no epoch is done.
        ValueError: the network cannot be read.
    """
    files = RunFolder(folder)
    run, config = read_fit(files, network), files.config()
    about: dict[str, Any] = {} if run.network is None else {"words": "network " + sizes(run.network)}
    if run.spikes and run.network is not None:
        count = min(len(np.asarray(train.time)) for train in run.spikes.values())
        about["operations"] = operation_rows(run.network, run.spikes, run.t_end)
        about["operations_of"] = of_samples(f"the {count} validation samples that the run kept", run.t_end)
    if doctor and run.spikes:
        about["doctor"] = advice(lambda: diagnose_fit(folder, network))
    about["right"] = rightly(run)
    settings = config["options"] or {name: brief(value) for name, value in config["implied"].items() if shown(name)}
    origin = {name: value for name, value in config.items() if name not in ("options", "implied")}
    return run, Known(tiles=_tiles(run), settings=settings, origin=flattened(origin), **about)


def rightly(run: FitRun) -> list[bool]:
    """Whether the samples that were kept, the first of each class, were answered rightly; empty without classes."""
    if run.label is None or run.answer is None or run.target is None:
        return []
    first = dict(zip(*(part.tolist() for part in np.unique(run.label, return_index=True)), strict=True))
    return [bool(run.answer[first[kind]] == kind) for kind in run.target.tolist()]


def shown(name: str) -> bool:
    """Whether something that decides a result is for people: the network's arrays and optax's inner works are not."""
    return not name.startswith("network") and ".inner_factory" not in name and not name.endswith("'")


def brief(value: Any) -> Any:
    """A class or function by its own name, without that of its module; all else as it is."""
    named = isinstance(value, str) and value.startswith(("ranvier.", "optax."))
    return value.rpartition(".")[2] if named else value


def sizes(network: Network) -> str:
    """Sizes of the populations in a line, as in `4 - 30 - 3`."""
    return " - ".join(str(one.size) for one in network.populations.values())


def _tiles(run: FitRun) -> list[Tile]:
    """The numbers that matter."""
    best = run.history[(run.chosen or len(run.history)) - 1]
    found = [Tile("epochs", str(len(run.history)), f"best: {run.chosen}" if run.chosen else "not finished")]
    if "validation_accuracy" in best:
        found.insert(
            0, Tile("validation accuracy", f"{100 * best['validation_accuracy']:.2f} %", f"epoch {best['epoch']}")
        )
    found.insert(1, Tile("validation loss", f"{best['validation_loss']:.4g}", f"epoch {best['epoch']}"))
    if run.network is not None:
        found.append(parameter_tile(run.network))
    return [*found, time_tile(run.history)]


def parameter_tile(network: Network) -> Tile:
    """How many numbers can learn."""
    weights = sum(np.size(link.weight) for link in network.connections)
    every = operations(network, {}, t_end=STEP)["parameter_count"]
    return Tile("numbers that can learn", f"{every:,}", f"{weights:,} of them weights")


def time_tile(history: Sequence[Mapping[str, Any]]) -> Tile:
    """How long training took."""
    seconds = sum(line.get("seconds", 0.0) for line in history)
    speeds = [line["samples_per_second"] for line in history[1:] or history if "samples_per_second" in line]
    told = f"{np.median(speeds):,.0f} samples/s" if speeds else ""
    return Tile("time", f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min", told)


def of_samples(samples: str, t_end: float) -> str:
    """What operations are counted of."""
    return (
        f"By NeuroBench's keys, of {samples}, of {t_end:g} ms each. There are no time steps here: where a metric needs "
        f"one it is {STEP:g} ms."
    )


def operation_rows(network: Network, trains: Mapping[str, Spikes], t_end: float) -> list[tuple[str, str, str]]:
    """What an inference costs: key, value, meaning.

    Args:
        network: The network.
        trains: Spikes of all populations, inputs included, shape (samples, n).
        t_end: End of a sample (ms).
    """
    found = operations(network, trains, t_end=t_end, step=STEP)
    synaptic = found["synaptic_operations"]
    spikes = [(f"spikes, {name}", f"{count:,.4g}", "spikes per sample") for name, count in found["spikes"].items()]
    share = lambda name: "-" if np.isnan(found[name]) else f"{found[name]:.4f}"
    return [
        ("footprint", f"{found['footprint']:,}", "bytes of all arrays of the network"),
        ("parameter_count", f"{found['parameter_count']:,}", "weights, delays and positions that can learn"),
        ("connection_sparsity", share("connection_sparsity"),
         "share of the pairs of neurons of connected populations without a synapse, or with weight 0"),
        ("activation_sparsity", share("activation_sparsity"),
         f"share of the neurons' steps of {STEP:g} ms without a spike"),
        ("synaptic_operations: Effective_ACs", f"{synaptic['Effective_ACs']:,.5g}",
         "additions of a weight per sample: for each spike, inputs included, its synapses of weight other than 0"),
        ("synaptic_operations: Effective_MACs", f"{synaptic['Effective_MACs']:,.5g}",
         "multiplications with a weight per sample: none, for a spike is a spike"),
        ("synaptic_operations: Dense", f"{synaptic['Dense']:,.5g}",
         f"per sample, if every pair of neurons took part in every step of {STEP:g} ms"),
        *spikes,
    ]  # fmt: skip


def advice(ask: Callable[[], Diagnosis]) -> list[tuple[str, str]]:
    """What the doctor says, headings and texts; or why there is no diagnosis, for a page is worth having without one.

    Args:
        ask: Asks the doctor.
    """
    try:
        found = ask()
    except (ValueError, RuntimeError) as error:
        return [("There is no diagnosis", str(error))]
    if found.healthy:
        return [("", "Nothing conspicuous was found.")]
    return [
        (f"{rank}. {one.symptom.value} ({one.where})", f"{one.meaning}: {one.number:.3g}. {one.cause} {one.advice}")
        for rank, one in enumerate(found.findings, 1)
    ]


def flattened(origin: Mapping[str, Any]) -> dict[str, Any]:
    """Versions and the like, one line each."""
    versions = origin.get("versions", {})
    rest = {name: value for name, value in origin.items() if name != "versions"}
    return {**rest, **(versions if isinstance(versions, Mapping) else {})}
