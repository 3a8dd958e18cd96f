"""One tiny Transformer, forward and backward, every number written out: tiny_transformer.md.

Run: python examples/tiny_transformer.py > examples/tiny_transformer.md
"""

import numpy as np

from chainrule.engine.layers import tied_output
from chainrule.engine.models import transformer
from chainrule.kernels import (
    causal_attention,
    embedding,
    gelu,
    layer_norm,
    linear,
    softmax_cross_entropy,
)

CONFIG = transformer.Config(n_symbols=3, context=3, n_layers=1, n_heads=2, n_embd=4)
X = np.array([[2, 0, 1]], np.int32)
T, C, V = 3, CONFIG.n_embd, CONFIG.n_symbols
HEADS = (1, T, CONFIG.n_heads, C // CONFIG.n_heads)


def parameters():
    """Return parameters of one decimal, so that a reader can follow with a pocket calculator."""
    params = transformer.init(CONFIG, np.random.default_rng(0), np.float64)
    params.flat[...] = np.random.default_rng(3).integers(-6, 7, params.size) / 10
    for name in ("ln1_g", "ln2_g", "ln_g"):
        params[name][...] = 1
    return params


def weights(params):
    """Return the one layer's parameters by name, without the layer's axis, and the ends'."""
    ends = ("E", "E_pos", "ln_g", "ln_b")
    return {name: a if name in ends else a[0] for name, a in params.items()}


def normalise(x, g, b):
    """Return LN(x), its mean and 1 / its deviation."""
    y, mean, rstd = np.empty_like(x), np.empty(len(x)), np.empty(len(x))
    layer_norm.forward(x, g, b, y, mean, rstd)
    return y, mean, rstd


def forward(w):
    """Return every intermediate of the forward pass by name, in order."""
    f = {"tokens": np.array([V, *X[0, :-1]], np.int32), "x": np.empty((T, C))}
    embedding.forward(f["tokens"], w["E"], f["x"])
    f["x"] += w["E_pos"]
    f["h"], f["m"], f["r"] = normalise(f["x"], w["ln1_g"], w["ln1_b"])
    f["qkv"], f["a"] = np.empty((T, 3 * C)), np.empty((T, C))
    linear.forward(f["h"], w["W_qkv"], w["b_qkv"], f["qkv"])
    f["lse"] = np.empty((1, CONFIG.n_heads, T))
    q, k, v = split(f["qkv"])
    causal_attention.forward(q, k, v, f["a"].reshape(HEADS), f["lse"])
    f["z"] = np.empty((T, C))
    linear.forward(f["a"], w["W_o"], w["b_o"], f["z"])
    f["z"] += f["x"]
    f["h2"], f["m2"], f["r2"] = normalise(f["z"], w["ln2_g"], w["ln2_b"])
    f["u"], f["y"], f["x2"] = np.empty((T, 4 * C)), np.empty((T, 4 * C)), np.empty((T, C))
    linear.product(f["h2"], w["W_1"], f["u"])
    gelu.forward(f["u"], w["b_1"], f["y"])
    linear.forward(f["y"], w["W_2"], w["b_2"], f["x2"])
    f["x2"] += f["z"]
    f["h3"], f["m3"], f["r3"] = normalise(f["x2"], w["ln_g"], w["ln_b"])
    f["s"] = f["h3"] @ w["E"][:V].T
    f["nll"] = np.empty(T)
    softmax_cross_entropy.forward(f["s"], X[0], f["nll"])
    return f


def backward(w, f):
    """Return every intermediate of the backward pass by name, in order: the mirror image."""
    d = {f"d{name}": np.empty_like(a) for name, a in w.items()}
    d |= {f"d{name}": np.empty_like(f[name]) for name in ("s", "h3", "y", "h2", "a", "qkv", "h")}
    softmax_cross_entropy.backward(np.ones(T), f["s"], X[0], d["ds"])
    tied_output.backward(d["ds"], f["h3"], w["E"], w["W_y"], d["dE"], d["dW_y"], d["dh3"])
    d["dE out"] = d["dE"].copy()
    d["dx2"] = np.zeros((T, C))
    layer_norm.backward(
        d["dh3"], f["x2"], w["ln_g"], f["m3"], f["r3"], d["dx2"], d["dln_g"], d["dln_b"]
    )
    linear.backward(d["dx2"], f["y"], w["W_2"], d["dy"], d["dW_2"], d["db_2"])
    d["du"], d["dz"] = np.empty((T, 4 * C)), d["dx2"].copy()
    gelu.backward(d["dy"], f["u"], w["b_1"], d["du"], d["db_1"])
    linear.product_backward(d["du"], f["h2"], w["W_1"], d["dh2"], d["dW_1"])
    layer_norm.backward(
        d["dh2"], f["z"], w["ln2_g"], f["m2"], f["r2"], d["dz"], d["dln2_g"], d["dln2_b"]
    )
    linear.backward(d["dz"], f["a"], w["W_o"], d["da"], d["dW_o"], d["db_o"])
    gradients = split(d["dqkv"])
    both = (d["da"].reshape(HEADS), *split(f["qkv"]), f["a"].reshape(HEADS), f["lse"])
    causal_attention.backward(*both, *gradients)
    linear.backward(d["dqkv"], f["h"], w["W_qkv"], d["dh"], d["dW_qkv"], d["db_qkv"])
    d["dx"] = d["dz"].copy()
    layer_norm.backward(
        d["dh"], f["x"], w["ln1_g"], f["m"], f["r"], d["dx"], d["dln1_g"], d["dln1_b"]
    )
    d["dE_pos"][...] = d["dx"]
    embedding.backward(d["dx"], f["tokens"], d["dE"])
    return d


def split(qkv):
    """Return q, k, v of a fused projection: views, (1, T, heads, d) each."""
    parts = qkv.reshape(1, T, 3, *HEADS[2:])
    return parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]


