"""What the neurons that are integrated step by step have in common: a synapse of their own choice."""

import equinox as eqx

from ranvier.neurons.abstract import AbstractNeuron
from ranvier.synapses import AbstractSynapse


class AbstractODENeuron(AbstractNeuron):
    """A neuron given by an ordinary differential equation, driven by the current of a synapse."""

    synapse: eqx.AbstractVar[AbstractSynapse]
