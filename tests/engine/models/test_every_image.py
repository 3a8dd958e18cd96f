"""Σ p(x) = 1 over every image of a few pixels, of each network over images, in both dtypes."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule.engine import models
from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS

NETWORKS = {
    "plain": ("pixel_cnn", {"n_features": 6, "n_layers": 2}),
    "gated": ("pixel_cnn", {"n_features": 6, "n_layers": 2, "gated": True}),
    "row": ("pixel_rnn", {"n_hidden": 6, "n_layers": 2}),
    "diagonal": ("pixel_rnn", {"n_hidden": 6, "n_layers": 2, "cell": "diagonal"}),
}
SIZES = {  # height, width, channels, levels, logistics, and whether positions are known
    "2×2 bits": (2, 2, 1, 2, 0, False),
    "3×3 bits": (3, 3, 1, 2, 0, False),  # some of them in a plain network's blind spot
    "2×3 bits": (2, 3, 1, 2, 0, True),
    "2×1 colours": (2, 1, 3, 3, 0, False),
    "1×2 colours": (1, 2, 3, 2, 0, True),
    "1×3 of 7 levels": (1, 3, 1, 7, 2, False),
}


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("network", NETWORKS)
def test_probabilities_sum_to_one(network, size, dtype):
    name, options = NETWORKS[network]
    R, S, C, levels, n_logistics, positions = SIZES[size]
    model = models.get(name)
    config = model.Config(
        R, S, C, levels, **options, first_size=3, n_logistics=n_logistics, positions=positions
    )
    params = model.init(config, np.random.default_rng(0), dtype)
    params.flat[...] = 0.4 * np.random.default_rng(1).normal(size=params.size)
    x = np.array([*product(range(levels), repeat=R * S * C)], np.uint8).reshape(-1, R, S, C)
    log_p = model.log_prob(config, params, x)
    assert log_p.dtype == dtype
    p = np.exp(log_p.astype(np.float64))
    assert p.max() < 0.6 and p.max() > 1.5 * p.min()
    assert_allclose(p.sum(), 1, rtol=1e-12 if dtype == np.float64 else 2e-5)
