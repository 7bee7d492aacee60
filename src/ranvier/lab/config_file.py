"""Configuration files: settings by name, as on the command line, in TOML.

    task = "yin-yang"

    # Model
    hidden = 10            # Hidden neurons.
    delay = "axonal"       # Kind of delays ...

A file need not hold all settings. Where a setting may be none, it says "none".
"""

import tomllib
from pathlib import Path
from typing import Any

from ranvier.lab.composition import Experiment
from ranvier.lab.settings import Setting, settings
from ranvier.train.checkpoint import write_atomically

TASK = "task"


def read_config(path: Path) -> dict[str, Any]:
    """The settings of a file; `task` is the task.

    Args:
        path: The file. `delay-low` is the same as `delay_low`.

    Raises:
        ValueError: it is no TOML, or has tables.
        FileNotFoundError: there is none.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        msg = f"{path}: there is no such file."
        raise FileNotFoundError(msg) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path} is not a TOML file: {error}."
        raise ValueError(msg) from error
    for name, value in found.items():
        if isinstance(value, dict):
            msg = f"{path}: [{name}] is a table; write settings without tables, as in hidden = 10."
            raise ValueError(msg)
    return {name.replace("-", "_"): value for name, value in found.items()}


def write_config(experiment: Experiment, path: Path) -> None:
    """Write all settings of an experiment, with what they mean; `ranvier train --config` takes it.

    Example:
        >>> import pathlib, tempfile
        >>> from ranvier.lab import experiment
        >>> from ranvier.lab.config_file import read_config, write_config
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "config.toml"
        >>> write_config(experiment("yin-yang", hidden=10), path)
        >>> read_config(path)["hidden"]
        10
    """
    groups: dict[str, list[Setting]] = {}
    for one in settings(experiment).values():
        groups.setdefault(one.group or one.name if one.choices else one.group, []).append(one)
    lines = ["# All settings of a run; the same run again: ranvier train --config THIS_FILE"]
    lines.append(f"task = {_toml(experiment.name)}")
    for group, members in sorted(groups.items(), key=lambda item: item[0] != ""):
        lines += ["", f"# {group.capitalize()}"] if group else []
        lines += [f"{one.name} = {_toml(one.value)}".ljust(30) + f"  # {one.meaning}" for one in members]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
