"""Turn what users hand in into checked arrays and numbers, once.

The texts of errors are here, those about a single cell in `cells`. Each is one sentence: what is
wrong, where, and what to do about it.
"""

from collections.abc import Iterator, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders.cells import CellError, missing, not_binary, not_finite
from chainrule.encoders.on_disk import RowsOnDisk
from chainrule.kernels.types import Bits

KNOWN = 20  # names of columns that an error lists
CELLS = 1 << 20  # of a table that are looked at or converted at once: bounds the memory beside it


def as_table(X: Any, name: str = "X") -> Any:
    """Return X as a table of numbers or bools, shape (N, D), both at least 1.

    X: array-like: NumPy array, nested lists, pandas DataFrame, CPU tensor, SciPy sparse matrix. A
    NumPy array comes back as it is, without a copy and with its dtype, and so do rows in a file,
    `RowsOnDisk`; a sparse one by rows (CSR).

    Raises:
        TypeError: X is text or dates.
        ValueError: X is ragged, complex, empty, or not two-dimensional, or has masked values.
    """
    if hasattr(X, "tocsr") and len(X.shape) == 2:
        table = X.tocsr()
    elif hasattr(type(X), "numbers"):  # a Frame
        table = X.numbers(name)
    else:
        table = as_array(X, name)
    if table.dtype.kind in "SUTMmV":
        raise TypeError(f"{name} must hold numbers, got {table.dtype}; convert it first")
    if table.dtype.kind == "c":
        raise ValueError(f"{name} must hold real numbers. Complex data not supported")
    check_two_dimensional(table.shape, name)
    return table


def as_array(X: Any, name: str) -> NDArray[Any]:
    """Return X as a NumPy array, of objects where it has any, if no value is masked."""
    if hasattr(X, "toarray"):  # sparse, of another number of dimensions
        X = X.toarray()
    try:
        return unmasked(X, name)
    except CellError:
        raise
    except ValueError as error:
        what = f"{name} must be a rectangular table of numbers; its parts differ in length"
        raise ValueError(what) from error


def unmasked(X: Any, name: str) -> NDArray[Any]:
    """Return X as an array; a masked array, or a list of such, only if nothing is masked.

    Raises:
        ValueError: a masked value, which the error names; X is ragged.
    """
    if isinstance(X, list | tuple) and any(isinstance(row, np.ma.MaskedArray) for row in X):
        X = np.ma.array(X)
    if isinstance(X, np.ma.MaskedArray):
        if np.ma.is_masked(X):
            where = np.argwhere(np.ma.getmaskarray(X))[0]
            if X.ndim == 2:
                raise missing("a masked value", name, *where)
            raise ValueError(
                f"{name} contains a masked value (first at {', '.join(map(str, where))}); fill it "
                "in or leave it out first"
            )
        X = X.data
    return X if isinstance(X, RowsOnDisk) else np.asarray(X)  # type: ignore[return-value]


def _numbers(part: NDArray[Any], name: str, first: int) -> NDArray[np.float64]:
    """Return objects, rows `first` … of a table, as float64, unless some are no numbers."""
    for k, value in enumerate(part.flat):
        if isinstance(value, str | bytes):
            raise TypeError(f"{name} must hold numbers, got text; convert it first")
        if value is None or value is np.ma.masked or type(value).__name__ == "NAType":
            row, column = divmod(k, part.shape[1])
            raise missing("NaN", name, first + row, column)
    try:
        return part.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold numbers: {error}") from error


def check_two_dimensional(shape: tuple[int, ...], name: str) -> None:
    """Raise ValueError unless a table has two dimensions, both at least 1."""
    if len(shape) < 2:
        raise ValueError(
            f"{name} must have two dimensions, got shape {shape}. Reshape your data: "
            f"{name}.reshape(1, -1) makes it one row, {name}.reshape(-1, 1) one column"
        )
    if len(shape) > 2:
        raise ValueError(
            f"{name} must have two dimensions, got shape {shape}; flatten each image or "
            f"array to a row: {name}.reshape(len({name}), -1)"
        )
    for count, what in zip(shape, ("sample", "feature"), strict=True):
        if count == 0:
            raise ValueError(
                f"{name} is empty: 0 {what}(s) (shape={shape}) while a minimum of 1 is required."
            )


