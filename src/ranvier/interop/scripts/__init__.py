"""Networks of LIF and LI as scripts for other simulators: Brian2, and those that PyNN knows (NEST, NEURON, Brian2).

A script reads its numbers from the file beside it, needs no ranvier, and writes the spikes of all populations. So a
network that was trained here can be checked there, or be the start of something else.
"""

from ranvier.interop.scripts.writing import Written as Written
from ranvier.interop.scripts.writing import read_spikes as read_spikes
from ranvier.interop.scripts.writing import write_brian2 as write_brian2
from ranvier.interop.scripts.writing import write_pynn as write_pynn

__all__ = ["Written", "read_spikes", "write_brian2", "write_pynn"]
