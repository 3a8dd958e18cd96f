"""The public estimators of tables: CategoricalNADE, RNADE and TableNADE."""

from dataclasses import dataclass, field
from typing import Any

from chainrule.encoders import validation
from chainrule.engine.models import table_nade
from chainrule.estimators.table_density import TableDensity

FAMILIES = tuple(table_nade.FAMILIES)
WEIGHTS = ("equal", "learned")


@dataclass(kw_only=True, eq=False, repr=False)
class CategoricalNADE(TableDensity):
    """NADE over columns of categories, each with values of its own: words, or whole numbers.

    p(x) = Π_i p(x_i | x_<i) with p(x_i = v | x_<i) = softmax(b_i + V_i h_i)_v and
    h_i = σ(c + Σ_{j<i} W_{j, x_j}), exactly normalised: each value seen adds a row of W. With
    labels y it is a model of p(x | label), each class with a c of its own.

    Args:
        n_hidden: H, hidden units, at least 1.

    Attributes:
        params_: mapping from name to array, rows in the model's order: "W" (R, H), of a column of K
            values K - 1 rows (the first value adds nothing); "V" (S, H) and "b" (S,), K outputs a
            column, one of a bit; "c" (H,), with labels (n_classes, H).
        encoder_: its `variables` say of each column what it is: its `values`, code by code.
        classes_, class_prior_, history_, best_epoch_, order_, n_features_in_, feature_names_in_: as
            in `FVSBN`.

    Cost:
        O(N·S·H) for N rows.

    Example:
        >>> from chainrule import CategoricalNADE
        >>> X = [["red", 3, "stop"], ["green", 1, "go"]] * 100
        >>> model = CategoricalNADE(8, epochs=60, learning_rate=0.1, seed=0).fit(X)
        >>> round(-model.score(X), 1)  # nats: the entropy of one fair coin is ln 2
        0.7
        >>> model.sample(3, seed=1).tolist()
        [['red', 3, 'stop'], ['green', 1, 'go'], ['green', 1, 'go']]

        Levels of grey, of which a pixel of other pictures may have one that it had in none of
        these: all that there can be are said beforehand.

        >>> from chainrule import datasets
        >>> digits = datasets.load("digits", raw=True)
        >>> model = CategoricalNADE(8, epochs=5, learning_rate=0.01, column_types=range(17))
        >>> model.fit(digits.train.x).score(digits.test.x) > -64 * 2  # nats; ln 17 is 2.8
        True

    Source:
        Larochelle and Murray 2011, "The Neural Autoregressive Distribution Estimator". Derivation:
        `chainrule.kernels.nade_columns`.
    """

    n_hidden: int = field(default=500, kw_only=False)
    column_types: Any = "categorical"

    def _model_name(self) -> str:
        return "table_nade"

    def _table_config(self, values: tuple[int, ...], n_classes: int) -> table_nade.Config:
        n_hidden = validation.integer("n_hidden", self.n_hidden, 1)
        return table_nade.Config(values, n_hidden, rescale=False, n_classes=n_classes)


