"""Densities of observations of one size, rows or images: batches, draws, values that are given.

Inside, what is known of n observations and which of it is, stands in rows, (n, D), in the model's
order; a model is given them in the shape that its event says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import ClassifierTags
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule import progress
from chainrule.encoders import partial, validation, warned
from chainrule.encoders.masks import as_mask
from chainrule.encoders.on_disk import RowsOnDisk
from chainrule.encoders.uniforms import generator, of_rows
from chainrule.engine import bounds, ordering
from chainrule.engine.training.sources import RowSource, Source
from chainrule.estimators import evaluating
from chainrule.estimators.density import Density
from chainrule.kernels import types

NOT_EXACT = (
    "the observed variables do not come first in the model's order: they are clamped, and a drawn "
    "value heeds those before it, never those after it"
)


@dataclass(kw_only=True, eq=False, repr=False)
class FixedDensity(Density):
    """Base class: a model of p(x), or of p(x | label), over observations of one size.

    Args:
        epochs: passes over the data, at most.
    """

    epochs: int = 50

    clock = "epoch"
    heeds_y = False

    @property
    def _columns(self) -> Any:
        """The encoder."""
        encoder: Any = self.encoder_
        return encoder

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags; sparse matrices are taken, and labels of any number."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags = ClassifierTags()  # read of all that have predict_proba
        return tags

    def _source(self, data: Any, y: Any, valid: Any, y_valid: Any) -> Source:
        return RowSource(data, y, None if valid is None else (valid, y_valid))

    def _labelled(self, data: Any) -> bool:
        return True

    def _name_columns(self, names: Any) -> None:
        """Take names for the columns; None leaves them without."""
        self._columns.names = None if names is None else [str(name) for name in names]
        if names is not None:
            self.feature_names_in_ = np.array(names, object)

    def _check_names(self, X: Any, name: str) -> None:
        """Raise ValueError if X names its columns, and not as those of the fit."""
        if hasattr(X, "to_frame"):  # a Series, one row
            X = X.to_frame().T
        try:
            validate_data(self, X, reset=False, skip_check_array=True)
        except ValueError as error:
            raise ValueError(f"{name}: {' '.join(str(error).split())}") from error

    def _few(self, X: Any) -> types.Bits:
        x: types.Bits = self._columns.encode(X)
        return x

    def _size(self, data: Any) -> int:
        return int(data.shape[0])

    _count = _size

    def _batches(self, data: Any, title: str) -> Iterator[tuple[slice, types.Bits]]:
        for rows in self._groups(self._size(data), title):
            yield rows, writeable(self._columns.encode(data[rows]))

    def _groups(self, n: int, title: str, step: int | None = None) -> Iterator[slice]:
        """Yield which of n rows are worked on at once, with a bar where it takes long.

        step: how many; None: as many as are scored at once.
        """
        step = step or bounds.rows_of(self.config_)
        parts = (slice(lo, min(lo + step, n)) for lo in range(0, n, step))
        return progress.track(parts, title, bool(self.verbose), total=-(-n // step), lines=True)

    def _by_variable(self, function: Any, data: Any, y: Any) -> Any:
        out: Any = None
        for rows, part in self._each(function, data, y):
            part = self._like(part, data)
            if out is None:
                out = np.empty((self._size(data), *part.shape[1:]), part.dtype)
            out[rows] = part
        return out

    def _like(self, part: Any, data: Any) -> Any:
        """Return a result a variable, in the model's order, as the data have their variables."""
        return self._columns.undo(part)

    def _draw(
        self, n: int, seed: Any, given: Any, observed: Any, y: Any, uniforms: Any = None
    ) -> NDArray[Any]:
        """Return n rows in the model's order, (n, D): see `sample`.

        uniforms: (n, D), what to draw by, columns as in the data; None: random numbers.
        """
        check_is_fitted(self, "params_")
        n, D = validation.integer("n", n, 1), self._columns.dims
        x, mask = self._given(given, observed, n)
        if mask is not None and (why := self._inexact(mask)):
            warned.warn(why)
        rng = generator(seed)
        numbers = self._classes_of(x, mask, y, n, rng)
        by = None if uniforms is None else self._columns.arrange(of_rows(uniforms, n, D))
        drawn = np.empty((n, D), self._columns.dtype)
        with self._evaluating() as params:
            dtype = self._uniform_dtype(drawn.dtype)
            for rows in self._groups(n, "sample", bounds.rows_drawn(self.config_)):
                u = rng.random((rows.stop - rows.start, D), dtype) if by is None else by[rows]
                kept = None if x is None else x[rows]
                if mask is not None:
                    u[np.broadcast_to(mask if mask.ndim == 1 else mask[rows], u.shape)] = -1
                some = None if numbers is None else numbers[rows]
                asked = self._engine(), self._config_now(), params, self._whole(u)
                drawn[rows] = evaluating.sample(*asked, self._whole(kept), some).reshape(-1, D)
        return drawn

    def _whole(self, rows: Any) -> Any:
        """Return rows, (n, D), or None, as the model sees an observation."""
        return None if rows is None else rows.reshape(-1, *self.config_.event.shape)

    def _uniform_dtype(self, drawn: np.dtype[Any]) -> Any:
        """Return of which dtype random numbers are to be, to draw values of a dtype."""
        return np.float64 if drawn.kind == "f" else self.params_.dtype

    def _inexact(self, observed: NDArray[np.bool_]) -> str:
        """Return why rows drawn with these variables kept, in order, are not of p(free | kept)."""
        return "" if ordering.comes_first(observed) else NOT_EXACT

    def _classes_of(self, x: Any, mask: Any, y: Any, n: int, rng: np.random.Generator) -> Any:
        """Return the class of each of n rows, of whose x, (n, D), the mask marks what is given.

        Without y it is drawn by what is given of the first variables, up to the first that is not.
        """
        nothing = np.zeros(self._columns.dims, np.bool_)
        if y is not None or mask is None or self.classes_ is None or self._inexact(nothing):
            return self._classes_to_draw(y, n, rng)
        ahead = np.logical_and.accumulate(mask, axis=-1).sum(axis=-1)
        k, u, drawn = np.broadcast_to(ahead, n), rng.random(n), np.empty(n, np.int32)
        with self._evaluating() as params:
            for rows in self._groups(n, "labels"):
                asked = self._engine(), self._config_now(), params, self._whole(x[rows])
                known = evaluating.posterior_after(*asked, k[rows], self._log_prior())
                drawn[rows] = evaluating.draw_given(u[rows], known)
        return drawn

    def _mask(self, observed: Any, n: int | None = None) -> NDArray[np.bool_]:
        """Return which variables are observed, (D,) or (n, D), columns as in the data."""
        return as_mask(observed, self._columns.dims, n, self._columns.names)

    def _given(
        self, given: Any, observed: Any, n: int
    ) -> tuple[types.Bits | None, NDArray[np.bool_] | None]:
        """Return given values, (n, D), and which are observed, in the model's order; or None."""
        if (given is None) != (observed is None):
            raise ValueError("given and observed go together: give both or neither")
        if given is None:
            return None, None
        mask = self._mask(observed, n)
        for what, name in ((given, "given"), (observed, "observed")):
            named = hasattr(what, "columns") or hasattr(what, "to_frame")
            if named and not partial.is_part(what, self._columns.names):
                self._check_names(what, name)
        return self._columns.encode_given(given, mask, n), self._columns.arrange(mask)


def writeable(rows: Any) -> Any:
    """Return rows; a copy if read-only, for which Numba would compile every kernel once more.

    What is read of `RowsOnDisk` is a copy.
    """
    return rows if isinstance(rows, RowsOnDisk) else np.require(rows, requirements=["C", "W"])
