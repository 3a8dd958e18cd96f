"""Hidden layers: every gradient against central differences."""

import numpy as np
import pytest
from support.parity import agree

from chainrule.engine import arena
from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.layers import dense
from chainrule.engine.params import Params
from chainrule.kernels import activation, use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS


@pytest.mark.parametrize("backend", HOST_BACKENDS)
@pytest.mark.parametrize("kind", activation.KINDS)
@pytest.mark.parametrize("hidden", [(3,), (5, 4), (4, 5, 3)])
def test_gradients(hidden, kind, backend, rng):
    weights, biases = dense.shapes(hidden)
    params, number = Params({**weights, **biases}, dtype=np.float64), activation.KINDS.index(kind)
    params.flat[...] = rng.normal(size=params.size)
    a, dh = rng.normal(size=(20, hidden[0])), rng.normal(size=(20, hidden[-1]))

    def loss():
        with arena.borrow(a) as new:
            return float((dense.forward(number, a.copy(), params, len(hidden), new)[-1] * dh).sum())

    grad = params.like()
    grad.flat[...] = np.nan
    with use_backend(backend), arena.borrow(a) as new:
        layers = dense.forward(number, a.copy(), params, len(hidden), new)
        assert [h.shape for h in layers] == [(20, H) for H in hidden]
        da = dense.backward(number, dh.copy(), layers, params, grad, new)
        agree(da, numeric_grad(loss, a), "da")
        for name in params:
            agree(grad[name], numeric_grad(loss, params[name]), name)


def test_shapes_number_the_layers():
    assert dense.shapes((5, 4, 3)) == ({"W2": (5, 4), "W3": (4, 3)}, {"c2": (4,), "c3": (3,)})
    assert dense.shapes((5,)) == ({}, {})
