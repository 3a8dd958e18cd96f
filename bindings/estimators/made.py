"""The public estimator MADE: a deep network under masks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import validation
from chainrule.engine.models import made
from chainrule.engine.models.made import WORDS
from chainrule.estimators.table_density import TableDensity

SEVERAL = (
    "this MADE has several orders of its columns: observed ones are clamped, and a drawn value "
    "heeds those before it in the order that is drawn for its row, never those after it"
)


class Masks(list[NDArray[np.bool_]]):
    """What one mask lets through of W, W2, …, V and A, and whose the ends are: see `plots.masks`.

    inputs, outputs: the name of a column for each row of W, and for each column of V.
    """

    inputs: Sequence[str]
    outputs: Sequence[str]


@dataclass(kw_only=True, eq=False, repr=False)
class MADE(TableDensity):
    """Masked autoencoder for distribution estimation: a deep network, all conditionals in one pass.

    p(x) = Π_i p(x_i | x_<i), each factor by outputs of a network in which masks leave only paths
    from x_<i to them. Columns may be bits, categories, whole and real numbers, as in `TableNADE`;
    log_prob is in the data's own units, a density where columns are real. With labels y it is a
    model of p(x | label), each class with biases of its own.

    Args:
        hidden: units of each hidden layer, from the inputs on; one number is one layer.
        activation: of the hidden units: "relu", "tanh" or "sigmoid".
        direct: whether inputs are connected to outputs directly too; then hidden may be empty.
        n_masks: how many masks training goes through, one a minibatch. With several, the density
            is the mean of theirs, and scores cost so many passes.
        order_agnostic: whether each mask but the first also has a random order of the columns. Then
            no column has a distribution given those before it: conditionals, log_prob_terms and
            to_uniforms are refused, and rows drawn with some columns given are not exact, which a
            warning says.
        n_components: of the mixture of a real column.
        family: what they are, "gaussian" or "laplace".
        mixture_weights: "equal", 1 / n_components each, or "learned", outputs as the others.

    Attributes:
        params_: mapping from name to array, rows and columns in the model's order: "W" (R, H_1), a
            row of a bit or real column and K of K categories; "W2" (H_1, H_2), "W3" … where there
            are more layers; "V" (H_L, S), of a bit one output, of K categories K, of a real column
            2 or, with learned weights, 3 a component; "A" (R, S) if direct, else (0, S); "c" the
            units' biases, (H_1 + … + H_L), and "b" (S,), with labels one row a class. What no mask
            lets through is 0.
        masks_: of each mask a list of boolean arrays: which entries of W, W2, …, V and A it lets
            through. `chainrule.plots.masks(model.masks_[0])` draws them.
        encoder_: as in `TableNADE`.
        classes_, class_prior_, history_, best_epoch_, order_, n_features_in_, feature_names_in_: as
            in `FVSBN`.

    Cost:
        O(N · W) for N rows and W weights, of which half are under masks and cost nothing; scores
        n_masks times that.

    Example:
        >>> from chainrule import MADE
        >>> X = [[0, 1, 1, 0], [1, 0, 0, 1]] * 100
        >>> model = MADE((30, 30), epochs=100, learning_rate=0.01, seed=0).fit(X)
        >>> round(-model.score(X), 1)  # nats: the entropy of one fair coin is ln 2
        0.7
        >>> model.params_["W2"].shape, model.masks_[0][1].shape
        ((30, 30), (30, 30))

    Source:
        Germain, Gregor, Murray and Larochelle 2015, "MADE: Masked Autoencoder for Distribution
        Estimation". Derivation: `chainrule.engine.models.made`.
    """

    hidden: int | Sequence[int] = field(default=(500,), kw_only=False)
    activation: str = "relu"
    direct: bool = False
    n_masks: int = 1
    order_agnostic: bool = False
    n_components: int = 10
    family: str = "gaussian"
    mixture_weights: str = "learned"

    @property
    def masks_(self) -> list[Masks]:
        """What each mask lets through; see the class."""
        config: made.Config = self.config_
        network, known = config.network, self._columns.names
        names = [str(k if known is None else known[k]) for k in self.order_]
        found = [Masks(network.mask_arrays(k)) for k in range(config.n_masks)]
        for one in found:
            one.inputs = np.repeat(names, network.sizes.n_rows).tolist()
            one.outputs = np.repeat(names, network.sizes.n_outputs).tolist()
        return found

    _alone = 10

    def _model_name(self) -> str:
        return "made"

    def _table_config(self, values: tuple[int, ...], n_classes: int) -> made.Config:
        sizes = np.atleast_1d(np.asarray(self.hidden, object)).tolist()
        words: dict[str, Any] = {
            name: validation.choice(name, getattr(self, name), of) for name, of in WORDS.items()
        }
        return made.Config(
            values,
            hidden=tuple(validation.integer("hidden", size, 1) for size in sizes),
            direct=validation.flag("direct", self.direct),
            n_masks=validation.integer("n_masks", self.n_masks, 1),
            mask_seed=1 + int(self.seed),
            order_agnostic=validation.flag("order_agnostic", self.order_agnostic),
            n_components=validation.integer("n_components", self.n_components, 1),
            n_classes=n_classes,
            **words,
        )

    def _inexact(self, observed: Any) -> str:
        return SEVERAL if self.config_.network.several_orders else super()._inexact(observed)
