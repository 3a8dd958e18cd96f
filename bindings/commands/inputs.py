"""What the verbs read: data sets, files of rows, standard input; and whether it fits a model."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import datasets
from chainrule.commands import labels, runs, wording
from chainrule.commands.common import Common
from chainrule.commands.requests import LabelRequest, Written
from chainrule.commands.standard_input import NAME, as_file
from chainrule.datasets import downloads, rowfiles
from chainrule.datasets.named import NAMES
from chainrule.datasets.rowfiles import Origin
from chainrule.encoders import sizes
from chainrule.encoders.unseen import UnseenWarning
from chainrule.encoders.validation import KNOWN
from chainrule.engine import event
from chainrule.estimators.density import Density
from chainrule.suggestions import near

TOLD = Written()  # as it seems


def of_rows(model: Density) -> bool:
    """Return whether a model's observations are of one size: rows or images, and no sequences."""
    return model._model().EVENT is not event.Sequence


def of_images(model: Density) -> bool:
    """Return whether a model's observations are images."""
    return model._model().EVENT is event.Image


def of_classes(model: Any) -> bool:
    """Return whether a model is a classifier, of real numbers, and no density."""
    return bool(model._model().EVENT is event.RealInputs)


def check_density(model: Any, verb: str) -> None:
    """Raise ValueError where this verb asks a classifier for what a density has."""
    if of_classes(model):
        raise ValueError(
            f"{verb} is for densities, and a Classifier is none: it says p(label | x) alone; see "
            "chainrule attack, and predict in Python"
        )


def of_pictures(model: Any, data: str) -> dict[str, bool]:
    """Return how a model's data are to be loaded if they are pictures: as options of `load`.

    Images come in colour, if they have any, and with all their levels where they are not said, or
    seen, to be bits.
    """
    if of_classes(model):
        return {"raw": True, "colour": Path(data).is_dir()}
    if not of_images(model):
        return {}
    known = model.get_params()
    bits = known["levels"] in (None, 2) and known["reduce_from"] is None
    plain = bits and known["binarize"] is None and not known["dynamic_binarization"]
    return {"raw": not plain, "colour": Path(data).is_dir()}


def model_of_rows(run: Path, verb: str) -> Any:
    """Return the model of a run, or of a file, which must be a density of rows for this verb.

    Raises:
        ValueError: it is another.
    """
    model = runs.open_model(run)
    check_density(model, verb)
    if not hasattr(model, "sample"):
        name = type(model).__name__
        raise ValueError(f"{verb} is for densities, and {name} is none; take a made in its place")
    if not of_rows(model):
        raise ValueError(
            f"{verb} is for models of rows, and that in {run} is {type(model).__name__}; "
            "see chainrule sample --prompt, and conditionals in Python"
        )
    return model


def is_set(x: Path) -> bool:
    """Return whether this names a data set: one of ours, or a .npz in the folder CHAINRULE_DATA."""
    if x.exists() or x.suffix or len(x.parts) != 1:
        return False
    return str(x) in NAMES or downloads.find(f"{x}.npz") is not None


def may_lack(model: Density) -> bool:
    """Return whether rows of a model, fitted or not, may lack values."""
    return of_rows(model) and bool(model._model().ABILITIES.any_order)


def read_rows(
    common: Common,
    x: Path,
    model: Density,
    asked: LabelRequest,
    missing: bool = False,
    written: Written = TOLD,
    on_disk: bool = False,
) -> labels.Given:
    """Return the rows in a file, a folder of pictures or standard input, and their labels.

    The name of a data set is that of its test rows, which is said. Pictures, (N, H, W) or in colour
    (N, H, W, C), are flattened. What the values may be is the model's business. missing: NaN for
    what a table of text lacks. Columns that the model learnt as words are words, even where all are
    numbers. on_disk: those of a large .npy may be `RowsOnDisk`.
    """
    if is_set(x):
        found = labels.given(model, asked, *_test_rows(common, model, str(x), written))
        _check_sizes(model, str(x), found.x)
        return found
    with as_file(x, text=False) as path:
        if not path.exists():
            raise FileNotFoundError(
                f"{path} does not exist; check its name and folder{near(str(x), NAMES)}"
            )
        with said_warnings(not common.quiet):
            types = labels.with_types(_learnt_types(model), asked.source, model)
            colour = of_images(model) and path.is_dir()
            rows, _, origin = rowfiles.read(path, missing, *written, types, colour, on_disk)
    origin = origin._replace(path=NAME) if path != x else origin
    if rows.ndim in (3, 4) and len(rows):
        _check_sizes(model, origin.path, rows)
        rows = rows.reshape(len(rows), -1)
    found = labels.given(model, asked, rows, origin)
    _check_sizes(model, origin.path, found.x)
    index = () if origin.before is None else (labels.Beside("", origin.before, 0),)
    return found._replace(beside=(*found.beside, *index))


