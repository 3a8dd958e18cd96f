"""Rows as `chainrule train` sees them, of bits or of symbols, with labels where they are learnt."""

from typing import Any

import numpy as np

from chainrule import datasets
from chainrule.commands import baselines, labels, shares
from chainrule.commands.common import bits, table
from chainrule.commands.inputs import may_lack, of_classes, of_images, of_pictures, of_rows
from chainrule.commands.material import MOST_CLEAN, Clean, Report, by_row, measure
from chainrule.commands.requests import Reading
from chainrule.datasets import Dataset, named, rowfiles
from chainrule.encoders import frames
from chainrule.encoders.cells import CellError
from chainrule.encoders.on_disk import RowsOnDisk
from chainrule.estimators.density import Density
from chainrule.estimators.row_density import RowDensity
from chainrule.estimators.table_density import TableDensity
from chainrule.registry import spelling

CALLED = {"X": "train", "X_valid": "valid", "the test rows": "test"}  # by errors: the splits


class RowMaterial:
    """A data set of rows, split in three, for one estimator; attributes as `Material`."""

    def __init__(self, estimator: Any, data: str, reading: Reading) -> None:
        """Read the rows, and check all of them."""
        classes = of_classes(estimator)
        self._data = labels.chosen(_load(estimator, data, reading), reading.labels or classes)
        if classes:
            self._white = named.white(data)
            self._data = shares.of_data(self._data, self._white)
        self.name = self._data.name
        train, valid, test = (getattr(self._data, split) for split in datasets.SPLITS)
        places = self._data.origins or {}
        called = {name: places[s] for name, s in CALLED.items() if s in places}
        try:
            with rowfiles.naming(called):
                estimator._also_known = {"the test rows": test.x}
                (self.source,) = estimator._prepare(*self._named(estimator))
                estimator.encoder_.encode(test.x, "the test rows")
        except ValueError as error:
            if isinstance(error.__cause__, CellError):
                self._check_in_order(estimator)
            if len(train.x) > 1 or "n_samples=1" not in str(error):
                raise
            n = sum(len(split.x) for split in (train, valid, test))
            raise ValueError(
                f"{self.name} has {n} rows, and 1 is left to train on, as {len(valid.x)} validates "
                f"and {len(test.x)} tests; give more rows"
            ) from error
        if self._data.columns is not None and of_rows(estimator):
            estimator._name_columns(self._data.columns)
        kinds = estimator.encoder_.describe() if of_rows(estimator) else ""
        self._rows = kinds or f"rows of {self._width} {estimator.encoder_.unit}s"

    def _named(self, estimator: Any) -> tuple[Any, Any, Any, Any]:
        """Return training and validation rows and labels, columns with their names if used."""
        train, valid, columns = self._data.train, self._data.valid, self._data.columns
        if not isinstance(estimator, TableDensity) or estimator.binarize is not None:
            columns = None
        x, x_valid = (self._images(estimator, frames.named(s.x, columns)) for s in (train, valid))
        return x, train.y, x_valid, valid.y

    def _images(self, estimator: Any, x: Any) -> Any:
        """Return rows that are images as such, where nobody says otherwise."""
        shape = self._data.image_shape
        pictured = of_images(estimator) or of_classes(estimator)
        if shape is None or not pictured or estimator.image_shape is not None:
            return x
        return x.reshape(-1, *shape)

    def _check_in_order(self, estimator: Any) -> None:
        """Raise ValueError for the first cell of the file that is wrong by itself, if one is.

        The splits are shuffled: what is wrong in one of them may stand in many lines before.
        """
        parts = [getattr(self._data, split).x for split in datasets.SPLITS]
        places = [(self._data.origins or {}).get(split) for split in datasets.SPLITS]
        origin = places[0]
        if not isinstance(estimator, RowDensity):
            return
        known = (np.ndarray, RowsOnDisk)
        if origin is None or not all(isinstance(part, known) for part in parts):
            return
        if any(place is None or place.path != origin.path for place in places):
            return
        rows = np.concatenate([place.rows for place in places if place is not None])
        order, name = np.argsort(rows), "the rows"
        on_disk = isinstance(parts[0], RowsOnDisk)
        x = parts[0].whole() if on_disk else np.concatenate(parts)[order]
        with rowfiles.naming({name: origin._replace(rows=rows[order])}):
            estimator._new_encoder().learn(x, name).check(x, name)

    @property
    def _width(self) -> int:
        return int(self._data.train.x.shape[1])

    def image_shape(self, estimator: Any) -> tuple[int, ...] | None:
        """Return the shape of a row as a picture, (H, W) or (H, W, C); None if it is none."""
        if not of_images(estimator):
            return self._data.image_shape
        shape: tuple[int, ...] = estimator.encoder_.shape
        return shape[:2] if shape[2] == 1 else shape

    def describe(self) -> str:
        """Return the data's name and sizes in words."""
        sizes = ", ".join(f"{len(getattr(self._data, s).x):,} {s}" for s in datasets.SPLITS)
        given = " and a label" if self._data.train.y is not None else ""
        return f"{self.name}: {sizes} {self._rows}{given}"

    def report(self, estimator: Density) -> Report:
        """Return how well the test rows are predicted, beside baselines."""
        test, D = self._data.test, self._width
        outcome: dict[str, Any] = {
            "image_shape": self.image_shape(estimator),
            "row_length": D,
            "columns": None if self._data.columns is None else list(self._data.columns),
            "rows": {split: len(getattr(self._data, split).x) for split in datasets.SPLITS},
        }
        if of_classes(estimator):
            outcome["white"] = self._white
            return _told(estimator, self._images(estimator, test.x), test.y, outcome)
        if not hasattr(estimator, "log_prob"):  # it is no density
            return _given_back(estimator, test.x, outcome)
        nll = -float(estimator.log_prob(test.x, test.y).mean(dtype=float))
        known = _baselines(estimator, self._data)
        each: float = D
        if of_rows(estimator):
            each = estimator._count_variables(test.x) / len(test.x)  # of what is known
        outcome |= {
            "test_nll": nll,
            "test_bits_per_dimension": bits(nll, each),
            "baselines": known,
        }
        told = "" if test.y is None else ", told the label"
        nlls = {**known, f"{spelling(type(estimator))}{told}": nll}
        return Report(outcome, by_row("test rows", nlls, each))

    def clean(self, estimator: Any) -> Clean:
        """Return log p and numbers of variables of the validation rows, as `Material` says."""
        if not hasattr(estimator, "log_prob"):
            return None
        x = self._data.valid.x
        rows = np.arange(len(x))
        if len(x) > MOST_CLEAN:
            rows = np.sort(np.random.default_rng(0).permutation(len(x))[:MOST_CLEAN])
        return measure(estimator, x[rows])


