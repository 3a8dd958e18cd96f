"""What an attack is made on: a classifier and images, checked, and what is allowed of pixels."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from chainrule.detection.classifier import Classifier
from chainrule.encoders import images, validation
from chainrule.encoders.cells import DROP, CellError, not_finite
from chainrule.encoders.pixels import Indices
from chainrule.encoders.uniforms import generator
from chainrule.engine.attacks import signs
from chainrule.engine.attacks.signs import NORMS, Walk
from chainrule.engine.attacks.victim import Range, Slope, Victim, victim
from chainrule.kernels.types import Array, Ids

UNIT = (0.0, 1.0)
Clip = tuple[float, float]
Todo = Callable[[Array, Ids], Any]  # which rows need an attack


class Case(NamedTuple):
    """A classifier as attacks see it, images as its rows, their classes, and what is allowed."""

    victim: Victim
    x: Array
    y: Ids
    allowed: Range


def steps_on(
    of: Case, slope: Slope, how: Walk, restarts: int = 1, todo: Todo | None = None
) -> Array:
    """Return the rows of a case after steps along a slope; those that need none as they are.

    todo: who says which rows need an attack; None: what is classified as y, or as another than the
    target.
    """
    out = of.x.copy()
    todo = todo or (lambda x, y: of.victim.right(x, y) != how.targeted)
    for _ in range(restarts):
        left = np.flatnonzero(todo(out, of.y))
        if not len(left):
            break
        out[left] = signs.walk(slope, of.x[left], of.y[left], how, of.allowed)
    return out


def short_walk(eps: Any, step: Any, steps: Any, norm: str, targeted: bool) -> Walk:
    """Return BIM's walk: from x itself, by steps of a quarter of eps unless it is said."""
    eps = validation.real("eps", eps, 0)
    step = eps / 4 if step is None else validation.real("step", step, 0)
    norm = validation.choice("norm", norm, NORMS)
    return Walk(eps, step, validation.integer("steps", steps, 1), norm, targeted)


def long_walk(eps: Any, step: Any, steps: Any, norm: str, targeted: bool, seed: Any) -> Walk:
    """Return PGD's walk: from a random point, by steps that can reach all of the ball."""
    default = 2.5 * validation.real("eps", eps, 0) / validation.integer("steps", steps, 1)
    how = short_walk(eps, default if step is None else step, steps, norm, targeted)
    return how._replace(start=generator(seed))


@contextmanager
def case(classifier: Classifier, X: Any, y: Any, clip: Clip) -> Iterator[Case]:
    """Yield a checked case, to be used inside of the block. y: None: what the classifier says."""
    if not isinstance(classifier, Classifier):
        raise TypeError(f"classifier must be a Classifier, got {type(classifier).__name__}")
    check_host(classifier, "classifier")
    x, allowed = floats(X), checked_range(clip)
    check_range(x, allowed)
    classifier._read(X)  # says what is wrong with it
    x = x.reshape(len(x), *classifier.config_.shape)
    with classifier._evaluating() as params:
        of = victim(classifier._engine(), classifier.config_, params)
        if y is None:
            numbers: Any = of.logits(x).argmax(axis=1).astype(np.int32)
        else:
            numbers = classifier._labels(y, len(x))
        yield Case(of, x, numbers, allowed)


def check_host(model: Any, name: str) -> None:
    """Raise ValueError if a model computes on a GPU, where attacks do not run."""
    if model.backend == "cuda":
        raise ValueError(
            f"attacks run on the host, and {name} has backend='cuda'; take it there by "
            f"{name}.set_params(backend='cpu'), fitted as it is"
        )


def floats(X: Any, name: str = "X") -> Array:
    """Return X as an array of floats of its own dtype."""
    x = images.as_images(X, name)
    x = np.asarray(x.toarray() if hasattr(x, "toarray") else x)
    if x.dtype.kind != "f" or x.dtype.itemsize < 4:
        raise TypeError(
            f"{name} must hold floats, which an attack can move a little, got {x.dtype}; of levels "
            f"0 … 255 give ({name} / 255).astype('float32'), or as many as there are"
        )
    return x


def checked_range(clip: Any) -> Range:
    """Return the range that clip says.

    Raises:
        ValueError: it is none.
    """
    try:
        low, high = (validation.real("clip", end) for end in clip)
    except TypeError as error:
        raise ValueError(f"clip must be two numbers, such as (0, 1), got {clip!r}") from error
    if not low < high:
        raise ValueError(f"clip must be the least and the largest pixel, got {clip!r}")
    return Range(low, high)


def check_range(x: Array, allowed: Range) -> None:
    """Raise ValueError if a pixel is no number, or outside of the range."""
    error = not_finite(x.reshape(len(x), -1), "X", advice=DROP) if x.size else None
    if error is not None:
        place = Indices(map(int, np.unravel_index(error.column, x.shape[1:])))
        raise CellError(error.sentence, error.name, error.row, error.column, place)
    if x.size and not (x.min() >= allowed.low and x.max() <= allowed.high):
        raise ValueError(
            f"X holds numbers from {x.min():g} to {x.max():g}, and clip={tuple(allowed)}; scale "
            "them, or give their range as clip"
        )


def shaped(X: Any, x: Array) -> Array:
    """Return rows in the shape of X."""
    return x.reshape(images.as_images(X).shape)
