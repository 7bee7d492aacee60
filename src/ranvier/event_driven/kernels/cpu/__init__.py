"""CPU kernels in Numba: serial, without the GIL, one call per thread over its share of the batch."""
