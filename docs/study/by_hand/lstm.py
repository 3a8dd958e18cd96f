"""One LSTM unit over two steps, forward and backward."""

import numpy as np

from chainrule.kernels.lstm import reference
from chainrule.kernels.maths import sigmoid
from study.graphs import Arrow, Box, figure, table

Z = np.array([[0.5, 1.0, -0.4, 0.2], [-0.3, 0.8, 0.9, -0.1]])  # a step a row: i, f, g, o
W = np.array([[0.4, -0.2, 0.6, 0.3]])
H0, C0 = 0.2, -0.5
DH = np.array([0.0, 1.0])  # the loss is h_2
GATES, T = "ifgo", 2


def worked() -> dict[str, np.ndarray]:
    """Return all intermediates by the steps, and hold the ends against the reference."""
    h, c, gates = [H0], [C0], []
    for t in range(T):
        i, f, g, o = (Z[t] + h[-1] * W[0]).tolist()  # F1
        i, f, g, o = sigmoid(np.array([i, f, 0, o]))[[0, 1, 2, 3]]
        g = np.tanh(Z[t, 2] + h[-1] * W[0, 2])  # F2
        gates.append([i, f, g, o])
        c.append(f * c[-1] + i * g)  # F3
        h.append(o * np.tanh(c[-1]))  # F4
    r = {"h": np.array(h), "c": np.array(c), "gates": np.array(gates), "tanh": np.tanh(c)}
    r |= {"delta": np.zeros(T), "eps": np.zeros(T), "d": np.zeros((T, 4)), "dz": np.zeros((T, 4))}
    from_h, from_c = 0.0, 0.0
    for t in reversed(range(T)):
        i, f, g, o = gates[t]
        tanh = r["tanh"][t + 1]
        delta = DH[t] + from_h  # B1
        eps = from_c + delta * o * (1 - tanh**2)  # B2
        d = np.array([eps * g, eps * c[t], eps * i, delta * tanh])  # B3, B2
        slopes = np.array([i * (1 - i), f * (1 - f), 1 - g**2, o * (1 - o)])
        r["delta"][t], r["eps"][t], r["d"][t], r["dz"][t] = delta, eps, d, d * slopes  # B4
        from_h, from_c = float(r["dz"][t] @ W[0]), f * eps
    r["dW"] = (r["h"][:T, None] * r["dz"]).sum(axis=0)  # B5
    r["ends"] = np.array([from_h, from_c])  # B6
    _hold(r)
    return r


def _hold(r: dict[str, np.ndarray]) -> None:
    gates, h, c = Z[:, None].copy(), np.full((T + 1, 1, 1), H0), np.full((T + 1, 1, 1), C0)
    reference.forward(gates, W, h, c)
    dz, dW, dh0, dc0 = np.empty_like(gates), np.empty_like(W), np.empty((1, 1)), np.empty((1, 1))
    reference.backward(DH[:, None, None], gates, W, h, c, dz, dW, dh0, dc0)
    pairs = (r["h"], h), (r["c"], c), (r["gates"], gates), (r["dz"], dz), (r["dW"], dW)
    for ours, right in (*pairs, (r["ends"], np.array([dh0, dc0]))):
        np.testing.assert_allclose(ours.reshape(-1), right.reshape(-1), atol=1e-12)


def graph(r: dict[str, np.ndarray], t: int) -> str:
    """Return the picture of step t, from 0: the cells above, the gates between, h below."""
    k = t + 1
    boxes = [Box(0, 0, f"c{t}"), Box(0, 330, f"h{t}"), Box(620, 0, f"c{k}"), Box(620, 330, f"h{k}")]
    arrows = []
    gates, d, dz = r["gates"][t], r["d"][t], r["dz"][t]
    for n, name in enumerate(GATES):
        boxes.append(Box(110 + 120 * n, 165, f"{name}{k}"))
        arrows.append(Arrow(f"h{t}", f"{name}{k}", r["h"][t], dz[n] * W[0, n], 0.6))
        end = f"h{k}" if name == "o" else f"c{k}"
        arrows.append(Arrow(f"{name}{k}", end, gates[n], d[n], 0.3))
    arrows.append(Arrow(f"c{t}", f"c{k}", r["c"][t], gates[1] * r["eps"][t]))
    inner = r["delta"][t] * gates[3] * (1 - r["tanh"][k] ** 2)
    arrows.append(Arrow(f"c{k}", f"h{k}", r["c"][k], inner))
    return figure(boxes, arrows, f"Step {k} of {T} of an LSTM unit")


def page() -> str:
    """Return the page."""
    r = worked()
    z = r["gates"]
    return "\n\n".join(
        [
            "# An LSTM in numbers",
            "One unit, two steps, one row, and the loss is h_2 itself: so dh_2 is 1 and dh_1 is 0, "
            "and all that reaches "
            "step 1 has come through time. The labels are those of [lstm](../operations/lstm.rst). "
            "Columns are i, f, g, o.",
            table(("z", Z), ("W", W), ("h0, c0", [H0, C0])),
            "## Forward",
            "F1: a_t = z_t + h_{t-1} W; F2: σ of i, f and o, tanh of g; F3: c = f c + i g; F4: h = "
            "o tanh c.",
            table(
                ("a, step 1", Z[0] + H0 * W[0]),
                ("gates", z[0]),
                ("c1, tanh", [r["c"][1], r["tanh"][1]]),
                ("h1", [r["h"][1]]),
            ),
            table(
                ("a, step 2", Z[1] + r["h"][1] * W[0]),
                ("gates", z[1]),
                ("c2, tanh", [r["c"][2], r["tanh"][2]]),
                ("h2", [r["h"][2]]),
            ),
            "## Backward",
            "**Step 2.** B1: δ = 1. B2: do = δ tanh c_2, ε = δ o (1 - tanh²). B3: di = ε g, df = ε "
            "c_1, dg = ε i. B4: times the "
            "slopes, i (1 - i), f (1 - f), 1 - g², o (1 - o).",
            table(
                ("δ, ε", [r["delta"][1], r["eps"][1]]), ("d gates", r["d"][1]), ("dz", r["dz"][1])
            ),
            "**Step 1.** δ = dz_2 Wᵀ, the sum of four products, since dh_1 is 0; ε = f_2 ε_2 + δ o "
            "(1 - tanh²): the first term "
            "came along the cells, with no matrix.",
            table(
                ("f2 ε2", [z[1, 1] * r["eps"][1]]),
                ("δ, ε", [r["delta"][0], r["eps"][0]]),
                ("d gates", r["d"][0]),
                ("dz", r["dz"][0]),
            ),
            "B5: dW = h_0 dz_1 + h_1 dz_2. B6: dh_0 = dz_1 Wᵀ, dc_0 = f_1 ε_1.",
            table(("dW", r["dW"]), ("dh0, dc0", r["ends"])),
            *(graph(r, t) for t in range(T)),
        ]
    )
