"""`chainrule complete`: the rest of partly observed rows, drawn several times."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.commands import inputs, runs, tabular
from chainrule.commands.common import PICTURES, TABLES, Common, check_output, picture
from chainrule.commands.labels import Given
from chainrule.commands.requests import LabelRequest, Written
from chainrule.datasets import readers, rowfiles
from chainrule.encoders import frames, masks, partial, validation
from chainrule.encoders.columns import AnyColumns
from chainrule.encoders.frames import Frame
from chainrule.suggestions import near

COMPLETED = 10  # rows drawn at most
SIDES = ("top", "bottom", "left", "right")


def complete(
    common: Common,
    run: Path,
    x: Path,
    observed: str,
    out: Path | None,
    draws: int,
    asked: LabelRequest,
    written: Written,
) -> None:
    """Draw the unobserved part of each row several times; write a picture or a table."""
    if out is not None:
        check_output(out, *PICTURES, *TABLES)
    model = common.show(inputs.model_of_rows(run, "complete"))
    out, D = tabular.output(model, run, out, "completed"), model.n_features_in_
    found = inputs.read_rows(common, x, model, asked, True, written)
    with rowfiles.naming({"given": found.origin, "X": found.origin}):
        inputs.check_columns(model, found.origin)
        rows, shape = _table(model, found.x), _shape(model, run)
        _check_side(observed, tabular.are_pictures(model, run))
        mask = _mask(model, observed, rows, shape)
        model._columns.encode_given(rows, mask, len(rows))
    pictured, n_rows = out.suffix.lower() in PICTURES, len(rows)
    kept = np.arange(min(n_rows, COMPLETED) if pictured else n_rows)
    drawn = _drawn(common, model, found._replace(x=rows), mask, np.repeat(kept, draws))
    if pictured:
        by_draw = np.reshape(drawn, (len(kept), draws, D)).swapaxes(0, 1)
        _draw(out, model, run, rows[kept], mask if mask.ndim == 1 else mask[kept], by_draw)
    else:
        tabular.write(out, drawn, model, draws=draws, beside=found.beside)
    _tell_exactness(common, model, mask)
    many = f"{mask.sum()} of {D}" if mask.ndim == 1 else f"{mask.mean():.0%} of all"
    said = f"{inputs.which(len(kept), n_rows)} rows completed {draws} times"
    common.say(f"{said}, {many} observed; {out}")


def _drawn(
    common: Common, model: Any, rows: Given, mask: NDArray[np.bool_], which: NDArray[np.intp]
) -> Any:
    """Return rows drawn given what is observed of those with numbers `which`, and their labels."""
    seen, y = mask if mask.ndim == 1 else mask[which], rows.y
    y = y[which] if np.ndim(y) else y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said afterwards
        return model.sample(len(which), seed=common.seed, given=rows.x[which], observed=seen, y=y)


def _tell_exactness(common: Common, model: Any, mask: NDArray[np.bool_]) -> None:
    """Say whether rows are drawn of p(free | observed)."""
    if inputs.may_lack(model):
        common.say("a model in any order: the draws are exact, whatever is observed")
    else:
        exact = "the observed variables come first in the model's order: the draws are exact"
        common.say(model._inexact(model._columns.arrange(mask)) or exact)


def _check_side(observed: str, are_pictures: bool) -> None:
    """Raise ValueError where half a picture is observed, and rows are none."""
    if observed in SIDES and not are_pictures:
        raise ValueError(
            f"the rows of this model are no pictures and have no {observed}, as their columns "
            "have names or are not all bits; give --observed names of columns, prefix:K, known "
            "or a .npy mask"
        )


def _table(model: Any, rows: Any) -> Any:
    """Return rows as the model's encoder takes them, if they are as wide as those of the fit."""
    of_any = isinstance(model.encoder_, AnyColumns)
    table = frames.read(rows) if of_any else validation.as_table(rows)
    validation.check_width(table, model.n_features_in_, type(model).__name__)
    return table


