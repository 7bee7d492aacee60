"""Delays: how long a spike travels from neuron i of `pre` to neuron j of `post`, in ms.

A delay is called with its two populations and a pattern, and says which synapses share a value (`per`): `SynapticDelay`
has one per synapse, `AxonalDelay` one per sending neuron, `DendriticDelay` one per receiving neuron, `FixedDelay`
values that never learn; those of `SpatialDelay` follow from the positions of the two populations. Bounds and the way
they are kept live in it and nowhere else: a `Sigmoid` bound learns an unconstrained number behind a smooth box, a
`Clip` bound learns the delay itself and is put back into the box after each step (`ranvier.project`). How far apart two
positions are is a metric, how fast spikes travel a speed, and what becomes of too long a way a limit.

`synaptic(...)`, `axonal(...)`, `dendritic(...)`, `spatial(...)` and `fixed(...)` say what kind a builder such as
`feedforward` should make for each of its connections.
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
from ranvier.delays.factories import spatial as spatial
from ranvier.delays.factories import synaptic as synaptic
from ranvier.delays.fixed import FixedDelay as FixedDelay
from ranvier.delays.learned import AxonalDelay as AxonalDelay
from ranvier.delays.learned import DendriticDelay as DendriticDelay
from ranvier.delays.learned import SynapticDelay as SynapticDelay
from ranvier.delays.limits import AbstractLimit as AbstractLimit
from ranvier.delays.limits import Refuse as Refuse
from ranvier.delays.limits import Saturate as Saturate
from ranvier.delays.metrics import AbstractMetric as AbstractMetric
from ranvier.delays.metrics import Euclidean as Euclidean
from ranvier.delays.metrics import Manhattan as Manhattan
from ranvier.delays.metrics import Ring as Ring
from ranvier.delays.metrics import Sphere as Sphere
from ranvier.delays.spatial import SpatialDelay as SpatialDelay
from ranvier.delays.spatial import Tortuosity as Tortuosity
from ranvier.delays.speeds import AbstractSpeed as AbstractSpeed
from ranvier.delays.speeds import FixedSpeed as FixedSpeed
from ranvier.delays.speeds import LearnedSpeed as LearnedSpeed
