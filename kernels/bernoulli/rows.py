"""The loss of one bit and its slope, for compiled callers; both vectorise when inlined."""

from typing import Any

from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import BORROWS, INLINE, exp, log1p_of_share, sigmoid


@njit(**INLINE, **BORROWS)
def loss(logit: Any, one: bool) -> Any:
    """Return -log p of a bit, in nats."""
    wrong = -logit if one else logit  # the logit of the value that it does not have
    return max(wrong, wrong * 0) + log1p_of_share(exp(-abs(wrong)))  # F2, F3


@njit(**INLINE, **BORROWS)
def slope(logit: Any, one: bool) -> Any:
    """Return d(-log p)/ds = σ(s) - x, written so that neither value of x loses digits."""
    error = sigmoid(-logit if one else logit)  # B1, B2
    return -error if one else error  # B2
