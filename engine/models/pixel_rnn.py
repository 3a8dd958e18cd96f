"""PixelRNN: p(x) = Π p(x_i | x_<i) over an image's pixels, all the past in states of an LSTM.

Model       x: (N, R, S, C), levels 0 … levels - 1, pixels in raster order, the channels of a pixel
            one after the other. One map from levels to features that know the pixels before, then
            layers of recurrences over the image, whose cells see cells before them, so that pixels
            are seen however far away they are:
                levels to numbers, features to outputs s        chainrule.engine.layers.pixels
                which pixels a map sees, and why that will do   chainrule.kernels.masked_conv
                what s says of a level                  chainrule.engine.distributions.levels
            (F1)  x^0 = z W_x + b_x,y + b_p                 first_size², kind A
            (F2)  x^l, l = 1 … L, dropping at site l - 1    chainrule.engine.layers.grid_lstm
            (F3)  s = top(x^L)
            b_p, a bias of each pixel, is there where the network is to know positions.

            Row LSTM: a cell sees three cells of the row above, so a pixel sees a triangle above it.
            Diagonal BiLSTM: the cells above and to the left, and of a second direction above and to
            the right. Together all that comes before, but for one value: that of the row above's
            last pixel, which that pixel's own features do not know. The first map alone tells it,
            to the columns from which it reaches that far.

            With labels, p(x | y): y chooses the biases of the first map, of all cells' inputs and
            of the outputs.

Gradient    loss = Σ_n -log p(x_n) / total, through the same in reverse; in x as of PixelCNN.

Start       Weights normal, of deviation √(1 / inputs), before a ReLU √(2 / inputs); what a layer
            adds to the stream is scaled by 1/√L; of outputs a tenth. 0 where masks hide them.
            Biases 0, but of forget gates 1, and of mixtures near the
            uniform distribution.

Cost        Two FLOPs a pixel for each weight that is not hidden, but for edges, in R, or R + S - 1,
            fronts a layer that wait for each other; twice that backward. A sample costs as much as
            a pass, pixel by pixel, and the memory of two rows of states
            (chainrule.kernels.samplers.pixel_rnn).

Source      van den Oord, Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks"
            (arXiv:1601.06759). Forget gates at 1: Jozefowicz, Zaremba and Sutskever 2015, "An
            Empirical Exploration of Recurrent Network Architectures", ICML.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.engine import arena, classes, image_density
from chainrule.engine.arena import New
from chainrule.engine.distributions import levels as distribution
from chainrule.engine.event import Abilities, Image
from chainrule.engine.image_sampling import ImageSampler, PixelRNNSampler
from chainrule.engine.layers import dropout, grid_lstm, pixels
from chainrule.engine.layers.grid_lstm import CELLS, Cell
from chainrule.engine.layers.grid_lstm_steps import GridSteps
from chainrule.engine.layers.one_pixel import PixelMap, rectified
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params, Shapes
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.masked_conv import Window, raster
from chainrule.kernels.types import Array, Ids

MATRICES = ("W_x", "W_i", "W_h", "W_o", "W_t", "W_s")
WEIGHTS = (*MATRICES, "b_p")  # as many as a matrix has, so that they decay as one
EVENT = Image
ABILITIES = Abilities(labels=True, dropout=True)


@dataclass(frozen=True)
class Config:
    """The shapes of a PixelRNN.

    Args:
        height, width, channels, levels: of an image.
        n_hidden: H, of a cell; the stream has 2H features. A multiple of the channels.
        n_layers: L, of recurrences.
        cell: `row` or `diagonal`.
        first_size: of the first kernel; odd.
        n_logistics: components of a discretised mixture; 0: a probability for each level.
        n_classes: labels are 0 … n_classes - 1.
        positions: whether each pixel has biases of its own.
        dropout: share of each layer's outputs dropped while training, in [0, 1).

    Raises:
        ValueError: sizes that no network, or no image, can have, or an unknown cell.
    """

    height: int
    width: int
    channels: int = 1
    levels: int = 2
    n_hidden: int = 16
    n_layers: int = 7
    cell: str = "row"
    first_size: int = 7
    n_logistics: int = 0
    n_classes: int = 1
    positions: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no network can be."""
        if min(self.n_hidden, self.n_classes) < 1 or min(self.n_layers, self.n_logistics) < 0:
            raise ValueError(f"n_hidden and n_classes must be 1 or more, got {self}")
        if self.cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {self.cell!r}")
        if self.n_hidden % self.channels:
            raise ValueError(
                f"n_hidden must be a multiple of the {self.channels} channels, one group of "
                f"units each, got {self.n_hidden}"
            )
        if self.first_size < 3 and self.channels == 1:
            raise ValueError(f"first_size must be at least 3 to see a pixel, got {self.first_size}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        _ = self.event, raster(max(3, self.first_size), "A")

    @property
    def event(self) -> Image:
        """What an observation is: an image."""
        return Image(self.height, self.width, self.channels, self.levels)

    @property
    def first(self) -> Window:
        """The first map's window."""
        return raster(self.first_size, "A", self.channels)

    @property
    def of_cell(self) -> Cell:
        """What a layer reads, and in which orders."""
        return grid_lstm.cell(self.cell, self.channels)


def shapes(config: Config) -> Shapes:
    """Return the parameters' names and shapes, in layout order."""
    C, H, L, of = config.channels, config.n_hidden, config.n_layers, config.of_cell
    D, T, n_taps = len(of.directions), of.window.n_taps, len(of.directions[0].taps)
    outputs = C * distribution.n_outputs(config.levels, config.n_logistics)
    places: Shapes = {"b_p": (config.height, config.width, 2 * H)} if config.positions else {}
    return {
        "W_x": (config.first.n_taps, C, 2 * H),
        "W_i": (L, D, T, 2 * H, 4 * H),
        "W_h": (L, D, n_taps, H, 4 * H),
        "W_o": (L, 1, H, 2 * H),
        "W_t": (1, 2 * H, 2 * H),
        "W_s": (1, 2 * H, outputs),
        **places,
        "b_x": classes.shape(config, 2 * H),
        "b_i": classes.shape(config, L, D, 4 * H),
        "b_t": (2 * H,),
        "b_s": classes.shape(config, outputs),
    }


def init(config: Config, rng: np.random.Generator, dtype: Any = np.float32) -> Params:
    """Return initial parameters; see Start above."""
    params = Params(shapes(config), dtype=dtype)
    scales = {"W_o": max(1, config.n_layers) ** -0.5, "W_t": 2**0.5, "W_s": 0.1}
    own = raster(1, "B", config.channels)
    windows = {"W_x": config.first, "W_i": config.of_cell.window, "W_o": own, "W_t": own}
    for name in MATRICES:
        W = params[name]
        std = scales.get(name, 1) * (W.shape[-3] * W.shape[-2]) ** -0.5
        W[...] = rng.normal(0, std, W.shape)
        if name != "W_h":
            W[..., ~windows.get(name, own).mask(*W.shape[-2:])] = 0
    gates = params["b_i"].reshape(-1, config.channels, 4, config.n_hidden // config.channels)
    gates[:, :, 1] = 1
    params["b_s"][...] = distribution.first_biases(config.channels, config.n_logistics)
    return params


class _Tape(NamedTuple):
    """One forward pass: all that the backward reads."""

    z: Array
    layers: list[grid_lstm.GridCache]
    top: pixels.TopCache


def _forward(
    config: Config, params: Params, z: Array, y: Ids, noise: Noise | None, new: New
) -> tuple[Array, _Tape]:
    """Return the outputs s, and the tape for `_backward`."""
    b_x = classes.table(config, params["b_x"])
    b_p, layers = params.get("b_p"), []
    x = pixels.mapped(z, params["W_x"], b_x, y, config.first, new, b_p)  # F1
    for l, w in enumerate(_layers(config, params)):
        site = dropout.site(config.dropout, noise, l)
        x, cache = grid_lstm.forward(x, w, y, config.of_cell, site, new)  # F2
        layers.append(cache)
    s, top = pixels.top(x, pixels.top_weights(config, params), y, config.channels, new)  # F3
    return s, _Tape(z, layers, top)


def _backward(
    config: Config, params: Params, grad: Params, tape: _Tape, ds: Array, y: Ids, dz: Array | None
) -> None:
    """Overwrite grad, and dz where it is wanted, given ds = dL/ds: the mirror of `_forward`."""
    with arena.borrow(ds) as new:
        dx = new(tape.top.u.shape)
        with arena.borrow(ds) as temporary:
            both = pixels.top_weights(config, params), pixels.top_weights(config, grad)
            pixels.top_backward(ds, tape.top, *both, y, config.channels, dx, temporary)  # F3
        layers = zip(_layers(config, params), _layers(config, grad), tape.layers, strict=True)
        for w, dw, cache in reversed([*layers]):
            grid_lstm.backward(dx, cache, w, dw, y, config.of_cell)  # F2
        of_x = grad["W_x"], classes.table(config, grad["b_x"]), grad.get("b_p")
        pixels.mapped_backward(dx, tape.z, params["W_x"], y, config.first, dz, *of_x)  # F1


def _layers(config: Config, params: Params) -> Iterator[grid_lstm.Weights]:
    """Yield each layer's parameters, or gradients: views."""
    b_i = classes.table(config, params["b_i"])
    for l in range(config.n_layers):
        W_i, W_h, W_o = (params[name][l] for name in ("W_i", "W_h", "W_o"))
        yield grid_lstm.Weights(W_i, b_i[:, l], W_h, W_o)


class _Memory:
    """What is remembered of n images that are drawn on a device: two rows of each layer's states.

    On the host chainrule.kernels.samplers.pixel_rnn does the same, in one compiled loop.
    """

    def __init__(self, config: Config, params: Params, y: Ids, n: int) -> None:
        """Begin before the first pixel. y: the images' classes."""
        self._config, self._like, top = config, params.flat, pixels.top_weights(config, params)
        own, b_x = raster(1, "B", config.channels), classes.table(config, params["b_x"])
        self._first = PixelMap(params["W_x"], b_x, y, config.first)
        self._b_p = params.get("b_p")
        self._layers = [
            GridSteps(w, config.of_cell, y, n, config.width) for w in _layers(config, params)
        ]
        self._top = PixelMap(top.W_t, top.b_t, y, own), PixelMap(top.W_s, top.b_s, y, own)
        self._z = array_module(params.flat).zeros((n, *config.event.shape), params.dtype)
        self._row, self._known = 0, 0  # the row that is drawn; pixels whose features are final

    def __call__(self, x: Any, at: int) -> Array:
        """Return the outputs, (n, K), for number `at` of images x, given those before it."""
        pixel, channel = divmod(at, self._config.channels)
        for before in range(self._known, pixel):
            self._features(x, before)
        h = self._features(x, pixel)
        # A pixel's features know its channels but the last one: they change with each but that.
        self._known = pixel + (channel == self._config.channels - 1)
        for of_top in self._top:
            h = of_top(rectified(h), 0, 0)  # F3
        return h.reshape(len(h), self._config.channels, -1)[:, channel]

    def _features(self, x: Any, pixel: int) -> Array:
        """Return x^L at a pixel, and let the layers remember it."""
        i, j = divmod(pixel, self._config.width)
        if i > self._row:
            self._row = i
            for layer in self._layers:
                layer.next_row()
        with arena.borrow(self._like) as new:
            for known in (max(0, pixel - 1), pixel):  # the one before has all its channels by now
                at = np.s_[:, known // self._config.width, known % self._config.width]
                self._z[at] = pixels.scaled(x[at], self._config.levels, new)
        h = self._first(self._z, i, j)  # F1
        if self._b_p is not None:
            h += self._b_p[i, j]  # F1
        for layer in self._layers:
            h = layer.pixel(h, j)  # F2
        return h


def _sampler(config: Config, params: Params, n: int, y: Ids) -> ImageSampler:
    """Return a sampler of n images, whose pixels cost their own features."""
    if array_module(params.flat) is np:
        return PixelRNNSampler(config, params, n, y)
    return ImageSampler(config, params, n, _Memory(config, params, y, n))


(
    log_prob,
    log_prob_terms,
    conditionals,
    loss_and_grad,
    input_gradient,
    start,
    sample,
) = image_density.functions(_forward, _backward, _sampler)
