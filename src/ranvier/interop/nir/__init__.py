"""Networks to and from NIR, the Neuromorphic Intermediate Representation, and its HDF5 files.

    CubaLIF, CubaLI      populations of `LIF` and `LI`
    Linear               weights; Affine without a bias, and Scale, are read too
    Delay                delays, one per line: per sender before the weights, per receiver behind them, per synapse on a
                         line for each synapse

What NIR has no place for (refractory times, other neurons) is refused by name, or left out on request
with what it changes.
Needs the package nir: `pip install 'ranvier[nir]'`.
"""

from ranvier.interop._require import require as _require

_require("nir", "ranvier.interop.nir", "nir")

from ranvier.interop.nir.exporting import to_nir as to_nir
from ranvier.interop.nir.files import read as read
from ranvier.interop.nir.files import write as write
from ranvier.interop.nir.importing import from_nir as from_nir
from ranvier.interop.nir.losses import Loss as Loss
from ranvier.interop.nir.losses import losses as losses

__all__ = ["Loss", "from_nir", "losses", "read", "to_nir", "write"]
