"""Delays: how long a spike travels from neuron i of `pre` to neuron j of `post`, in ms.

A delay is called with its two populations and a pattern, and says which synapses share a value (`per`): `SynapticDelay`
has one per synapse, `AxonalDelay` one per sending neuron, `DendriticDelay` one per receiving neuron, `FixedDelay`
values that never learn. Bounds and the way they are kept live in it and nowhere else: a `Sigmoid` bound learns an
unconstrained number behind a smooth box, a `Clip` bound learns the delay itself and is put back into the box after each
step (`ranvier.project`).

`synaptic(...)`, `axonal(...)`, `dendritic(...)` and `fixed(...)` say what kind a builder such as `feedforward` should
make for each of its connections.
"""

from ranvier.delays.abstract import AbstractDelay as AbstractDelay
from ranvier.delays.abstract import Per as Per
from ranvier.delays.bounds import AbstractBound as AbstractBound
from ranvier.delays.bounds import Clip as Clip
from ranvier.delays.bounds import Sigmoid as Sigmoid
from ranvier.delays.factories import DelayFactory as DelayFactory
from ranvier.delays.factories import axonal as axonal
from ranvier.delays.factories import dendritic as dendritic
from ranvier.delays.factories import fixed as fixed
from ranvier.delays.factories import synaptic as synaptic
from ranvier.delays.fixed import FixedDelay as FixedDelay
from ranvier.delays.learned import AxonalDelay as AxonalDelay
from ranvier.delays.learned import DendriticDelay as DendriticDelay
from ranvier.delays.learned import SynapticDelay as SynapticDelay
