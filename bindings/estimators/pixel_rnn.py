"""The public estimator PixelRNN."""

from dataclasses import dataclass, field

from chainrule.encoders import validation
from chainrule.engine.event import Image
from chainrule.engine.layers.grid_lstm import CELLS
from chainrule.engine.models import pixel_rnn
from chainrule.estimators.sighted import Sighted, first_size


@dataclass(kw_only=True, eq=False, repr=False)
class PixelRNN(Sighted):
    """Recurrent network over the pixels of an image: each pixel given all before it.

    p(x) = Π_i p(x_i | x_<i) over pixels in raster order, the channels of a pixel one after the
    other. What came before is in the states of LSTM cells, one a pixel, which see cells of the row
    above (Row LSTM), or those above, to the left and to the right (Diagonal BiLSTM), so that what
    they see may be any number of pixels away. A pass waits for one row, or diagonal, after another:
    it is slower than PixelCNN's of as many features. With labels y it is a model of p(x | label);
    without them it is the marginal Σ_c p(c) p(x | c) again, and `predict` says which is the
    likeliest.

    Args:
        n_layers: recurrences, one upon the other.
        n_hidden: units of a cell, and half the features of a pixel; a multiple of the channels.
        cell: "row", which sees a triangle above the pixel, or "diagonal", which sees all before it
            but the last pixel of the row above, unless the first layer reaches that far.
        first_size: rows and columns that the first layer looks at, of which it sees what came
            before; odd, at most 2 max(R, S) - 1, or 7 if that is less; 1 of colours alone.
        dropout: share of each layer's outputs dropped while training, in [0, 1).
        positions: whether each pixel has biases of its own, so that the network knows where it is:
            of images that lie alike, such as centred digits, it buys nats. They are R·S parameters
            for each feature, so that few images may be overfitted; `l1` and `weight_decay` count
            them among the weights.

    Attributes:
        params_: mapping from name to array; `chainrule.engine.models.pixel_rnn` has names and
            shapes.
        history_, best_epoch_, encoder_, classes_, class_prior_, n_features_in_: as of PixelCNN.

    Cost:
        Two FLOPs a pixel for each weight of a pass that is not masked; a pixel of a sample costs a
        pass of one pixel.

    Example:
        >>> import numpy as np
        >>> from chainrule import PixelRNN
        >>> X = np.indices((4, 4)).sum(axis=0) % 2  # a chessboard
        >>> X = np.stack([X, 1 - X] * 50)  # and its negative
        >>> model = PixelRNN(n_layers=1, n_hidden=4, epochs=20, learning_rate=0.02, seed=0).fit(X)
        >>> model.score(X) > -1.5  # nats: the entropy of one fair coin is ln 2
        True

    Source:
        van den Oord, Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks",
        arXiv:1601.06759. Derivations: `chainrule.engine.models.pixel_rnn`,
        `chainrule.kernels.grid_lstm`.
    """

    n_layers: int = field(default=4, kw_only=False)
    n_hidden: int = field(default=24, kw_only=False)
    cell: str = field(default="row", kw_only=False)
    first_size: int = 7
    dropout: float = 0.0
    positions: bool = False

    def _model_name(self) -> str:
        return "pixel_rnn"

    def _image_config(self, event: Image, n_classes: int) -> pixel_rnn.Config:
        return pixel_rnn.Config(
            **self._of_images(event, n_classes),
            n_hidden=validation.integer("n_hidden", self.n_hidden, 1),
            n_layers=validation.integer("n_layers", self.n_layers, 1),
            cell=validation.choice("cell", self.cell, tuple(CELLS)),
            first_size=first_size(self.first_size, event),
            dropout=validation.share("dropout", self.dropout),
            positions=validation.flag("positions", self.positions),
        )
