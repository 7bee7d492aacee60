"""`ranvier train`: one run, or several seeds side by side."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ranvier.lab.cli.options import SUBJECT, SettingsCommand, given_settings, scan, told
from ranvier.lab.cli.output import errors, output, say, show_result, show_seeds, summary_line
from ranvier.lab.cli.seeds import cores, parse_seeds, run_workers, seed_folder
from ranvier.lab.cli.together import OPTIONS, Spread, run_processes
from ranvier.lab.listing import listing
from ranvier.lab.ranges import SettingError

if TYPE_CHECKING:
    from ranvier.lab import Experiment
    from ranvier.train import AbstractProgress, Devices

HELP = """Train a network, choose the best epoch on validation data, test it once, and draw a report.

TASK is one of these, a file of spikes (.h5, see ranvier encode), or a Python file that defines a task:

\b
{tasks}

The options of a task, with their meaning and their defaults: ranvier train TASK --help. Which there are depends on the
choices made, as in: ranvier train yin-yang --method surrogate --help

\b
Examples:
  ranvier train yin-yang
  ranvier train yin-yang --delay axonal --hidden 10 --epochs 100 --out runs/small
  ranvier train yin-yang --seeds 0..4 --out runs/five
  ranvier train yin-yang --seeds 0..4 --out runs/five --resume
  ranvier train mnist --delay axonal --folder data/mnist
  ranvier train words.h5 --hidden 256 --epochs 50
  ranvier train --config runs/small/config.toml --seed 1 --out runs/again
  ranvier train mnist --folder data/mnist --dry-run
  ranvier train yin-yang --tensorboard logs
  ranvier train words.h5 --devices 4
  ranvier train words.h5 --processes 2 --threads 1

The seeds of --seeds are trained side by side, each in its own process and in its own run folder, OUT/seed-N; the
results are the same as one after the other. After Ctrl-C or a crash the same command with --resume goes on where it
stopped.

Settings come from the command line, else from the file of --config, else from what suits the task. Every run folder
holds a config.toml with all of them.
"""

TASK_HELP = """Train on {name}. {words}

Defaults are those that suit the choices below. Another choice may have other defaults and other options: add
--help to it.

\b
Examples:
  ranvier train {name} --epochs 10 --out runs/first
  ranvier train {name} --method surrogate --help
  ranvier train {name} --seeds 0..4 --out runs/five
"""


@dataclasses.dataclass(frozen=True)
class Job:
    """What `train` was asked for: an experiment, and how to go about it."""

    experiment: "Experiment"
    folder: Path
    resume: bool
    quiet: bool
    threads: int | None
    tensorboard: Path | None = None
    wandb: str | None = None
    devices: "Devices | None" = None

    @property
    def leads(self) -> bool:
        """Whether this process says how it goes: it is the only one, or the first one."""
        if self.devices is None:
            return True
        import jax

        return jax.process_index() == 0

    @property
    def told(self) -> list[str]:
        """The options that say whom else to tell how training goes."""
        pairs = (("--tensorboard", self.tensorboard), ("--wandb", self.wandb))
        return [word for name, value in pairs if value is not None for word in (name, str(value))]

    def sinks(self) -> list["AbstractProgress"]:
        """Whom else to tell how training goes."""
        from ranvier.train import TensorBoard, WeightsAndBiases

        found: list[AbstractProgress] = []
        name = "-".join(self.folder.parts[-2:])
        if self.tensorboard is not None:
            found.append(TensorBoard(self.tensorboard / name))
        if self.wandb is not None:
            found.append(WeightsAndBiases(self.wandb, name=name, config=self.experiment.describe()))
        return found

    def run(self) -> dict[str, Any]:
        """Run the experiment in this process."""
        from ranvier.lab import run
        from ranvier.lab.parts import AbstractSpikeTask
        from ranvier.train import NoProgress, Several, progress_for
        from ranvier.train.stuck import tell

        task = self.experiment.task
        for line in task.notes() if isinstance(task, AbstractSpikeTask) and not self.quiet and self.leads else ():
            say(errors(), line)
        name = f"seed {self.experiment.seed}"
        progress = NoProgress() if self.quiet or not self.leads else progress_for(output(), name)
        return run(
            self.experiment, self.folder, resume=self.resume, threads=self.threads,
            progress=Several(progress, *(self.sinks() if self.leads else ())),
            stuck=None if self.quiet else tell, devices=self.devices,
        )  # fmt: skip

    def finished(self) -> dict[str, Any]:
        """The result, which another process has left in the folder."""
        from ranvier.train import RunFolder

        return RunFolder(self.folder).result()

    def seed(self, seed: int) -> "Job":
        """The same for one of several seeds."""
        experiment = dataclasses.replace(self.experiment, seed=seed)
        return dataclasses.replace(self, experiment=experiment, folder=seed_folder(self.folder, seed))


class TaskName(click.ParamType):
    """The name of a task, or the path of a file."""

    name = "task"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Tasks, and files."""
        known = [CompletionItem(name) for name in listing("tasks") if name.startswith(incomplete)]
        return known or [CompletionItem(incomplete, type="file")]


