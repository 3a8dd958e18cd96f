"""Numba twin of causal attention."""

from chainrule.kernels.causal_attention.reference import backward, decode, forward

__all__ = ["backward", "decode", "forward"]
