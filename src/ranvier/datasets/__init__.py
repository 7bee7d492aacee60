"""Data sets: samples as plain NumPy arrays, the same numbers on every machine.

A data set gives features and labels; `ranvier.encoders` turns features into spikes.
"""

from ranvier.datasets.mnist import mnist_splits as mnist_splits
from ranvier.datasets.samples import Samples as Samples
from ranvier.datasets.samples import Splits as Splits
from ranvier.datasets.temporal_order import temporal_order_samples as temporal_order_samples
from ranvier.datasets.yin_yang import yin_yang_class as yin_yang_class
from ranvier.datasets.yin_yang import yin_yang_samples as yin_yang_samples
from ranvier.datasets.yin_yang import yin_yang_splits as yin_yang_splits
