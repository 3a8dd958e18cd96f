"""GELU in its tanh form, with the bias of the layer before it: y = gelu(u + b).

Shapes      u, y, du, dy: (N, C)    b, db: (C,)

Forward     gelu(a) = a Φ(a) weighs a by the probability that a standard normal lies below it. The
            tanh form replaces Φ by a logistic curve through a cubic:
            (F1)  a = u + b
            (F2)  z = √(2/π) (a + 0.044715 a³)
            (F3)  y = ½ a (1 + tanh z) = a σ(2z)
            since ½ (1 + tanh z) = e^z / (e^z + e^-z) = 1 / (1 + e^-2z): one sigmoid, and no
            cancellation where tanh z is near -1. |gelu(a) - a σ(2z)| < 5e-4 for every a.

Backward    With s = σ(2z), ds/da = s (1 - s) · 2 dz/da and dz/da = √(2/π) (1 + 3 · 0.044715 a²):
            (B1)  gelu'(a) = s + 2 a s (1 - s) dz/da    undoes F3, F2
            (B2)  du = dy ∘ gelu'(u + b)                       undoes F1: da/du = 1
            (B3)  db_j = Σ_n du_nj                             undoes F1
            s is computed again from u: an exponential costs less than keeping another (N, C).

Cost        One exponential and about 12 FLOPs an element forward, 20 backward. Memory: read u,
            write y; read u and dy, write du. The bias costs nothing here, and alone a whole pass.

Source      Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", arXiv:1606.08415, section 2.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from math import pi, sqrt

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array

ROOT = sqrt(2 / pi)
CUBIC = 0.044715


def forward(u: Array, b: Array, y: Array) -> None:
    """Overwrite y by gelu(u + b), F1-F3; y may be u itself."""
    select(__name__, u, b, y).forward(u, b, y)


def backward(dy: Array, u: Array, b: Array, du: Array, db: Array) -> None:
    """Overwrite du and db by B1-B3; du may be dy itself."""
    select(__name__, dy, u, b, du, db).backward(dy, u, b, du, db)
