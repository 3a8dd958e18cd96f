"""CUDA twin of the categorical draw: the reference's array program on CuPy arrays.

Some ten launches, for as many bytes as a few rows of logits have: their number sets the pace.
"""

from chainrule.kernels.categorical.reference import draw

__all__ = ["draw"]
