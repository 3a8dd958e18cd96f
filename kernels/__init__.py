"""Compute kernels: array operations with no idea of models, one folder an operation.

    <op>/__init__.py    the contract: the mathematics, shapes, public functions
    <op>/reference.py   NumPy: defines the answer, in any float dtype
    <op>/cpu.py         Numba: the default
    <op>/cuda.py, .cu   CUDA C++, launched through CuPy

`dispatch` chooses among them, `threads` splits rows over cores, `device` launches CUDA.
"""

from chainrule.kernels.dispatch import use_backend
from chainrule.kernels.threads import use_threads

__all__ = ["use_backend", "use_threads"]
