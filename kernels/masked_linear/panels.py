"""The cores of the masked linear map that multiply, on register tiles: blocks of zeros are skipped.

x here is the matrix of those inputs that enter as numbers, (N, K), of W's dtype, K = len(numbers).

F1      A panel of outputs sees the first `seen` numbers of its last output, and needs no more of
        them: a product of that depth. The panel is laid out with zeros below the stairs.
B1      A panel of dy meets the numbers that it sees, a block of HEIGHT at a time. Products are
        written where they belong, but for tiles across the stairs, of which a part is zero.
B3      A panel of inputs is seen by the outputs from its first input's `first` on: a product of
        that depth, with W's rows laid out as columns, zeros below the stairs again.

Threads share F1's and B3's tiles, B1's inputs. Each lays out for itself what it multiplies, DEPTH
rows of a panel at a time, which its own first cache then holds: memory of a core's own, a panel
laid out by another core would first have to come from there.
"""

from chainrule.kernels import memory
from chainrule.kernels.compiled import njit
from chainrule.kernels.inline import INLINE, JIT
from chainrule.kernels.masked_linear import Staircase
from chainrule.kernels.tiles import HEIGHT, WIDTH, multiply_rows, panel_width, row, row_distance
from chainrule.kernels.transposed import block_width, turn
from chainrule.kernels.types import Array

DEPTH = 256  # rows of a panel laid out at a time: 32 KiB at most
EDGE = 16  # what a tile costs beside its depth


@njit(**INLINE)
def lines(rows: int, width: int, like: Array) -> Array:
    """Return memory for so many rows, contiguous, of like's dtype, which begins on a whole line."""
    whole: Array = memory.lines(rows * width, like)
    return whole.reshape((rows, width))


@njit(**JIT)
def pack(W: Array, stairs: Staircase, k: int, depth: int, at: int, out: Array) -> None:
    """Lay out what outputs at, at + 1, … see of numbers k … k + depth - 1, a row a number.

    out: its columns are the outputs'; 0 below the stairs, and beyond the last output.
    """
    width = out.shape[1]
    m = min(width, W.shape[1] - at)
    for r in range(depth):
        i, to = stairs.numbers[k + r], row(out, r)
        weights, first = row(W, stairs.rows[i])[at : at + m], stairs.first[i] - at
        if first <= 0 and m == width:
            for j in range(width):
                to[j] = weights[j]
        else:
            copy_part(weights, first, to)


@njit(**JIT)
def pack_rows(x: Array, n: int, depth: int, at: int, out: Array) -> None:
    """Lay out columns at, at + 1, … of rows n … n + depth - 1 of x, 0 beyond the last column."""
    width = out.shape[1]
    m = min(width, x.shape[1] - at)
    for r in range(depth):
        numbers, to = row(x, n + r)[at : at + m], row(out, r)
        if m == width:
            for j in range(width):
                to[j] = numbers[j]
        else:
            copy_part(numbers, 0, to)


@njit(**JIT)
def copy_part(weights: Array, first: int, out: Array) -> None:
    """Copy weights to out, zeros before `first` and after their end."""
    for j in range(out.size):
        out[j] = weights[j] if first <= j < weights.size else out.dtype.type(0)


