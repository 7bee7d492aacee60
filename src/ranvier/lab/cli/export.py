"""`ranvier export`: the network of a run, as a file of other tools."""

from pathlib import Path

import click

from ranvier.lab.cli.output import output, say

HELP = """Write the network of a run, or a saved network, as a NIR file.

SOURCE is a run folder of `ranvier train`, or a file of `ranvier.save`; FILE ends in .nir. What a NIR file
has no place for is refused by name, or left out with --approximate. What changes nothing in a simulation, as names
of connections, is left out and printed.

\b
Examples:
  ranvier export runs/first net.nir
  ranvier export runs/first net.nir --approximate --unit 1000
"""


def _export(source: Path, file: Path, unit: float, dt: float | None, approximate: bool) -> None:
    """Write the file; `HELP` is what the user reads."""
    import jax

    from ranvier.interop.nir import losses, write
    from ranvier.saving import load

    if file.suffix != ".nir":
        msg = f"export: FILE must end in .nir; got {file.name}."
        raise ValueError(msg)
    jax.config.update("jax_enable_x64", True)  # the network may be in float64
    network = load(_network_file(source))
    write(file, network, unit=unit, dt=dt, approximate=approximate)
    say(output(), f"{file}: {len(network.names)} populations, {len(network.connections)} connections")
    for loss in losses(network):
        say(output(), f"{'changed' if loss.changes else 'lost'}: {loss.place}: {loss.what}")


def _network_file(source: Path) -> Path:
    """The file of a network, in a run folder or itself."""
    from ranvier.train import RunFolder

    return RunFolder(source).network if source.is_dir() else source


command = click.Command(
    "export",
    help=HELP,
    short_help="Write the network of a run as a NIR file.",
    callback=_export,
    params=[
        click.Argument(["source"], type=click.Path(exists=True, path_type=Path), metavar="SOURCE"),
        click.Argument(["file"], type=click.Path(dir_okay=False, path_type=Path), metavar="FILE"),
        click.Option(["--unit"], type=float, default=1.0, show_default=True, help="Unit of time in the file, in ms."),
        click.Option(
            ["--dt"], type=float, help="Step in ms for which a spike stands, for libraries that run in steps."
        ),
        click.Option(["--approximate"], is_flag=True, help="Leave out what NIR has no place for."),
    ],
)
"""`ranvier export`."""
