"""Images: their sizes and levels, and pixels as uint8 levels, row by row of the image.

| X | is |
|---|---|
| (N, R, S) | N images of R rows of S pixels, one channel |
| (N, R, S, C) | in colour: C channels, the last axis |
| (N, D), with `image_shape` | D pixels each, row by row, the channels of a pixel together |
| (N, D) without | as with (√D, √D) where D is a square; else one row of D, with a warning |

Levels are whole numbers from 0 on, of any dtype: 1.0 is one. How many there are is `levels`, or
where that is None read off the data: 2 if all are 0 and 1, else 256. More of them in the data are
reduced by equal bins, where that is asked for, and what is drawn comes back as it is in the data.
"""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import levels as bins
from chainrule.encoders import partial, pixels, sizes, validation
from chainrule.encoders.base import Encoder
from chainrule.encoders.on_disk import RowsOnDisk
from chainrule.encoders.pixels import Settings
from chainrule.engine import greys
from chainrule.engine.event import Image

MOST_CHANNELS = 4
AS_IT_SEEMS = Settings()


class Images(Encoder):
    """Between images of users and uint8 levels, (N, R, S, C).

    Args:
        settings: how pixels are read.

    Attributes:
        shape: (R, S, C). levels: of the model. of: of the data.
        shares: whether pixels are shares from 0 to 1, of which bits are drawn.
        form: the shape of an image as it came, (D,), (R, S) or (R, S, C); kind: its dtype.
        names: of columns, where rows had such.
        fitted: whether a model has learnt such images, so that other settings are no advice.
    """

    unit, per = "pixel", "row"

    def __init__(self, settings: Settings = AS_IT_SEEMS) -> None:
        """Keep the settings; nothing is learnt yet."""
        self.settings = settings
        self.names: Sequence[str] | None = None
        self.shape: tuple[int, ...]
        self.form: tuple[int, ...]
        self.kind: np.dtype[Any]
        self.levels, self.of, self.shares = 2, 2, False
        self.fitted = False

    @property
    def dims(self) -> int:  # type: ignore[override]
        """D, the number of variables: a pixel has one a channel."""
        return prod(self.shape)

    @property
    def event(self) -> Image:
        """An image of so many levels."""
        R, S, C = self.shape
        return Image(R, S, C, self.levels)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of x."""
        return self.event.dtype

    @property
    def highest(self) -> int:
        """The largest value of a pixel as users have it, which is white."""
        return 1 if self.shares or self.settings.binarize is not None else self.of - 1

    # In

    def learn(self, X: Any, name: str = "X") -> Self:
        """Learn sizes, levels and dtype; see `Encoder`."""
        data = as_images(X, name)
        self.form = data.shape[1:]
        self.shape = sizes.of(self.form, self.settings.image_shape, name)
        self.kind = np.dtype(np.float64) if data.dtype.kind == "O" else data.dtype
        found = pixels.learnt(self.settings, _table(data), name, self._place)
        self.levels, self.of, self.shares = found
        return self

    def read(self, X: Any, name: str = "X") -> Any:
        """Return X as an array or sparse matrix of images like those learnt, not yet encoded."""
        return like(X, self.dims, self.shape, name, self.names)

    def check(self, X: Any, name: str = "X") -> None:
        """Raise what `encode` would raise, without the memory that its result takes."""
        for _ in self._blocks(_table(self.read(X, name)), name):
            pass

    def encode(self, X: Any, name: str = "X") -> NDArray[np.uint8]:
        """Return images as levels, (N, R, S, C) uint8; see `Encoder`.

        Greys, of which bits are drawn, are always drawn alike: `engine.greys.drawn`. Those in a
        file are checked, and converted as `RowsOnDisk` are asked for.
        """
        table = _table(self.read(X, name))
        if isinstance(table, RowsOnDisk):
            self.check(table, name)
            return self._later(table, self.encode, np.uint8)  # type: ignore[no-any-return]
        if pixels.may_stay(table, self.settings, self.levels):
            self.check(table, name)
            x: NDArray[np.uint8] = table.view(np.uint8).reshape(-1, *self.shape)
            return x
        rows = np.empty(table.shape, np.uint8)
        for lo, part in self._blocks(table, name):
            rows[lo : lo + len(part)] = self._drawn(part) if self.settings.draws else part
        return rows.reshape(-1, *self.shape)

    def greys(self, X: Any, name: str = "X") -> NDArray[Any]:
        """Return images as greys, (N, R, S, C), of which a training draws bits: 0 … top."""
        table, dtype = _table(self.read(X, name)), np.float32 if self.shares else np.uint8
        if isinstance(table, RowsOnDisk):
            self.check(table, name)
            return self._later(table, self.greys, dtype)  # type: ignore[no-any-return]
        rows = np.empty(table.shape, dtype)
        for lo, part in self._blocks(table, name):
            rows[lo : lo + len(part)] = part
        return rows.reshape(-1, *self.shape)

    def _later(self, table: RowsOnDisk, convert: Any, dtype: Any) -> Any:
        """Return rows in a file as images, each converted when it is asked for."""
        rows = table.made(lambda part: convert(part.reshape(-1, *self.shape)), dtype)
        return rows.reshape(-1, *self.shape)

    @property
    def top(self) -> float | None:
        """The grey that is 1 for sure; None where no bits are drawn."""
        return float(self.highest) if self.settings.draws else None

    def encode_given(self, given: Any, mask: NDArray[np.bool_], n: int) -> NDArray[np.uint8]:
        """Return images of which some pixels are observed as n rows of levels, (n, D).

        given: n images, or one for all, in any of the forms of X. mask: (D,), or (n, D).
        """
        given = partial.values(partial.spread(given, mask, self.names))
        if not hasattr(given, "toarray"):
            given = given if isinstance(given, np.ma.MaskedArray) else np.asarray(given)
            flat, *one = (self.dims,), self.shape, self.shape[: 2 + (self.shape[2] > 1)]
            several = given.shape[1:] in (flat, *one) and len(given) in (1, n)
            if given.shape not in (flat, *one) and not several:
                wanted = f"an image of shape {self.form}, or {n} of them"
                raise ValueError(f"given must be {wanted}; got shape {given.shape}")
            given = given.reshape(-1, self.dims)
        rows = self.encode(validation.known(given, mask, n), "given")
        return np.broadcast_to(rows.reshape(len(rows), -1) * mask, (n, self.dims)).copy()

    def arrange(self, x: Any) -> Any:
        """Return x, whose last axis are an image's variables, in the model's order: as it is."""
        return x

    def mask(self, observed: Any, n: int) -> Any:
        """Return `observed`, (R, S) or (R, S, C) or n of them, as rows, (D,) or (n, D).

        What has none of these shapes comes back as it is.
        """
        if isinstance(observed, str) or hasattr(observed, "columns"):
            return observed
        marks = validation.unmasked(observed, "observed")
        R, S, C = self.shape
        for lead in ((), (n,)):
            if marks.shape == (*lead, R, S):
                marks = np.repeat(marks[..., None], C, axis=-1)
            if marks.shape == (*lead, R, S, C):
                return marks.reshape(*lead, self.dims)
        return observed

    # Out

    def decode(self, x: Any) -> Any:
        """Return images that a model drew, (N, R, S, C), in the shape and dtype of those learnt."""
        if self.settings.binarize is not None:
            return self.undo(x)
        if not self.shares and self.of > self.levels:
            x = bins.representatives(self.levels, self.of)[x]
        return self.undo(x).astype(self.kind)

    def undo(self, x: Any, form: tuple[int, ...] | None = None) -> Any:
        """Return numbers a variable, (N, R, S, C, …), in the images' own shape, or in `form`."""
        form = self.form if form is None else form
        return x.reshape(len(x), *form, *x.shape[4:])

    def describe(self) -> str:
        """Return what the data are, in words."""
        R, S, C = self.shape
        colour = {1: "", 3: " in colour"}.get(C, f" of {C} channels")
        what = "bits" if self.levels == 2 else f"{self.levels} levels"
        return f"images of {R}×{S} pixels{colour}, {what}"

    # In files

    def as_json(self) -> dict[str, Any]:
        """Return what a file keeps of it; settings stand among the hyper-parameters."""
        names = None if self.names is None else [str(name) for name in self.names]
        images: dict[str, Any] = {
            "shape": list(self.shape),
            "form": list(self.form),
            "dtype": self.kind.name,
        }
        images |= {"levels": self.levels, "of": self.of, "shares": self.shares}
        return {"images": images, "feature_names": names}

    def of_json(self, values: dict[str, Any], event: Image) -> Self:
        """Take what `as_json` made, for a model's event; return itself.

        Raises:
            KeyError, TypeError, ValueError: values that it does not make.
        """
        images, names = values["images"], values.get("feature_names")
        self.shape, self.form = (tuple(images[key]) for key in ("shape", "form"))
        self.kind, self.of = np.dtype(images["dtype"]), validation.integer("of", images["of"], 2)
        self.levels, self.shares = images["levels"], images["shares"]
        known = {(self.dims,), self.shape, *([self.shape[:2]] if self.shape[2] == 1 else [])}
        whole = self.of == self.levels or 2 <= self.levels < self.of <= bins.MOST
        if self.event != event or self.form not in known or not whole:
            raise ValueError("its images are of other sizes or levels than its model's")
        if type(self.shares) is not bool or self.kind.kind not in "biuf":
            raise TypeError("its metadata are damaged")
        if names is not None and (not isinstance(names, list) or len(names) != self.dims):
            raise ValueError("it names other columns than it has")
        self.names = None if names is None else [str(name) for name in names]
        self.fitted = True
        return self

    def _blocks(self, table: Any, name: str) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield a block's first row, and its levels, or its greys where bits are drawn."""
        found = self.levels, self.of, self.shares
        return pixels.blocks(self.settings, found, table, name, self._place, self.fitted)

    def _place(self, column: int) -> Any:
        """Return what errors call a variable of an image: its indices, or its name."""
        if len(self.form) == 1:
            return None if self.names is None else self.names[column]
        return pixels.Indices(map(int, np.unravel_index(column, self.form)))

    def _drawn(self, part: NDArray[Any]) -> NDArray[np.uint8]:
        """Return rows of greys as bits; an image of 0 and 1 alone is one of bits already."""
        assert self.top is not None
        bits = greys.drawn(part.reshape(-1, *self.shape), self.top).reshape(part.shape)
        already = part.max(axis=1, keepdims=True) <= 1
        return bits if self.shares else np.where(already, part, bits).astype(np.uint8)


