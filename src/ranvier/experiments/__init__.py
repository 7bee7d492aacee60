"""Named experiments: one frozen dataclass holds every number, a few functions turn it into a run.

>>> import tempfile
>>> from ranvier.experiments import load_run, run, yin_yang
>>> folder = tempfile.mkdtemp()
>>> result = run(yin_yang("axonal", hidden=10, seed=3, epochs=2), folder)
>>> result["parameters"]
84
>>> experiment, network = load_run(folder)
"""

from ranvier.experiments.build import EXACT as EXACT
from ranvier.experiments.build import METHODS as METHODS
from ranvier.experiments.build import build_data as build_data
from ranvier.experiments.build import build_network as build_network
from ranvier.experiments.build import build_recipe as build_recipe
from ranvier.experiments.build import earliest as earliest
from ranvier.experiments.experiment import YIN_YANG as YIN_YANG
from ranvier.experiments.experiment import Experiment as Experiment
from ranvier.experiments.experiment import yin_yang as yin_yang
from ranvier.experiments.runs import draw_report as draw_report
from ranvier.experiments.runs import load_run as load_run
from ranvier.experiments.runs import run as run
