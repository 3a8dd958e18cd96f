"""Changes that heed nothing, as large as an attack's: what of its success is size alone.

Forward     (F1)  ∞-norm: d_i = ±ε, the signs fair coins: as large as FGSM's in every number
            (F2)  2-norm: d = ε n / ‖n‖₂, n normal: a direction uniform on the sphere
            x + d is then held within the range, as an attack's is.
"""

import numpy as np

from chainrule.engine.attacks.victim import Range, each, lengths
from chainrule.kernels.types import Array


def noise(
    x: Array, eps: float | Array, norm: str, allowed: Range, rng: np.random.Generator
) -> Array:
    """Return x and noise of size eps, one for all or one a row, (N,); norm: "inf" or "2"."""
    if norm == "inf":
        d = rng.integers(0, 2, x.shape) * 2.0 - 1  # F1
    else:
        n = rng.normal(size=x.shape)
        d = n / lengths(n)  # F2
    return allowed.held(x + (each(eps, d) * d).astype(x.dtype))
