"""Clock-driven simulation of any neuron with a threshold; spikes and events keep their times within the steps."""

from ranvier.clock_driven.layouts import AbstractLayout as AbstractLayout
from ranvier.clock_driven.layouts import Exact as Exact
from ranvier.clock_driven.layouts import Merged as Merged
from ranvier.clock_driven.queued import Queued as Queued
from ranvier.clock_driven.simulator import ClockDriven as ClockDriven
