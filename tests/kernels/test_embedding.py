"""Looking up rows of a table: the gradient adds to what is there."""

import numpy as np
import pytest
from support.parity import SIZES, Parity, agree

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import embedding


class TestEmbedding(Parity):
    name = "embedding"


@pytest.mark.parametrize("size", SIZES)
def test_embedding_gradient(size, backend, rng):
    V, C = size
    W, ids, dx = rng.normal(size=size), rng.integers(0, V, 6).astype(np.int32), None
    dx, x = rng.normal(size=(6, C)), np.empty((6, C))

    def loss():
        embedding.forward(ids, W, x)
        return float((x * dx).sum())

    held = rng.normal(size=size)
    dW = held.copy()
    embedding.backward(dx, ids, dW)
    agree(dW - held, numeric_grad(loss, W), "dW")
