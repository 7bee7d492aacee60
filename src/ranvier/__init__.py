"""ranvier: exact gradients for spiking neural networks with learnable delays.

Neurons emit spikes; connections turn spikes into delayed, weighted events; a simulator advances the network from
event to event; a `Solution` holds what happened; and JAX differentiates all of it exactly.

Units: milliseconds, and potentials in units of the threshold.
"""

from importlib.metadata import version as _version

from equinox import combine as combine

from ranvier import delays as delays
from ranvier import encoders as encoders
from ranvier import losses as losses
from ranvier import patterns as patterns
from ranvier import queues as queues
from ranvier import regularizers as regularizers
from ranvier import surrogates as surrogates
from ranvier.builders import feedforward as feedforward
from ranvier.builders import recurrent as recurrent
from ranvier.clock_driven import Checkpoints as Checkpoints
from ranvier.clock_driven import ClockDriven as ClockDriven
from ranvier.clock_driven import Exact as Exact
from ranvier.clock_driven import ExactSpikes as ExactSpikes
from ranvier.clock_driven import Merged as Merged
from ranvier.clock_driven import Queued as Queued
from ranvier.clock_driven import SurrogateSpikes as SurrogateSpikes
from ranvier.closed_form import FirstSpike as FirstSpike
from ranvier.connections import Connection as Connection
from ranvier.delays import AxonalDelay as AxonalDelay
from ranvier.delays import DendriticDelay as DendriticDelay
from ranvier.delays import FixedDelay as FixedDelay
from ranvier.delays import SynapticDelay as SynapticDelay
from ranvier.delays import axonal as axonal
from ranvier.delays import dendritic as dendritic
from ranvier.delays import fixed as fixed
from ranvier.delays import synaptic as synaptic
from ranvier.event_driven import EventDriven as EventDriven
from ranvier.events import Spikes as Spikes
from ranvier.events import first_spike as first_spike
from ranvier.events import spike_count as spike_count
from ranvier.initializers import constant as constant
from ranvier.initializers import normal as normal
from ranvier.initializers import uniform as uniform
from ranvier.integrators import RK4 as RK4
from ranvier.integrators import ExponentialEuler as ExponentialEuler
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
from ranvier.selection import partition as partition
from ranvier.simulation import Solution as Solution
from ranvier.simulation import Stats as Stats
from ranvier.simulation import simulate as simulate
from ranvier.synapses import AlphaCurrent as AlphaCurrent
from ranvier.synapses import ConductanceExponential as ConductanceExponential
from ranvier.synapses import DoubleExponentialCurrent as DoubleExponentialCurrent
from ranvier.synapses import ExponentialCurrent as ExponentialCurrent

__version__ = _version("ranvier")

__all__ = [
    "LI",
    "LIF",
    "QIF",
    "RK4",
    "AdEx",
    "AdaptiveLIF",
    "AllToAll",
    "AlphaCurrent",
    "AxonalDelay",
    "Checkpoints",
    "ClockDriven",
    "ConductanceExponential",
    "Connection",
    "DendriticDelay",
    "DoubleExponentialCurrent",
    "EventDriven",
    "Exact",
    "ExactSpikes",
    "ExponentialCurrent",
    "ExponentialEuler",
    "FirstSpike",
    "FixedDelay",
    "HodgkinHuxley",
    "Izhikevich",
    "Merged",
    "Network",
    "ODENeuron",
    "Pairs",
    "Population",
    "Queued",
    "Solution",
    "Spikes",
    "Stats",
    "SurrogateSpikes",
    "SynapticDelay",
    "axonal",
    "combine",
    "constant",
    "delays",
    "dendritic",
    "encoders",
    "feedforward",
    "first_spike",
    "fixed",
    "load",
    "losses",
    "normal",
    "partition",
    "patterns",
    "project",
    "queues",
    "recurrent",
    "regularizers",
    "save",
    "simulate",
    "spike_count",
    "surrogates",
    "synaptic",
    "uniform",
]