def scores(f):
    """Return attention's scores, (heads, T, T), 0 where they are masked."""
    q, k, _ = split(f["qkv"])
    return np.einsum("nthd,njhd->nhtj", q, k)[0] / HEADS[3] ** 0.5 * np.tri(T)


def probabilities(f):
    """Return attention's probabilities, (heads, T, T)."""
    return np.exp(scores(f) - f["lse"][0][..., None]) * np.tri(T)


def through_softmax(f, d):
    """Return dP, the rows' means of it and ds, of each head: B2 and B3 of the attention."""
    P, v = probabilities(f), split(f["qkv"])[2][0]
    dP = np.einsum("thd,jhd->htj", d["da"].reshape(HEADS[1:]), v) * np.tri(T)
    mean = (P * dP).sum(axis=2)
    return dP, mean, P * (dP - mean[..., None])


def table(*named):
    """Return arrays as one fixed-width block, four decimals."""
    lines = []
    for name, a in named:
        for i, row in enumerate(np.atleast_2d(a)):
            numbers = " ".join(f"{number + 0.0:8.4f}" for number in row)
            lines.append(f"{name if i == 0 else '':>9} {numbers}".rstrip())
    return "\n".join(["```", *lines, "```"]).replace("-0.0000", " 0.0000")


def page():
    """Return the whole page."""
    params = parameters()
    w = weights(params)
    f = forward(w)
    d = backward(w, f)
    return "\n\n".join([INTRODUCTION, *forward_part(w, f), *backward_part(f, d)]) + "\n"


INTRODUCTION = """# A tiny Transformer in numbers

An alphabet of 3 symbols, rows of 4 numbers, one layer, two heads of size 2, tied embeddings, and
the symbols 2, 0, 1. `examples/tiny_transformer.py` writes this page with the library's own
kernels, and a test writes it again, recomputes each array with plain NumPy and checks each
gradient by central differences. Labels and letters are those of the block's derivation,
[transformer_block](../engine/layers/transformer_block.py), between the ends that
[transformer](../engine/models/transformer.py) adds; its steps stand in
[layer_norm](../kernels/layer_norm/__init__.py), [linear](../kernels/linear/__init__.py),
[causal_attention](../kernels/causal_attention/__init__.py), [gelu](../kernels/gelu/__init__.py),
[softmax_cross_entropy](../kernels/softmax_cross_entropy/__init__.py) and
[embedding](../kernels/embedding/__init__.py).

Each half of the block reads x and gives z. So the attention half's z is the MLP half's x, and the
MLP half's z is what the output reads."""


