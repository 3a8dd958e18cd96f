"""What `chainrule detect` shows: how many are odd, the oddest, and where in them the odd is."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from chainrule.commands import inputs, runs, tabular
from chainrule.commands.common import Common, console
from chainrule.commands.common import picture as save_picture
from chainrule.detection import observations

SHOWN = 20  # odd ones that are told of
PICTURED = 9
AXES = ("row", "column", "channel")
NAMED = 3  # of a row's columns, the dearest
SCALE = (  # bits from which on a character is shown so, on a terminal
    (12.0, "bold white on #4d0d12"),
    (7.0, "white on #b5352c"),
    (4.0, "black on #eebd84"),
)
BESIDE = {  # a score's unit in bits, and what it sets an observation's bits beside
    "ratio": (np.log(2), "the background's"),
    "complexity": (1.0, "its lossless code's"),
}
MARK = 7.0  # bits from which on a character is marked where there are no colours


class Measured(NamedTuple):
    """What a detector says of observations: scores and p-values, (N,), and what is odd, (N, R).

    likely: of typicality which are likelier than the clean ones' mean, (N,); else None.
    """

    scores: NDArray[np.float64]
    p: NDArray[np.float64]
    odd: NDArray[np.bool_]
    rates: NDArray[np.float64]
    likely: NDArray[np.bool_] | None = None


def tell(
    common: Common,
    detector: Any,
    seen: Any,
    measured: Measured,
) -> None:
    """Say how many are odd at each rate, and show the oddest of them at the highest.

    With --quiet their numbers alone are printed, one a line, in the order of the file.
    """
    p, rates = measured.p, measured.rates
    widest = measured.odd[:, int(np.argmax(rates))]
    if common.quiet:
        if widest.any():
            print("\n".join(map(str, seen.numbers[widest].tolist())))
        return
    n, what = len(detector.clean_scores_), seen.what
    for k, rate in enumerate(rates):
        count = int(measured.odd[:, k].sum())
        common.say(
            f"{count:,} of {some(len(p), what)} {'is' if count == 1 else 'are'} odd at a "
            f"false-alarm rate of {rate:g}, where {rate * len(p):.3g} of as many clean ones would "
            f"be; {some(n, f'clean {what}')} calibrate{'s' * (n == 1)}"
        )
    which = np.flatnonzero(widest)
    which = which[np.argsort(measured.scores[which], kind="stable")][:SHOWN]
    if not len(which):
        return
    costs = _costs(detector, seen, which)
    for k, cost in zip(which.tolist(), costs, strict=True):
        _show(common, seen, k, measured, np.asarray(cost, np.float64) / np.log(2), detector)


def picture(path: Path, detector: Any, seen: Any, measured: Measured, run: Path, clean: Any) -> int:
    """Draw the oddest observations and what each part of them cost; return how many.

    clean: what was read to calibrate by, whose usual costs are drawn behind those of columns.
    """
    which = np.argsort(measured.scores, kind="stable")[:PICTURED]
    costs, model = _costs(detector, seen, which), detector.model_
    titles = [_head(seen, k, measured) for k in which]
    if observations.of_sequences(model):
        if seen.what == "line":
            texts = [_characters(seen.x[k]) for k in which]
            save_picture(path, "lines", texts, costs, titles)
            return len(which)
        save_picture(path, "costs", _padded(costs), None, None, None, titles)
        return len(which)
    rows = observations.take(seen.x, which)
    if tabular.are_pictures(model, run):
        data, shape, levels = tabular.drawable(model, run, np.asarray(rows))
        images = np.asarray(data, np.float64).reshape(len(which), *_shape(model, run, shape))
        top = None if levels is None else levels
        terms = -np.reshape(costs, images.shape)
        save_picture(path, "surprise", images, terms, top, None, None, titles)
        return len(which)
    usual = None if clean is None else detector.surprise(clean.x)
    names = inputs.fitted_columns(model)
    save_picture(path, "costs", costs, np.asarray(rows, object), names, usual, titles)
    return len(which)


def _shape(model: Any, run: Path, shape: Any) -> tuple[int, int, int]:
    """Return the shape of one picture, (R, S, C)."""
    if inputs.of_images(model):
        R, S, C = model.encoder_.shape
        return R, S, C
    R, S = shape or runs.image_shape(run, model.n_features_in_)
    return R, S, 1


def _costs(detector: Any, seen: Any, which: NDArray[np.intp]) -> Any:
    """Return the surprise of some observations, nats."""
    return detector.surprise(observations.take(seen.x, which))


def _padded(costs: Any) -> Any:
    """Return costs of rows of symbols as a table; ends and what shorter rows lack cost 0."""
    wide = max(map(len, costs))
    return np.array([np.pad(np.asarray(one), (0, wide - len(one))) for one in costs])


def some(n: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{n:,} {what}{'s' * (n != 1)}"


def _head(seen: Any, k: int, measured: Measured) -> str:
    """Return what an observation is called, its p-value, and whether it is odd as too likely."""
    side = ", too likely" if measured.likely is not None and measured.likely[k] else ""
    return f"{seen.what} {seen.numbers[k]}, p {measured.p[k]:.3g}{side}"


def _beyond(method: str, score: float) -> str:
    """Return how far the bits of an observation are from those that a method sets them beside."""
    if method not in BESIDE:
        return ""
    unit, other = BESIDE[method]
    more = -score / unit
    return f", {abs(more):.1f} {'more' if more > 0 else 'fewer'} than {other}"


def _show(common: Common, seen: Any, k: int, measured: Measured, bits: Any, detector: Any) -> None:
    """Print one odd observation, and where in it the odd is."""
    head = f"{_head(seen, k, measured)}: "
    if seen.what == "line":
        _show_line(common, head, _characters(seen.x[k]), bits)
        return
    flat = bits.ravel()
    model = detector.model_
    names = inputs.fitted_columns(model) if inputs.of_rows(model) else None
    shape = bits.shape
    if inputs.of_images(model):
        shape = model.encoder_.shape if model.encoder_.shape[2] > 1 else model.encoder_.shape[:2]
    labels = list(names) if names is not None else _places(shape)
    dear = np.argsort(-flat, kind="stable")[:NAMED]
    parts = [f"{labels[j]} ({flat[j]:.1f})" for j in dear]
    beyond = _beyond(detector.method_, measured.scores[k])
    common.say(f"{head}{flat.sum():.1f} bits{beyond}, most for {', '.join(parts)}")


def _places(shape: tuple[int, ...]) -> list[str]:
    """Return what columns without names are called: 1, 2, …, of images as `AXES` says."""
    axes = AXES if len(shape) > 1 else AXES[1:2]
    return [
        " ".join(f"{axis} {i + 1}" for axis, i in zip(axes, place, strict=False))
        for place in np.ndindex(shape)
    ]


def _show_line(common: Common, head: str, line: str, bits: Any) -> None:
    """Print a line, dear characters in colour, or marked below where there is none."""
    new = sorted({c for c, bit in zip(line, bits, strict=False) if np.isinf(bit)})
    unseen = f"{' ' * len(head)}never seen in training: {' '.join(map(repr, new))}" if new else ""
    ended = bits[len(line) :].sum() if len(bits) > len(line) else 0.0
    shown = [c if c.isprintable() else "·" for c in line] + (["⏎"] if ended >= SCALE[-1][0] else [])
    if sys.stdout.isatty():
        text = Text(head)
        for character, bit in zip(shown, bits, strict=False):
            style = next((style for least, style in SCALE if bit >= least), "")
            text.append(character, style)
        console().print(text, soft_wrap=True)
        if unseen:
            common.say(unseen)
        return
    marks = "".join("^" if bit >= MARK else " " for bit in bits[: len(shown)])
    common.say(f"{head}{''.join(shown)}")
    if marks.strip():
        common.say(f"{' ' * len(head)}{marks.rstrip()}")
    if unseen:
        common.say(unseen)


def _characters(line: Any) -> str:
    """Return a line as characters, one for each symbol: of bytes each as Latin-1 has it."""
    return line.decode("latin-1") if isinstance(line, bytes) else line
