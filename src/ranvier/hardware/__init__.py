"""Neuromorphic hardware: an emulated BrainScaleS-2, and learning with a substrate in the loop.

A chip rounds, saturates, differs from every other, and trembles. `BrainScaleS2` says how much of each; `emulate` makes
a network what it is on one chip; `EmulatedChip` runs it, noise included; and `InTheLoop` learns on it, or on anything
else that runs networks and measures spikes, with the exact gradient of the ideal model at the measured times.
"""

from ranvier.hardware.brainscales import BrainScaleS2 as BrainScaleS2
from ranvier.hardware.characterise import DelayTable as DelayTable
from ranvier.hardware.characterise import measure_delays as measure_delays
from ranvier.hardware.emulated_chip import AnyChip as AnyChip
from ranvier.hardware.emulated_chip import EmulatedChip as EmulatedChip
from ranvier.hardware.emulation import emulate as emulate
from ranvier.hardware.loop import InTheLoop as InTheLoop
from ranvier.hardware.loop import in_the_loop as in_the_loop
from ranvier.hardware.placement import Resources as Resources
from ranvier.hardware.placement import check_fits as check_fits
from ranvier.hardware.recording import Recording as Recording
from ranvier.hardware.recording import load_recording as load_recording
from ranvier.hardware.recording import save_recording as save_recording
from ranvier.hardware.settings import delay_codes as delay_codes
from ranvier.hardware.settings import weight_codes as weight_codes
from ranvier.hardware.settings import written as written
from ranvier.hardware.substrate import AbstractSubstrate as AbstractSubstrate
from ranvier.hardware.substrate import Measured as Measured
