"""PixelCNN: p(x) = Π p(x_i | x_<i) over the channels of an image's pixels, all factors in one pass.

Model       x: (N, R, S, C), levels 0 … levels - 1, pixels in raster order, the channels of a pixel
            one after the other. Masked convolutions, layer upon layer, so that a pixel's features
            know the pixels before it, and of its own the channels before, alone:
                which pixels a map sees, and why that will do   chainrule.kernels.masked_conv
                levels to numbers, features to outputs s        chainrule.engine.layers.pixels
                what s says of a level                    chainrule.engine.distributions.levels
            Plain:
            (F1)  h = z W_x + b_x + b_p                     first_size², kind A
            (F2)  L residual blocks                         chainrule.engine.layers.residual_pixels
            Gated: two stacks, so that no pixel before is out of sight
            (F3)  L + 1 layers, the first of kind A         chainrule.engine.layers.gated_pixels
            (F4)  s = top(h)
            b_p, a bias of each pixel, is there where the network is to know positions: in F1, or in
            F3's first layer, in p of the rows above, which both stacks hear.

            With labels, p(x | y): y chooses the biases of the first map, of each masked map and of
            the outputs.

Gradient    loss = Σ_n -log p(x_n) / total, through the same in reverse. In x, as if levels were
            real: through z, and of bits also by the loss itself, ∂/∂x (softplus(s) - x s) = -s.

Start       Weights normal, of deviation √(2 / inputs) before a ReLU and √(1 / inputs) before a
            gate; what a block adds to the stream is scaled by 1/√L; of outputs a tenth. 0 where
            masks hide them. Biases 0, but those of mixtures, which begin near the uniform
            distribution.
            The stack of the rows above is gates upon gates, with nothing that goes past them: W_v
            and W_xv are 2.5 times that. Of small numbers tanh(a) σ(b) is a / 2, so a factor of 2
            would keep the smallest as they are, and tanh bends the others down; with 1 layer 12
            would hear 7e-5 of what comes in, with 2.5 a fourth.

Cost        Two FLOPs a pixel for each weight that is not hidden, but for edges; twice that
            backward. A pixel of a sample costs as much as one of a pass
            (chainrule.kernels.samplers.pixel_cnn).

Source      van den Oord, Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks"
            (arXiv:1601.06759); van den Oord et al. 2016, "Conditional Image Generation with
            PixelCNN Decoders" (arXiv:1606.05328), for the gated one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.engine import arena, classes, image_density
from chainrule.engine.arena import New
from chainrule.engine.distributions import levels as distribution
from chainrule.engine.event import Abilities, Image
from chainrule.engine.image_sampling import PixelCNNSampler
from chainrule.engine.layers import dropout, gated_pixels, pixels, residual_pixels
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params, Shapes
from chainrule.kernels.masked_conv import Window, raster
from chainrule.kernels.types import Array, Ids

MATRICES = ("W_x", "W_i", "W_m", "W_xv", "W_xh", "W_v", "W_h", "W_vh", "W_o", "W_t", "W_s")
WEIGHTS = (*MATRICES, "b_p")  # as many as a matrix has, so that they decay as one
GATED = 2.5  # of weights whose gates feed gates; see Start
EVENT = Image
ABILITIES = Abilities(labels=True, dropout=True)


@dataclass(frozen=True)
class Config:
    """The shapes of a PixelCNN.

    Args:
        height, width, channels, levels: of an image.
        n_features: F; the plain network's stream has 2F. A multiple of the channels.
        n_layers: L, blocks or gated layers after the first.
        kernel_size, first_size: of the masked kernels, and of the first one; odd.
        gated: two stacks without a blind spot instead of one.
        n_logistics: components of a discretised mixture; 0: a probability for each level.
        n_classes: labels are 0 … n_classes - 1.
        dropout: share of features dropped in each block while training, in [0, 1).
        positions: whether each pixel has biases of its own.

    Raises:
        ValueError: sizes that no network, or no image, can have.
    """

    height: int
    width: int
    channels: int = 1
    levels: int = 2
    n_features: int = 32
    n_layers: int = 7
    kernel_size: int = 3
    first_size: int = 7
    gated: bool = False
    n_logistics: int = 0
    n_classes: int = 1
    dropout: float = 0.0
    positions: bool = False

    def __post_init__(self) -> None:
        """Refuse what no network can be."""
        if min(self.n_features, self.n_layers, self.n_classes) < 1 or self.n_logistics < 0:
            raise ValueError(
                "n_features, n_layers and n_classes must be 1 or more, n_logistics 0 or more, "
                f"got {self}"
            )
        if self.n_features % self.channels:
            raise ValueError(
                f"n_features must be a multiple of the {self.channels} channels, one group of "
                f"features each, got {self.n_features}"
            )
        if self.first_size < 3 and self.channels == 1:
            raise ValueError(f"first_size must be at least 3 to see a pixel, got {self.first_size}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        _ = self.event, self.stacks if self.gated else (self.first, self.masked)

    @property
    def event(self) -> Image:
        """What an observation is: an image."""
        return Image(self.height, self.width, self.channels, self.levels)

    @property
    def first(self) -> Window:
        """The plain network's first window."""
        return raster(self.first_size, "A", self.channels)

    @property
    def masked(self) -> Window:
        """The window of its blocks."""
        return raster(self.kernel_size, "B", self.channels)

    @property
    def stacks(self) -> list[gated_pixels.Stacks]:
        """The windows of the gated network's layers."""
        first = gated_pixels.windows(self.first_size, "A", self.channels)
        later = gated_pixels.windows(self.kernel_size, "B", self.channels)
        return [first] + [later] * self.n_layers


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order; the other network's are empty."""
    C, F, L = config.channels, config.n_features, config.n_layers
    outputs = C * distribution.n_outputs(config.levels, config.n_logistics)
    if config.gated:
        first, later = config.stacks[0], config.stacks[-1]
        own = {
            "W_xv": (first.above.n_taps, C, 2 * F),
            "W_xh": (first.left.n_taps, C, 2 * F),
            "W_v": (L, later.above.n_taps, F, 2 * F),
            "W_h": (L, later.left.n_taps, F, 2 * F),
            "W_vh": (L + 1, 1, 2 * F, 2 * F),
            "W_o": (L + 1, 1, F, F),
        }
        biases = {name: classes.shape(config, L + 1, 2 * F) for name in ("b_v", "b_h")}
        wide = F
    else:
        own = {
            "W_x": (config.first.n_taps, C, 2 * F),
            "W_i": (L, 1, 2 * F, F),
            "W_m": (L, config.masked.n_taps, F, F),
            "W_o": (L, 1, F, 2 * F),
        }
        biases = {
            "b_x": classes.shape(config, 2 * F),
            "b_i": (L, F),
            "b_m": classes.shape(config, L, F),
        }
        wide = 2 * F
    top = {"W_t": (1, wide, wide), "W_s": (1, wide, outputs)}
    if config.positions:
        top["b_p"] = (config.height, config.width, 2 * F)
    weights: Shapes = {**dict.fromkeys(MATRICES, (0,)), **own, **top}
    return {**weights, **biases, "b_t": (wide,), "b_s": classes.shape(config, outputs)}


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters; see Start above."""
    params = Params(shapes(config), dtype=dtype)
    scales = {"W_o": config.n_layers**-0.5, "W_s": 0.1, "W_xv": GATED, "W_v": GATED}
    for name, window in windows(config).items():
        W = params[name]
        hidden = ~window.mask(*W.shape[-2:])
        gain = 1 if config.gated and name not in ("W_t", "W_s") else 2
        std = scales.get(name, 1) * (gain / (window.n_taps * W.shape[-2])) ** 0.5
        W[...] = rng.normal(0, std, W.shape)
        W[..., hidden] = 0
    params["b_s"][...] = distribution.first_biases(config.channels, config.n_logistics)
    return params


def windows(config: Config) -> dict[str, Window]:
    """Return what each matrix sees."""
    own = raster(1, "B", config.channels)
    top = {"W_o": own, "W_t": own, "W_s": own}
    if not config.gated:
        return {"W_x": config.first, "W_i": own, "W_m": config.masked, **top}
    first, later = config.stacks[0], config.stacks[-1]
    stacks = {"W_xv": first.above, "W_xh": first.left, "W_v": later.above, "W_h": later.left}
    return {**stacks, "W_vh": first.whole, **top}


class _Tape(NamedTuple):
    """One forward pass: all that the backward reads."""

    z: Array
    blocks: list[Any]
    top: pixels.TopCache


def _forward(
    config: Config, params: Params, z: Array, y: Ids, noise: Noise | None, new: New
) -> tuple[Array, _Tape]:
    """Return the outputs s, and the tape for `_backward`."""
    sites = [dropout.site(config.dropout, noise, k) for k in range(config.n_layers + 1)]
    blocks: list[Any] = []
    if config.gated:
        v = h = z  # F3
        layers = zip(_layers(config, params), config.stacks, sites, strict=True)
        for l, (of_layer, see, site) in enumerate(layers):
            first, last = l == 0, l == config.n_layers
            b_p = params.get("b_p") if first else None
            v, h, cache = gated_pixels.forward(v, h, of_layer, y, see, site, new, first, last, b_p)
            blocks.append(cache)
    else:
        b_x = classes.table(config, params["b_x"])
        b_p = params.get("b_p")
        h = pixels.mapped(z, params["W_x"], b_x, y, config.first, new, b_p)  # F1
        for w, site in zip(_blocks(config, params), sites[1:], strict=True):  # F2
            blocks.append(residual_pixels.forward(h, w, y, config.masked, site, new))
    s, top = pixels.top(h, pixels.top_weights(config, params), y, config.channels, new)  # F4
    return s, _Tape(z, blocks, top)


def _backward(
    config: Config, params: Params, grad: Params, tape: _Tape, ds: Array, y: Ids, dz: Array | None
) -> None:
    """Overwrite grad, and dz where it is wanted, given ds = dL/ds: the mirror of `_forward`."""
    with arena.borrow(ds) as new:
        dh = new(tape.top.u.shape)
        with arena.borrow(ds) as temporary:
            both = pixels.top_weights(config, params), pixels.top_weights(config, grad)
            pixels.top_backward(ds, tape.top, *both, y, config.channels, dh, temporary)  # F4
        if config.gated:
            _gated_backward(config, params, grad, tape, dh, y, dz, new(dh.shape))
            return
        layers = zip(_blocks(config, params), _blocks(config, grad), tape.blocks, strict=True)
        for w, dw, cache in reversed([*layers]):  # F2
            residual_pixels.backward(dh, cache, w, dw, y, config.masked)
        of_x = grad["W_x"], classes.table(config, grad["b_x"]), grad.get("b_p")
        pixels.mapped_backward(dh, tape.z, params["W_x"], y, config.first, dz, *of_x)  # F1


def _gated_backward(
    config: Config, params: Params, grad: Params, tape: _Tape, dh: Array, y: Ids,
    dz: Array | None, dv: Array,
) -> None:  # fmt: skip
    """Overwrite grad's layers, and dz, given dh of the last one; dv is for work."""
    layers = zip(
        _layers(config, params), _layers(config, grad), tape.blocks, config.stacks, strict=True
    )
    for l, (w, dw, cache, see) in reversed([*enumerate(layers)]):  # F3
        last = l == config.n_layers
        if l:
            gated_pixels.backward(dv, dh, cache, w, dw, y, see, last)
        else:
            db_p = grad.get("b_p")
            gated_pixels.first_backward(dv, dh, cache, w, dw, y, see, last, dz, db_p)


