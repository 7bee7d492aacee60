"""`ranvier train`: one run, or several seeds side by side."""

import dataclasses
import enum
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ranvier.cli.output import errors, output, say, show_result, show_seeds
from ranvier.cli.seeds import cores, parse_seeds, run_workers, seed_folder

if TYPE_CHECKING:
    from ranvier.experiments import AbstractExperiment

HELP = """Train a network, choose the best epoch on validation data, test it once, and draw a report.

\b
Examples:
  ranvier train yin-yang
  ranvier train yin-yang --delay axonal --hidden 10 --epochs 100 --out runs/small
  ranvier train yin-yang --seeds 0..4 --out runs/five
  ranvier train yin-yang --seeds 0..4 --out runs/five --resume
  ranvier train yin-yang --set schedule=cosine --set margin=0.3
  ranvier train yin-yang --method surrogate --epochs 40
  ranvier train mnist --delay axonal --set folder=data/mnist
  ranvier train temporal-order --seeds 0..9

The seeds of `--seeds` are trained side by side, each in a process and a run folder of its own, OUT/seed-N, and end
with the numbers they have alone. Ctrl-C, or a crash, loses a second of work at most: `--resume` goes on.
"""


class DatasetName(enum.StrEnum):
    """Data sets there are."""

    YIN_YANG = "yin-yang"
    MNIST = "mnist"
    TEMPORAL_ORDER = "temporal-order"


class MethodName(enum.StrEnum):
    """How spikes and gradients come about."""

    EVENT_DRIVEN = "event-driven"
    FIRST_SPIKE = "first-spike"
    CLOCK_DRIVEN = "clock-driven"
    SURROGATE = "surrogate"


class DelayKind(enum.StrEnum):
    """Kinds of learnable delays."""

    NONE = "none"
    AXONAL = "axonal"
    DENDRITIC = "dendritic"
    SYNAPTIC = "synaptic"


class DTypeName(enum.StrEnum):
    """Precisions."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"


@dataclasses.dataclass(frozen=True)
class Job:
    """What `train` was asked for: an experiment, and how to go about it."""

    experiment: "AbstractExperiment"
    folder: Path
    resume: bool
    quiet: bool
    threads: int | None

    def run(self) -> dict[str, Any]:
        """Run the experiment in this process."""
        from ranvier.experiments import run
        from ranvier.train import NoProgress, progress_for

        name = f"seed {self.experiment.seed}"
        progress = NoProgress() if self.quiet else progress_for(output(), name)
        return run(self.experiment, self.folder, resume=self.resume, threads=self.threads, progress=progress)

    def finished(self) -> dict[str, Any]:
        """The result, which another process has left in the folder."""
        from ranvier.train import RunFolder

        return RunFolder(self.folder).result()

    def seed(self, seed: int) -> "Job":
        """The same for one of several seeds."""
        experiment = dataclasses.replace(self.experiment, seed=seed)
        return dataclasses.replace(self, experiment=experiment, folder=seed_folder(self.folder, seed))


def train(
    dataset: Annotated[DatasetName, typer.Argument(help="What to learn.", show_default=False)],
    method: Annotated[MethodName | None, typer.Option(help="How to simulate [default: event-driven].")] = None,
    delay: Annotated[
        DelayKind | None, typer.Option(help="Kind of learnable delays [default: synaptic; mnist none].")
    ] = None,
    hidden: Annotated[int | None, typer.Option(help="Hidden neurons [default: 30; mnist 350].", min=1)] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs [default: 300; mnist 40; temporal-order 20].", min=1)
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Samples per step [default: 150].", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of one run [default: 0].", min=0)] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of several runs: 0..4 or 0,3,5.")] = None,
    weight_lr: Annotated[float | None, typer.Option(help="Learning rate of the weights, at the start.")] = None,
    delay_lr: Annotated[float | None, typer.Option(help="Learning rate of the delays, at the start.")] = None,
    dtype: Annotated[DTypeName | None, typer.Option(help="Precision [default: float32].")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other number.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder [default: runs/DATASET-DELAY-METHOD].")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT, if there is one.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    threads: Annotated[
        int | None, typer.Option(help="Threads per run, event-driven [default: all cores].", min=1)
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Runs at a time [default: one per core].", min=1)] = None,
) -> None:
    """Train a network; `HELP` is what the user reads."""
    asked = {"method": method, "delay": delay, "hidden": hidden, "epochs": epochs, "batch": batch}
    asked |= {"weight_lr": weight_lr, "delay_lr": delay_lr, "dtype": dtype}
    which = parse_seeds(seed, seeds)
    given = {name: getattr(value, "value", value) for name, value in asked.items() if value is not None}
    experiment = _experiment(dataset.value, given, which[0], changes or [])
    folder = out or Path("runs") / experiment.label
    job = Job(experiment, folder, resume, quiet, threads)
    try:
        if seeds is None:
            show_result(folder, job.run())
        else:
            _several(job, which, workers)
    except KeyboardInterrupt:
        say(
            errors(),
            f"ranvier: interrupted; the same command with --resume goes on from the last epoch in {folder}.",
        )
        raise typer.Exit(130) from None


def _several(job: Job, seeds: Sequence[int], workers: int | None) -> None:
    """Several seeds: in this process one after the other, or side by side in processes of their own."""
    from ranvier.train import RunFolder

    for seed in seeds if not job.resume else ():
        RunFolder(seed_folder(job.folder, seed)).refuse_run()
    at_a_time = min(workers or cores(), len(seeds))
    if at_a_time == 1:
        results = [job.seed(seed).run() for seed in seeds]
    else:
        threads = job.threads or max(1, cores() // at_a_time)
        run_workers(job.experiment, seeds, job.folder, at_a_time, threads, job.resume, job.quiet)
        results = [job.seed(seed).finished() for seed in seeds]
    show_seeds(job.folder, results)


def _experiment(dataset: str, given: dict[str, Any], seed: int, changes: Sequence[str]) -> "AbstractExperiment":
    """The experiment asked for; what makes no sense is an error of usage. Float64 is switched on where wanted."""
    from ranvier.experiments import EXPERIMENTS

    fields = {field.name: field.type for field in dataclasses.fields(EXPERIMENTS[dataset]) if field.name != "seed"}
    for name in given:
        if name not in fields:
            msg = f"--{name.replace('_', '-')} is nothing that {dataset} has; it has {', '.join(fields)}"
            raise typer.BadParameter(msg)
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or name not in fields:
            msg = f"--set {change}: expected NAME=VALUE with NAME one of {', '.join(fields)}"
            raise typer.BadParameter(msg)
        given[name] = _parse(change, text, fields[name])
    try:
        experiment = EXPERIMENTS[dataset].tuned(**given, seed=seed)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if experiment.dtype == "float64":
        import jax

        jax.config.update("jax_enable_x64", True)
    return experiment


def _parse(change: str, text: str, kind: Any) -> Any:
    """The value of `--set NAME=VALUE`, in the type of that field; `none` for no value where the field allows it."""
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if types.NoneType in options and text.lower() == "none":
        return None
    plain = next(option for option in options if option is not types.NoneType)
    try:
        return {"true": True, "false": False}[text.lower()] if plain is bool else plain(text)
    except (KeyError, ValueError) as error:
        msg = f"--set {change}: expected a value of type {plain.__name__}"
        raise typer.BadParameter(msg) from error