def as_images(X: Any, name: str = "X") -> Any:
    """Return X as an array of images, (N, D), (N, R, S) or (N, R, S, C), or a sparse matrix.

    Raises:
        ValueError: it has other axes, or no pixels. TypeError: it holds no numbers.
    """
    if hasattr(X, "tocsr") or hasattr(type(X), "numbers"):
        return validation.as_table(X, name)
    data = validation.as_array(X, name)
    if data.ndim not in (3, 4) or 0 in data.shape:
        if data.ndim < 3:
            return validation.as_table(X, name)
        raise ValueError(
            f"{name} has shape {data.shape}; images are (N, R, S), in colour (N, R, S, C), or rows "
            "(N, D), none of these 0"
        )
    if data.ndim == 4 and data.shape[3] > MOST_CHANNELS:
        first = data.shape[1] <= MOST_CHANNELS
        raise ValueError(
            f"{name} has shape {data.shape}, so that a pixel has {data.shape[3]} channels, more "
            f"than {MOST_CHANNELS}; "
            + (f"they come last: {name}.transpose(0, 2, 3, 1)" if first else "leave some out")
        )
    validation.as_table(data.reshape(len(data), -1), name)  # numbers
    return data


def like(X: Any, dims: int, shape: tuple[int, ...], name: str, names: Sequence[str] | None) -> Any:
    """Return X as `as_images` does, if its rows have so many numbers, or its images this shape."""
    data = as_images(X, name)
    size = prod(data.shape[1:])
    if data.ndim == 2:
        validation.check_width(data, dims, "this model", name, names)
    elif size != dims or data.shape[1:] not in (shape, shape[: data.ndim - 1]):
        raise sizes.unlike(data.shape, shape, name)
    return data


def _table(data: Any) -> Any:
    """Return images as rows, (N, D)."""
    return data if data.ndim == 2 else data.reshape(len(data), -1)
