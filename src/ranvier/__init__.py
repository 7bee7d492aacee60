"""ranvier: exact gradients for spiking neural networks with learnable delays.

Neurons emit spikes; connections turn spikes into delayed, weighted events; a simulator advances the network from
event to event; a `Solution` holds what happened; and JAX differentiates all of it exactly.

Units: milliseconds, and potentials in units of the threshold.

Everything in `__all__` is there after `import ranvier as rv`, modules such as `rv.plots` included. What costs time to
import, or needs packages that a simulation does not need, is imported when its name is first used.
"""

import sys
from importlib import import_module as _import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from ranvier.builders import feedforward as feedforward
from ranvier.builders import recurrent as recurrent
from ranvier.connections import Connection as Connection
from ranvier.delays import AxonalDelay as AxonalDelay
from ranvier.delays import DendriticDelay as DendriticDelay
from ranvier.delays import FixedDelay as FixedDelay
from ranvier.delays import SpatialDelay as SpatialDelay
from ranvier.delays import SynapticDelay as SynapticDelay
from ranvier.delays import axonal as axonal
from ranvier.delays import dendritic as dendritic
from ranvier.delays import fixed as fixed
from ranvier.delays import spatial as spatial
from ranvier.delays import synaptic as synaptic
from ranvier.events import Spikes as Spikes
from ranvier.events import first_spike as first_spike
from ranvier.events import spike_count as spike_count
from ranvier.gradients import ExactDerivative as ExactDerivative
from ranvier.gradients import SpikeValue as SpikeValue
from ranvier.network import Network as Network
from ranvier.network import project as project
from ranvier.neurons import LI as LI
from ranvier.neurons import LIF as LIF
from ranvier.neurons import QIF as QIF
from ranvier.neurons import AdaptiveLIF as AdaptiveLIF
from ranvier.neurons import AdEx as AdEx
from ranvier.neurons import HodgkinHuxley as HodgkinHuxley
from ranvier.neurons import Izhikevich as Izhikevich
from ranvier.neurons import ODENeuron as ODENeuron
from ranvier.patterns import AllToAll as AllToAll
from ranvier.patterns import Pairs as Pairs
from ranvier.populations import Population as Population
from ranvier.saving import load as load
from ranvier.saving import save as save
from ranvier.selection import combine as combine
from ranvier.selection import partition as partition
from ranvier.simulation import Solution as Solution
from ranvier.simulation import Stats as Stats
from ranvier.simulation import simulate as simulate

if TYPE_CHECKING:  # imported when used; tests/test_face.py holds this list, `_HOME` and `__all__` together
    from ranvier import augmentations as augmentations
    from ranvier import checkpoints as checkpoints
    from ranvier import checks as checks
    from ranvier import clock_driven as clock_driven
    from ranvier import datasets as datasets
    from ranvier import delays as delays
    from ranvier import encoders as encoders
    from ranvier import hardware as hardware
    from ranvier import initializers as initializers
    from ranvier import integrators as integrators
    from ranvier import interop as interop
    from ranvier import layouts as layouts
    from ranvier import losses as losses
    from ranvier import neurons as neurons
    from ranvier import patterns as patterns
    from ranvier import plots as plots
    from ranvier import queues as queues
    from ranvier import readouts as readouts
    from ranvier import regularizers as regularizers
    from ranvier import simulation as simulation
    from ranvier import summaries as summaries
    from ranvier import surrogates as surrogates
    from ranvier import synapses as synapses
    from ranvier import taps as taps
    from ranvier import topology as topology
    from ranvier import train as train
    from ranvier import viewer as viewer
    from ranvier import wiring as wiring
    from ranvier.clock_driven import ClockDriven as ClockDriven
    from ranvier.closed_form import FirstSpike as FirstSpike
    from ranvier.event_driven import EventDriven as EventDriven
    from ranvier.surrogate import Surrogate as Surrogate
    from ranvier.train import Dataset as Dataset
    from ranvier.train import Recipe as Recipe
    from ranvier.train import fit as fit

_HOME = {
    "ClockDriven": "clock_driven",
    "Dataset": "train",
    "EventDriven": "event_driven",
    "FirstSpike": "closed_form",
    "Recipe": "train",
    "Surrogate": "surrogate",
    "fit": "train",
}

__version__ = _version("ranvier")

__all__ = [
    "LI",
    "LIF",
    "QIF",
    "AdEx",
    "AdaptiveLIF",
    "AllToAll",
    "AxonalDelay",
    "ClockDriven",
    "Connection",
    "Dataset",
    "DendriticDelay",
    "EventDriven",
    "ExactDerivative",
    "FirstSpike",
    "FixedDelay",
    "HodgkinHuxley",
    "Izhikevich",
    "Network",
    "ODENeuron",
    "Pairs",
    "Population",
    "Recipe",
    "Solution",
    "SpatialDelay",
    "SpikeValue",
    "Spikes",
    "Stats",
    "Surrogate",
    "SynapticDelay",
    "augmentations",
    "axonal",
    "checkpoints",
    "checks",
    "clock_driven",
    "combine",
    "datasets",
    "delays",
    "dendritic",
    "encoders",
    "feedforward",
    "first_spike",
    "fit",
    "fixed",
    "hardware",
    "initializers",
    "integrators",
    "interop",
    "layouts",
    "load",
    "losses",
    "neurons",
    "partition",
    "patterns",
    "plots",
    "project",
    "queues",
    "readouts",
    "recurrent",
    "regularizers",
    "save",
    "simulate",
    "simulation",
    "spatial",
    "spike_count",
    "summaries",
    "surrogates",
    "synapses",
    "synaptic",
    "taps",
    "topology",
    "train",
    "viewer",
    "wiring",
]


def __getattr__(name: str) -> Any:
    """Import what is public and has not been used yet."""
    if name not in __all__:
        msg = f"module 'ranvier' has no attribute {name!r}"
        raise AttributeError(msg, name=name, obj=sys.modules[__name__])
    if name not in _HOME:
        return _import_module(f"ranvier.{name}")
    value = getattr(_import_module(f"ranvier.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
