"""Run as a program: fit tiny models of every kind, and compile for Arm all kernels they called.

Prints a line a kernel: its module, its name, its lines of assembly, those that multiply and add
vectors. Meant for NUMBA_OPT=0, under which Numba keeps its text as no processor's.
"""

import gc
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher

sys.path.insert(0, str(Path(__file__).parents[1]))

import chainrule as cr
from chainrule.kernels import linear
from support import targets


def product() -> None:
    """Multiply two matrices."""
    x = np.ones((9, 7), np.float32)
    linear.product(x, np.ascontiguousarray(x.T), np.empty((9, 9), np.float32))


def models() -> None:
    """Fit and sample what between them call all kernels."""
    rng = np.random.default_rng(0)
    bits, reals = rng.integers(0, 2, (40, 9)), rng.normal(size=(40, 3))
    text = "to see a world in a grain of sand and a heaven in a wild flower " * 4
    codes = rng.integers(0, 5, (40, 4))
    for model, X in (
        (cr.FVSBN(epochs=1), bits),
        (cr.NADE(5, epochs=1), bits),
        (cr.MADE((5,), epochs=1), bits),
        (cr.MADE((5, 4), epochs=1), np.c_[codes, reals]),
        (cr.RNADE(5, epochs=1), reals),
        (cr.CategoricalNADE(5, epochs=1), codes),
        (cr.OrderlessNADE((5, 4), epochs=1), bits),
        (cr.RNN(5, cell="tanh", steps=1, context=8), text),
        (cr.RNN(5, cell="gru", steps=1, context=8), text),
        (cr.RNN(5, cell="lstm", steps=1, context=8), text),
        (cr.Transformer(1, 1, 8, steps=1, context=8), text),
    ):
        model.fit(X).sample(2)


def called() -> list[Any]:
    """Return our compiled functions that have code."""
    kernels = (o for o in gc.get_objects() if isinstance(o, Dispatcher) and o.signatures)
    return [k for k in kernels if k.py_func.__module__.startswith("chainrule.")]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    {"product": product, "models": models}[sys.argv[1]]()
    for kernel in called():
        for signature in kernel.signatures:
            lines = targets.arm(kernel.inspect_llvm(signature)).splitlines()
            vectors = sum("fmla" in line and ".4s" in line for line in lines)
            module = kernel.py_func.__module__.removeprefix("chainrule.")
            print(module, kernel.py_func.__name__, len(lines), vectors)
