"""Any number of matrices as one argument of a compiled function, whatever their number.

Numba compiles a function anew for each length of a tuple, and a list of arrays costs more than a
small product. So the caller writes down where each matrix is, and the compiled function looks:

    places = matrices.places([x, W, y])         the caller keeps them alive
    x = matrix(places, 0, like)                 inside: the matrix, of the dtype of `like`

The matrices must be contiguous and of one dtype. Nothing is checked inside.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic
from numba.np import arrayobj as _arrayobj

from chainrule.kernels.types import Array
from chainrule.kernels.vectors import index

cgutils: Any = _cgutils
arrayobj: Any = _arrayobj
_intrinsic: Any = intrinsic  # as anything: Numba ships no types
NUMBERS = 3  # of a matrix's place: its address, rows and columns


def places(matrices: Sequence[Array]) -> Any:
    """Return where matrices are, (n, NUMBERS) int64.

    Raises:
        ValueError: one is not contiguous, or of another dtype than the first.
    """
    found = np.empty((len(matrices), NUMBERS), np.int64)
    for place, a in zip(found, matrices, strict=True):
        if not a.flags.c_contiguous or a.dtype != matrices[0].dtype:
            raise ValueError("matrices must be contiguous and of one dtype")
        place[:] = a.ctypes.data, *a.shape
    return found


@_intrinsic
def matrix(context: Any, places: Any, i: Any, like: Any) -> Any:
    """Return matrix i of `places`, of the dtype of `like`. It is not kept alive by this."""
    result = types.Array(like.dtype, 2, "C")

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        table = context.make_array(places)(context, builder, values[0]).data
        first = builder.mul(values[1], index(NUMBERS))
        address, rows, columns = (
            builder.load(builder.gep(table, [builder.add(first, index(k))])) for k in range(NUMBERS)
        )
        itemsize = index(like.dtype.bitwidth // 8)
        array = context.make_array(result)(context, builder)
        arrayobj.populate_array(
            array,
            data=builder.inttoptr(address, array.data.type),
            shape=[rows, columns],
            strides=[builder.mul(columns, itemsize), itemsize],
            itemsize=itemsize,
            meminfo=ir.Constant(cgutils.voidptr_t, None),
        )
        return array._getvalue()

    return result(places, types.intp, like), generate
