"""Neuron models: what a population's membrane does between events, and when it spikes.

`LIF` and `LI` are linear between events and have closed forms; the others are given by their differential equation and
a synapse of the user's choice. `AbstractNeuron` is what all of them are.
"""

from ranvier.neurons.abstract import AbstractLinearNeuron as AbstractLinearNeuron
from ranvier.neurons.abstract import AbstractNeuron as AbstractNeuron
from ranvier.neurons.abstract import linear as linear
from ranvier.neurons.abstract_ode import AbstractODENeuron as AbstractODENeuron
from ranvier.neurons.adaptive_lif import AdaptiveLIF as AdaptiveLIF
from ranvier.neurons.adex import AdEx as AdEx
from ranvier.neurons.hodgkin_huxley import HodgkinHuxley as HodgkinHuxley
from ranvier.neurons.izhikevich import Izhikevich as Izhikevich
from ranvier.neurons.lif import LI as LI
from ranvier.neurons.lif import LIF as LIF
from ranvier.neurons.ode_neuron import ODENeuron as ODENeuron
from ranvier.neurons.qif import QIF as QIF
