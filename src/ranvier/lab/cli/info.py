"""`ranvier info`: versions, devices, the engine, cores, where programs are kept."""

import click

from ranvier.lab.cli.output import output, say

HELP = """Show versions, devices, the engine, cores and kept programs: what a bug report should say.

\b
Examples:
  ranvier info
"""


def _info() -> None:
    import jax

    from ranvier.event_driven.library import level
    from ranvier.train.provenance import commit, cores, versions

    console = output()
    for name, version in versions().items():
        say(console, f"{name:<10} {version}")
    say(console, f"{'commit':<10} {commit() or 'not a checkout'}")
    for device in jax.devices():
        say(console, f"{'device':<10} {device.platform}: {device.device_kind}")
    say(console, f"{'engine':<10} {level()}")
    say(console, f"{'cores':<10} {cores()}")
    say(console, f"{'programs':<10} {jax.config.values['jax_compilation_cache_dir'] or 'not kept'}")


command = click.Command(
    "info",
    short_help="Show versions, devices, the engine and cores.",
    help=HELP,
    callback=_info,
)