def forward_part(w, f):
    """Return the paragraphs of the forward pass."""
    p = np.exp(f["s"] - f["s"].max(axis=1, keepdims=True))
    P = probabilities(f)
    return [
        "## Forward",
        "The input is the start token, row 3 of E, then the first two symbols, rows 2 and 0:\n"
        "position t predicts symbol t. x = E[3, 2, 0] + E_pos, position by position.",
        table(("E", w["E"]), ("E_pos", w["E_pos"]), ("x", f["x"])),
        "**Attention half.** A1: h = LN(x), each row of x minus its mean m, times\n"
        "r = 1 / √(variance + 1e-5), times a gain, here 1, plus a bias. The variance is the mean\n"
        "of the squares of what is left of a row without its mean.",
        table(("m", f["m"]), ("r", f["r"]), ("ln1_b", w["ln1_b"]), ("h", f["h"])),
        "A2: [q k v] = h W_qkv + b_qkv; columns 1-2 of each belong to the first head. W_qkv is\n"
        "shown in its three parts.",
        table(
            *((f"W_{n}", w["W_qkv"][:, i * C : (i + 1) * C]) for i, n in enumerate("qkv")),
            *((f"b_{n}", w["b_qkv"][i * C : (i + 1) * C]) for i, n in enumerate("qkv")),
        ),
        table(*((n, f["qkv"][:, i * C : (i + 1) * C]) for i, n in enumerate("qkv"))),
        "A4: the scores s_tj = q_t·k_j / √2, j ≤ t, of each head. Above the diagonal they are\n"
        "masked, here 0. Row t of a head's probabilities P is the softmax over them, e^s over the\n"
        "row's sum of e^s: above the diagonal all is 0, and the first row has no choice. a = P v,\n"
        "head beside head.",
        table(*((f"s head {i + 1}", s) for i, s in enumerate(scores(f)))),
        table(*((f"P head {i + 1}", p_) for i, p_ in enumerate(P)), ("a", f["a"])),
        "A5: z = x + a W_o + b_o.",
        table(("W_o", w["W_o"]), ("b_o", w["b_o"]), ("z", f["z"])),
        "**MLP half.** Its x is the z above. M1: h = LN(x). M2: u = h W_1, y = gelu(u + b_1),\n"
        "16 wide, where gelu(c) = c Φ, Φ = σ(2 · 0.797885 (c + 0.044715 c³)),\n"
        "σ(v) = 1 / (1 + e⁻ᵛ) and 0.797885 is √(2/π). M3: z = x + y W_2 + b_2.",
        "What is 16 wide is shown on its side: a row for each of the 16, u and y with the three\n"
        "positions as columns.",
        table(("m", f["m2"]), ("r", f["r2"]), ("ln2_b", w["ln2_b"]), ("h", f["h2"])),
        table(("W_1 side", w["W_1"].T), ("b_1", w["b_1"].reshape(4, 4)), ("u side", f["u"].T)),
        table(("y side", f["y"].T), ("W_2", w["W_2"]), ("b_2", w["b_2"]), ("z", f["x2"])),
        "(b_1 is shown as four rows of four.)",
        "**Output.** It reads the MLP half's z. s = LN(z) E[:3]ᵀ, p = softmax(s), row by row, and\n"
        "the loss of row t is -log p of symbol t: of 2, 0, 1.",
        table(
            ("m", f["m3"]),
            ("r", f["r3"]),
            ("ln_b", w["ln_b"]),
            ("LN(z)", f["h3"]),
            ("s", f["s"]),
            ("p", p / p.sum(axis=1, keepdims=True)),
            ("loss", f["nll"]),
            ("sum", f["nll"].sum()),
        ),
    ]


