"""PixelRNN on the CPU rig: engine code on arrays of the device against the reference."""

import numpy as np
import pytest
from cuda_on_cpu.fake_cupy import to_device
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine.models import pixel_rnn
from chainrule.engine.models.pixel_rnn import Config
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params
from chainrule.kernels import use_backend

CONFIGS = {
    "row": Config(3, 4, levels=2, n_hidden=3, n_layers=2, first_size=3, positions=True),
    "diagonal, colours": Config(3, 2, 3, 4, 6, 1, "diagonal", 3),
    "diagonal, labels": Config(2, 3, n_hidden=2, n_layers=2, cell="diagonal", n_classes=3),
    "row, dropout": Config(2, 3, n_hidden=3, n_layers=1, first_size=3, dropout=0.4),
    "diagonal, dropout": Config(2, 3, n_hidden=3, n_layers=1, cell="diagonal", dropout=0.4),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_whole_model(name, rig, rng):
    config = CONFIGS[name]
    host = pixel_rnn.init(config, rng, np.float64)
    host.flat[...] += rng.normal(size=host.size) / 3
    params = Params(host.shapes, to_device(host.flat))
    host_grad, grad = host.like(), params.like()
    x = rng.integers(0, config.levels, (5, *config.event.shape)).astype(np.uint8)
    y = rng.integers(0, config.n_classes, 5).astype(np.int32) if config.n_classes > 1 else None
    u, close = rng.random(x.shape), {"rtol": 1e-11, "atol": 1e-12}
    on_device, of_class = to_device(x), None if y is None else to_device(y)
    more = {"total": 9, "noise": Noise(1, 2, 3) if config.dropout else None}
    loss = pixel_rnn.loss_and_grad(config, params, on_device, grad, y=of_class, **more)
    terms = pixel_rnn.log_prob_terms(config, params, on_device, of_class)
    drawn = pixel_rnn.sample(config, params, to_device(u), y=of_class)
    with use_backend("reference"):
        assert_allclose(loss, pixel_rnn.loss_and_grad(config, host, x, host_grad, y=y, **more))
        assert_allclose(grad.flat.get(), host_grad.flat, **close)
        assert_allclose(terms.get(), pixel_rnn.log_prob_terms(config, host, x, y), **close)
        assert_array_equal(drawn.get(), pixel_rnn.sample(config, host, u, y=y))
