"""Wait for another thread without falling asleep, and without Python's lock.

A thread that waits in the operating system has to be woken, and a core that fell idle too: 30 µs on
a virtual machine, as much as a slice of a small minibatch takes. So who waits for something that
will happen soon looks at a number in memory, over and over, as OpenMP's threads do, for so long as
sleep would cost; only then does it sleep.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, JIT
from chainrule.kernels.types import Array

LOOKS = 200_000  # 0.1 ms
_intrinsic: Any = intrinsic


@_intrinsic
def _seen(context: Any, flag: Any) -> Any:
    """Return flag[0] as it is in memory now: a plain load could be taken out of the loop."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(flag)(context, builder, values[0]).data
        return builder.load_atomic(data, "acquire", 8)

    return types.int64(flag), generate


@njit(**JIT, **BORROWS)
def look(flag: Array) -> bool:
    """Return whether flag, (1,) int64, which another thread sets, is set within LOOKS looks."""
    for _ in range(LOOKS):
        if _seen(flag) != 0:
            return True
    return False
