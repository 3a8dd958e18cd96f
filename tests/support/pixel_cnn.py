"""Small PixelCNNs, plain and gated, and uniforms with given levels for their samplers."""

from itertools import product

import numpy as np

from chainrule.engine.models import pixel_cnn

KINDS = list(product((False, True), (1, 3), (2, 5), (1, 3)))  # gated, channels, levels, classes
SHAPE = (3, 5), (3, 7), 4, 2  # of an image; kernels, the first's last; features a channel; blocks


def a_model(
    gated=False, channels=1, levels=2, n_classes=1, shape=SHAPE, dtype=np.float64, n_logistics=0
):
    """Return a config and parameters; of bits each pixel has biases of its own."""
    (height, width), (k, first), features, L = shape
    config = pixel_cnn.Config(
        height, width, channels, levels, features * channels, L, k, first, gated,
        n_logistics=n_logistics, n_classes=n_classes, positions=levels == 2,
    )  # fmt: skip
    params = pixel_cnn.init(config, np.random.default_rng(0), dtype)
    params.flat[...] = 0.4 * np.random.default_rng(1).normal(size=params.size)  # of the hidden too
    return config, params


def uniforms_and_given(rng, config, N):
    """Return uniforms and levels: of many pixels some are given, of some all of all images."""
    shape = (N, *config.event.shape)
    u, x = rng.random(shape), rng.integers(0, config.levels, shape).astype(config.event.dtype)
    u[rng.random(shape) < 0.3] = -1
    u[:, rng.random(shape[1:3]) < 0.4] = -1
    return u.reshape(N, -1), x.reshape(N, -1)


def labels(config, N):
    return np.arange(N, dtype=np.int32) % config.n_classes if config.n_classes > 1 else None
