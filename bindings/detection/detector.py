"""`Detector`: any density as a detector of odd observations, with honest rates of false alarms."""

import os
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from chainrule.detection import calibration, methods, observations, ranks, storing
from chainrule.encoders import validation
from chainrule.encoders.uniforms import generator

Numbers = NDArray[np.float64]


@dataclass(kw_only=True, eq=False, repr=False)
class Detector(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Tells odd observations from clean ones by how likely a density model finds them.

    Odd is what is less likely than all but a share `false_alarm` of clean observations that the
    model has not learnt from. Of each observation there is a p-value, its rank among these: as the
    chance of being so odd of a clean one, it holds whatever the model is, good or bad; a better
    model finds more of what is odd.

    Args:
        model: any density of chainrule, of rows, tables, images or sequences; None is a
            `TableNADE`. One that is fitted is used as it is and not fitted again. (scikit-learn's
            `clone` makes an unfitted copy of it; its `FrozenEstimator` around the model keeps it.)
        method: "likelihood", "bits" (a dimension: another order where lengths differ), "typicality"
            (too likely is odd as well), "ratio" (to a background model, which is fitted too) or
            "complexity" (likelihood beside the length in a lossless code).
        false_alarm: share of clean observations that are found odd, in (0, 1]; or several, and
            `predict` has a column for each. May be set after the fit.
        held_out: share of X that calibrates where X_clean is not given, in (0, 1).
        mutation: of method="ratio", the share of values that the background's data have replaced;
            of several the best is chosen without odd data (`chainrule.detection.backgrounds`).
        background: of method="ratio", a density to take instead of one of perturbed data: a simpler
            one, which is fitted to X and reads it as the model does, such as of images
            `PixelCNN(2, kernel_size=1, first_size=5)`, which sees neighbours alone; or one that is
            fitted to other data. Of other methods None, or the fit refuses it.
        seed: of what is held out, set aside and replaced.

    Attributes:
        model_: the fitted density. background_: of method="ratio" the background's `model` and
            `rate` of replacement, None of one that was given; of other methods None.
        method_: the method of the fit, whatever was set since.
        clean_values_: what the method measures of the clean observations, sorted, (n,).
        clean_scores_: their scores, sorted: `p_values` ranks among them.
        centre_: of method="typicality" the mean of the clean values set aside for it; else None.
        held_out_: which rows of X were held out, sorted, (m,); empty if X_clean was given.
        offset_: the score below which an observation is odd; of several rates one each, (R,).
        n_features_in_, feature_names_in_: of rows, as the model has them.

    What is learnt from clean observations, "typicality"'s centre and the choice of one of several
    rates of "ratio", takes a fifth of them, drawn by the seed, and these are ranked no more: else
    p-values would be too small.

    Example:
        >>> import numpy as np, chainrule as cr
        >>> rng = np.random.default_rng(0)
        >>> clean = rng.normal(size=(1500, 1)) * [1, 1] + rng.normal(size=(1500, 2)) / 9
        >>> model = cr.RNADE(16, n_components=3, seed=0)
        >>> detector = cr.Detector(model, false_alarm=0.01).fit(clean)
        >>> detector.predict([[1, 1], [1, -1]])  # each column by itself is as usual
        array([ 1, -1])
        >>> bool(detector.p_values([[1, 1]]) > 0.05)
        True

    Source:
        `chainrule.detection.methods` has the scores, `chainrule.detection.ranks` the p-values.
    """

    model: Any = field(default=None, kw_only=False)
    method: str = "likelihood"
    false_alarm: Any = 0.01
    held_out: float = 0.2
    mutation: Any = (0.1, 0.2, 0.3)
    background: Any = None
    seed: int = 0

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags, of input those of the model."""
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(calibration.density(self.model)).input_tags
        return tags

    def fit(self, X: Any = None, y: Any = None, X_clean: Any = None, X_valid: Any = None) -> Self:
        """Fit the model if it is not fitted, and calibrate on clean observations.

        Args:
            X: what the model learns from, as its own `fit` takes it; a few odd ones among them do
                little harm. Without X_clean a share of it, `held_out`, is kept from the model and
                calibrates. Of a model that is fitted X, which it must not have seen, is all for
                calibration; but method="ratio" fits a background to X, best what the model was
                fitted to, and needs X_clean, unless that is fitted, too. None will do where nothing
                is fitted.
            y: ignored; there for scikit-learn's sake.
            X_clean: clean observations that the model has not seen, to calibrate by.
            X_valid: for the model's `fit`, which keeps the parameters that are best on it; so it is
                seen, and no X_clean.

        Raises:
            ValueError, TypeError: a setting or data that cannot be used; fewer clean observations
                than a rate of false alarms takes, which is said before anything is fitted.

        Cost:
            A fit of the model, of method="ratio" one more for each rate of `mutation` or one of the
            background, and `log_prob` of the clean observations.
        """
        return self._take(calibration.calibrate(self, X, X_clean, X_valid))

    def _take(self, found: calibration.Calibrated) -> Self:
        """Take what a fit made, or a file kept of one."""
        self.__dict__.update(found._asdict())
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.model_, name):
                setattr(self, name, getattr(self.model_, name))
            elif hasattr(self, name):
                delattr(self, name)
        return self

    def score_samples(self, X: Any) -> Numbers:
        """Return how clean each observation is, (N,) float64: see `method`; of "likelihood" log p.

        X: as the model's `log_prob` takes it, which says what it raises and costs. But what holds a
            category or a character that the model has never seen, which it refuses, scores -inf
            here: so its p-value is the least there is.

        Warns:
            DataWarning: a category never seen in training; where and which.
        """
        return methods.scores(self._values(X), self.centre_)

    def decision_function(self, X: Any) -> Numbers:
        """Return score_samples - offset_, negative where odd: (N,), of several rates (N, R)."""
        s, offset = self.score_samples(X), self.offset_
        s = s if np.ndim(offset) == 0 else s[:, None]
        with np.errstate(invalid="ignore"):  # two infinities of one sign are equal
            return np.where(s == offset, 0.0, s - offset)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return -1 where an observation is odd, else 1: (N,), of several rates (N, R).

        Odd is what has a p-value of at most the rate.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: Any, ties: str = "conservative", seed: Any = None) -> Numbers:
        """Return (1 + the number of clean observations that score at most as high) / (n + 1), (N,).

        Of a clean observation it is at most α with a probability of at most α, whatever the model.
        `false_alarm` plays no part.

        Args:
            ties: "conservative" counts equal scores as just as odd; "random" draws a place among
                them, and between the steps of 1 / (n + 1): of clean ones exactly uniform.
            seed: of numpy.random.default_rng, for "random".
        """
        validation.choice("ties", ties, ("conservative", "random"))
        s = self.score_samples(X)
        if ties == "conservative":
            return ranks.p_values(self.clean_scores_, s)
        return ranks.randomised(self.clean_scores_, s, generator(seed))

    def p_value_group(self, X: Any, n_draws: int = 9999, seed: Any = 0) -> float:
        """Return the p-value of all observations together: how odd is the mean of what is measured?

        A permutation test, exact whatever the model and the size of the group: how often is the
        mean of as many, drawn from the clean ones and these together, as odd? Of "typicality" odd
        is a mean far from that of clean ones on either side. Many that are a little odd make a
        group that is very odd.

        Args:
            X: the group, one observation or more.
            n_draws: groups drawn; the p-value is no less than 1 / (n_draws + 1).
            seed: of numpy.random.default_rng, of the draws.
        """
        draws = validation.integer("n_draws", n_draws, 1)
        values, centre = self._values(X), self.centre_

        def oddity(means: Numbers) -> Numbers:
            return -methods.scores(means, centre)

        rng = generator(seed)
        return ranks.group_p_value(self.clean_values_, values, oddity, draws, rng)

    def predict_group(self, X: Any, n_draws: int = 9999, seed: Any = 0) -> Any:
        """Return -1 if the observations together are odd, else 1; of several rates (R,).

        Odd is a `p_value_group`, whose arguments these are, of at most the rate.

        Raises:
            ValueError: a rate below what so many draws can tell.
        """
        draws = validation.integer("n_draws", n_draws, 1)
        rates = ranks.rates(self.false_alarm, draws, "draws of groups")
        p = self.p_value_group(X, n_draws, seed)
        found = np.array([-1 if p <= float(rate) else 1 for rate in rates])
        return found if np.ndim(self.false_alarm) else int(found[0])

    def surprise(self, X: Any) -> Any:
        """Return what each variable adds to -log p: -log p(x_i | x_<i), in nats, shaped like X.

        It says where in an observation the odd is: which column, pixel or symbol was not expected
        after those before it. Of a list of sequences a list of arrays, each with one number more
        where sequences end, for the end. `chainrule.plots.costs` and `chainrule.plots.surprise`
        draw it. All methods have it, of the model alone.
        """
        check_is_fitted(self)
        return observations.terms(self.model_, X)

    @property
    def offset_(self) -> Any:
        """The score below which an observation is odd at the rate that is set now."""
        if not hasattr(self, "clean_scores_"):
            raise AttributeError("offset_ is there after fit")
        rates = ranks.rates(self.false_alarm, len(self.clean_scores_))
        found = [ranks.threshold(self.clean_scores_, rate) for rate in rates]
        return np.array(found) if np.ndim(self.false_alarm) else found[0]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted detector, its model and its clean scores to `path` as safetensors.

        `chainrule.load` reads it. The file is written whole or not at all.

        Raises:
            NotFittedError: before `fit`.
            OSError, ValueError: as the model's `save`.
        """
        check_is_fitted(self)
        storing.save(self, path)

    def _values(self, X: Any) -> Numbers:
        """Return what the method measures of each observation."""
        check_is_fitted(self)
        background = self.background_
        values = methods.values(self.method_, self.model_, X, background)
        if np.isnan(values).any():
            raise ValueError("the model has no likelihood for some of X; fit it again")
        return values

    @classmethod
    def _restored(cls, saved: Any) -> Self:
        """Return the detector that a file holds."""
        return storing.restored(cls, saved)  # type: ignore[no-any-return]