def _load(estimator: Any, data: str, reading: Reading) -> Dataset:
    """Return a data set by name or path."""
    return datasets.load(
        data,
        missing=may_lack(estimator),
        header=reading.header,
        decimal=reading.decimal,
        column_types=labels.with_types(
            getattr(estimator, "column_types", _kind(estimator)),
            reading.labels,
        ),
        **of_pictures(estimator, data),
        on_disk=of_rows(estimator) and not of_classes(estimator),
    )


def _kind(estimator: Any) -> Any:
    """Return what columns are, of a model that does not say it itself."""
    if of_classes(estimator):
        return "continuous"
    return None if of_images(estimator) else "binary"


def _told(estimator: Any, x: Any, y: Any, outcome: dict[str, Any]) -> Report:
    """Return how often a classifier is right, and what the labels cost it."""
    accuracy, error = estimator.score(x, y), float(estimator.losses(x, y).mean())
    grid = table("test rows", "right", "nats a label")
    grid.add_row(spelling(type(estimator)), f"{accuracy:.2%}", f"{error:.4f}")
    return Report(outcome | {"test_error": error, "test_accuracy": accuracy}, grid)


def _given_back(estimator: Any, x: Any, outcome: dict[str, Any]) -> Report:
    """Return the error with which rows are made again; no likelihood to set beside baselines."""
    error = -estimator.score(x)
    grid = table("test rows", "error a row")
    grid.add_row(spelling(type(estimator)), f"{error:.2f}")
    return Report(outcome | {"test_error": error}, grid)


def _baselines(estimator: Any, data: Dataset) -> dict[str, float]:
    """Return what the test rows cost, nats a row, under models that know no other variables.

    Of rows that lack values nothing.
    """
    train, test = data.train.x, data.test.x
    if of_images(estimator):
        train, test = (estimator.encoder_.encode(x).reshape(len(x), -1) for x in (train, test))
        levels = estimator.encoder_.levels
        if levels == 2:
            return baselines.of_bits(train, test)
        return baselines.of_symbols(train, test, levels)
    if of_rows(estimator):
        train, test = map(estimator.encoder_.encode, (train, test))
        encoder, event = estimator.encoder_, estimator.encoder_.event
        if not all(event.known(part).all() for x in (train, test) for part in baselines.blocks(x)):
            return {}
        if set(event.values) == {2}:
            return baselines.of_bits(train, test)
        known = baselines.of_columns(event, train, test)
        volume = encoder.log_volume
        if event.atoms:
            volume = float(encoder.volumes(data.test.x).sum(axis=1).mean())
        return {name: nll - volume for name, nll in known.items()}
    return baselines.of_symbols(train, test, estimator.vocabulary_.size)
