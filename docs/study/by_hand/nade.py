"""NADE of three bits and two hidden units, forward and backward."""

import numpy as np

from chainrule.kernels.maths import sigmoid
from chainrule.kernels.nade import reference
from study.graphs import Arrow, Box, figure, table

X = np.array([[1, 0, 1]], np.uint8)
W = np.array([[0.5, -0.3], [0.2, 0.4], [-0.1, 0.6]])
V = np.array([[0.3, 0.8], [-0.5, 0.2], [0.7, -0.4]])
B, C = np.array([0.1, -0.2, 0.3]), np.array([[-0.1, 0.2]])
NOBODY = np.zeros(0, np.int32)
D = 3


def worked() -> dict[str, np.ndarray]:
    """Return all intermediates by the steps, and hold the ends against the reference."""
    a = [C[0]]
    for i in range(D):
        a.append(a[-1] + X[0, i] * W[i])  # F4
    a_ = np.array(a)
    h = sigmoid(a_[:D])  # F2
    s = B + (V * h).sum(axis=1)  # F3
    p = sigmoid(s)
    g = p - X[0]
    dh = g[:, None] * V  # B4
    new = dh * h * (1 - h)
    delta = np.zeros((D + 1, 2))
    for i in reversed(range(D)):
        delta[i] = delta[i + 1] + new[i]  # B5
    dW, dV = X[0][:, None] * delta[1:], g[:, None] * h  # B1, B3
    f = {"a": a_, "h": h, "s": s, "p": p, "g": g, "dh": dh, "new": new, "delta": delta}
    f |= {"dW": dW, "dV": dV, "db": g, "dc": delta[:1]}
    f["nll"] = np.where(X[0] == 1, -np.log(p), -np.log(1 - p))
    ours = [np.empty_like(x) for x in (W, V, B, C)]
    reference.nll_and_grad(X, W, V, B, C, NOBODY, 1.0, np.empty(1), *ours)
    for name, right in zip(("dW", "dV", "db", "dc"), ours, strict=True):
        np.testing.assert_allclose(f[name], right, atol=1e-12, err_msg=name)
    return f


def graph(f: dict[str, np.ndarray]) -> str:
    """Return the picture: units along the top, logits below, the loss at the end."""
    boxes = [Box(0, 0, "c")]
    arrows = [Arrow("c", "a1", C[0], f["delta"][0])]
    for i in range(D):
        x, k = 170 + 190 * i, i + 1
        boxes += [Box(x, 0, f"a{k}"), Box(x, 110, f"h{k}"), Box(x, 220, f"s{k}")]
        arrows += [
            Arrow(f"a{k}", f"h{k}", f["a"][i], f["new"][i]),
            Arrow(f"h{k}", f"s{k}", f["h"][i], f["dh"][i]),
            Arrow(f"s{k}", "L", f["s"][i], f["g"][i]),
        ]
        if k < D:
            arrows.append(Arrow(f"a{k}", f"a{k + 1}", f["a"][i], f["delta"][k]))
    boxes.append(Box(360, 330, "L"))
    return figure(boxes, arrows, "NADE of three bits and two units")


def page() -> str:
    """Return the page."""
    f = worked()
    return "\n\n".join(
        [
            "# NADE in numbers",
            "Three bits, two hidden units, the row x = 1, 0, 1, one class. The labels are those of "
            "[nade](../operations/nade.rst). One row of a table is one i, its columns the two "
            "units.",
            table(("W", W), ("V", V), ("b", B), ("c", C)),
            "## Forward",
            "F1, F4: a_1 = c; a_2 = a_1 + 1·W_1; a_3 = a_2 + 0·W_2 = a_2, and nothing has to be "
            "done for a bit "
            "that is 0. F2: h = 1 / (1 + e⁻ᵃ).",
            table(("a", f["a"][:D]), ("h", f["h"])),
            "F3: s_i = b_i + V_i·h_i, p = 1 / (1 + e⁻ˢ), and the loss is -log p of a 1, -log (1 - "
            "p) of a 0.",
            table(("s", f["s"]), ("p", f["p"]), ("loss", f["nll"]), ("sum", [f["nll"].sum()])),
            "## Backward",
            "g = p - x. B4: dh_i = g_i V_i. What goes on to a_i is that times h (1 - h).",
            table(("g", f["g"]), ("dh", f["dh"]), ("dh∘h(1-h)", f["new"])),
            "B5: δ_i adds these up from the last to the first: δ_3 the last row, δ_2 the last two, "
            "δ_1 all three.",
            table(("δ", f["delta"][:D])),
            "B1: dW_i = x_i δ_{i+1}, so dW_3 is 0, since nobody comes after x_3, and dW_2 is 0, "
            "since x_2 is. "
            "B3: dV_i = g_i h_i, db = g. B6: dc = δ_1.",
            table(("dW", f["dW"]), ("dV", f["dV"]), ("db", f["db"]), ("dc", f["dc"])),
            graph(f),
        ]
    )
