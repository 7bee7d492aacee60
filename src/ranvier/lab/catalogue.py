"""The catalogue: experiments by name, with settings from several places put on top of each other.

A name is that of a file in `ranvier.lab.tasks`, `yin-yang`, or the path of such a file anywhere else. The numbers of an
experiment come, each place before the next, from the defaults of its parts, from what the task's `PRESET` found to suit
its choices, from a configuration file, and from the command line.
"""

import dataclasses
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ranvier.lab.composition import Experiment, Preset
from ranvier.lab.listing import listing, nearest
from ranvier.lab.settings import change, everywhere, settings

ENDINGS = (".h5", ".hdf5")
"""How names of files of spikes end."""


def experiment(name: str, **given: Any) -> Experiment:
    """The experiment of a task, with the numbers that suit its choices, and with other settings.

    Args:
        name: The task: `yin-yang`, `mnist`, `temporal-order`, or the path of a Python file or of a file of spikes.
        **given: Settings, by the names of the command line.

    Raises:
        SettingError: there is no setting of a name, or it cannot have that value.
        ValueError: there is no such task.

    Example:
        >>> from ranvier.lab import experiment
        >>> experiment("yin-yang", delay="axonal", hidden=10).model.weight.lr
        0.0238
    """
    return resolve(find(name), [given])


def find(name: str) -> Preset:
    """The preset of a task.

    Args:
        name: The task: the name of a file in `ranvier.lab.tasks`, or a path that ends in `.py` or in `.h5`.

    Raises:
        ValueError: there is no such task, or its file has no `PRESET`.
    """
    known = listing("tasks")
    if name.endswith(ENDINGS):
        return _spikes(name)
    if name in known:
        module, where = importlib.import_module(f"ranvier.lab.tasks.{name.replace('-', '_')}"), name
    elif name.endswith(".py") and Path(name).is_file():
        module, where = _module(Path(name).resolve()), str(Path(name).resolve())
    else:
        problem = "no such file" if name.endswith(".py") else f"no such task{nearest(name, list(known))}"
        others = f"There are {', '.join(known)}, any Python file with a PRESET, and any file of spikes (.h5)."
        msg = f"{name}: {problem.rstrip('?')}. {others}"
        raise ValueError(msg)
    preset = vars(module).get("PRESET")
    if not isinstance(preset, Preset):
        msg = f"{name}: expected PRESET, a ranvier.lab.Preset, in this file; got {preset!r}."
        raise ValueError(msg)
    return Preset(dataclasses.replace(preset.experiment, name=where), preset.tuned)


def resolve(preset: Preset, layers: Sequence[Mapping[str, Any]]) -> Experiment:
    """An experiment from a preset and settings from several places.

    Where a later place makes another choice, numbers of an earlier place that this choice has no use for are left out.

    Args:
        preset: Where to start from.
        layers: Settings by name, first those that give way.

    Raises:
        SettingError: there is no setting of a name, or it cannot have that value.
        ValueError: the parts do not go together.

    Example:
        >>> from ranvier.lab.catalogue import find, resolve
        >>> file, line = {"method": "clock-driven", "dt": 0.5, "epochs": 7}, {"method": "first-spike"}
        >>> experiment = resolve(find("yin-yang"), [file, line])
        >>> experiment.method.name, experiment.training.epochs
        ('first-spike', 7)
    """
    start, everything = preset.experiment, everywhere(preset.experiment)
    place = {name: at for at, layer in enumerate(layers) for name in layer}
    given = {name: layers[at][name] for name, at in place.items()}
    chosen, tuned = _choose(start, given), {}
    choices = chosen.choices
    for when, then in preset.tuned:
        if all(choices.get(name) == value for name, value in when.items()):
            tuned |= then
            chosen = _choose(start, tuned | given)
            choices = chosen.choices
    known = settings(chosen)

    def overruled(name: str) -> bool:
        needed = {choice for _, choices in everything.get(name, []) for choice in choices}
        return name not in known and any(place.get(choice, -1) > place[name] for choice in needed)

    wanted = {name: value for name, value in tuned.items() if name in known}
    wanted |= {name: value for name, value in given.items() if not overruled(name)}
    made = change(start, wanted)
    made.check_parts()
    return made


def label(experiment: Experiment) -> str:
    """A short name that tells an experiment from other choices of its task, for the run folder.

    Example:
        >>> from ranvier.lab import experiment
        >>> from ranvier.lab.catalogue import label
        >>> label(experiment("yin-yang", delay="axonal", method="first-spike"))
        'yin-yang-axonal-first-spike'
    """
    usual = resolve(find(experiment.name), []).choices
    chosen = [value for name, value in experiment.choices.items() if usual.get(name) != value]
    return "-".join([Path(experiment.name).stem, *chosen])


def _spikes(name: str) -> Preset:
    """The preset for a file of spikes."""
    from ranvier.lab.spike_tasks import OneFile
    from ranvier.lab.tasks.gsc import PRESET

    if not Path(name).is_file():
        msg = f"{name}: no such file. Make one of recordings: ranvier encode FOLDER {name}"
        raise ValueError(msg)
    where = str(Path(name).resolve())
    return Preset(dataclasses.replace(PRESET.experiment, task=OneFile(file=where), name=where), PRESET.tuned)


def _choose(start: Experiment, given: Mapping[str, Any]) -> Experiment:
    """The experiment with those of the settings that are choices."""
    chosen = start
    while True:
        known = settings(chosen)
        wanted = {name: given[name] for name, one in known.items() if one.choices and name in given}
        name = next((name for name, value in wanted.items() if value != known[name].value), None)
        if name is None:
            return chosen
        chosen = change(chosen, {name: wanted[name]})


def _module(path: Path) -> ModuleType:
    """A Python file as a module; one that is there already is not run again."""
    name = f"ranvier_task_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            msg = f"{path}: cannot be imported as Python."
            raise ValueError(msg)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