def as_bits(X: Any, binarize: Any = None, name: str = "X", order: Any = None) -> Bits:
    """Return X as rows of 0 and 1: uint8, shape (N, D), C-contiguous.

    X: see `as_table`. C-contiguous bools and uint8 come back as they are, without a copy; of
        anything else the result is the only copy, made block by block. Of `RowsOnDisk` nothing is
        made, but they are checked: the result is such, too.
    binarize: None if X must hold only 0 and 1 already, else a threshold: 1 where X > binarize.
    order: (D,), column k of the result is column order[k] of X; None leaves them.

    Raises:
        TypeError, ValueError: as `as_table`; NaN, infinity, or a value other than 0 and 1; what
            is no number.
    """
    table = as_table(X, name)
    if isinstance(table, RowsOnDisk):
        check_bits(table, binarize, name)
        made: Any = table.made(lambda part: as_bits(part, binarize, name, order), np.uint8)
        return made  # type: ignore[no-any-return]
    if order is None and binarize is None and _holds_bytes(table) and table.flags.c_contiguous:
        check_bits(table, None, name)
        rows: Bits = table.view(np.uint8)
        return rows
    rows = np.empty(table.shape, np.uint8)
    for lo, bits in _blocks(table, binarize, name):
        rows[lo : lo + len(bits)] = bits if order is None else bits[:, order]
    return rows


def check_bits(table: Any, binarize: Any, name: str = "X") -> None:
    """Raise what `as_bits` raises of a table, without the memory that its result takes."""
    if table.dtype == np.bool_ or (table.dtype == np.uint8 and binarize is not None):
        return
    if _holds_bytes(table) and table.max() <= 1:
        return
    for _ in _blocks(table, binarize, name):
        pass


def _holds_bytes(table: Any) -> bool:
    """Return whether a table is a dense one of bools or bytes."""
    return isinstance(table, np.ndarray) and table.dtype in (np.uint8, np.bool_)


def _blocks(table: Any, binarize: Any, name: str) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Yield the number of a block's first row, and where its values are ones."""
    half = None if binarize is None else real("binarize", binarize)
    for lo, part in dense(table, name):
        error = not_finite(part, name, lo)
        if error is not None:
            raise error
        ones = part == 1 if half is None else part > half
        if half is None and not (ones | (part == 0)).all():
            raise not_binary(part, name, lo, *_range(table, name))
        yield lo, ones


