"""Kernels: plain arrays in, plain arrays out, batch first; no JAX, no exceptions, counters instead.

`cpu` is written in Numba. Another backend (a GPU) is another package beside it with the same two functions, `forward`
and `backward`, over the same named tuples of arrays (`cpu/arrays.py`).
"""
