"""What a head of NADE is on a CPU: how x_i moves the hidden units, and what they say of x_i.

The sweeps (`nade.sweeps`, `nade.reverse`) and the units (`nade.hidden`) know nothing of bits. They
are compiled for a head, a NamedTuple of its parameters, and call the functions below, of which each
head has its own, chosen by the NamedTuple's class when a sweep is compiled: `implements`. Its
gradients are a NamedTuple of the same class, so a sweep takes `head` and `grad`.

    input side      row, factor, first_row
    both            step
    output side     first_output, outputs, loss, loss_gradient, output_gradients, state_gradient
    drawing         ahead, draw
    memory          clear

    n, i            a sample; a variable. i … stop-1 is a run of variables that share h_i
    x               (N, D), of the head's dtype
    s, g            (·, n_outputs): raw outputs and dL/ds, row m; those of variable i start in
                    column first_output(head, i)
    h, Q            (rows, H): the units, and the gradient in them that is summed up, row n

Another head is one file beside `bernoulli.py`, and a few lines in `nade.cpu` that pass its
NamedTuple: `tests/kernels/test_nade_heads.py` has one. It suits variables of few outputs. Where a
variable has many, of K categories or a mixture, they are products of matrices over a block of rows,
which need the variables in the outer loop: that is `chainrule.kernels.nade_columns`.
"""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import overload

from chainrule.kernels.inline import BORROWS
from chainrule.kernels.types import Array

NO_ROW = -1  # of W: x_i leaves the units as they are


def implements(
    function: Callable[..., Any], head: type, flags: dict[str, Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let `function`, one of those below, be the decorated one for heads of the class `head`.

    flags: for the compiler, of `chainrule.kernels.inline`. A head allocates nothing.
    """

    options: Any = {**flags, **BORROWS}

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        @overload(function, jit_options=options, strict=False)
        def choose(of: Any, *_: Any) -> Callable[..., Any] | None:
            is_one = isinstance(of, types.NamedTuple) and of.instance_class is head
            return implementation if is_one else None

        return implementation

    return register


def row(head: Any, x: Any, n: int, i: int) -> int:
    """Return the row of W that x_i adds to a (F4), or NO_ROW."""
    raise NotImplementedError


def factor(head: Any, x: Any, n: int, i: int) -> Any:
    """Return what times it is added, of W's dtype; 1 but for real x."""
    raise NotImplementedError


def first_row(head: Any, i: int) -> int:
    """Return the first row of W that x_i may add; for i = D how many there are."""
    raise NotImplementedError


def first_output(head: Any, i: int) -> int:
    """Return the first of x_i's outputs; for i = D how many there are."""
    raise NotImplementedError


def outputs(head: Any, h: Array, n: int, i: int, stop: int, s: Array, m: int) -> None:
    """Write the outputs of the variables i … stop-1 (F3)."""
    raise NotImplementedError


def step(head: Any, q: Array, h: Array, n: int, E: Array, k: int, i: int, s: Array, m: int) -> bool:
    """q *= E_k, h = 1 / (1 + q) (F4, F2); return whether all of q is in range.

    If so, x_i's outputs are written too (F3), as by `outputs`: h is at hand.
    """
    raise NotImplementedError


def loss(head: Any, s: Array, m: int, x: Any, n: int) -> float:
    """Return -log p(x_n), in nats, from all outputs of a row."""
    raise NotImplementedError


def loss_gradient(
    head: Any, s: Array, m: int, x: Any, n: int, i: int, stop: int, scale: float, g: Array
) -> None:
    """Write g = scale · d(-log p(x_n))/ds, row 0, for the variables i … stop-1."""
    raise NotImplementedError


def output_gradients(
    head: Any, g: Array, m: int, i: int, stop: int, h: Array, n: int, grad: Any
) -> None:
    """Add to `grad` what the variables i … stop-1 give to the head's parameters (B3)."""
    raise NotImplementedError


def state_gradient(
    head: Any, g: Array, m: int, i: int, stop: int, h: Array, Q: Array, n: int
) -> None:
    """Q += dh ∘ h ∘ (1 - h) with dh from the outputs of i … stop-1 (B4, B5, S1)."""
    raise NotImplementedError


def ahead(head: Any) -> int:
    """Return how many variables' outputs to compute at once when drawing, guessing no event."""
    raise NotImplementedError


def draw(head: Any, u: Array, s: Array, x: Any, n: int, i: int, stop: int) -> int:
    """Draw x_i … up to the first event or to stop, keeping x where u < 0; return where it ends.

    s: the outputs, in row 0.
    """
    raise NotImplementedError


def clear(grad: Any) -> None:
    """Set all of a head's gradients to 0."""
    raise NotImplementedError
