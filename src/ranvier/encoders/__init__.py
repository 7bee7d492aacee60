"""Encoders: from the values of a sample to the spikes of an input population.

Each encoder is a pure function of an array whose last axis is the channel. It gives `Spikes` for that many
units, and may be differentiated with respect to the values. `Cochlea` turns sounds into spikes, with NumPy.
"""

from ranvier.encoders.cochlea import Cochlea as Cochlea
from ranvier.encoders.latencies import latency as latency
