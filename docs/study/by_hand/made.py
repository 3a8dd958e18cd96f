"""MADE of three bits and three units, masks and all, forward and backward."""

import numpy as np

from chainrule.kernels import activation, masked_bits
from chainrule.kernels.masked_bits import reference
from chainrule.kernels.masked_linear import reference as masked
from chainrule.kernels.masked_linear import staircase
from chainrule.kernels.maths import sigmoid
from study.graphs import Arrow, Box, figure, table

X = np.array([[1, 1, 0]], np.uint8)
NUMBERS, UNITS = [1, 2, 3], [1, 2, 2]  # of variables, and of units
W = np.array([[0.5, -0.4, 0.3], [0.0, 0.6, -0.2], [0.0, 0.0, 0.0]])
C, B = np.array([0.1, -0.1, 0.2]), np.array([0.2, -0.3, 0.1])
V = np.array([[0.0, 0.7, -0.5], [0.0, 0.0, 0.4], [0.0, 0.0, 0.9]])
BELOW, ABOVE = staircase(NUMBERS, UNITS, False), staircase(UNITS, NUMBERS, True)
TANH = activation.KINDS.index("tanh")


def worked() -> dict[str, np.ndarray]:
    """Return all intermediates by the steps, and hold the ends against the reference."""
    x, M1, M2 = X[0].astype(float), masked.mask(BELOW) + 0.0, masked.mask(ABOVE) + 0.0
    a = C + x @ (M1 * W)  # F1
    h = np.tanh(a)
    s = B + h @ (M2 * V)  # F2
    p = sigmoid(s)
    ds = p - x  # B1
    dV, dh = M2 * np.outer(h, ds), ds @ (M2 * V).T  # B2
    da = dh * (1 - h**2)  # B3
    f = {"M1": M1, "M2": M2, "a": a, "h": h, "s": s, "p": p, "ds": ds, "dV": dV, "dh": dh}
    f |= {"da": da, "dW": M1 * np.outer(x, da), "dc": da, "db": ds}  # B4
    f["nll"] = np.where(x == 1, -np.log(p), -np.log(1 - p))
    theta = masked_bits.Layers(W, C, V, B)
    grad = masked_bits.Layers(*(np.empty_like(t) for t in theta))
    room = [np.empty((1, 3)) for _ in range(3)]
    reference.loss_and_grad(TANH, X, np.ones(1), theta, BELOW, ABOVE, *room, np.empty(1), grad)
    for name, right in zip(("dW", "dc", "dV", "db"), grad, strict=True):
        np.testing.assert_allclose(f[name], right, atol=1e-12, err_msg=name)
    return f


def graph(f: dict[str, np.ndarray]) -> str:
    """Return the picture: only arrows that the masks allow."""
    boxes = [Box(0, 110 * i, f"x{i + 1}") for i in range(3)]
    boxes += [Box(230, 110 * j, f"h{j + 1}") for j in range(3)]
    boxes += [Box(460, 110 * i, f"s{i + 1}") for i in range(3)] + [Box(640, 110, "L")]
    arrows = [
        Arrow(f"x{i + 1}", f"h{j + 1}", X[0, i], f["da"][j] * W[i, j], 0.35 + 0.15 * j)
        for i, j in np.argwhere(f["M1"])
    ]
    arrows += [
        Arrow(f"h{j + 1}", f"s{i + 1}", f["h"][j], f["ds"][i] * V[j, i], 0.4 + 0.1 * j)
        for j, i in np.argwhere(f["M2"])
    ]
    arrows += [Arrow(f"s{i + 1}", "L", f["s"][i], f["ds"][i]) for i in range(3)]
    return figure(boxes, arrows, "MADE of three bits, what the masks leave of it")


def page() -> str:
    """Return the page."""
    f = worked()
    return "\n\n".join(
        [
            "# MADE in numbers",
            "Three bits with the numbers 1, 2, 3, three tanh units with the numbers 1, 2, 2, the "
            "row x = 1, 1, 0. The labels "
            "are those of [masked_bits](../operations/masked_bits.rst); "
            "[masks](../layers/masks.rst) says why they suffice.",
            "A unit of number m sees inputs up to m, an output of number i sees units below i. So "
            "s_1 sees nobody, s_2 the "
            "first unit and so x_1, s_3 all units and so x_1 and x_2; x_3 is seen by none. A 1 is "
            "open.",
            table(("mask of W", f["M1"]), ("mask of V", f["M2"]), digits=0),
            table(("W", W), ("c", C), ("V", V), ("b", B)),
            "## Forward",
            "F1: a = c + x (M ∘ W), h = tanh a. F2: s = b + h (M' ∘ V), p = σ(s).",
            table(("a", f["a"]), ("h", f["h"]), ("s", f["s"]), ("p", f["p"]), ("loss", f["nll"])),
            "## Backward",
            "B1: ds = p - x. B2: dV = M' ∘ hᵀ ds, exactly 0 where the mask is, and dh = ds (M' ∘ "
            "V)ᵀ. B3: da = dh (1 - h²). B4: dW "
            "= M ∘ xᵀ da, whose last row is 0 since no unit sees x_3.",
            table(
                ("ds", f["ds"]), ("dV", f["dV"]), ("db", f["db"]), ("dh", f["dh"]), ("da", f["da"])
            ),
            table(("dW", f["dW"]), ("dc", f["dc"])),
            graph(f),
        ]
    )
