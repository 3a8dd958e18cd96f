"""NumPy twin of GELU: the definition that the fast ones are tested against."""

from chainrule.kernels.gelu import CUBIC, ROOT
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array


def forward(u: Array, b: Array, y: Array) -> None:
    """See `chainrule.kernels.gelu.forward`."""
    a = u + b  # F1
    y[...] = a * sigmoid(2 * ROOT * (a + CUBIC * a**3))  # F2, F3


def backward(dy: Array, u: Array, b: Array, du: Array, db: Array) -> None:
    """See `chainrule.kernels.gelu.backward`."""
    a = u + b
    s = sigmoid(2 * ROOT * (a + CUBIC * a**3))
    slope = s + 2 * a * s * (1 - s) * ROOT * (1 + 3 * CUBIC * a**2)  # B1
    du[...] = dy * slope  # B2
    db[...] = du.sum(axis=0)  # B3
