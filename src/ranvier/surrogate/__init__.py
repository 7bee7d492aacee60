"""Surrogate gradients on a grid of steps: the usual way to train spiking networks, here for comparison."""

from ranvier.surrogate.simulator import Surrogate as Surrogate