def dense(table: Any, name: str) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield a table block by block, as dense numbers, each with the number of its first row."""
    step = max(1, CELLS // table.shape[1])
    for lo in range(0, table.shape[0], step):
        part = table[lo : lo + step]
        part = part.toarray() if hasattr(part, "toarray") else part
        yield lo, _numbers(part, name, lo) if part.dtype.kind == "O" else part


def _range(table: Any, name: str) -> tuple[float, float]:
    """Return the least and the largest finite value of a table."""
    low, high = np.inf, -np.inf
    for _, part in dense(table, name):
        finite = part[np.isfinite(part)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return low, high


def check_width(
    table: Any, width: int, owner: str, name: str = "X", known: Sequence[Any] | None = None
) -> None:
    """Raise a ValueError unless the table has `width` columns, as `owner` expects.

    known: what they are called; those that a table with names lacks are named.
    """
    if table.shape[1] != width:
        names = getattr(table, "names", getattr(table, "columns", None))
        there = [] if names is None else [str(one) for one in names]
        lacking = [str(one) for one in known or () if str(one) not in there] if there else []
        listed = ", ".join(map(repr, lacking[:KNOWN])) + (", …" if len(lacking) > KNOWN else "")
        raise ValueError(
            f"{name} has {table.shape[1]} features, but {owner} is expecting {width} features "
            f"as input; {f'it lacks {listed}' if lacking else 'pass the columns it was fitted on'}"
        )


def as_given(given: Any, mask: NDArray[np.bool_], n: int, binarize: Any) -> Bits:
    """Return `given` as uint8 rows, shape (n, D), zero where not observed; see `known`."""
    bits = as_bits(known(given, mask, n), binarize, "given")
    return np.broadcast_to(bits * mask, (n, mask.shape[-1])).copy()


def known(given: Any, mask: NDArray[np.bool_], n: int) -> Any:
    """Return the table `given`, of n rows or of one for all, with 0 where nothing is observed.

    given: (n, D), or one row, (D,) or (1, D), for all. Only what is observed is looked at, so the
    rest may hold anything, NaN too, or be masked. mask: (D,), or (n, D).
    """
    given = given.toarray() if hasattr(given, "toarray") else given
    table = given if isinstance(given, np.ma.MaskedArray) else np.asarray(given)
    table, D = table[None] if table.ndim == 1 else table, mask.shape[-1]
    if table.ndim != 2 or table.shape[0] not in (1, n) or table.shape[1] != D:
        raise ValueError(
            f"given must have shape ({n}, {D}), a row for each sample, or "
            f"({D},), one row for all; got {np.shape(given)}"
        )
    where = np.ma.where if isinstance(table, np.ma.MaskedArray) else np.where
    return where(mask, table, np.zeros((), table.dtype))


def integer(name: str, value: Any, minimum: int) -> int:
    """Return a hyper-parameter that must be a whole number of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(f"{name} must be a whole number of at least {minimum}, got {value!r}")
    return int(value)


def integers(name: str, value: Any, minimum: int) -> tuple[int, ...]:
    """Return a hyper-parameter that must be whole numbers, one or several, as a tuple."""
    several = value if isinstance(value, tuple | list | np.ndarray) else (value,)
    if len(several) == 0:
        raise ValueError(f"{name} must hold a whole number at least, got {value!r}")
    return tuple(integer(name, one, minimum) for one in several)


def real(name: str, value: Any, low: float = -np.inf, high: float = np.inf) -> float:
    """Return a hyper-parameter that must be a finite number in [low, high]."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not np.isfinite(float(value)) or not low <= value <= high:
        bounds = {
            (True, True): "a finite number",
            (False, True): f"a finite number of at least {low:g}",
            (False, False): f"a number from {low:g} to {high:g}",
        }[low == -np.inf, high == np.inf]
        raise ValueError(f"{name} must be {bounds}, got {value!r}")
    return float(value)


def share(name: str, value: Any) -> float:
    """Return a hyper-parameter in [0, 1)."""
    part = real(name, value, 0, 1)
    if part == 1:
        raise ValueError(f"{name} must be below 1, got 1: nothing would be left")
    return part


def same_names(name: str, its: Sequence[Any], known: Sequence[Any]) -> None:
    """Raise ValueError if a table's columns are not called as those of the fit, one by one."""
    if list(its) != list(known):
        first = f"{', '.join(map(str, known[:20]))}{', …' if len(known) > 20 else ''}"
        raise ValueError(
            f"{name} has columns of other names than those of the fit, or in another order; "
            f"give it {first}"
        )


def flag(name: str, value: Any) -> bool:
    """Return a hyper-parameter that must be True or False."""
    if not isinstance(value, bool | np.bool_ | Integral) or value not in (0, 1):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return a hyper-parameter that must be one of some words."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")
    return value


def float_dtype(value: Any) -> np.dtype[Any]:
    """Return the parameters' dtype from "float32", "float64", or either NumPy type."""
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        if value in (dtype.name, dtype.type) or (isinstance(value, np.dtype) and value == dtype):
            return dtype
    raise ValueError(f"dtype must be 'float32' or 'float64', got {value!r}")