def backward_part(f, d):
    """Return the paragraphs of the backward pass."""
    dq, dk, dv = np.hsplit(d["dqkv"], 3)
    dP, mean, ds = through_softmax(f, d)
    parts = [np.hsplit(d[name], 3) for name in ("dW_qkv", "db_qkv")]
    return [
        "## Backward",
        "L = the sum of the three losses. dA is dL/dA. Everything above, from the bottom up.",
        "**Output.** ds is p, less 1 where the symbol came: rows sum to 0. The output's part of\n"
        "dE is dsᵀ LN(z): 0 for the start token, which is never predicted. dLN(z) = ds E[:3].",
        table(("ds", d["ds"]), ("dE out", d["dE out"]), ("dLN(z)", d["dh3"])),
        "Through LN, of each row: let ẑ = (z - m) r, and dẑ = dLN(z), times the gain, here 1.\n"
        "Then dz = r (dẑ - mean of dẑ - ẑ · mean of dẑ ẑ). Of each column: db = the sum of dLN(z)\n"
        "over rows, dg = the sum of dLN(z) ẑ.",
        table(("dln_g", d["dln_g"]), ("dln_b", d["dln_b"]), ("dz", d["dx2"])),
        "**MLP half.** B1: dy = dz W_2ᵀ, dW_2 = yᵀ dz, db_2 = the sum of dz over rows.\n"
        "B2: du = dy gelu'(c) with c = u + b_1, and db_1 its sum over rows; with Φ as in M2,\n"
        "gelu'(c) = Φ + 2 c Φ (1 - Φ) 0.797885 (1 + 3 · 0.044715 c²). B3: dh = du W_1ᵀ,\n"
        "dW_1 = hᵀ du. B4: dx is dz, which went straight on, plus dh through LN, as above.",
        table(
            ("dy side", d["dy"].T),
            ("du side", d["du"].T),
            ("dh", d["dh2"]),
            ("dln2_g", d["dln2_g"]),
            ("dln2_b", d["dln2_b"]),
            ("dx", d["dz"]),
        ),
        table(("dW_2", d["dW_2"]), ("db_2", d["db_2"])),
        table(("dW_1 side", d["dW_1"].T), ("db_1", d["db_1"].reshape(4, 4))),
        "**Attention half.** Its dz is the dx above. B5: da = dz W_oᵀ, dW_o = aᵀ dz, db_o = the\n"
        "sum of dz over rows.",
        table(("da", d["da"]), ("dW_o", d["dW_o"]), ("db_o", d["db_o"])),
        "B6: dP_tj = da_t·v_j, of each head's columns. ds = P (dP - μ) entry by entry, where\n"
        "μ_t = da_t·a_t of the head's columns is the mean of dP under P: rows of ds sum to 0.",
        *(
            table(("dP", dP[i]), ("μ", mean[i]), ("ds", ds[i])) + f"\n\nThat was head {i + 1}."
            for i in range(CONFIG.n_heads)
        ),
        "dq = ds k / √2, dk = dsᵀ q / √2, dv = Pᵀ da, head beside head; dq of row 1 is 0: it had\n"
        "no choice.",
        table(("dq", dq), ("dk", dk), ("dv", dv)),
        "B8: dW_qkv = hᵀ [dq dk dv], in its three parts, and dh = [dq dk dv] W_qkvᵀ. B9: dx\n"
        "is dz, which went straight on, plus dh through LN, as above.",
        table(
            *((f"dW_{n}", parts[0][i]) for i, n in enumerate("qkv")),
            *((f"db_{n}", parts[1][i]) for i, n in enumerate("qkv")),
        ),
        table(("dh", d["dh"]), ("dln1_g", d["dln1_g"]), ("dln1_b", d["dln1_b"]), ("dx", d["dx"])),
        "**Input.** dE_pos = dx, one row a position. To the output's part of dE each row of dx is\n"
        "added at its token, 3, 2, 0: E serves twice, so its two gradients add. Symbol 1 was no\n"
        "input: its row stays as it was.",
        table(("dE", d["dE"]), ("dE_pos", d["dE_pos"])),
    ]


if __name__ == "__main__":
    print(page(), end="")