def _shape(model: Any, run: Path) -> tuple[int, ...]:
    """Return the shape of a row as a picture."""
    if inputs.of_images(model):
        shape: tuple[int, ...] = model.encoder_.shape
        return shape
    return runs.image_shape(run, model.n_features_in_)


def _draw(out: Path, model: Any, run: Path, rows: Any, mask: Any, drawn: Any) -> None:
    """Draw rows, what is seen of them, and completions, (K, N, D); what is unknown as 0."""
    title, table = "completed by the model", np.nan_to_num(_numbers(rows))
    if inputs.of_images(model):  # both as the model reads them: in its own levels
        drawn = np.reshape(drawn, (len(drawn), *table.shape))
        picture(out, "completions", table, mask, drawn, None, title, None, model)
        return
    threshold = model.get_params()["binarize"]
    values = table if threshold is None else (table > threshold).astype(float)
    data, shape, levels = tabular.drawable(model, run, values)
    completed = tabular.drawable(model, run, drawn)[0]
    picture(out, "completions", data, mask, completed, shape, title, levels)


def _numbers(rows: Any) -> NDArray[Any]:
    return rows.numbers() if isinstance(rows, Frame) else np.asarray(rows, float)


def _mask(model: Any, observed: str, rows: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which columns are observed, bool, (D,) or (N, D); --help has the spellings."""
    (n, D), names = rows.shape, inputs.fitted_columns(model)
    if observed in SIDES:
        return _side(observed, shape)
    if observed == "known":
        table = frames.read(rows)
        return np.stack([~partial.missing(table.raw(k)) for k in range(D)], axis=1)
    if observed.startswith("prefix:"):
        count = observed.removeprefix("prefix:")
        if not count.isdecimal() or not 0 < int(count) < D:
            raise ValueError(f"prefix:K takes a K from 1 to {D - 1}, got {count!r}")
        return np.arange(D) < int(count)
    chosen = [observed] if observed in (names or ()) else observed.split(",")
    if names is not None and set(chosen) <= set(names):
        return np.isin(list(names), chosen)
    if not observed.endswith(".npy"):
        words = ", ".join((*SIDES, "known, prefix:K", *(["names of columns"] if names else [])))
        raise ValueError(
            f"--observed takes {words} or a .npy mask, got {observed!r}"
            f"{near(observed, (*SIDES, 'known', *(names or ())))}"
        )
    if not Path(observed).exists():
        raise FileNotFoundError(f"{observed} does not exist; check its name and folder")
    return _of_file(model, readers.read_npy(Path(observed)), n, D, shape)


def _of_file(
    model: Any, mask: NDArray[Any], n: int, D: int, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return a file's mask; of images also one that does not tell channels apart."""
    if mask.size != D and mask.ndim > 1 and mask.shape != (n, D) and 1 not in shape:
        if not inputs.of_images(model):  # they tell their shapes themselves
            raise ValueError(
                f"observed must be a bool array of shape {shape}, ({D},) or ({n}, {D}), True where "
                f"a pixel is given; got {mask.dtype} of shape {mask.shape}"
            )
    images = inputs.of_images(model)
    of_one = mask.size == D or (images and mask.shape == model.encoder_.shape[:2])
    if of_one and mask.dtype == np.uint8 and mask.max(initial=0) <= 1:
        mask = mask.astype(np.bool_)
    if mask.size == D and mask.dtype == np.bool_:
        mask = mask.reshape(D)
    found: NDArray[np.bool_] = model._mask(mask, n) if images else masks.as_mask(mask, D, n)
    return found


def _side(side: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the mask of half a picture, of all its channels."""
    h, w, channels = (*shape, 1)[:3]
    if min(h, w) == 1 < max(h, w) and side in ("top", "bottom"):
        raise ValueError(f"rows that are no pictures have no {side}; use left, right or prefix:K")
    row, column = np.divmod(np.arange(h * w), w)
    half = {"top": row < h // 2, "bottom": row >= h // 2, "left": column < w // 2}
    mask: NDArray[np.bool_] = half[side] if side in half else column >= w // 2
    return np.repeat(mask, channels)