@njit(**INLINE)
def _share(
    done: int, each: int, tiles: int, work: int, lo: int, hi: int, parts: int
) -> tuple[int, int]:
    """Return which of a panel's tiles begin in part lo … hi of all the work, cut into `parts`.

    done: the work before the panel; each: that of one of its tiles.
    """
    first = -((done * parts - lo * work) // (each * parts))
    last = -((done * parts - hi * work) // (each * parts))
    return min(tiles, max(0, first)), min(tiles, max(0, last))


@njit(**JIT)
def multiply(x: Array, W: Array, stairs: Staircase, y: Array, lo: int, hi: int, parts: int) -> None:
    """Add F1's sum over numbers to part lo … hi of y's tiles, cut into `parts` of equal work."""
    (N, O), width = y.shape, panel_width(y)
    x_row, y_row, n_tiles = row_distance(x), row_distance(y), -(-N // HEIGHT)
    panel, edge = lines(DEPTH, width, W), lines(HEIGHT, width, W)
    work = done = 0
    for at in range(0, O, width):
        work += n_tiles * (stairs.seen[min(O, at + width) - 1] + EDGE)
    for at in range(0, O, width):
        m = min(width, O - at)
        seen = stairs.seen[at + m - 1]
        first, last = _share(done, seen + EDGE, n_tiles, work, lo, hi, parts)
        done += n_tiles * (seen + EDGE)
        for k in range(0, seen if first < last else 0, DEPTH):
            depth = min(DEPTH, seen - k)
            pack(W, stairs, k, depth, at, panel)
            for n in range(first * HEIGHT, min(N, last * HEIGHT), HEIGHT):
                rows, whole = min(HEIGHT, N - n), m == width
                place = (y, n * y_row + at, y_row) if whole else (edge, 0, width)
                product = (rows, WIDTH, depth, x, n * x_row + k, x_row, 1, panel, 0, width)
                multiply_rows(*product, *place, not whole)  # F1
                left = 0 if whole else rows
                for r in range(left):
                    for j in range(m):
                        y[n + r, at + j] += edge[r, j]


@njit(**JIT)
def weight_gradient(dy: Array, x: Array, stairs: Staircase, dW: Array, lo: int, hi: int) -> None:
    """Overwrite the rows of dW of the numbers lo … hi - 1 by B1; lo a multiple of HEIGHT."""
    (N, O), width = dy.shape, panel_width(dW)
    x_row, dW_row = row_distance(x), row_distance(dW)
    panel, tile = lines(N, width, dW), lines(HEIGHT, width, dW)
    for k in range(lo, hi):
        i = stairs.numbers[k]
        first = stairs.first[i]
        to = row(dW, stairs.rows[i])[: first // width * width if first < O else O]
        for j in range(to.size):
            to[j] = 0
    for at in range(0, O, width):
        m = min(width, O - at)
        seen = min(hi, stairs.seen[at + m - 1])
        if lo < seen:
            pack_rows(dy, 0, N, at, panel)
        for k in range(lo, seen, HEIGHT):
            rows = min(HEIGHT, hi - k)
            begin, last = stairs.numbers[k], stairs.numbers[k + rows - 1]
            together = stairs.rows[last] - stairs.rows[begin] == rows - 1
            whole = together and m == width and stairs.first[last] <= at
            place = (dW, stairs.rows[begin] * dW_row + at, dW_row) if whole else (tile, 0, width)
            product = (rows, WIDTH, N, x, k, 1, x_row, panel, 0, width)
            multiply_rows(*product, *place, True)  # B1
            left = 0 if whole else rows
            for r in range(left):
                i = stairs.numbers[k + r]
                if stairs.first[i] < at + m:
                    to = row(dW, stairs.rows[i])[at : at + m]
                    copy_part(row(tile, r), stairs.first[i] - at, to)


@njit(**JIT)
def input_gradient(
    dy: Array, W: Array, stairs: Staircase, dx: Array, lo: int, hi: int, parts: int
) -> None:
    """Overwrite part lo … hi of the numbers' tiles of dx by B3, cut into `parts` of equal work."""
    (N, O), K, width = dy.shape, stairs.numbers.size, panel_width(W)
    dy_row, dx_row, n_tiles = row_distance(dy), row_distance(dx), -(-N // HEIGHT)
    panel, tile = lines(DEPTH, width, W), lines(HEIGHT, width, W)
    work = done = 0
    for at in range(0, K, width):
        work += n_tiles * (O - stairs.first[stairs.numbers[at]] + EDGE)
    for at in range(0, K, width):
        m, own = min(width, K - at), stairs.numbers[at:]
        begin = stairs.first[own[0]]
        first, last = _share(done, O - begin + EDGE, n_tiles, work, lo, hi, parts)
        done += n_tiles * (O - begin + EDGE)
        together = m == width and own[m - 1] - own[0] == width - 1
        for o in range(begin, max(O, begin + 1) if first < last else 0, DEPTH):
            depth = min(DEPTH, O - o)
            _pack_columns(W, stairs, at, o, depth, panel)
            for n in range(first * HEIGHT, min(N, last * HEIGHT), HEIGHT):
                rows = min(HEIGHT, N - n)
                place = (dx, n * dx_row + own[0], dx_row) if together else (tile, 0, width)
                product = (rows, WIDTH, depth, dy, n * dy_row + o, dy_row, 1, panel, 0, width)
                anew = o == begin or not together
                multiply_rows(*product, *place, anew)  # B3
                left = 0 if together else rows
                for r in range(left):
                    for j in range(m):
                        before = dx.dtype.type(0) if o == begin else dx[n + r, own[j]]
                        dx[n + r, own[j]] = before + tile[r, j]


@njit(**JIT)
def _pack_columns(W: Array, stairs: Staircase, at: int, o: int, depth: int, out: Array) -> None:
    """Lay out numbers at … as columns: out[q, j] is number at + j's weight to output o + q.

    0 below the stairs, and beyond the last number. Blocks that every number's outputs reach into,
    of numbers whose rows follow each other, are turned over in the registers.
    """
    width, side = out.shape[1], block_width(W)
    own = stairs.numbers[at:]
    for j in range(0, width, side):
        whole, W_row = depth, row_distance(W)
        if (
            j + side <= own.size
            and stairs.rows[own[j + side - 1]] - stairs.rows[own[j]] == side - 1
        ):
            whole = min(depth, max(0, stairs.first[own[j + side - 1]] - o))
            begin = stairs.rows[own[j]] * W_row + o
            while whole + side <= depth:
                turn(W, begin + whole, W_row, out, whole * width + j, width)
                whole += side
            if whole < depth:
                _pack_some(W, stairs, at, o, j, side, whole, depth, out)
            whole = min(depth, max(0, stairs.first[own[j + side - 1]] - o))
        _pack_some(W, stairs, at, o, j, side, 0, whole, out)


@njit(**JIT)
def _pack_some(
    W: Array, stairs: Staircase, at: int, o: int, j: int, count: int, lo: int, hi: int, out: Array
) -> None:
    """Lay out rows lo … hi - 1 of columns j … j + count - 1, number by number."""
    for c in range(j, j + count):
        inside = at + c < stairs.numbers.size
        i = stairs.numbers[at + c] if inside else 0
        first = min(hi, max(lo, stairs.first[i] - o)) if inside else hi
        for q in range(lo, first):
            out[q, c] = 0
        weights, to = row(W, stairs.rows[i])[o + first : o + hi], out[first:hi]
        for q in range(weights.size):
            to[q, c] = weights[q]


@njit(**JIT)
def cut(stairs: Staircase, lo: int, hi: int, total: int) -> tuple[int, int]:
    """Return which numbers, in whole blocks, are the part lo … hi of `total`, of equal work."""
    O, K = stairs.seen.size, stairs.numbers.size
    work = 0
    for k in range(0, K, HEIGHT):
        work += O - stairs.first[stairs.numbers[k]] + O // 4 + 1  # zeros are written too
    first = last = done = 0
    for k in range(0, K, HEIGHT):
        if done * total < lo * work:
            first = min(K, k + HEIGHT)
        if done * total < hi * work:
            last = min(K, k + HEIGHT)
        done += O - stairs.first[stairs.numbers[k]] + O // 4 + 1
    return first, last
