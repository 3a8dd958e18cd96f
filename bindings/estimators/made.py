"""The public estimator MADE: a deep network under masks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import validation
from chainrule.engine.models import made
from chainrule.estimators.row_density import RowDensity
from chainrule.kernels.activation import KINDS


@dataclass(kw_only=True, eq=False, repr=False)
class MADE(RowDensity):
    """Masked autoencoder for distribution estimation: a deep network, all conditionals in one pass.

    p(x) = Π_i p(x_i | x_<i), each factor by one output of a network in which masks leave only
    paths from x_<i to output i; exactly normalised.

    Args:
        hidden: units of each hidden layer, from the inputs on; one number is one layer.
        activation: of the hidden units: "relu", "tanh" or "sigmoid".
        direct: whether inputs are connected to outputs directly too; then hidden may be empty.
        n_masks: how many masks training goes through, one a minibatch. With several, the density
            is the mean of theirs, and scores cost so many passes.
        order_agnostic: whether each mask but the first also has a random order of the columns. Then
            no column has a distribution given those before it, and conditionals, log_prob_terms
            and parts of a row are refused.

    Attributes:
        params_: mapping from name to array, rows and columns in the model's order: "W" (D, H_1),
            "W2" (H_1, H_2), "W3" … where there are more layers, "V" (H_L, D), "A" (D, D) if
            direct, else (0, D), "c" the units' biases, (H_1 + … + H_L), "b" (D,). With labels
            one row of biases a class. What no mask lets through is 0.
        masks_: of each mask a list of boolean arrays: which entries of W, W2, …, V and A it lets
            through.
        history_, best_epoch_, order_, encoder_, n_features_in_, feature_names_in_: as in `FVSBN`.

    Cost:
        O(N · W) for N rows and W weights, of which half are under masks and cost nothing; scores
        n_masks times that.

    Example:
        >>> from chainrule import MADE
        >>> X = [[0, 1, 1, 0], [1, 0, 0, 1]] * 100
        >>> model = MADE((30, 30), epochs=100, learning_rate=0.01, seed=0).fit(X)
        >>> round(-model.score(X), 1)  # nats: the entropy of one fair coin is ln 2
        0.7
        >>> model.params_["W"].shape, model.masks_[0][0].shape
        ((4, 30), (4, 30))

    Source:
        Germain, Gregor, Murray and Larochelle 2015. Derivation: `chainrule.engine.models.made`.
    """

    hidden: int | Sequence[int] = field(default=(500,), kw_only=False)
    activation: str = "relu"
    direct: bool = False
    n_masks: int = 1
    order_agnostic: bool = False

    @property
    def masks_(self) -> list[list[NDArray[np.bool_]]]:
        """What each mask lets through; see the class."""
        config: made.Config = self.config_
        return [config.network.mask_arrays(k) for k in range(config.n_masks)]

    def _model_name(self) -> str:
        return "made"

    def _config(self, D: int) -> made.Config:
        return self._made((2,) * D, 1)

    def _fitted_config(self) -> made.Config:
        n_classes = 1 if self.classes_ is None else len(self.classes_)
        event: Any = self.encoder_.event
        return self._made(event.values, n_classes)

    def _made(self, values: tuple[int, ...], n_classes: int) -> made.Config:
        """Return the Config for columns of so many values and so many labels."""
        sizes = np.atleast_1d(np.asarray(self.hidden, object)).tolist()
        return made.Config(
            values,
            hidden=tuple(validation.integer("hidden", size, 1) for size in sizes),
            activation=validation.choice("activation", self.activation, KINDS),  # type: ignore[arg-type]
            direct=bool(self.direct),
            n_masks=validation.integer("n_masks", self.n_masks, 1),
            mask_seed=1 + int(self.seed),
            order_agnostic=bool(self.order_agnostic),
            n_classes=n_classes,
        )

    def _exact(self, observed: Any) -> bool:
        several = self.config_.order_agnostic and self.config_.n_masks > 1
        return not several and super()._exact(observed)
