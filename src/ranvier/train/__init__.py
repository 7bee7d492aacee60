"""Training: `fit` takes a network, data and a `Recipe`, and gives back the network that validated best.

Which of two inputs comes first? The output of the same number should fire first:

    >>> import jax, math, numpy as np, ranvier as rv
    >>> from functools import partial
    >>> from ranvier.train import Dataset, Recipe, adam, by_path, fit
    >>> def dataset(samples, seed):
    ...     times = np.random.RandomState(seed).rand(samples, 2).astype("float32")
    ...     order = np.argsort(times, axis=1)
    ...     return Dataset(rv.Spikes(np.sort(times, axis=1), order.astype("int32")), order[:, 0], classes=2)
    >>> neuron = rv.LIF(tau_mem=2.0, tau_syn=1.0, refractory=math.inf)
    >>> weight, delay = rv.initializers.constant(3.0), rv.synaptic(0.0, 1.0)
    >>> network = rv.feedforward([2, 2], neuron=neuron, delay=delay, weight=weight, key=jax.random.key(0))
    >>> recipe = Recipe(
    ...     rv.EventDriven(max_spikes=1),
    ...     t_end=10.0,
    ...     readout=rv.readouts.FirstSpike("output"),
    ...     loss=partial(rv.losses.relative_time_mse, margin=0.3),
    ...     optimiser=by_path({"weight": adam(0.05), "delay": adam(0.05)}),
    ...     epochs=10,
    ...     batch=50,
    ... )
    >>> fitted = fit(network, dataset(500, seed=0), dataset(100, seed=1), recipe, key=jax.random.key(1))
    >>> fitted.epochs[-1]["validation_accuracy"] > 0.9
    True
"""

from ranvier.train.checked import check_fit as check_fit
from ranvier.train.checkpoint import BrokenFileError as BrokenFileError
from ranvier.train.checkpoint import read_arrays as read_arrays
from ranvier.train.checkpoint import read_facts as read_facts
from ranvier.train.checkpoint import save_arrays as save_arrays
from ranvier.train.dataset import Dataset as Dataset
from ranvier.train.fit_page import write_fit_page as write_fit_page
from ranvier.train.judging import TrainingError as TrainingError
from ranvier.train.judging import answers as answers
from ranvier.train.judging import evaluate as evaluate
from ranvier.train.loop import Fitted as Fitted
from ranvier.train.loop import TrainingInterrupted as TrainingInterrupted
from ranvier.train.loop import best_epoch as best_epoch
from ranvier.train.loop import fit as fit
from ranvier.train.optimisers import adam as adam
from ranvier.train.optimisers import by_path as by_path
from ranvier.train.optimisers import cosine as cosine
from ranvier.train.optimisers import ease_in as ease_in
from ranvier.train.optimisers import learning_paths as learning_paths
from ranvier.train.optimisers import learning_rates as learning_rates
from ranvier.train.optimisers import step_decay as step_decay
from ranvier.train.picture import draw_fit as draw_fit
from ranvier.train.progress import AbstractProgress as AbstractProgress
from ranvier.train.progress import LiveProgress as LiveProgress
from ranvier.train.progress import NoProgress as NoProgress
from ranvier.train.progress import PlainProgress as PlainProgress
from ranvier.train.progress import live_bar as live_bar
from ranvier.train.progress import progress_for as progress_for
from ranvier.train.recipe import Recipe as Recipe
from ranvier.train.run_folder import RunError as RunError
from ranvier.train.run_folder import RunFolder as RunFolder
from ranvier.train.sinks import Several as Several
from ranvier.train.sinks import TensorBoard as TensorBoard
from ranvier.train.sinks import WeightsAndBiases as WeightsAndBiases
from ranvier.train.stream import Stream as Stream
from ranvier.train.stuck import diagnose_fit as diagnose_fit
from ranvier.train.stuck import examine as examine
from ranvier.train.team import Devices as Devices
from ranvier.train.watchdog import PeerError as PeerError
