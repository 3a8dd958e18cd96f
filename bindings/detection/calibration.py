"""The fit of a detector: what is held out, what is fitted, and what clean observations measure."""

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from chainrule.detection import backgrounds, codes, methods, observations, ranks
from chainrule.encoders import validation
from chainrule.estimators.density import Density
from chainrule.estimators.table_density import TableDensity

Rows = NDArray[np.intp]
Numbers = NDArray[np.float64]

ASIDE = 0.2  # share of the clean observations from which something is learnt, where it is


class Calibrated(NamedTuple):
    """What a fit makes, by the names of a detector's attributes."""

    model_: Any
    background_: backgrounds.Background | None
    clean_values_: Numbers
    clean_scores_: Numbers
    centre_: float | None
    held_out_: Rows
    method_: str


def density(model: Any) -> Density:
    """Return the density that a detector was given: None is a `TableNADE`.

    Raises:
        TypeError: it is no density.
    """
    if model is None:
        from chainrule.estimators.tables import TableNADE

        return TableNADE()
    if type(model).__name__ == "FrozenEstimator":  # scikit-learn's, which keeps a fit from `clone`
        model = model.estimator
    if not isinstance(model, Density):
        raise TypeError(
            f"model must be a density such as TableNADE, PixelCNN or RNN, got {_named(model)}"
        )
    return model


def calibrate(detector: Any, X: Any, X_clean: Any, X_valid: Any) -> Calibrated:
    """Return what the fit of a detector makes; see there."""
    method = validation.choice("method", detector.method, methods.METHODS)
    model, seed = density(detector.model), validation.integer("seed", detector.seed, 0)
    if detector.background is not None and method != "ratio":
        raise ValueError(
            f"background is of method='ratio', and method={method!r} has none; leave it out, or "
            "set method='ratio'"
        )
    other = _background(detector.background, model)
    rates = _mutation(detector.mutation) if method == "ratio" and other is None else ()
    fits = not _is_fitted(model) or bool(rates) or not (other is None or _is_fitted(other))
    X, clean, held_out = _parted(detector, model, X, X_clean, fits)
    n = observations.count(clean, model)
    aside, ranked = _aside(n, method == "typicality" or len(rates) > 1, seed)
    ranks.rates(detector.false_alarm, len(ranked), _ranked_rows(aside))
    if not _is_fitted(model):
        model = _fitted(model, X, X_valid, clean)
    if method == "complexity":
        codes.check(model)
    learnt = observations.take(clean, aside) if len(aside) else None
    background = backgrounds.fit(model, X, rates, learnt, seed) if rates else None
    if other is not None:
        background = backgrounds.given(model, other, X, _is_fitted(other))
    values = methods.values(method, model, clean, background)
    return ranked_values(method, model, values, aside, ranked, background, held_out)


def ranked_values(
    method: str,
    model: Any,
    values: Numbers,
    aside: Rows,
    ranked: Rows,
    background: backgrounds.Background | None = None,
    held_out: Rows | None = None,
) -> Calibrated:
    """Return what comes of the values of clean observations, of which some were set aside."""
    centre = _mean(values[aside]) if method == "typicality" else None
    kept = np.sort(values[ranked])
    if not np.isfinite(kept).any():
        raise ValueError("the model finds all clean observations impossible; fit it to such data")
    scores = np.sort(methods.scores(kept, centre))
    none = np.empty(0, np.intp) if held_out is None else held_out
    return Calibrated(model, background, kept, scores, centre, none, method)


def of_measured(detector: Any, model: Any, log_p: Numbers, sizes: Numbers) -> Calibrated:
    """Return a calibration by the log p of clean observations and their numbers of variables.

    Raises:
        ValueError: the method needs the observations themselves.
    """
    method = validation.choice("method", detector.method, methods.METHODS)
    if method in ("ratio", "complexity"):
        raise ValueError(f"method={method!r} needs the clean observations themselves; give them")
    each = method == "bits" or observations.of_sequences(model)
    values = methods.per_variable(method, log_p, sizes) if each else log_p
    values = log_p if method == "likelihood" else values
    seed = validation.integer("seed", detector.seed, 0)
    aside, ranked = _aside(len(log_p), method == "typicality", seed)
    ranks.rates(detector.false_alarm, len(ranked), _ranked_rows(aside))
    return ranked_values(method, model, values, aside, ranked)


