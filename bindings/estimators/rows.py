"""The public estimators of rows: FVSBN and NADE."""

from dataclasses import dataclass, field
from typing import Any

from chainrule.encoders import validation
from chainrule.engine.models import fvsbn, nade, nade_untied
from chainrule.estimators.few_rows import FewLabelled


@dataclass(kw_only=True, eq=False, repr=False)
class FVSBN(FewLabelled):
    """Fully visible sigmoid belief network: each bit a logistic regression on the bits before it.

    p(x) = Π_i p(x_i | x_<i) with p(x_i = 1 | x_<i) = σ(b_i + Σ_{j<i} α_j^i x_j), exactly
    normalised. The likelihood is concave in the parameters, so training has one optimum. With
    labels y it is a model of p(x | label), each class with biases b of its own; without them it is
    the marginal Σ_c p(c) p(x | c) again, and `predict` says which is the likeliest.

    Args:
        epochs: passes over the data, at most; None is 50.

    Attributes:
        params_: mapping from name to array: "b" (D,), with labels (n_classes, D), and "alpha"
            (D(D-1)/2,), the α_j^i packed column by column (see `chainrule.kernels.triangular`);
            rows in the model's order.
        classes_, class_prior_: the distinct labels, sorted, and how frequent each was; None if
            fitted without.
        history_: a dict a record, which is an epoch but for `eval_every`: epoch, train and valid
            (nats a row, lower is better; valid is None without X_valid), seconds, learning_rate.
        best_epoch_: the epoch whose parameters were kept, counted from 1; 0 if interrupted in
            the first.
        order_: (D,), the model's variable k is column order_[k] of the data.
        encoder_: what stands between such data and the model's arrays; see `chainrule.encoders`.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Cost:
        O(N·D²) for N rows, where only the ones among them cost anything.

    Example:
        >>> from chainrule import FVSBN
        >>> X = [[0, 1, 1, 0], [1, 0, 0, 1]] * 100
        >>> model = FVSBN(epochs=100, learning_rate=1, seed=0).fit(X)
        >>> round(-model.score(X), 1)  # nats: the entropy of one fair coin is ln 2
        0.7

    Source:
        Frey, Hinton and Dayan 1996, "Does the wake-sleep algorithm produce good density
        estimators?". Derivation: `chainrule.engine.models.fvsbn`.
    """

    _alone = 50  # it overfits late

    def _model_name(self) -> str:
        return "fvsbn"

    def _config(self, D: int, n_classes: int = 1) -> fvsbn.Config:
        return fvsbn.Config(D, n_classes)


@dataclass(kw_only=True, eq=False, repr=False)
class NADE(FewLabelled):
    """Neural autoregressive density estimator: one hidden layer shared by all conditionals.

    p(x) = Π_i p(x_i | x_<i) with p(x_i = 1 | x_<i) = σ(b_i + V_i·h_i) and
    h_i = σ(c + Σ_{j<i} x_j W_j), exactly normalised. With labels y it is a model of p(x | label),
    each class with a c of its own, as `FVSBN` is.

    Args:
        n_hidden: H, hidden units, at least 1.
        tied: False gives each conditional a hidden layer of its own: about D/4 times the
            parameters and O(D) times the work, to see what sharing saves.

    Attributes:
        params_: mapping from name to array, rows in the model's order: "W", "V" (D, H),
            "b" (D,), "c" (H,). Untied: "A" (D(D-1)/2, H), "V", "c" (D, H), "b" (D,). With labels
            "c" has one axis more in front, (n_classes, …).
        classes_, class_prior_, history_, best_epoch_, order_, encoder_, n_features_in_,
        feature_names_in_: as in `FVSBN`.

    Cost:
        O(N·D·H) for N rows; untied O(N·D²·H).

    Example:
        >>> from chainrule import NADE
        >>> X = [[0, 1, 1, 0], [1, 0, 0, 1]] * 100
        >>> model = NADE(n_hidden=8, epochs=100, learning_rate=0.1, seed=0).fit(X)
        >>> round(-model.score(X), 1)  # nats: the entropy of one fair coin is ln 2
        0.7
        >>> model.conditionals([[0, 1, 1, 0]]).shape, model.params_["W"].shape
        ((1, 4), (4, 8))
        >>> y = ["left", "right"] * 100
        >>> model = NADE(n_hidden=8, epochs=100, learning_rate=0.1, seed=0).fit(X, y)
        >>> model.sample(2, y="right", seed=1).tolist(), model.predict(X[:2]).tolist()
        ([[1, 0, 0, 1], [1, 0, 0, 1]], ['left', 'right'])

    Source:
        Larochelle and Murray 2011, "The Neural Autoregressive Distribution Estimator". Derivation:
        `chainrule.engine.models.nade`.
    """

    n_hidden: int = field(default=500, kw_only=False)
    tied: bool = True

    def _model_name(self) -> str:
        return "nade" if self.tied else "nade_untied"

    def _config(self, D: int, n_classes: int = 1) -> nade.Config | nade_untied.Config:
        n_hidden = validation.integer("n_hidden", self.n_hidden, 1)
        kind: Any = nade.Config if self.tied else nade_untied.Config
        config: nade.Config | nade_untied.Config = kind(D, n_hidden, n_classes)
        return config
