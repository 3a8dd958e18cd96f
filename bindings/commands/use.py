"""What a trained model is for: score, sample, complete, conditionals."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.commands import language, runs
from chainrule.commands.common import (
    PICTURES,
    TABLES,
    Common,
    bits,
    check_columns,
    check_output,
    fitted_columns,
    located_rows,
    picture,
    write_rows,
)
from chainrule.commands.standard_input import NAME, as_file
from chainrule.datasets import readers, rowfiles
from chainrule.encoders import validation
from chainrule.engine import ordering
from chainrule.estimators.base import NOT_EXACT, BinaryDensity
from chainrule.estimators.generating import Generating
from chainrule.estimators.sequence_base import SequenceDensity
from chainrule.kernels.types import Array

PICTURED = 25  # rows drawn at most by `conditionals`
COMPLETED = 10  # rows drawn at most by `complete`
SIDES = ("top", "bottom", "left", "right")


def score(
    common: Common,
    run: Path,
    x: Path,
    out: Path | None,
    label: str | None,
    labels_from: str | None,
) -> None:
    """Write log p(x) of each row, or print one a line."""
    if out is not None:
        check_output(out, *TABLES)
    model = common.show(runs.open_model(run))
    if isinstance(model, SequenceDensity):
        with as_file(x, model.vocabulary_.kind != "id") as path:
            language.score(common, model, path, out, label, labels_from)
        return
    for option, value in (("--label", label), ("--labels-from", labels_from)):
        if value is not None:
            raise ValueError(f"{option} is for models of sequences; leave it out")
    rows, origin = _read(x)
    check_columns(model, origin)
    with rowfiles.naming({"X": origin}):
        log_p = model.log_prob(rows)
    if out is None:
        print("\n".join(f"{value:.6f}" for value in log_p.tolist()))
        return
    write_rows(out, log_p, ["log_prob"])
    mean = float(np.mean(log_p, dtype=np.float64))
    common.say(
        f"{len(log_p):,} rows, log p(x) {mean:.2f} nats on average, "
        f"{bits(-mean, model.n_features_in_):.4f} bits per dimension; {out}"
    )


def sample(
    common: Common,
    run: Path,
    n: int | None,
    out: Path | None,
    columns: int | None,
    how: dict[str, Any],
) -> None:
    """Draw n rows, written as a picture or a table; or n symbols, written as they are drawn."""
    if out is not None:
        check_output(out, *PICTURES, *TABLES)
    model = common.show(runs.open_model(run))
    how = {name: value for name, value in how.items() if value is not None}
    if isinstance(model, Generating):
        language.sample(common, run, model, n, out, columns, language.Draw(**how))
        return
    if how:
        raise ValueError(
            f"--{next(iter(how)).replace('_', '-')} is for models of sequences; leave it out"
        )
    n, out = n or language.ROWS, out or Path("samples.png")
    check_output(out, *PICTURES, *TABLES)
    language.refuse_columns(columns, out.suffix.lower() in PICTURES, f"{out} holds none")
    rows = model.sample(n, seed=common.seed)
    if out.suffix.lower() in PICTURES:
        shape = runs.image_shape(run, model.n_features_in_)
        picture(out, "sample_grid", rows, shape, columns, f"samples of {model.model_}")
    else:
        write_rows(out, rows, fitted_columns(model))
    common.say(f"{n:,} samples; {out}")


def complete(common: Common, run: Path, x: Path, observed: str, out: Path, draws: int) -> None:
    """Draw the unobserved part of each row several times; write a picture or a table."""
    check_output(out, *PICTURES, *TABLES)
    model = common.show(_of_rows(run, "complete"))
    D, shape = model.n_features_in_, runs.image_shape(run, model.n_features_in_)
    (rows, origin), mask = _read(x, missing=True), _mask(observed, D, shape)
    validation.check_width(validation.as_table(rows), D, type(model).__name__)
    check_columns(model, origin)
    threshold = model.get_params()["binarize"]
    with rowfiles.naming({"given": origin}):
        validation.as_given(rows, mask, len(rows), threshold)
    pictured = out.suffix.lower() in PICTURES
    n_rows = len(rows)
    rows = rows[:COMPLETED] if pictured else rows
    given = np.repeat(rows, draws, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said below
        drawn = model.sample(len(given), seed=common.seed, given=given, observed=mask)
    if pictured:
        by_draw = drawn.reshape(len(rows), draws, D).swapaxes(0, 1)
        shown = np.asarray(rows) > (0.5 if threshold is None else threshold)  # NaN where unknown
        picture(out, "completions", shown, mask, by_draw, shape)
    else:
        write_rows(out, drawn, fitted_columns(model))
    exact = ordering.comes_first(mask[model.order_])
    first = "the observed variables come first in the model's order: the draws are exact"
    common.say(first if exact else NOT_EXACT)
    which = _which(len(rows), n_rows)
    common.say(f"{which} rows completed {draws} times, {mask.sum()} of {D} observed; {out}")


def conditionals(common: Common, run: Path, x: Path, out: Path) -> None:
    """Write p(x_i = 1 | x_<i) of each row, as a picture or a table."""
    check_output(out, *PICTURES, *TABLES)
    model = common.show(_of_rows(run, "conditionals"))
    rows, origin = _read(x)
    check_columns(model, origin)
    pictured = out.suffix.lower() in PICTURES
    n_rows = len(rows)
    rows = rows[:PICTURED] if pictured and rows.ndim else rows
    with rowfiles.naming({"X": origin}):
        p: Array = model.conditionals(rows)
    if pictured:
        binary = validation.as_bits(rows, model.get_params()["binarize"])
        picture(out, "conditional_maps", binary, p, runs.image_shape(run, p.shape[1]))
    else:
        write_rows(out, p, fitted_columns(model))
    common.say(f"p(x_i = 1 | x_<i) of {_which(len(p), n_rows)} rows; {out}")


def _which(n: int, n_rows: int) -> str:
    """Return which rows a result is of, in words."""
    return f"{n:,}" if n == n_rows else f"the first {n:,} of {n_rows:,}"


def _read(x: Path, missing: bool = False) -> tuple[Any, rowfiles.Origin]:
    """Return the rows in a file, or in standard input, and where each stands."""
    with as_file(x, text=False) as path:
        rows, origin = located_rows(path, missing)
    return rows, origin._replace(path=NAME) if path != x else origin


def _of_rows(run: Path, verb: str) -> BinaryDensity:
    """Return the model of a run, which must be one of binary rows."""
    model = runs.open_model(run)
    if not isinstance(model, BinaryDensity):
        raise ValueError(
            f"{verb} is for models of binary rows, and that in {run} is {type(model).__name__}; "
            "see chainrule sample --prompt, and conditionals in Python"
        )
    return model


def _mask(observed: str, D: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which of D variables are observed, (D,) bool; see `complete` for the spellings."""
    if observed in SIDES:
        return _side(observed, shape)
    if observed.startswith("prefix:"):
        count = observed.removeprefix("prefix:")
        if not count.isdecimal() or not 0 < int(count) < D:
            raise ValueError(f"prefix:K takes a K from 1 to {D - 1}, got {count!r}")
        return np.arange(D) < int(count)
    if not observed.endswith(".npy"):
        words = ", ".join(SIDES)
        raise ValueError(f"--observed takes {words}, prefix:K or a .npy mask, got {observed!r}")
    if not Path(observed).exists():
        raise FileNotFoundError(f"{observed} does not exist; check its name and folder")
    mask: Any = readers.read_npy(Path(observed)).reshape(-1)
    if mask.dtype == np.uint8 and mask.max(initial=0) <= 1:
        mask = mask.astype(np.bool_)
    return validation.as_mask(mask, D)


def _side(side: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask of half a picture."""
    h, w = shape
    if min(h, w) == 1 < max(h, w) and side in ("top", "bottom"):
        raise ValueError(f"rows that are no pictures have no {side}; use left, right or prefix:K")
    row, column = np.divmod(np.arange(h * w), w)
    half = {"top": row < h // 2, "bottom": row >= h // 2, "left": column < w // 2}
    mask: NDArray[np.bool_] = half[side] if side in half else column >= w // 2
    return mask
