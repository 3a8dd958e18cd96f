"""Images that are being drawn: channel by channel of pixel by pixel, in raster order.

ImageSampler       asks a function for the outputs of the next channel
PixelCNNSampler    asks chainrule.kernels.samplers.pixel_cnn, which draws too
PixelRNNSampler    asks chainrule.kernels.samplers.pixel_rnn, likewise
"""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.engine import classes
from chainrule.engine.distributions import levels as distribution
from chainrule.engine.params import Params
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.samplers import pixel_cnn, pixel_rnn
from chainrule.kernels.types import Array, Ids

# (x, at) -> s: outputs (n, K) of number `at` of images (n, R, S, C), which are known before it;
# `at` never grows less.
Outputs = Callable[[Any, int], Array]


class ImageSampler:
    """Images that are being drawn, channel by channel of pixel by pixel."""

    def __init__(self, config: Any, params: Params, n: int, outputs: Outputs) -> None:
        """Let n images begin with no pixel."""
        self.config, self.outputs = config, outputs
        xp, event = array_module(params.flat), config.event
        self.x, self.at = xp.zeros((n, *event.shape), event.dtype), 0

    def extend(self, uniforms: Array, x: Any = None) -> Any:
        """Return the next k levels, (n, k): drawn where the uniform is in [0, 1), else x's."""
        flat = self.x.reshape(len(self.x), -1)
        lo = self.at
        for k in range(uniforms.shape[1]):
            u = uniforms[:, k]
            kept = 0 if x is None else x[:, k]
            drawn = distribution.sample(self._s(), u, self.config.levels, self.config.n_logistics)
            flat[:, self.at] = array_module(u).where(u < 0, kept, drawn)
            self.at += 1
        return flat[:, lo : self.at].copy()

    def peek(self) -> Array:
        """Return the next channel's distribution: p(x_i = 1), (n,), or p(x_i = v), (n, levels)."""
        kind = self.config.levels, self.config.n_logistics
        p = distribution.conditionals(self._s()[:, None, None], 1, *kind)
        return p.reshape(len(p), -1)[:, 0] if distribution.is_bit(*kind) else p[:, 0, 0, 0]

    def put(self, x: Any) -> None:
        """Move on by given levels of the next channel, (n,)."""
        self.x.reshape(len(self.x), -1)[:, self.at] = x
        self.at += 1

    def choose(self, low: Any, high: Any) -> Any:
        """Return the next k levels, (n, k): the likeliest of low … high, of several the lowest.

        low, high: (n, k), whole numbers.
        """
        xp = array_module(low)
        v, out = xp.arange(self.config.levels), xp.zeros_like(low)
        for k in range(low.shape[1]):
            p = self.peek()
            if p.ndim == 1:
                p = xp.stack([1 - p, p], axis=1)
            allowed = (v >= low[:, k, None]) & (v <= high[:, k, None])
            out[:, k] = xp.where(allowed, p, -1).argmax(axis=1)
            self.put(out[:, k])
        return out.astype(self.x.dtype)

    def _s(self) -> Array:
        """Return the outputs of the next channel, (n, K)."""
        return self.outputs(self.x, self.at)


class LoopedSampler(ImageSampler):
    """Images whose channels cost their own features alone, by a loop that is compiled."""

    kernel: ModuleType  # of chainrule.kernels.samplers

    def __init__(
        self, config: Any, params: Params, n: int, y: Ids, weights: Any, kernel_size: int
    ) -> None:
        """Let n images begin with no pixel. y: of `told`. weights, kernel_size: the kernel's."""
        super().__init__(config, params, n, self._look)
        height, width, channels = config.event.shape
        kind, kernels = (config.levels, config.n_logistics), (kernel_size, config.first_size)
        self._model = weights, pixel_cnn.Sizes(height, width, channels, *kind, *kernels)
        self._dtype, self._xp = params.dtype, array_module(params.flat)
        x: Ids = self._xp.zeros((n, height * width * channels), np.int32)
        self._memory = pixel_cnn.Memory(x, y, {})

    def extend(self, uniforms: Array, x: Any = None) -> Any:
        """See `ImageSampler`."""
        out: Ids = self._xp.zeros(uniforms.shape, np.int32)
        if x is not None:
            out[...] = x
        self.kernel.extend(uniforms, *self._model, self.at, self._memory, out)
        self.at += uniforms.shape[1]
        return out.astype(self.x.dtype)

    def choose(self, low: Any, high: Any) -> Any:
        """See `ImageSampler`."""
        low, high = (self._xp.ascontiguousarray(a, np.int32) for a in (low, high))
        out: Ids = self._xp.zeros(low.shape, np.int32)
        self.kernel.choose(low, high, *self._model, self.at, self._memory, out)
        self.at += low.shape[1]
        return out.astype(self.x.dtype)

    def put(self, x: Any) -> None:
        """See `ImageSampler`; what it costs, the next draw pays."""
        self._memory.x[:, self.at] = x
        self.at += 1

    def _look(self, x: Any, at: int) -> Array:
        s: Array = self._xp.empty((len(x), self._model[1].n_outputs), self._dtype)
        self.kernel.peek(*self._model, at, self._memory, s)
        return s


class PixelCNNSampler(LoopedSampler):
    """A PixelCNN's images."""

    kernel = pixel_cnn

    def __init__(self, config: Any, params: Params, n: int, y: Ids) -> None:
        """Let n images begin with no pixel. y: of `told`."""
        names, shared = pixel_cnn.Weights._fields, {"b_i", "b_t"}
        weights = pixel_cnn.Weights(*_weights(config, params, names, shared))
        super().__init__(config, params, n, y, weights, config.kernel_size)


class PixelRNNSampler(LoopedSampler):
    """A PixelRNN's images, on the host."""

    kernel = pixel_rnn

    def __init__(self, config: Any, params: Params, n: int, y: Ids) -> None:
        """Let n images begin with no pixel. y: of `told`."""
        names, shared = pixel_rnn.Weights._fields, {"b_t"}
        weights = pixel_rnn.Weights(*_weights(config, params, names, shared))
        super().__init__(config, params, n, y, weights, 1 if weights.diagonal else 3)


def _weights(
    config: Any, params: Params, names: tuple[str, ...], shared: set[str]
) -> Iterator[Array]:
    """Yield parameters as a kernel has them: views. shared: biases that all classes share."""
    absent = params.flat[:0].reshape(0, 0, 0)
    for name in names:
        if name not in params:  # of a network that this one is not, or of no positions
            yield absent
        elif name.startswith("W_") or name == "b_p":
            yield params[name]
        else:
            yield params[name][None] if name in shared else classes.table(config, params[name])
