"""Turn what users hand in into checked arrays and numbers, once; every error text is here.

Each error is one sentence: what is wrong, where, and what to do about it.
"""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.kernels.types import Bits


def as_table(X: Any, name: str = "X") -> NDArray[Any]:
    """Return X as an array of numbers or bools, shape (N, D), both at least 1.

    X: array-like: NumPy array, nested lists, pandas DataFrame, CPU tensor. A NumPy array comes
    back as it is, without a copy and with its dtype; objects become float64.

    Raises:
        TypeError: X is sparse, text, or holds objects that are no numbers.
        ValueError: X is ragged, complex, empty, or not two-dimensional.
    """
    if hasattr(X, "toarray"):
        raise TypeError(f"{name} is a sparse matrix; pass a dense array: {name}.toarray()")
    try:
        table = np.asarray(X)
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular table of numbers: {error}") from error
    if table.dtype.kind == "O":
        table = _numbers(table, name)
    if table.dtype.kind in "SUMmV":
        raise TypeError(f"{name} must hold numbers, got {table.dtype}; convert it first")
    if table.dtype.kind == "c":
        raise ValueError(f"{name} must hold real numbers. Complex data not supported")
    _check_two_dimensional(table, name)
    return table


def _numbers(table: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Return an array of objects as float64, unless some of them are no numbers."""
    if any(isinstance(value, str | bytes) for value in table.flat):
        raise TypeError(f"{name} must hold numbers, got text; convert it first")
    try:
        return table.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold numbers: {error}") from error


def _check_two_dimensional(table: NDArray[Any], name: str) -> None:
    if table.ndim < 2:
        raise ValueError(
            f"{name} must have two dimensions, got shape {table.shape}. Reshape your data: "
            f"{name}.reshape(1, -1) makes it one row, {name}.reshape(-1, 1) one column"
        )
    if table.ndim > 2:
        raise ValueError(
            f"{name} must have two dimensions, got shape {table.shape}; flatten each image or "
            f"array to a row: {name}.reshape(len({name}), -1)"
        )
    for count, what in zip(table.shape, ("sample", "feature"), strict=True):
        if count == 0:
            raise ValueError(
                f"{name} is empty: 0 {what}(s) (shape={table.shape}) while a minimum of 1 is "
                "required."
            )


def as_bits(X: Any, binarize: Any = None, name: str = "X") -> Bits:
    """Return X as rows of 0 and 1: uint8, shape (N, D), C-contiguous.

    X: see `as_table`. Bools come back as a view and C-contiguous uint8 as it is, without a copy.
    binarize: None if X must hold only 0 and 1 already, else a threshold: 1 where X > binarize.

    Raises:
        TypeError, ValueError: as `as_table`; NaN, infinity, or a value other than 0 and 1.
    """
    table = as_table(X, name)
    if binarize is not None:
        check_finite(table, name)
        ones = table > real("binarize", binarize)
    elif table.dtype == np.uint8:
        if table.max() > 1:
            raise _not_binary(table, name)
        return np.ascontiguousarray(table)
    elif table.dtype == np.bool_:
        ones = table
    else:
        ones = table == 1
        if not (ones | (table == 0)).all():
            check_finite(table, name)
            raise _not_binary(table, name)
    return np.ascontiguousarray(ones).view(np.uint8)


def check_finite(table: NDArray[Any], name: str = "X") -> None:
    """Raise a ValueError that names the first NaN or infinity, if there is one."""
    if table.dtype.kind != "f" or np.isfinite(table).all():
        return
    row, column = np.argwhere(~np.isfinite(table))[0]
    what = "NaN" if np.isnan(table[row, column]) else "inf"
    raise ValueError(
        f"{name} contains {what} (first at row {row}, column {column}); "
        "fill in or drop such rows first"
    )


def _not_binary(table: NDArray[Any], name: str) -> ValueError:
    row, column = np.argwhere((table != 0) & (table != 1))[0]
    value = table[row, column].item()
    return ValueError(
        f"{name} must hold only 0 and 1, got {value} at row {row}, column {column}; binarize it "
        f"first, for example {name} > 0.5, or set binarize to a threshold"
    )


def check_width(table: NDArray[Any], width: int, owner: str, name: str = "X") -> None:
    """Raise a ValueError unless the table has `width` columns, as `owner` expects."""
    if table.shape[1] != width:
        raise ValueError(
            f"{name} has {table.shape[1]} features, but {owner} is expecting {width} features "
            "as input; pass the columns it was fitted on"
        )


def as_mask(observed: Any, D: int) -> NDArray[np.bool_]:
    """Return `observed` as a bool mask of shape (D,)."""
    mask = np.asarray(observed)
    if mask.shape != (D,) or mask.dtype != np.bool_:
        raise ValueError(
            f"observed must be a bool array of shape ({D},), True where a variable is given; "
            f"got {mask.dtype} of shape {mask.shape}"
        )
    return mask


def as_given(given: Any, mask: NDArray[np.bool_], n: int, binarize: Any) -> Bits:
    """Return `given` as uint8 rows, shape (n, D), zero where not observed.

    given: (n, D), or one row, (D,) or (1, D), for all. Only its observed columns are looked at,
    so the others may hold anything, NaN too.
    """
    table = np.asarray(given)
    table = table[None] if table.ndim == 1 else table
    if table.ndim != 2 or table.shape[0] not in (1, n) or table.shape[1] != len(mask):
        raise ValueError(
            f"given must have shape ({n}, {len(mask)}), a row for each sample, or "
            f"({len(mask)},), one row for all; got {np.shape(given)}"
        )
    rows = np.zeros((n, len(mask)), np.uint8)
    if mask.any():
        rows[:, mask] = as_bits(table[:, mask], binarize, "given[:, observed]")
    return rows


def integer(name: str, value: Any, minimum: int) -> int:
    """Return a hyper-parameter that must be a whole number of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(f"{name} must be a whole number of at least {minimum}, got {value!r}")
    return int(value)


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
