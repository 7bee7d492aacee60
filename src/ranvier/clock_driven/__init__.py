"""Clock-driven simulation of any neuron with a threshold; spikes and events keep their times within the steps."""

from ranvier.clock_driven.blocks import Checkpoints as Checkpoints
from ranvier.clock_driven.exact import ExactSpikes as ExactSpikes
from ranvier.clock_driven.layouts import AbstractLayout as AbstractLayout
from ranvier.clock_driven.layouts import Exact as Exact
from ranvier.clock_driven.layouts import Merged as Merged
from ranvier.clock_driven.queued import Queued as Queued
from ranvier.clock_driven.simulator import ClockDriven as ClockDriven
from ranvier.clock_driven.spike import AbstractSpike as AbstractSpike
from ranvier.clock_driven.surrogate_spikes import SurrogateSpikes as SurrogateSpikes
from ranvier.clock_driven.taps import AbstractTaps as AbstractTaps
from ranvier.clock_driven.taps import Gaussian as Gaussian
from ranvier.clock_driven.taps import Linear as Linear
from ranvier.clock_driven.taps import Tent as Tent
from ranvier.clock_driven.taps import sharpened as sharpened
