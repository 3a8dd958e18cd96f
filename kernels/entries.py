"""Call a compiled function at its address: its code is not compiled once more into its caller.

Numba links what a function calls into it and optimises all of it again, so a kernel of a few lines
that multiplies matrices would take as long to compile as the product itself. Instead:

    address = entry(multiply, types)        in Python: compiles it, or finds it on disk
    call(context, builder, types, values)   in an intrinsic (address, …), which emits the call
"""

from functools import cache
from typing import Any

from numba import types
from numba.core import cgutils as _cgutils

cgutils: Any = _cgutils


@cache
def entry(function: Any, arguments: tuple[Any, ...]) -> int:
    """Return the address of a function, of `compiled.njit`, for arguments of these types."""
    function.compile(arguments)
    found = function.overloads[arguments]
    return int(found.library.get_pointer_to_function(found.fndesc.llvm_func_name))


def call(context: Any, builder: Any, arguments: tuple[Any, ...], values: Any) -> Any:
    """Emit the call of a function that returns nothing: what an intrinsic's `generate` is.

    arguments: the types of the function's own. values: its address, and what it is given.
    """
    convention = context.call_conv
    kind = convention.get_function_type(types.none, arguments)
    function = builder.inttoptr(values[0], kind.as_pointer())
    status, _ = convention.call_function(builder, function, types.none, arguments, values[1:])
    with cgutils.if_unlikely(builder, status.is_error):
        convention.return_status_propagate(builder, status)
    return context.get_dummy_value()