def asked_for(arguments: Sequence[str], line: dict[str, Any]) -> "Experiment | None":
    """The experiment of some arguments; None where they name no task.

    Args:
        arguments: The arguments. The task comes first, and the file of --config may name it.
        line: Settings of the command line.

    Raises:
        click.UsageError: there is no such task, or a setting is wrong.
    """
    named = arguments[0] if arguments and not arguments[0].startswith("-") else None
    config = scan(arguments, ["config"]).get("config")
    if named is None and config is None:
        return None
    from ranvier.lab.catalogue import find, resolve  # imports JAX
    from ranvier.lab.config_file import TASK, read_config

    try:
        file = {} if config is None else read_config(Path(config))
        task = file.pop(TASK, named)
        if task is None:
            msg = f'{config} names no task; write task = "yin-yang" into it, or name one: ranvier train TASK.'
            raise click.UsageError(msg)
        if named is not None and named != task:
            msg = f"{config} is a configuration of {task}, not of {named}; name the same task, or none."
            raise click.UsageError(msg)
        preset = find(str(task))
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error
    try:
        return resolve(preset, [file, line])
    except SettingError as error:
        whose = told(error) if error.name in line else f"{config}: {error}"
        raise click.UsageError(whose) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _subject(ctx: click.Context, arguments: Sequence[str]) -> "Experiment | None":
    """The experiment with the choices that the arguments make, whose settings are options with these defaults."""
    from_choices: dict[str, Any] = {}
    while True:  # a choice may bring others along
        about = asked_for(arguments, from_choices)
        if about is None:
            return None
        made = scan(arguments, list(about.choices))
        if made == from_choices:
            return about
        from_choices = made


def _train(
    ctx: click.Context, task: str | None, config: str | None, seeds: str | None, out: Path | None, resume: bool,
    quiet: bool, threads: int | None, workers: int | None, dry_run: bool, tensorboard: Path | None, wandb: str | None,
    **others: Any,
) -> None:  # fmt: skip
    """Train a network; `HELP` is what the user reads."""
    if ctx.meta[SUBJECT] is None:
        msg = f"TASK is missing; name one of {', '.join(listing('tasks'))}, a Python file, or a file with --config"
        raise click.UsageError(msg, ctx)
    line = given_settings(ctx)
    which = parse_seeds(line.get("seed"), seeds)
    arguments = [task] if task else []
    arguments += ["--config", config] if config else []
    experiment = asked_for(arguments, line | ({"seed": which[0]} if which else {}))
    assert experiment is not None
    if experiment.dtype == "float64":
        import jax

        jax.config.update("jax_enable_x64", True)
    from ranvier.lab.catalogue import label

    folder = out or Path("runs") / label(experiment)
    job = Job(experiment, folder, resume, quiet, threads, tensorboard, wandb)
    spread = Spread(*(others[name] for name in ("devices", "processes", "process", "coordinator")))
    if not spread.alone and (which is not None or dry_run):
        msg = "--devices and --processes are for one run, without --seeds and --dry-run"
        raise click.UsageError(msg, ctx)
    if dry_run:
        _rehearse(job, which or [experiment.seed], workers)
        return
    try:
        if which is not None:
            _several(job, which, workers)
        else:
            _one(job, spread)
    except KeyboardInterrupt:
        words = f"interrupted; the same command with --resume goes on from the last epoch in {job.folder}."
        say(errors(), f"ranvier: {words}")
        raise click.exceptions.Exit(130) from None