def _check_sizes(model: Density, path: Any, rows: Any) -> None:
    """Raise ValueError unless images or rows are of the size of a model's images, if it has any."""
    if not of_images(model) or not hasattr(rows, "ndim") or rows.ndim < 2:
        return
    shape, given = model.encoder_.shape, rows.shape[1:]  # type: ignore[attr-defined]
    if given in (shape, shape[:2] if shape[2] == 1 else shape, (prod(shape),)):
        return
    wanted, size = sizes.in_words(shape), sizes.in_words(given)
    got = f"rows of {prod(given):,} values" if rows.ndim == 2 else f"images of {size} pixels"
    raise ValueError(
        f"{path} has {got}, and the model was fitted on images of {wanted} pixels"
        f"{f', {prod(shape):,} values' if rows.ndim == 2 else ''}; give it such"
    )


def _learnt_types(model: Density) -> Any:
    """Return what a model's columns are: the words of those of words; others are numbers."""
    variables = getattr(model.encoder_, "variables", None)
    if variables is None:
        return "continuous"
    found = [getattr(one, "values", ()) for one in variables]
    types = [list(v) if v and isinstance(v[0], str) else "continuous" for v in found]
    names = fitted_columns(model)
    return types if names is None else dict(zip(names, types, strict=True))


def _test_rows(common: Common, model: Density, name: str, written: Written) -> tuple[Any, Origin]:
    """Return the test rows of a data set by name, and say that it is these."""
    how: dict[str, Any] = {**written._asdict(), **of_pictures(model, name)}
    data = datasets.load(name, **how)
    rows = data.test.x
    if not common.quiet:
        common.warn(f"the {len(rows):,} test rows of {name}, which no training on it has seen")
    return rows, Origin(name, np.arange(len(rows)), columns=data.columns)


@contextmanager
def said_warnings(loud: bool = True, origin: Origin | None = None) -> Iterator[None]:
    """Print what is doubtful about data, a line each, on standard error, if loud.

    origin: of X, whose cells are called as its file has them.
    """
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", datasets.DataWarning)
        try:
            yield
        finally:
            for warning in heard if loud else ():
                said = str(warning.message)
                if isinstance(warning.message, UnseenWarning) and origin is not None:
                    said = rowfiles.told(warning.message.cell, origin)
                Common().warn(wording.in_options(said))


def check_columns(model: Density, origin: Origin, run: Path | None = None) -> None:
    """Raise ValueError if rows have other names, or another order of them, than the model's."""
    names = fitted_columns(model, run)
    if origin.columns is None or names is None or list(origin.columns) == list(names):
        return
    lacking = [repr(name) for name in names if name not in origin.columns]
    if lacking and len(origin.columns) < len(names):
        raise ValueError(
            f"{origin.path} lacks {', '.join(lacking[:KNOWN])}{', …' * (len(lacking) > KNOWN)}, of "
            "the columns that the model was fitted on; give it all of them"
        )
    more = [name for name in origin.columns if name not in names]
    if more and not lacking:
        hint = (
            ""
            if model.classes_ is None
            else f", or if it holds labels give --labels-from {more[0]}"
        )
        raise ValueError(
            f"{origin.path} has a column {more[0]!r}, which the model was not fitted on; leave it "
            f"out{hint}"
        )
    for k, (name, other) in enumerate(zip(names, origin.columns, strict=False), 1):
        if name != other:
            raise ValueError(
                f"{origin.path} has {other!r} as column {k} where the model was fitted on "
                f"{name!r}; give it the same columns in the same order"
            )


def fitted_columns(model: Density, run: Path | None = None) -> Sequence[str] | None:
    """Return the names of the columns that a model was fitted on; None if they had none.

    run: where those of a table of symbols are, of which its model knows nothing.
    """
    names = getattr(model, "feature_names_in_", None)
    if names is None and run is not None and not of_rows(model):
        names = runs.read_summary(run).get("columns")
        names = names if isinstance(names, list) else None
    return None if names is None else [str(name) for name in names]


def which(n: int, n_rows: int) -> str:
    """Return which rows a result is of, in words: n of n_rows."""
    return f"{n:,}" if n == n_rows else f"the first {n:,} of {n_rows:,}"
