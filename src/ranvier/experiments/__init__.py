"""Named experiments: one frozen dataclass each holds every number and makes what a run needs of it.

>>> import tempfile
>>> from ranvier.experiments import load_run, run, yin_yang
>>> folder = tempfile.mkdtemp()
>>> result = run(yin_yang("axonal", hidden=10, seed=3, epochs=2), folder)
>>> result["parameters"]
84
>>> experiment, network = load_run(folder)
"""

from ranvier.experiments.experiment import AbstractExperiment as AbstractExperiment
from ranvier.experiments.experiment import Data as Data
from ranvier.experiments.experiment import keys as keys
from ranvier.experiments.latency_experiment import AbstractLatencyExperiment as AbstractLatencyExperiment
from ranvier.experiments.methods import EXACT as EXACT
from ranvier.experiments.methods import METHODS as METHODS
from ranvier.experiments.mnist_experiment import Mnist as Mnist
from ranvier.experiments.runs import EXPERIMENTS as EXPERIMENTS
from ranvier.experiments.runs import draw_report as draw_report
from ranvier.experiments.runs import load_run as load_run
from ranvier.experiments.runs import run as run
from ranvier.experiments.temporal_order_experiment import TemporalOrder as TemporalOrder
from ranvier.experiments.yin_yang_experiment import YinYang as YinYang
from ranvier.experiments.yin_yang_experiment import yin_yang as yin_yang
