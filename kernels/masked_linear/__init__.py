"""A linear map under a staircase: output j sees the first so many inputs, and no mask is stored.

Shapes      x: (N, D)    W: (R, O)    b: (O,)    y, dy: (N, O)    dx: (N, D)
            first: (D,)    reach: (O,)    rows: (D + 1,)

            Inputs and outputs carry numbers, m_i and m_j, and both are sorted by them. Output j
            sees input i if m_i ≤ m_j (hidden units), or if m_i < m_j (a model's outputs). So it
            sees a leading range of the inputs, and with j that range only grows: a staircase.

                reach_j = how many inputs output j sees: i < reach_j       never falls with j
                first_i = how many outputs do not see input i: j ≥ first_i see it

            Input i owns the rows rows_i … rows_{i+1} - 1 of W. One row: it enters as a number, a
            bit, a real variable or a hidden unit. Several: x_i is a code, 0 … K_i - 1, and chooses
            one of them, as a one-hot vector would, of which nobody makes a copy. With

                φ_i(x) W = x W[rows_i]          where i owns one row
                         = W[rows_i + x]        where it owns several

Forward     (F1)  y_nj = b_j + Σ_{i < reach_j} φ_i(x_ni) W_j

            W's entries under the mask are not read, whatever they are.

Backward    Let G = dL/dy. An entry of row r of W, of input i, enters y_nj where r is i's row in
            sample n, and if j ≥ first_i, so
            (B1)  dW_rj = Σ_n G_nj x_ni                  one row            undoes F1
                        = Σ_{n: rows_i + x_ni = r} G_nj  several
                  for j ≥ first_i, and exactly 0 for j < first_i: nothing an optimiser adds up
                  from such a gradient ever leaves 0
            (B2)  db_j  = Σ_n G_nj                                          undoes F1
            (B3)  dx_ni = Σ_{j ≥ first_i} G_nj W[rows_i]_j, and 0 for a code, undoes F1
                  which is no number

Cost        With all numbers in use, half of a matrix: N·D·O FLOPs for each of F1, B1 and B3, where
            a dense layer with a mask takes 2 N·D·O and the product of mask and weights besides.
            Of bits only the ones cost anything, as sums of rows of W and of G, where few are.

Source      Germain, Gregor, Murray and Larochelle 2015, "MADE: Masked Autoencoder for Distribution
            Estimation", section 4 (arXiv:1502.03509), for the masks; that sorting the units makes
            each a staircase, whose blocks of zeros need not be multiplied, is ours.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Ids


class Staircase(NamedTuple):
    """Who sees whom, by `staircase`: int32 arrays, on the side of the weights.

    rows: (D + 1,), where each input's rows of W begin. first: (D,). reach: (O,).
    numbers: the inputs that own one row. seen: (O,), how many of these output j sees.
    """

    rows: Ids
    first: Ids
    reach: Ids
    numbers: Ids
    seen: Ids


def staircase(m_in: Any, m_out: Any, strict: bool, n_rows: Any = None, xp: Any = np) -> Staircase:
    """Return the staircase of inputs numbered m_in, (D,), and outputs numbered m_out, (O,).

    Both sorted. strict: an output sees smaller numbers only, not its own. n_rows: (D,), how many
    rows of W each input owns; None: one. xp: numpy or cupy, where the arrays shall be.

    Raises:
        ValueError: numbers that are not sorted.
    """
    m_in, m_out = np.asarray(m_in), np.asarray(m_out)
    if (np.diff(m_in) < 0).any() or (np.diff(m_out) < 0).any():
        raise ValueError("inputs and outputs must be sorted by their numbers")
    owned = np.ones(len(m_in), int) if n_rows is None else np.asarray(n_rows)
    numbers = np.flatnonzero(owned == 1)
    reach = np.searchsorted(m_in, m_out, "left" if strict else "right")
    parts = (
        np.concatenate([[0], np.cumsum(owned)]),
        np.searchsorted(reach, np.arange(len(m_in)), "right"),
        reach,
        numbers,
        np.searchsorted(numbers, reach, "left"),
    )
    return Staircase(*(xp.asarray(part.astype(np.int32)) for part in parts))


def forward(x: Array, W: Array, b: Array, stairs: Staircase, y: Array) -> None:
    """Overwrite y by F1. x: of W's dtype, or uint8 or int32 where no input is real."""
    select(__name__, x, W, b, *stairs, y).forward(x, W, b, stairs, y)


def add(x: Array, W: Array, stairs: Staircase, y: Array) -> None:
    """Update y: add F1 without b. x: as of `forward`."""
    select(__name__, x, W, *stairs, y).add(x, W, stairs, y)


def backward(dy: Array, x: Array, stairs: Staircase, dW: Array, db: Array) -> None:
    """Overwrite dW and db by B1 and B2, given dy = dL/dy."""
    select(__name__, dy, x, *stairs, dW, db).backward(dy, x, stairs, dW, db)


def add_backward(dy: Array, x: Array, stairs: Staircase, dW: Array) -> None:
    """Overwrite dW by B1: what undoes `add`."""
    select(__name__, dy, x, *stairs, dW).add_backward(dy, x, stairs, dW)


def backward_through(
    dy: Array, x: Array, W: Array, stairs: Staircase, dW: Array, db: Array, dx: Array
) -> None:
    """Overwrite dW, db and dx, of W's dtype, by B1, B2 and B3."""
    chosen = select(__name__, dy, x, W, *stairs, dW, db, dx)
    chosen.backward_through(dy, x, W, stairs, dW, db, dx)


def input_gradient(dy: Array, W: Array, stairs: Staircase, dx: Array) -> None:
    """Overwrite dx, of W's dtype, by B3."""
    select(__name__, dy, W, *stairs, dx).input_gradient(dy, W, stairs, dx)


def add_inputs(x: Array, lo: int, W: Array, stairs: Staircase, y: Array) -> None:
    """Update y: add the terms of F1 of inputs lo … lo + m - 1 alone, whose values x, (N, m), holds.

    What a sampler does with what it has just drawn; input by input these add up to `add`.
    """
    select(__name__, x, W, *stairs, y).add_inputs(x, lo, W, stairs, y)


def arrange(W: Array, rows: Ids, columns: Ids, out: Array) -> None:
    """Overwrite out[i, j] with W[rows[i], columns[j]]: units in the order of another mask.

    rows, columns: permutations, int32; with their inverses, the way back.
    """
    select(__name__, W, rows, columns, out).arrange(W, rows, columns, out)
