"""What the tiny Transformer's page prints is enough to follow it: each array from those before it.

Here with the printed digits alone, four decimals, and the formulas that the page states.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

PAGE = (Path(__file__).parents[2] / "examples" / "tiny_transformer.md").read_text("utf-8")
ROOT, CUBIC = 0.797885, 0.044715  # as the page has them
CAME = np.eye(3)[[2, 0, 1]]


def printed(name, nth=0):
    """Return the nth array of a name, (rows, columns)."""
    number = r"(?: +-?\d+\.\d{4})+"
    found = re.findall(rf"^ *{re.escape(name)}({number})\n((?: {{10,}}{number}\n)*)", PAGE, re.M)
    first, more = found[nth]
    rows = [first, *(line for line in more.splitlines() if line.strip())]
    return np.array([[float(cell) for cell in row.split()] for row in rows])


def column(name, nth=0):
    return printed(name, nth).T


def follows(name, found, nth=0, turned=False):
    """Hold what a reader finds against what stands there: rounding of a dozen terms apart."""
    there = printed(name, nth).T if turned else printed(name, nth)
    assert_allclose(found, there, atol=4e-4, err_msg=name)


def normalised(x, nth):
    return (x - column("m", nth)) * column("r", nth)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def through_norm(dy, x, nth):
    hat = normalised(x, nth)
    means = (dy.mean(1, keepdims=True), (dy * hat).mean(1, keepdims=True))
    return column("r", nth) * (dy - means[0] - hat * means[1])


@pytest.fixture(scope="module")
def units():
    """Return u + b_1 and p of GELU."""
    c = printed("u side").T + printed("b_1").reshape(-1)
    return c, sigmoid(2 * ROOT * (c + CUBIC * c**3))


def test_the_way_forward(units):
    E, x, h = printed("E"), printed("x"), printed("h")
    follows("x", E[[3, 2, 0]] + printed("E_pos"))
    follows("r", 1 / np.sqrt(((x - column("m")) ** 2).mean(1) + 1e-5)[None])
    follows("h", normalised(x, 0) + printed("ln1_b"))
    for name in "qkv":
        follows(name, h @ printed(f"W_{name}") + printed(f"b_{name}"))
    q, k, v = (np.hsplit(printed(name), 2) for name in "qkv")
    for i in range(2):
        s = printed(f"s head {i + 1}")
        follows(f"s head {i + 1}", q[i] @ k[i].T / 2**0.5 * np.tri(3))
        e = np.exp(s) * np.tri(3)
        follows(f"P head {i + 1}", e / e.sum(1, keepdims=True))
    follows("a", np.hstack([printed(f"P head {i + 1}") @ v[i] for i in range(2)]))
    follows("z", x + printed("a") @ printed("W_o") + printed("b_o"))
    follows("h", normalised(printed("z"), 1) + printed("ln2_b"), 1)
    follows("u side", printed("h", 1) @ printed("W_1 side").T, turned=True)
    c, p = units
    follows("y side", c * p, turned=True)
    follows("z", printed("z") + printed("y side").T @ printed("W_2") + printed("b_2"), 1)
    follows("LN(z)", normalised(printed("z", 1), 2) + printed("ln_b"))
    follows("s", printed("LN(z)") @ E[:3].T)
    e = np.exp(printed("s"))
    follows("p", e / e.sum(1, keepdims=True))
    follows("loss", (np.log(e.sum(1)) - (printed("s") * CAME).sum(1))[None])
    follows("sum", printed("loss").sum(1, keepdims=True))


def test_the_way_back(units):
    x, z, (c, p) = printed("z"), printed("z", 1), units
    follows("ds", printed("p") - CAME)
    follows("dLN(z)", printed("ds") @ printed("E")[:3])
    follows("dz", through_norm(printed("dLN(z)"), z, 2))
    follows("dln_g", (printed("dLN(z)") * normalised(z, 2)).sum(0)[None])
    follows("dy side", printed("dz") @ printed("W_2").T, turned=True)
    follows("dW_2", printed("y side") @ printed("dz"))
    slope = p + 2 * c * p * (1 - p) * ROOT * (1 + 3 * CUBIC * c**2)
    follows("du side", printed("dy side").T * slope, turned=True)
    follows("dW_1 side", printed("h", 1).T @ printed("du side").T, turned=True)
    follows("dh", printed("du side").T @ printed("W_1 side"))
    follows("dx", printed("dz") + through_norm(printed("dh"), x, 1))
    follows("da", printed("dx") @ printed("W_o").T)
    follows("dW_o", printed("a").T @ printed("dx"))


def test_the_way_back_through_attention_and_the_input():
    q, k, v = (np.hsplit(printed(name), 2) for name in "qkv")
    dq, dk, dv = (np.hsplit(printed(f"d{name}"), 2) for name in "qkv")
    for i, da in enumerate(np.hsplit(printed("da"), 2)):
        P, dP, ds = printed(f"P head {i + 1}"), printed("dP", i), printed("ds", 1 + i)
        follows("dP", da @ v[i].T * np.tri(3), i)
        follows("μ", (P * dP).sum(1)[None], i)
        follows("ds", P * (dP - printed("μ", i).T), 1 + i)
        assert_allclose(dq[i], ds @ k[i] / 2**0.5, atol=4e-4)
        assert_allclose(dk[i], ds.T @ q[i] / 2**0.5, atol=4e-4)
        assert_allclose(dv[i], P.T @ da, atol=4e-4)
    gradients = [printed(f"d{name}") for name in "qkv"]
    for name, gradient in zip("qkv", gradients, strict=True):
        follows(f"dW_{name}", printed("h").T @ gradient)
        follows(f"db_{name}", gradient.sum(0)[None])
    follows("dh", sum(d @ printed(f"W_{n}").T for n, d in zip("qkv", gradients, strict=True)), 1)
    follows("dx", printed("dx") + through_norm(printed("dh", 1), printed("x"), 0), 1)
    follows("dE_pos", printed("dx", 1))
    of_inputs = np.zeros((4, 4))
    of_inputs[[3, 2, 0]] = printed("dx", 1)
    follows("dE", printed("dE out") + of_inputs)
