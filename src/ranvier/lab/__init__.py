"""Experiments by composition, and the command line made from them.

A run is an `Experiment`, five parts put together, each a small frozen dataclass that is useful without the others:

    task        data, encoding, classes                          `ranvier.lab.tasks`
    model       populations, connections, delays, their rates    `ranvier.lab.models`
    readout     which output is the answer, and the loss         `ranvier.lab.readouts`
    method      how it is simulated                              `ranvier.lab.methods`
    training    epochs, schedule, regularisers, augmentation     `ranvier.lab.training`

and a precision and a seed. It makes data, network and the `ranvier.train.Recipe` that `fit` wants.

* To vary, exchange a part or a number; nothing is inherited but interfaces. A learning rate stands with what it moves:
  `model.delay.lr` is there exactly where delays learn, so that a number of no use cannot be given.
* Every number has one name, `epochs`, `delay_low`, made from its place (`ranvier.lab.settings`). Python, the command
  line, configuration files and error messages use that name; its meaning is read from the docstring, its range from
  its type, its default from the experiment. No second list is kept.
* A part that can be exchanged is a setting, too, whose value is a name: `method`, `delay`, `schedule`.
* A task's file holds a `PRESET`: an experiment to start from, and the numbers that were found to suit its choices.
  Defaults give way to these, these to a configuration file, and that to the command line (`ranvier.lab.catalogue`).
* A new task is one file, in `ranvier.lab.tasks` or anywhere: `ranvier train path/to/task.py`.

>>> import tempfile
>>> from ranvier.lab import experiment, load_run, run
>>> folder = tempfile.mkdtemp()
>>> result = run(experiment("yin-yang", delay="axonal", hidden=10, seed=3, epochs=2), folder)
>>> result["parameters"]
84
>>> again, network = load_run(folder)
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported when used: the command line needs none of it to print its help
    from ranvier.lab import methods as methods
    from ranvier.lab import models as models
    from ranvier.lab import parts as parts
    from ranvier.lab import readouts as readouts
    from ranvier.lab import training as training
    from ranvier.lab.catalogue import experiment as experiment
    from ranvier.lab.composition import Experiment as Experiment
    from ranvier.lab.composition import Preset as Preset
    from ranvier.lab.runs import draw_report as draw_report
    from ranvier.lab.runs import load_run as load_run
    from ranvier.lab.runs import run as run

_HOME = {
    "Experiment": "composition",
    "Preset": "composition",
    "draw_report": "runs",
    "experiment": "catalogue",
    "load_run": "runs",
    "run": "runs",
}

__all__ = [
    "Experiment",
    "Preset",
    "draw_report",
    "experiment",
    "load_run",
    "methods",
    "models",
    "parts",
    "readouts",
    "run",
    "training",
]


def __getattr__(name: str) -> Any:
    """Import what is public and has not been used yet."""
    if name not in __all__:
        msg = f"module 'ranvier.lab' has no attribute {name!r}"
        raise AttributeError(msg)
    if name not in _HOME:
        return _import_module(f"ranvier.lab.{name}")
    value = getattr(_import_module(f"ranvier.lab.{_HOME[name]}"), name)
    globals()[name] = value
    return value
