"""`ranvier encode`: recordings become a file of spikes."""

import contextlib
from pathlib import Path
from typing import Any

import click

from ranvier.lab.cli.options import SettingsCommand, given_settings
from ranvier.lab.cli.output import errors, output, say, summary_line
from ranvier.lab.cli.seeds import cores
from ranvier.lab.settings import change

HELP = """Turn recordings into spikes, by a model of the cochlea, for training.

AUDIO is a folder, a zip or tar archive, or a CSV file with the columns file, label, and where known speaker and split
(train, validation, test). Recordings are WAV, FLAC or OGG files of 8 to 48 kHz; several channels are averaged.
Without a list the label is the folder of a recording, or, where all lie in one folder, the beginning of its name:
7_jackson_32.wav is label 7, speaker jackson. Google Speech Commands have their official splits.

OUT is an HDF5 file in the layout of the Spiking Heidelberg Digits, for: ranvier train OUT

\b
Examples:
  ranvier encode my-words/ words.h5
  ranvier encode list.csv words.h5 --channels 64 --workers 4
  ranvier encode digits.zip digits.h5 --high 3800 --picture cochlea.png
"""


def _encode(
    ctx: click.Context, audio: Path, out: Path, label_column: str, skip_broken: bool, workers: int | None,
    picture: Path | None, quiet: bool, **others: Any,
) -> None:  # fmt: skip
    """Encode recordings; `HELP` is what the user reads."""
    from ranvier.encoders import Cochlea  # imports JAX
    from ranvier.lab.encoding import encode
    from ranvier.train.progress import live_bar

    try:
        cochlea = change(Cochlea(), given_settings(ctx))
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from error
    console = errors()
    bar = live_bar(console)
    with bar:
        task = bar.add_task("encoding", visible=not quiet, numbers="")

        def tell(done: int, all_of_them: int) -> None:
            bar.update(task, completed=done, total=all_of_them)

        found = encode(
            audio, out, cochlea, label=label_column, workers=workers or cores(), skip_broken=skip_broken, tell=tell
        )
    if picture is not None:
        _draw(audio, label_column, cochlea, picture)
    for line in found.left_out:
        say(console, f"left out: {line}")
    speakers = f"{found.speakers} speakers" if found.speakers else "speakers unknown"
    splits = ", ".join(f"{count} {name}" for name, count in found.splits.items()) or "no splits"
    words = (
        f"{out}: {found.samples} samples of {len(found.classes)} classes, {speakers}, {splits}; "
        f"{found.spikes / found.samples:.0f} spikes each."
    )
    say(output(), words)
    say(output(), summary_line(file=out, samples=found.samples, classes=len(found.classes), spikes=found.spikes))


def _draw(audio: Path, label: str, cochlea: Any, picture: Path) -> None:
    """What the cochlea does to the first recording that can be read."""
    from ranvier.datasets import SoundError, find_recordings, read_sound

    for one, content in find_recordings(audio, label=label).contents():
        with contextlib.suppress(SoundError):
            _picture(read_sound(content), one.file, cochlea, picture)
            return


def _picture(sound: Any, title: str, cochlea: Any, picture: Path) -> None:
    from ranvier.plots import cochleagram

    figure = cochleagram(
        sound.pressure, sound.rate, cochlea.drive(sound.pressure, rate=sound.rate),
        cochlea(sound.pressure, rate=sound.rate), cochlea.centres, title=title,
    )  # fmt: skip
    figure.savefig(picture, dpi=150)


def _numbers(ctx: click.Context, arguments: Any) -> Any:
    from ranvier.encoders import Cochlea

    return Cochlea()


command = SettingsCommand(
    _numbers,
    lambda about: HELP,
    name="encode",
    short_help="Turn recordings into a file of spikes.",
    callback=click.pass_context(_encode),
    params=[
        click.Argument(["audio"], type=click.Path(path_type=Path)),
        click.Argument(["out"], type=click.Path(path_type=Path, dir_okay=False)),
        click.Option(
            ["--label-column"], default="label", metavar="NAME",
            help="Column of the CSV file that holds the labels [default: label].",
        ),
        click.Option(["--skip-broken"], is_flag=True, help="Leave broken recordings out; default refuse, naming all."),
        click.Option(
            ["--workers"], type=click.IntRange(1), metavar="N", help="Processes [default: one per core]."
        ),
        click.Option(
            ["--picture"], type=click.Path(path_type=Path), metavar="FILE",
            help="Draw what the cochlea does to the first recording.",
        ),
        click.Option(["--quiet"], is_flag=True, help="Show no progress."),
    ],
)  # fmt: skip
