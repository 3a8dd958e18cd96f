"""Likelihood ratios: what a model says beyond a background, of perturbed data or a simpler one.

Much of what makes an observation likely says nothing of whether it is odd: a dark background, a
column that is nearly always 0, common letters. A model of the same class that learns from the same
data with a share of their values replaced at random has only that to learn. Then

    log p(x) - log p_background(x)

is what is left: how much likelier x is for what has been destroyed in the background's data.

| data | a value is replaced by |
|---|---|
| bits, levels of images | any of them, all alike |
| symbols | any of the vocabulary, all alike |
| tables of columns of any kind | the column's value in a row drawn at random |

**The rate** at which values are replaced is chosen without a single odd observation. Of several
rates the one is taken that best tells clean observations, which nothing was learnt from, from
crossings of them: the first half of the variables of one, the rest of another. Each half of a
crossing is as clean as can be, only together they are not, which is what a background has no idea
of. Best is the largest area under the ROC curve; of equal ones the lowest rate. The observations
that choose take no part in the p-values.

**A simpler model** of the same data is a background, too, and costs less. Of images it is one that
sees only the pixels next to the one it predicts: a `PixelCNN` with kernel_size=1, whose blocks look
at no neighbours, so that a pixel x_i is predicted from the window w(i) of first_size above and to
the left of it. Then the ratio is

    Σ_i log p(x_i | x_<i) - log q(x_i | x_w(i))

what the pixels further away say of each. Where p and q were the true conditionals of clean images
its mean over them would be Σ_i I(x_i; x_<i \\ x_w(i) | x_w(i)), conditional mutual information, so
never below 0. Edges, flat areas and the noise of a camera are alike in images of many kinds, and
in both models; they cancel. An image of another kind has other shapes, of which the model is wrong
and its background says nothing: there the ratio is low.

**A background that is fitted** to other data is used as it is: to many kinds of images, or, where
there are no others, to the same ones turned by quarters, mirrored and scaled. It has seen edges and
strokes in all directions and of all widths, and no longer what is where.

Source: Ren, Liu, Fertig, Snoek, Poplin, DePristo, Dillon and Lakshminarayanan 2019, "Likelihood
ratios for out-of-distribution detection", who mutate pixels and bases, and choose the rate on
simulated odd data where there are no others. Zhang, Zhang and McDonagh 2021, "On the
out-of-distribution generalization of probabilistic image modelling": full over local models.
Schirrmeister, Zhou, Ball and Zhang 2020, "Understanding anomaly detection with deep invertible
networks through hierarchies of distributions and features": a background of general images.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from chainrule.detection import observations
from chainrule.detection.curves import auc
from chainrule.encoders import coded, frames
from chainrule.encoders.sequences import Sequences
from chainrule.encoders.variables import Category
from chainrule.engine.ragged import Ragged

Rows = NDArray[np.intp]


class Background(NamedTuple):
    """A background model.

    rate: at which values of its data were replaced; None of one that was given. own: whether it was
    given fitted, and reads observations itself.
    """

    model: Any
    rate: float | None = None
    own: bool = False


def given(model: Any, background: Any, X: Any, fitted: bool) -> Background:
    """Return a density as the background of a fitted model: as it is if `fitted`, or fitted to X.

    Raises:
        ValueError: it is of other observations than the model.
    """
    if not fitted:
        background = _alike(model, background).fit(mutated(model, X, 0, np.random.default_rng(0)))
    mine, its = model.encoder_.describe(), background.encoder_.describe()
    if mine != its or (fitted and _reading(model) != _reading(background)):
        raise ValueError(
            f"the background is of {its}, and the model of {mine}, or they read them in other "
            "ways; give one with the same settings for what is read"
        )
    return Background(background, None, fitted)


def fit(model: Any, X: Any, rates: Sequence[float], clean: Any, seed: int) -> Background:
    """Return the background of a fitted model, X being what it has learnt from.

    rates: one, or several among which the clean observations choose; each costs a training.
    """
    found = [Background(_fitted(model, X, rate, seed), rate) for rate in rates]
    if len(found) == 1:
        return found[0]
    crossed = crossings(model, clean, np.random.default_rng([seed, 1]))
    areas = []
    for one in found:
        ratios = [model.log_prob(data) - log_prob(model, one, data) for data in (clean, crossed)]
        areas.append(auc(*ratios).value)
    return found[int(np.argmax(areas))]


def log_prob(model: Any, background: Background, X: Any) -> NDArray[np.float64]:
    """Return log p(x) of observations of `model` under its background, nats, (N,)."""
    direct = observations.of_sequences(model) or observations.of_table(model) or background.own
    data = X if direct else observations.levels(model, X)
    return np.asarray(background.model.log_prob(data), np.float64)


def settings(model: Any) -> dict[str, Any]:
    """Return what a background of a fitted model is set to, beside what the model is set to.

    It learns from bits and levels as they are, and from tables whose types and categories are
    known, so that none is lost where values are replaced.
    """
    if observations.of_sequences(model):
        return {"ends": bool(model.ends_)} if model.ends_ else {}
    if observations.of_table(model):
        return {"column_types": [_type(one) for one in model.encoder_.variables]}
    plain: dict[str, Any] = {"binarize": None}
    if hasattr(model, "reduce_from"):
        plain |= {"reduce_from": None, "dynamic_binarization": False}
        plain |= {"levels": observations.n_levels(model)}
        plain |= {"image_shape": observations.shape(model)}
    return plain


def mutated(model: Any, X: Any, rate: float, rng: np.random.Generator) -> Any:
    """Return observations with a share of their values replaced: what a background learns from."""
    if observations.of_sequences(model):
        return _mutated_symbols(model, X, rate, rng)
    if observations.of_table(model):
        frame = frames.read(X)
        n, D = frame.shape
        away = rng.random((n, D)) < rate
        return _table(frame, np.where(away, rng.integers(0, n, (n, D)), np.arange(n)[:, None]))
    x = observations.levels(model, X)
    other = rng.integers(0, observations.n_levels(model), x.shape, np.uint8)
    return np.where(rng.random(x.shape) < rate, other, x)


def crossings(model: Any, X: Any, rng: np.random.Generator) -> Any:
    """Return as many observations: the first half of one, the second of the next in some order."""
    n = observations.count(X, model)
    first = rng.permutation(n)
    second = np.roll(first, 1)
    if observations.of_sequences(model):
        rows = observations.symbols(model, X)
        parts = [
            np.concatenate([rows[a][: -(-len(rows[a]) // 2)], rows[b][-(-len(rows[b]) // 2) :]])
            for a, b in zip(first, second, strict=True)
        ]
        return _sequences(model, parts)
    if observations.of_table(model):
        frame = frames.read(X)
        half = np.arange(frame.shape[1]) < frame.shape[1] / 2
        return _table(frame, np.where(half, first[:, None], second[:, None]))
    data = model._read(X)
    data = data.toarray() if hasattr(data, "toarray") else np.asarray(data)
    flat = data.reshape(n, -1)
    half = np.arange(flat.shape[1]) < flat.shape[1] / 2
    return np.where(half, flat[first], flat[second]).reshape(data.shape)


def _fitted(model: Any, X: Any, rate: float, seed: int) -> Any:
    """Return a model of the same class, fitted to perturbed data."""
    return _alike(model, model).fit(mutated(model, X, rate, np.random.default_rng(seed)))


def _alike(model: Any, background: Any) -> Any:
    """Return an unfitted copy of a background that reads what a fitted model does."""
    copy = clone(background)
    known = copy.get_params(deep=False)
    return copy.set_params(**{k: v for k, v in settings(model).items() if k in known})


def _reading(model: Any) -> tuple[Any, ...]:
    """Return how a model reads observations, beside what `describe` says of them."""
    if observations.of_sequences(model):
        return (model.vocabulary_.as_json(),)
    encoder = model.encoder_
    settings = [getattr(model, name, None) for name in ("binarize", "dynamic_binarization")]
    return getattr(encoder, "of", None), getattr(encoder, "shares", None), *settings


def _mutated_symbols(model: Any, X: Any, rate: float, rng: np.random.Generator) -> Sequences:
    """Return sequences in which symbols are replaced by any of the vocabulary."""
    data, size = model._begin(X), int(model.vocabulary_.size)

    def change(row: NDArray[Any]) -> NDArray[np.int32]:
        other = rng.integers(0, size, len(row), np.int32)
        return np.where(rng.random(len(row)) < rate, other, row.astype(np.int32))

    if data.is_text:
        return data._replace(ids=change(np.asarray(data.ids[0 : len(data.ids)])))  # type: ignore[no-any-return]
    rows = data.rows()
    return _sequences(model, [change(np.asarray(rows[k])) for k in range(len(rows))])


def _sequences(model: Any, rows: list[NDArray[Any]]) -> Sequences:
    """Return rows of ids as sequences in a model's vocabulary, of which none is lost."""
    ragged = Ragged.of([row.astype(np.int32) for row in rows])
    return Sequences(ragged, model.vocabulary_, ragged.lengths)


def _table(frame: frames.Frame, rows: Rows) -> frames.Frame:
    """Return a table whose cell (n, k) is that of row rows[n, k]."""
    raws = [coded.some(frame.raw(k), rows[:, k]) for k in range(frame.shape[1])]
    return frames.Frame(raws, frame.names, None, frame.library, frame.dtypes)


def _type(variable: Any) -> Any:
    """Return what says that a column is of this type, with these categories."""
    return list(variable.values) if isinstance(variable, Category) else variable.type