def _one(job: Job, spread: Spread) -> None:
    """One run: here, or spread over processes."""
    if spread.to_start > 1:
        run_processes(job.experiment, spread, job.folder, job.threads, job.resume, job.quiet, job.told)
        return
    job = dataclasses.replace(job, devices=spread.join())
    if not spread.alone and job.threads is None:
        job = dataclasses.replace(job, threads=max(1, cores() // (spread.devices or 1)))
    result = job.run()
    if job.leads:
        show_result(job.folder, result)


def _rehearse(job: Job, seeds: Sequence[int], workers: int | None) -> None:
    """Say what training would take, without doing it."""
    from ranvier.lab.dry_run import duration, estimate

    found = estimate(job.experiment, job.threads)
    rounds = -(-len(seeds) // min(workers or cores(), len(seeds)))
    say(output(), str(found))
    if len(seeds) > 1:
        say(output(), f"seeds        {len(seeds)} in {rounds} rounds: {duration(rounds * found.total)} or more")
    say(output(), f"folder       {job.folder}; nothing was written")
    numbers = {
        name: getattr(found, name) for name in ("parameters", "synapses", "events", "peak_bytes", "step", "epoch")
    }
    say(output(), summary_line(dry_run=True, **numbers, seconds=rounds * found.total))


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
        run_workers(job.experiment, seeds, job.folder, at_a_time, threads, job.resume, job.quiet, job.told)
        results = [job.seed(seed).finished() for seed in seeds]
    show_seeds(job.folder, results)


def _words(experiment: "Experiment | None") -> str:
    """What the help says."""
    if experiment is not None:
        words = (type(experiment.task).__doc__ or "").partition("\n")[0]
        return TASK_HELP.format(name=experiment.name, words=words)
    known = listing("tasks")
    lines = [f"  {name.ljust(max(map(len, known)))}  {words}" for name, words in known.items()]
    return HELP.replace("{tasks}", "\n".join(lines))


command = SettingsCommand(
    _subject,
    _words,
    offered=lambda experiment: experiment.offered(),
    name="train",
    short_help="Train a network on a task.",
    callback=click.pass_context(_train),
    params=[
        click.Argument(["task"], type=TaskName(), required=False, metavar="TASK"),
        click.Option(["--config"], metavar="FILE", help="TOML file with settings, such as the config.toml of a run."),
        click.Option(["--seeds"], metavar="SEEDS", help="Train several seeds: 0..4 or 0,3,5."),
        click.Option(
            ["--out"], type=click.Path(path_type=Path), metavar="DIR", help="Run folder [default: runs/ and the task]."
        ),
        click.Option(["--resume"], is_flag=True, help="Go on with the run in DIR, if there is one."),
        click.Option(["--quiet"], is_flag=True, help="Show no progress."),
        click.Option(
            ["--dry-run"], is_flag=True,
            help="Measure a few steps and say what the run would take: sizes, memory, time. Writes nothing.",
        ),
        click.Option(
            ["--tensorboard"], type=click.Path(path_type=Path), metavar="DIR",
            help="Write the metrics of every epoch for TensorBoard, too.",
        ),
        click.Option(["--wandb"], metavar="PROJECT", help="Send them to this project of Weights & Biases, too."),
        click.Option(
            ["--threads"],
            type=click.IntRange(1),
            metavar="N",
            help="Threads of a run, for method event-driven [default: all cores].",
        ),
        click.Option(
            ["--workers"], type=click.IntRange(1), metavar="N", help="Seeds at a time [default: one per core]."
        ),
        *OPTIONS,
    ],
)  # fmt: skip
