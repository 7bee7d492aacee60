"""Delayed, event-triggered synapses for Jaxley, with exact derivatives of the simulated model.

    spike      the voltage of the sending compartment crosses `v_th` from below, between two steps
    arrival    `delay` ms later, anywhere inside a step: nothing is rounded to the grid
    effect     a conductance or a current jumps and decays; the voltage sees its average over the step

Everything is plain JAX: forward and reverse mode, `jit`, `vmap`, checkpoints, float32 and float64. Units are Jaxley's:
ms, mV, uS, nA. Needs Jaxley: `pip install 'ranvier[jaxley]'`.
"""

from ranvier.interop._require import require as _require

_require("jaxley", "ranvier.interop.jaxley", "jaxley")

from ranvier.interop.jaxley.checking import check as check
from ranvier.interop.jaxley.checking import dropped as dropped
from ranvier.interop.jaxley.crossings import crossing_times as crossing_times
from ranvier.interop.jaxley.delayed import DelayedSynapse as DelayedSynapse
from ranvier.interop.jaxley.effects import AbstractEffect as AbstractEffect
from ranvier.interop.jaxley.effects import Conductance as Conductance
from ranvier.interop.jaxley.effects import Current as Current
from ranvier.interop.jaxley.given import GivenSpikes as GivenSpikes
from ranvier.interop.jaxley.kernels import AbstractKernel as AbstractKernel
from ranvier.interop.jaxley.kernels import DoubleExponential as DoubleExponential
from ranvier.interop.jaxley.kernels import Exponential as Exponential
from ranvier.interop.jaxley.lif import LIF as LIF

__all__ = [
    "LIF",
    "AbstractEffect",
    "AbstractKernel",
    "Conductance",
    "Current",
    "DelayedSynapse",
    "DoubleExponential",
    "Exponential",
    "GivenSpikes",
    "check",
    "crossing_times",
    "dropped",
]
