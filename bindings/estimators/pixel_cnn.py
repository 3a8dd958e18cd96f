"""The public estimator PixelCNN."""

from dataclasses import dataclass, field

from chainrule.encoders import validation
from chainrule.engine.event import Image
from chainrule.engine.models import pixel_cnn
from chainrule.estimators.images import odd
from chainrule.estimators.sighted import Sighted, first_size


@dataclass(kw_only=True, eq=False, repr=False)
class PixelCNN(Sighted):
    """Convolutional network of an image: each pixel given those above it and left of it.

    p(x) = Π_i p(x_i | x_<i) over pixels in raster order, the channels of a pixel one after the
    other, all factors by one pass of masked convolutions: residual blocks, or gated layers of two
    stacks. With labels y it is a model of p(x | label), each class with biases of its own; without
    them it is the marginal Σ_c p(c) p(x | c) again, and `predict` says which is the likeliest.

    Args:
        n_layers: blocks or gated layers after the first.
        n_features: of a pixel, in each layer; a multiple of the channels, which share them.
        gated: gated layers of two stacks, which see every pixel before, instead of residual blocks.
        kernel_size, first_size: rows and columns that a layer looks at, and the first one, of which
            it sees what came before; odd. At most 2 max(R, S) - 1, where a pixel sees all that came
            before, or 7 if that is less. A first_size below 3 is for colours in residual blocks: of
            1, pixels see each other's channels but the last one, which nothing sees.
        dropout: share of features dropped in each block while training, in [0, 1).
        positions: whether each pixel has biases of its own, so that the network knows where it is:
            of images that lie alike, such as centred digits, it buys nats. They are R·S parameters
            for each feature, so that few images may be overfitted; `l1` and `weight_decay` count
            them among the weights.

    Attributes:
        params_: mapping from name to array; `chainrule.engine.models.pixel_cnn` has names and
            shapes.
        history_: a dict a record, which is an epoch but for `eval_every`: epoch, train and valid
            (nats an image, lower is better; valid is None without X_valid), seconds,
            learning_rate.
        best_epoch_: the epoch whose parameters were kept, counted from 1; 0 if interrupted in the
            first.
        encoder_: what stands between images and the model's levels; `encoder_.shape` is (R, S, C).
        classes_, class_prior_: the distinct labels, sorted, and how frequent each was; None if
            fitted without.
        n_features_in_: how many variables an image has. feature_names_in_: as in scikit-learn.

    Cost:
        Two FLOPs a pixel for each weight of a pass that is not masked; a pixel of a sample costs as
        much as one of a pass, so that an image is drawn in the time of one pass.

    Example:
        >>> import numpy as np
        >>> from chainrule import PixelCNN
        >>> X = np.indices((4, 4)).sum(axis=0) % 2  # a chessboard
        >>> X = np.stack([X, 1 - X] * 50)  # and its negative
        >>> model = PixelCNN(1, 8, epochs=20, batch_size=10, learning_rate=0.01, seed=0).fit(X)
        >>> round(-model.score(X), 1)  # nats: the entropy of one fair coin is ln 2
        0.7
        >>> top = np.arange(4)[:, None] < np.full(4, 2)  # see two rows, draw the others
        >>> model.sample(2, seed=1, given=X[0], observed=top).shape
        (2, 4, 4)

    Source:
        van den Oord, Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks"; van den
        Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders"; logistics: Salimans
        et al. 2017, "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture
        Likelihood and Other Modifications". Derivation: `chainrule.engine.models.pixel_cnn`.
    """

    n_layers: int = field(default=7, kw_only=False)
    n_features: int = field(default=24, kw_only=False)
    gated: bool = False
    kernel_size: int = 3
    first_size: int = 7
    dropout: float = 0.0
    positions: bool = False

    def _model_name(self) -> str:
        return "pixel_cnn"

    def _image_config(self, event: Image, n_classes: int) -> pixel_cnn.Config:
        gated = validation.flag("gated", self.gated)
        return pixel_cnn.Config(
            **self._of_images(event, n_classes),
            n_features=validation.integer("n_features", self.n_features, 1),
            n_layers=validation.integer("n_layers", self.n_layers, 1),
            kernel_size=odd("kernel_size", self.kernel_size, 1),
            first_size=first_size(self.first_size, event, gated),
            gated=gated,
            dropout=validation.share("dropout", self.dropout),
            positions=validation.flag("positions", self.positions),
        )