def _blocks(config: Config, params: Params) -> Iterator[residual_pixels.Weights]:
    """Yield each block's parameters, or gradients: views."""
    b_m = classes.table(config, params["b_m"])
    for l in range(config.n_layers):
        W_i, b_i, W_m, W_o = (params[name][l] for name in ("W_i", "b_i", "W_m", "W_o"))
        yield residual_pixels.Weights(W_i, b_i[None], W_m, b_m[:, l], W_o)


def _layers(config: Config, params: Params) -> Iterator[gated_pixels.Weights]:
    """Yield each gated layer's parameters, or gradients: views."""
    b_v, b_h = (classes.table(config, params[name]) for name in ("b_v", "b_h"))
    for l in range(config.n_layers + 1):
        W_v = params["W_v"][l - 1] if l else params["W_xv"]
        W_h = params["W_h"][l - 1] if l else params["W_xh"]
        W_vh, W_o = params["W_vh"][l], params["W_o"][l]
        yield gated_pixels.Weights(W_v, b_v[:, l], W_h, b_h[:, l], W_vh, W_o)


(
    log_prob,
    log_prob_terms,
    conditionals,
    loss_and_grad,
    input_gradient,
    start,
    sample,
) = image_density.functions(_forward, _backward, PixelCNNSampler)
