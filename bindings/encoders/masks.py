"""Which columns are observed: a bool mask, or names in its place.

A name is what the data have: a word, or in a DataFrame a whole number, which is then a name as any
other is, and never a position. Positions are told by a mask alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders.validation import KNOWN, unmasked
from chainrule.suggestions import near


def as_mask(
    observed: Any, D: int, n: int | None = None, names: Sequence[Any] | None = None
) -> NDArray[np.bool_]:
    """Return `observed` as a bool mask of shape (D,), or if n is given (n, D) too.

    names: of the columns, one of which, or a list, may stand in place of a mask of shape (D,); an
    empty list is none of them.

    Raises:
        ValueError: it is neither, or whole numbers that may be meant as a mask.
    """
    one = isinstance(observed, str) or (type(observed) is int and _counted(names))
    mask = unmasked([observed] if one else observed, "observed")
    if mask.shape == (0,):
        return np.zeros(D, np.bool_)
    words = mask.dtype.kind in "UOT" and all(isinstance(v, str) for v in mask.flat)
    if mask.ndim == 1 and (words or (mask.dtype.kind in "iu" and _counted(names))):
        return _named(mask.tolist(), names or ())
    if mask.dtype != np.bool_ or mask.shape not in ((D,), (n, D)):
        each = "" if n is None else f", or ({n}, {D}), a row for each sample"
        raise ValueError(
            f"observed must be a bool array of shape ({D},){each}, True where a variable is given; "
            f"got {mask.dtype} of shape {mask.shape}"
        )
    return mask


def _counted(names: Sequence[Any] | None) -> bool:
    """Return whether columns have whole numbers for names."""
    return any(isinstance(name, int) for name in names or ())


def _named(chosen: list[Any], names: Sequence[Any]) -> NDArray[np.bool_]:
    """Return the mask of columns by their names; a word may spell a number."""
    known = [str(name) for name in names]
    for one in chosen:
        if str(one) not in known:
            there = f"; there are {', '.join(known[:KNOWN])}" if known else ", as none has a name"
            hint = near(one, known) if isinstance(one, str) else ""
            raise ValueError(f"observed names {one!r}, no column of the fit{hint}{there}")
    numbers = not isinstance(chosen[0], str)
    if numbers and len(chosen) == len(known) and set(chosen) <= {0, 1}:
        raise ValueError(
            f"observed holds {len(chosen)} numbers 0 and 1, a mask or names of columns; give a "
            "bool array, True where a variable is given"
        )
    return np.isin(known, [str(one) for one in chosen])
