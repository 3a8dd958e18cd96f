"""NADE's sweeps know nothing of bits: a head of another kind of variable is one file.

Here one with what heads may need: categories, of which one has no row of W and the others one
each, and real numbers, by which a row is added in part; two outputs a variable.
"""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import compiled
from chainrule.kernels.inline import INLINE, INLINE_SUMS, JIT
from chainrule.kernels.maths import sigmoid
from chainrule.kernels.nade import heads, hidden, reverse, sweeps
from chainrule.kernels.nade.heads import NO_ROW, implements
from chainrule.kernels.nade.hidden import Start
from chainrule.kernels.types import Array


class Mixed(NamedTuple):
    """Even variables are one of 0, 1, 2; odd ones real. L = Σ (s_0 - x)² / 2 + s_1 x."""

    V: Array  # (2 D, H)
    b: Array  # (2 D,)


@implements(heads.row, Mixed, INLINE)
def row(head, x, n, i):
    first = i // 2 * 3  # two rows for the values 1 and 2, and one for a real
    if i % 2 == 1:
        return first + 2
    return first + int(x[n, i]) - 1 if x[n, i] != 0 else NO_ROW


@implements(heads.factor, Mixed, INLINE)
def factor(head, x, n, i):
    return x[n, i] if i % 2 == 1 else head.b.dtype.type(1)


@implements(heads.first_row, Mixed, INLINE)
def first_row(head, i):
    return i // 2 * 3 + (i % 2) * 2


@implements(heads.first_output, Mixed, INLINE)
def first_output(head, i):
    return 2 * i


@implements(heads.outputs, Mixed, INLINE_SUMS)
def outputs(head, h, n, i, stop, s, m):
    for k in range(2 * i, 2 * stop):
        total = head.b[k]
        for j in range(head.V.shape[1]):
            total += head.V[k, j] * h[n, j]
        s[m, k] = total


@implements(heads.step, Mixed, INLINE)
def step(head, q, h, n, E, k, i, s, m):
    usable = hidden.multiply(q, h, n, E, k)
    if usable:
        heads.outputs(head, h, n, i, i + 1, s, m)
    return usable


@implements(heads.loss, Mixed, JIT)
def loss(head, s, m, x, n):
    total = 0.0
    for i in range(x.shape[1]):
        total += (s[m, 2 * i] - x[n, i]) ** 2 / 2 + s[m, 2 * i + 1] * x[n, i]
    return total


@implements(heads.loss_gradient, Mixed, JIT)
def loss_gradient(head, s, m, x, n, i, stop, scale, g):
    for k in range(i, stop):
        g[0, 2 * k] = scale * (s[m, 2 * k] - x[n, k])
        g[0, 2 * k + 1] = scale * x[n, k]


@implements(heads.output_gradients, Mixed, INLINE)
def output_gradients(head, g, m, i, stop, h, n, grad):
    for k in range(2 * i, 2 * stop):
        grad.b[k] += g[m, k]
        for j in range(grad.V.shape[1]):
            grad.V[k, j] += g[m, k] * h[n, j]


@implements(heads.state_gradient, Mixed, INLINE)
def state_gradient(head, g, m, i, stop, h, P, n):
    for k in range(2 * i, 2 * stop):
        for j in range(head.V.shape[1]):
            P[n, j] += g[m, k] * head.V[k, j] * h[n, j] * (1 - h[n, j])


@implements(heads.ahead, Mixed, INLINE)
def ahead(head):
    return 1


@implements(heads.draw, Mixed, JIT)
def draw(head, u, s, x, n, i, stop):
    if u[n, i] >= 0:
        x[n, i] = np.floor(3 * u[n, i]) if i % 2 == 0 else s[0, 2 * i] + u[n, i]
    return i + 1


@implements(heads.clear, Mixed, JIT)
def clear(grad):
    grad.V[:], grad.b[:] = 0, 0


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch):
    """The disk cache goes by the sources in kernels/, where a head belongs: not this one."""
    monkeypatch.setattr(compiled._Cache, "load_overload", lambda *_: None)
    monkeypatch.setattr(compiled._Cache, "save_overload", lambda *_: None)


