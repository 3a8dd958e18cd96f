"""Sampling bits variable by variable, by the twins of the steps: what NumPy and CUDA share."""

from typing import Any

from chainrule.kernels.dispatch import array_module
from chainrule.kernels.masked_bits import Layers
from chainrule.kernels.masked_linear import Staircase
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Bits


def sample(
    twins: tuple[Any, Any], kind: int, u: Array, theta: Layers, stairs: tuple[Staircase, Staircase],
    reach: list[int], x: Bits,
) -> None:  # fmt: skip
    """See `chainrule.kernels.masked_bits.sample`.

    twins: of `activation` and `masked_linear`. stairs: below, above. reach: above's, on the host.
    """
    activation, masked_linear = twins
    below, above = stairs
    xp, known = array_module(u), 0
    a, s = (xp.repeat(start[None], len(u), axis=0) for start in (theta.c, theta.b))
    for i in range(u.shape[1]):
        if known < reach[i]:
            h = xp.ascontiguousarray(a[:, known : reach[i]])
            activation.forward(kind, h)  # S1
            masked_linear.add_inputs(h, known, theta.V, above, s)  # S1
            known = reach[i]
        x[:, i] = xp.where(u[:, i] < 0, x[:, i], u[:, i] < sigmoid(s[:, i]))  # S2
        masked_linear.add_inputs(xp.ascontiguousarray(x[:, i : i + 1]), i, theta.W, below, a)  # S3
