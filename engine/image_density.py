"""What networks over images have in common as densities: scores, the gradient, samples.

A network is two functions,

    forward(config, params, z, y, noise, new) -> (s, tape)     z: (N, R, S, C), levels in [-1, 1];
                                                               s: (N, R, S, C·K), outputs
    backward(config, params, grad, tape, ds, y, dz)            overwrites grad, and dz unless None

so that s at a pixel's channel depends on what comes before it in raster order alone. The rest of a
model's contract (`chainrule.engine.models`) follows: `functions(forward, backward)`. Where pixels
can be had for less than a whole pass each, a third function says how, and
`chainrule.engine.image_sampling` what samplers are.
"""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

from chainrule.engine import arena, classes
from chainrule.engine.distributions import levels as distribution
from chainrule.engine.image_sampling import ImageSampler, Outputs
from chainrule.engine.layers import pixels
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array

PIXELS_AT_ONCE = 1 << 13  # in one pass where no gradient is wanted
Forward = Callable[..., tuple[Array, Any]]
Backward = Callable[..., None]
Sampler = Callable[..., ImageSampler]


class Functions(NamedTuple):
    """A model's functions, as `chainrule.engine.models` describes them."""

    log_prob: Callable[..., Array]
    log_prob_terms: Callable[..., Array]
    conditionals: Callable[..., Array]
    loss_and_grad: Callable[..., float]
    input_gradient: Callable[..., Array]
    start: Callable[..., ImageSampler]
    sample: Callable[..., Any]


def functions(forward: Forward, backward: Backward, sampler: Sampler | None = None) -> Functions:
    """Return what follows from a network's two directions.

    sampler: called with (config, params, n, y) for a sampler of n images, y of `classes.told`.
    """

    def outputs(config: Any, params: Params, x: Any, y: Any) -> Array:
        """Return s of every image, a few images at a time."""
        each = config.event.channels * distribution.n_outputs(config.levels, config.n_logistics)
        s: Array = array_module(params.flat).empty((*x.shape[:3], each), params.dtype)
        at_once = max(1, PIXELS_AT_ONCE // prod(x.shape[1:3]))
        for lo in range(0, len(x), at_once):
            some = slice(lo, lo + at_once)
            with arena.borrow(params.flat) as new:
                z = pixels.scaled(x[some], config.levels, new)
                s[some] = forward(config, params, z, y[some], None, new)[0]
        return s

    def log_prob_terms(config: Any, params: Params, x: Any, y: Any = None) -> Array:
        """Return log p(x_i | x_<i) of every channel of every pixel, shaped like x, in nats.

        y: (N,), the images' classes; a model with n_classes > 1 needs them.
        """
        s = outputs(config, params, x, classes.told(config, params, len(x), y))
        return distribution.log_prob_terms(s, x, config.levels, config.n_logistics)

    def log_prob(config: Any, params: Params, x: Any, y: Any = None) -> Array:
        """Return log p(x) of each image, (N,), in nats; y as above."""
        total: Array = log_prob_terms(config, params, x, y).reshape(len(x), -1).sum(axis=1)
        return total

    def conditionals(config: Any, params: Params, x: Any, y: Any = None) -> Array:
        """Return p(x_i = 1 | x_<i) of bits, (N, R, S, C); else of every level, one axis more."""
        s = outputs(config, params, x, classes.told(config, params, len(x), y))
        channels, kind = config.event.channels, (config.levels, config.n_logistics)
        return distribution.conditionals(s, channels, *kind)

    def loss_and_grad(
        config: Any, params: Params, x: Any, grad: Params, total: int | None = None, y: Any = None,
        noise: Noise | None = None, dx: Array | None = None,
    ) -> float:  # fmt: skip
        """Return Σ -log p(x) / total in nats; write its gradient into `grad`.

        total: images of the whole minibatch where x is a slice of it. y: (N,), their classes.
        noise: what dropout is drawn from; None: none. dx: (N, R, S, C), overwritten, where given,
        by the gradient in x as if levels were real: through the network, and of bits also by the
        loss itself.
        """
        y = classes.told(config, params, len(x), y)
        total, kind = total or len(x), (config.levels, config.n_logistics)
        with arena.borrow(params.flat) as new:
            z = pixels.scaled(x, config.levels, new)
            s, tape = forward(config, params, z, y, noise, new)
            if dx is not None:
                dx[...] = -s / total if distribution.is_bit(*kind) else 0
            loss = distribution.loss_and_grad(s, x, total, s, *kind)
            dz = None if dx is None else new(z.shape)
            backward(config, params, grad, tape, s, y, dz)
            if dx is not None and dz is not None:
                dx += pixels.unscaled(dz, config.levels)
        return loss

    def input_gradient(
        config: Any, params: Params, x: Any, pixel: tuple[int, int, int], y: Any = None
    ) -> Array:
        """Return the gradient in x, as if levels were real, of one channel's outputs, (N, R, S, C).

        pixel: (row, column, channel), whose outputs are added up, each times a number of its own,
        so that none can hide another: what `chainrule.engine.receptive` measures.
        """
        y, (i, j, c) = classes.told(config, params, len(x), y), pixel
        K, spare = distribution.n_outputs(config.levels, config.n_logistics), params.like()
        with arena.borrow(params.flat) as new:
            z = pixels.scaled(x, config.levels, new)
            s, tape = forward(config, params, z, y, None, new)
            s[...] = 0
            s[:, i, j, c * K : (c + 1) * K] = 1 + array_module(s).arange(K) / K
            dz = new(z.shape)
            backward(config, params, spare, tape, s, y, dz)
            dx = pixels.unscaled(dz, config.levels)
        return dx

    def start(config: Any, params: Params, n: int, y: Any = None) -> ImageSampler:
        """Return a sampler of n images. y: (n,), their classes, where n_classes > 1."""
        told = classes.told(config, params, n, y)
        if sampler is not None:
            return sampler(config, params, n, told)
        return ImageSampler(config, params, n, anew(config, params, told))

    def anew(config: Any, params: Params, y: Any) -> Outputs:
        each = distribution.n_outputs(config.levels, config.n_logistics)

        def of_next(x: Any, at: int) -> Array:
            flat: Array = outputs(config, params, x, y).reshape(len(x), -1, each)[:, at]
            return flat

        return of_next

    def sample(config: Any, params: Params, uniforms: Array, x: Any = None, y: Any = None) -> Any:
        """Return images, (N, R, S, C): drawn where the uniform is in [0, 1), else x's.

        uniforms: (N, R, S, C). x: as many, left as they are; None: zeros. y: (N,), classes.
        """
        n, shape = len(uniforms), config.event.shape
        given = None if x is None else x.reshape(n, -1)
        rows = start(config, params, n, y).extend(uniforms.reshape(n, -1), given)
        return rows.reshape(n, *shape)

    return Functions(
        log_prob, log_prob_terms, conditionals, loss_and_grad, input_gradient, start, sample
    )