def start(x, c):
    """Return where the units begin: a row of c for each class, which the rows have in turn."""
    return Start(c, np.arange(len(x), dtype=np.int32) % 2)


def activations(x, W, c, V, b):
    """Return every s and a_end, as the definitions say."""
    a, s = c[start(x, c).y], np.empty((len(x), 2 * x.shape[1]))
    for i in range(x.shape[1]):
        s[:, 2 * i : 2 * i + 2] = sigmoid(a) @ V[2 * i : 2 * i + 2].T + b[2 * i : 2 * i + 2]
        for n in range(len(x)):
            r = row(None, x, n, i)
            if r >= 0:
                a[n] += (x[n, i] if i % 2 else 1) * W[r]
    return s, a


@pytest.fixture(params=[(3, 11, 5), (70, 9, 4)], ids=str)
def problem(request, rng):
    N, D, H = request.param
    x = np.where(np.arange(D) % 2, rng.normal(size=(N, D)), rng.integers(0, 3, (N, D)))
    n_rows = first_row(None, D + D % 2)
    shapes = {"W": (n_rows, H), "c": (2, H), "V": (2 * D, H), "b": 2 * D}
    return x, {name: rng.normal(size=shape) for name, shape in shapes.items()}


def test_forward_and_backward(problem, rng):
    x, p = problem
    s, a_end = activations(x, **p)
    head, ours, a = Mixed(p["V"], p["b"]), np.full_like(s, np.nan), np.full_like(a_end, np.nan)
    sweeps.forward(x, p["W"], start(x, p["c"]), head, ours, a)
    assert_allclose(ours, s, rtol=1e-11)
    assert_allclose(a, a_end, rtol=1e-12)

    ds, grads = rng.normal(size=s.shape), {k: np.full_like(v, np.nan) for k, v in p.items()}
    dhead = Mixed(grads["V"], grads["b"])
    reverse.backward(ds, x, p["W"], head, a, grads["W"], start(x, grads["c"]), dhead)
    for name, array in p.items():
        numeric = numeric_grad(lambda: float((activations(x, **p)[0] * ds).sum()), array)
        assert_allclose(grads[name], numeric, rtol=1e-5, atol=1e-6, err_msg=name)


def test_one_sweep(problem):
    x, p = problem
    head, N = Mixed(p["V"], p["b"]), len(x)
    grads, nll = {k: np.full_like(v, np.nan) for k, v in p.items()}, np.empty(N)
    into = grads["W"], grads["c"], Mixed(grads["V"], grads["b"])
    sweeps.nll_and_grad(x, p["W"], start(x, p["c"]), head, 0.3, nll, *into)

    def losses():
        s, _ = activations(x, **p)
        return ((s[:, ::2] - x) ** 2 / 2 + s[:, 1::2] * x).sum(axis=1)

    assert_allclose(nll, losses(), rtol=1e-11)
    log_p = np.empty(N)
    sweeps.log_prob(x, p["W"], start(x, p["c"]), head, log_p)
    assert_allclose(log_p, -nll, rtol=1e-13)
    for name, array in p.items():
        numeric = numeric_grad(lambda: 0.3 * float(losses().sum()), array)
        assert_allclose(grads[name], numeric, rtol=1e-5, atol=1e-6, err_msg=name)


def test_draws_keep_what_is_given(problem, rng):
    x, p = problem
    u = np.where(rng.random(x.shape) < 0.4, -1, rng.random(x.shape))
    drawn = x.copy()
    sweeps.sample(u, p["W"], start(x, p["c"]), Mixed(p["V"], p["b"]), drawn)
    s, _ = activations(drawn, **p)
    expected = np.where(np.arange(x.shape[1]) % 2, s[:, ::2] + u, np.floor(3 * u))
    assert_allclose(drawn, np.where(u < 0, x, expected), rtol=1e-10)