@dataclass(kw_only=True, eq=False, repr=False)
class TableNADE(TableDensity):
    """NADE over tables whose columns may be bits, categories, whole and real numbers.

    p(x) = Π_i p(x_i | x_<i), where h_i = σ(ρ_i (c + Σ_{j<i} f_j(x_j) W_j)) gives the distribution
    of column i: of a bit its probability, of categories a softmax, of a real number a mixture of
    n_components Gaussians or Laplacians. A whole number, where a column has many, has the mass of
    such a mixture from n - 1/2 to n + 1/2: an exact probability. A number that many rows
    have, an atom, has one of its own, beside the mixture. log_prob is in the data's own units, a
    density where columns are real. With labels y it is a model of p(x | label), each class
    with a c of its own.

    Args:
        n_hidden: H, hidden units, at least 1.
        n_components: of the mixture of a real column.
        family: what they are, "gaussian" or "laplace".
        mixture_weights: "equal", 1 / n_components each, or "learned", as the hidden units say. Only
            then can components that lie far apart come and go with the columns before.
        rescale: whether each conditional scales the hidden units' input by a ρ_i of its own.

    Attributes:
        params_: mapping from name to array, rows in the model's order: "W" (R, H), a row of a bit
            or real column and K - 1 of K categories; "V" (S, H) and "b" (S,), of a bit one output,
            of K categories K, of a real column 2 or, with learned weights, 3 a component, and 1 of
            its atom; "c" (H,), with labels (n_classes, H); "rho" (D,).
        encoder_: its `variables` say of each column what it is: its `type`, and its `values`, or
            its `mean` and `scale`, and its `atom`, if it has one.
        history_: as in `FVSBN`, in nats of the data's own units.
        classes_, class_prior_, best_epoch_, order_, n_features_in_, feature_names_in_: as in
            `FVSBN`.

    Cost:
        O(N·S·H) for N rows.

    Example:
        >>> import numpy as np
        >>> from chainrule import TableNADE
        >>> rng = np.random.default_rng(0)
        >>> sizes = {"cat": 4.0, "dog": 20.0}
        >>> X = [[pet, rng.normal(sizes[pet])] for pet in rng.choice(["cat", "dog"], 500)]
        >>> model = TableNADE(8, n_components=2, epochs=30, learning_rate=0.03).fit(X)
        >>> model.encoder_.types
        ('categorical', 'continuous')
        >>> round(-model.score(X), 1)  # nats: ln 2, and a normal distribution's entropy, 1.4
        2.1
        >>> sum((size > 12) != (pet == "dog") for pet, size in model.sample(200, seed=0)) < 5
        True

    Source:
        Uria, Murray and Larochelle 2013, "RNADE: The real-valued neural autoregressive
        density-estimator"; Larochelle and Murray 2011, "The Neural Autoregressive Distribution
        Estimator". Derivations: `chainrule.kernels.nade_columns`, `chainrule.kernels.mixture`.
    """

    n_hidden: int = field(default=500, kw_only=False)
    n_components: int = 10
    family: str = "gaussian"
    mixture_weights: str = "learned"
    rescale: bool = True

    def _model_name(self) -> str:
        return "table_nade"

    def _table_config(self, values: tuple[int, ...], n_classes: int) -> table_nade.Config:
        family: Any = validation.choice("family", self.family, FAMILIES)
        weights: Any = validation.choice("mixture_weights", self.mixture_weights, WEIGHTS)
        return table_nade.Config(
            values,
            validation.integer("n_hidden", self.n_hidden, 1),
            n_components=validation.integer("n_components", self.n_components, 1),
            family=family,
            mixture_weights=weights,
            rescale=validation.flag("rescale", self.rescale),
            n_classes=n_classes,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class RNADE(TableNADE):
    """Real-valued NADE: each column's density a mixture whose means and scales h_i gives.

    p(x) = Π_i Σ_j w_ij N(x_i; μ_ij, σ_ij), means and scales functions of x_<i, and the weights too
    if they are learned; see `TableNADE`, of which it is the one whose columns are all real. Whole
    numbers are taken for real ones, too: log_prob is then a density there, too.

    Args:
        n_hidden: H, hidden units, at least 1.
        mixture_weights: as in `TableNADE`, but "equal" by default, the simpler form; on small
            tables "learned", the paper's, may be far better: a test row of iris gains 1 to 2 nats
            by it, and one of breast cancer 9.

    Attributes:
        params_, encoder_, history_, classes_, class_prior_, best_epoch_, order_, n_features_in_,
            feature_names_in_: as in `TableNADE`.

    Cost:
        O(N·D·K·H) for N rows and K components.

    Example:
        >>> import numpy as np
        >>> from chainrule import RNADE
        >>> x = np.random.default_rng(0).normal(size=(1000, 1))
        >>> X = np.hstack([5 + x, 100 * x**2])
        >>> model = RNADE(16, n_components=5, epochs=20, learning_rate=0.03, seed=0).fit(X)
        >>> u = model.to_uniforms(X, seed=0)
        >>> bool(np.abs(np.histogram(u[:, 0], 4)[0] - 250).max() < 50)
        True
        >>> bool(np.allclose(model.sample(len(X), uniforms=u), X, rtol=1e-3, atol=1e-3))
        True

    Source:
        Uria, Murray and Larochelle 2013, "RNADE: The real-valued neural autoregressive
        density-estimator". Derivations: as of `TableNADE`.
    """

    n_hidden: int = field(default=100, kw_only=False)
    column_types: Any = "continuous"
    mixture_weights: str = "equal"
