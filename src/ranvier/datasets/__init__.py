"""Data sets: samples as plain NumPy arrays, the same numbers on every machine.

A data set gives features and labels, which `ranvier.encoders` turns into spikes; or spikes, from files in the layout of
the Spiking Heidelberg Digits, which `ranvier encode` makes of recordings.
"""

from ranvier.datasets.channels import channel_spikes as channel_spikes
from ranvier.datasets.controls import equal_counts as equal_counts
from ranvier.datasets.controls import time_reversed as time_reversed
from ranvier.datasets.manifolds import Manifolds as Manifolds
from ranvier.datasets.manifolds import draw_manifolds as draw_manifolds
from ranvier.datasets.manifolds import numpy_spectrum as numpy_spectrum
from ranvier.datasets.manifolds import random_manifolds as random_manifolds
from ranvier.datasets.manifolds import torch_spectrum as torch_spectrum
from ranvier.datasets.mnist import fashion_mnist_splits as fashion_mnist_splits
from ranvier.datasets.mnist import mnist_splits as mnist_splits
from ranvier.datasets.parts import Parts as Parts
from ranvier.datasets.parts import leave_one_speaker_out as leave_one_speaker_out
from ranvier.datasets.parts import official_parts as official_parts
from ranvier.datasets.parts import random_parts as random_parts
from ranvier.datasets.parts import speaker_parts as speaker_parts
from ranvier.datasets.recordings import Recording as Recording
from ranvier.datasets.recordings import Recordings as Recordings
from ranvier.datasets.recordings import find_recordings as find_recordings
from ranvier.datasets.recordings import which_split as which_split
from ranvier.datasets.samples import Samples as Samples
from ranvier.datasets.samples import Splits as Splits
from ranvier.datasets.sounds import Sound as Sound
from ranvier.datasets.sounds import SoundError as SoundError
from ranvier.datasets.sounds import read_sound as read_sound
from ranvier.datasets.spike_checks import SpikeFileError as SpikeFileError
from ranvier.datasets.spike_files import SpikeFile as SpikeFile
from ranvier.datasets.spike_files import SpikeWriter as SpikeWriter
from ranvier.datasets.spike_files import read_spike_file as read_spike_file
from ranvier.datasets.temporal import Noise as Noise
from ranvier.datasets.temporal import coincidence_samples as coincidence_samples
from ranvier.datasets.temporal import delayed_xor_samples as delayed_xor_samples
from ranvier.datasets.temporal import interval_samples as interval_samples
from ranvier.datasets.temporal import polychrony_samples as polychrony_samples
from ranvier.datasets.temporal import random_orders as random_orders
from ranvier.datasets.temporal_order import temporal_order_samples as temporal_order_samples
from ranvier.datasets.tidigits import SpikeSamples as SpikeSamples
from ranvier.datasets.tidigits import ntidigits as ntidigits
from ranvier.datasets.yin_yang import yin_yang_class as yin_yang_class
from ranvier.datasets.yin_yang import yin_yang_samples as yin_yang_samples
from ranvier.datasets.yin_yang import yin_yang_splits as yin_yang_splits