def _fitted(model: Any, X: Any, X_valid: Any, clean: Any) -> Any:
    """Return a copy of a model that is fitted to X and knows the categories of clean rows, too."""
    model = clone(model)
    if isinstance(model, TableDensity):
        model.__dict__["_also_known"] = {"X_clean": clean}
    try:
        return model.fit(X, X_valid=X_valid)
    finally:
        model.__dict__.pop("_also_known", None)


def _mean(values: Numbers) -> float:
    """Return the mean of what is finite."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise ValueError("the model finds all clean observations impossible; fit it to such data")
    return float(finite.mean())


def _parted(
    detector: Any, model: Any, X: Any, X_clean: Any, fits: bool
) -> tuple[Any, Any, Rows | None]:
    """Return what is fitted to, what calibrates, and which rows of X were held out for that."""
    X, X_clean = observations.opened(X), observations.opened(X_clean)
    if X is None and (fits or X_clean is None):
        raise ValueError(
            "there is nothing to calibrate on; give X_clean, clean observations that the model has "
            "not seen, or X"
        )
    if X_clean is not None:
        return X, X_clean, None
    if fits and _is_fitted(model):
        raise ValueError(
            "method='ratio' fits a background of a fitted model to X, best what that was fitted "
            "to, and calibrates by rows that it has not seen; give these as X_clean"
        )
    if not fits:
        return None, X, None
    share = validation.share("held_out", detector.held_out)
    n = observations.count(X, model)
    size = int(np.ceil(share * n))
    if not 0 < size < n:
        raise ValueError(
            f"X has n_samples={n}, too few to fit to some and calibrate on held_out={share:g} of "
            "them; give more, or X_clean"
        )
    held = np.sort(np.random.default_rng(detector.seed).permutation(n)[:size])
    rest = np.setdiff1d(np.arange(n), held)
    if model.verbose:
        print(f"{size:,} of {n:,} observations are held out, to calibrate by", file=sys.stderr)
    return observations.take(X, rest), observations.take(X, held), held


def _aside(n: int, wanted: bool, seed: int) -> tuple[Rows, Rows]:
    """Return which of n clean observations something is learnt from, and which are ranked."""
    if not wanted:
        return np.empty(0, np.intp), np.arange(n)
    if n < 3:
        raise ValueError(f"there are {n} clean rows, of which some are set aside; give 3 or more")
    order = np.random.default_rng([seed, 2]).permutation(n)
    size = max(2 if n > 3 else 1, round(ASIDE * n))
    return np.sort(order[:size]), np.sort(order[size:])


def _ranked_rows(aside: Rows) -> str:
    """Return what errors call the rows that are ranked."""
    if not len(aside):
        return "clean rows"
    return f"clean rows (beside the {len(aside):,} set aside to learn from)"


def _background(background: Any, model: Any) -> Density | None:
    """Return the density that a detector was given as a background, if any.

    Raises:
        TypeError: it is no density, or one of another kind of observations.
    """
    if background is None:
        return None
    if type(background).__name__ == "FrozenEstimator":
        background = background.estimator
    if not isinstance(background, Density) or background._model().EVENT is not model._model().EVENT:
        raise TypeError(
            "background must be a density of what the model is of, fitted or not, or None, got "
            f"{_named(background)} beside {_named(model)}"
        )
    return background


def _mutation(mutation: Any) -> tuple[float, ...]:
    """Return the rates of replacement that are tried, from the lowest up.

    Raises:
        ValueError: one that is no share.
    """
    several = isinstance(mutation, Sequence | np.ndarray) and not isinstance(mutation, str)
    asked = list(mutation) if several else [mutation]
    if not asked:
        raise ValueError("mutation holds no rate; give one, such as 0.1, or several")
    found = sorted({float(validation.share("mutation", one)) for one in asked})
    if found[0] <= 0:
        raise ValueError("mutation must be above 0; at 0 the background is the model itself")
    return tuple(found)


def _is_fitted(model: Any) -> bool:
    try:
        check_is_fitted(model, "params_")
    except NotFittedError:
        return False
    return True


def _named(model: Any) -> str:
    return model.__name__ if isinstance(model, type) else type(model).__name__
