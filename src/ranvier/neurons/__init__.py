"""Neuron models: what a population's membrane does between events, and when it spikes.

`LIF` and `LI` are linear between events and have closed forms. `AbstractNeuron` is what every neuron is.
"""

from ranvier.neurons.abstract import AbstractLinearNeuron as AbstractLinearNeuron
from ranvier.neurons.abstract import AbstractNeuron as AbstractNeuron
from ranvier.neurons.abstract import linear as linear
from ranvier.neurons.lif import LI as LI
from ranvier.neurons.lif import LIF as LIF
