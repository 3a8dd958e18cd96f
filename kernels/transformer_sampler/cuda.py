"""CUDA twin: the reference's array program on CuPy arrays, with a Python step a symbol.

It draws what the contract says, but each of its small array operations is a launch of its own, row
by row, so expect the host to be faster. Never run on a GPU so far: run on stand-ins for CuPy's
arrays (tests/test_sequence_sampling.py).
"""

from chainrule.kernels.transformer_sampler.reference import extend

__all__ = ["extend"]
