"""`chainrule complete`: the rest of partly observed rows, drawn several times."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.commands import inputs, runs
from chainrule.commands.common import PICTURES, TABLES, Common, check_output, picture, write_rows
from chainrule.datasets import readers, rowfiles
from chainrule.encoders import validation
from chainrule.engine import ordering
from chainrule.estimators.row_density import NOT_EXACT

COMPLETED = 10  # rows drawn at most
SIDES = ("top", "bottom", "left", "right")


def complete(common: Common, run: Path, x: Path, observed: str, out: Path, draws: int) -> None:
    """Draw the unobserved part of each row several times; write a picture or a table."""
    check_output(out, *PICTURES, *TABLES)
    model = common.show(inputs.model_of_columns(run, "complete"))
    D, shape = model.n_features_in_, runs.image_shape(run, model.n_features_in_)
    (rows, origin), mask = inputs.read_rows(x, missing=True), _mask(observed, D, shape)
    validation.check_width(validation.as_table(rows), D, type(model).__name__)
    inputs.check_columns(model, origin)
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
        write_rows(out, drawn, inputs.fitted_columns(model))
    if inputs.may_lack(model):
        common.say("a model in any order: the draws are exact, whatever is observed")
    elif ordering.comes_first(mask[model.order_]):
        common.say("the observed variables come first in the model's order: the draws are exact")
    else:
        common.say(NOT_EXACT)
    which = inputs.which(len(rows), n_rows)
    common.say(f"{which} rows completed {draws} times, {mask.sum()} of {D} observed; {out}")


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
    mask = readers.read_npy(Path(observed)).reshape(-1)
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
