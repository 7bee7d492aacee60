"""Encoders: from the values of a sample to the spikes of an input population.

Each encoder is a pure function of an array whose last axis is the channel. It gives `Spikes` for that many
units, or for a fixed number of units for each. Latency and population codes may be differentiated with respect to the
values; of rate and delta codes the values decide how many spikes there are. `Cochlea` turns sounds into spikes, with
NumPy.
"""

from ranvier.encoders.changes import delta as delta
from ranvier.encoders.cochlea import Cochlea as Cochlea
from ranvier.encoders.latencies import latency as latency
from ranvier.encoders.latencies import lif_current as lif_current
from ranvier.encoders.latencies import lif_latency as lif_latency
from ranvier.encoders.rates import poisson as poisson
from ranvier.encoders.rates import regular as regular
from ranvier.encoders.tuning import population as population
