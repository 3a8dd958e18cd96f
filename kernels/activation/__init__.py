"""What hidden units do with their sum: ReLU, tanh or the logistic function, in place.

Shapes      a, h, dh: (N, H)

Forward     (F1)  h = max(a, 0)                     kind 0, "relu"
            (F2)  h = tanh a                        kind 1, "tanh"
            (F3)  h = σ(a) = 1 / (1 + e⁻ᵃ)          kind 2, "sigmoid"

Backward    Each slope follows from h alone, so a need not be kept:
            (B1)  da = dh where h > 0, else 0       undoes F1; at a = 0 the slope is taken to be 0
            (B2)  da = dh (1 - h²)                  undoes F2
            (B3)  da = dh h (1 - h)                 undoes F3

Cost        An exponential a number forward, of ReLU none; three FLOPs backward. Memory: h read and
            written once, and with dh once more.

Source      Textbook; ReLU: Nair and Hinton 2010, "Rectified Linear Units Improve Restricted
            Boltzmann Machines".

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array

KINDS = ("relu", "tanh", "sigmoid")  # by number
RELU, TANH, SIGMOID = range(3)


def forward(kind: int, h: Array) -> None:
    """Update h, which holds a, by F1, F2 or F3."""
    select(__name__, h).forward(kind, h)


def backward(kind: int, h: Array, dh: Array) -> None:
    """Update dh to da = dL/da by B1, B2 or B3."""
    select(__name__, h, dh).backward(kind, h, dh)
