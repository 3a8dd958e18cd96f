"""NumPy twin of the network of bits: the definition that the fast one is tested against."""

from typing import Any

from chainrule.kernels.activation import reference as activation
from chainrule.kernels.bernoulli import reference as bernoulli
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.masked_bits import Layers
from chainrule.kernels.masked_linear import Staircase
from chainrule.kernels.masked_linear import reference as masked_linear
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.types import Array, Bits


def loss_and_grad(
    kind: int,
    x: Bits,
    rate: Array,
    theta: Layers,
    below: Staircase,
    above: Staircase,
    h: Array,
    s: Array,
    da: Array,
    nll: Array,
    grad: Layers,
) -> None:
    """See `chainrule.kernels.masked_bits.loss_and_grad`."""
    inputs: Any = x
    masked_linear.forward(inputs, theta.W, theta.c, below, h)  # F1
    activation.forward(kind, h)  # F1
    masked_linear.forward(h, theta.V, theta.b, above, s)  # F2
    bernoulli.loss(rate, s, x, nll, s)  # F3, B1
    masked_linear.backward(s, h, above, grad.V, grad.b)  # B2
    masked_linear.input_gradient(s, theta.V, above, da)  # B2
    activation.backward(kind, h, da)  # B3
    masked_linear.backward(da, inputs, below, grad.W, grad.c)  # B4


def sample(kind: int, u: Array, theta: Layers, below: Staircase, above: Staircase, x: Bits) -> None:
    """See `chainrule.kernels.masked_bits.sample`."""
    draw((activation, masked_linear), kind, u, theta, (below, above), above.reach.tolist(), x)


def draw(
    twins: tuple[Any, Any], kind: int, u: Array, theta: Layers, stairs: tuple[Staircase, Staircase],
    reach: list[int], x: Bits,
) -> None:  # fmt: skip
    """Update x as `chainrule.kernels.masked_bits.sample` does; the CUDA twin calls it, too.

    twins: of `activation` and `masked_linear`. stairs: below, above. reach: above's, on the host.
    """
    of_activation, of_linear = twins
    below, above = stairs
    xp, known = array_module(u), 0
    a, s = (xp.repeat(start[None], len(u), axis=0) for start in (theta.c, theta.b))
    for i in range(u.shape[1]):
        if known < reach[i]:
            h = xp.ascontiguousarray(a[:, known : reach[i]])
            of_activation.forward(kind, h)  # S1
            of_linear.add_inputs(h, known, theta.V, above, s)  # S1
            known = reach[i]
        x[:, i] = xp.where(u[:, i] < 0, x[:, i], u[:, i] < sigmoid(s[:, i]))  # S2
        of_linear.add_inputs(xp.ascontiguousarray(x[:, i : i + 1]), i, theta.W, below, a)  # S3
