"""Where a density is asked for: a grid around data, as fine as the density needs.

A variable is counted if its values in the data are whole numbers and the density refuses one half
beyond: its points are whole numbers, each with a probability, and those that are refused have none.
Of any other a real axis is cut ever finer, until every second point says the same of the share that
lies in the picture, and no row stands on a peak between two points.

A real variable may have an atom, a value with a probability of its own, such as the 0 of a gain
that most people lack: there alone the density jumps, and what it jumps to is that probability.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
LogProb = Callable[[Numbers], Any]

STEPS = 201  # along an axis, where that will do; odd, so that every second point is a grid too
FINEST = {1: 130_000, 2: 900}  # along an axis, at most
CONVERGED = 0.005  # of all: what the grid and every second of its points may differ by
ABOVE = 4.0  # times the points around it: a row that stands on a peak that they do not see
MARGIN = 0.12  # of the range of the data, left around it
COMMON = 0.05  # of the rows: what a value has that may be an atom
BESIDE = 1e-6  # of the range of the data: so far beside an atom is none of it
JUMP = 0.05  # nats: no density goes up or down so much in so short a way
ASKED = 3000  # rows that are asked whether they stand on a peak, at most


class Axis(NamedTuple):
    """Points along a variable, evenly set; counted: whole numbers, each with a probability.

    atoms: values besides, with a probability each. Along a density they stand behind the points.
    """

    points: Numbers
    counted: bool = False
    atoms: tuple[float, ...] = ()

    @property
    def ends(self) -> tuple[float, float]:
        """Where the picture begins and ends: of whole numbers half a step beyond them."""
        half = self.step / 2 if self.counted else 0.0
        return float(self.points[0] - half), float(self.points[-1] + half)

    @property
    def step(self) -> float:
        """How far two points are from each other; 1 of a single one."""
        return float(self.points[1] - self.points[0]) if len(self.points) > 1 else 1.0

    @property
    def asked(self) -> Numbers:
        """All values at which the density is asked for: the points, then the atoms."""
        values: Numbers = np.append(self.points, self.atoms)
        return values

    def sum(self, p: Any, i: int) -> Any:
        """Return p with its i-th axis, this one, summed or integrated."""
        if self.counted:
            return p.sum(axis=i) * self.step
        smooth, atoms = np.split(p, [len(self.points)], axis=i)
        return np.trapezoid(smooth, self.points, axis=i) + atoms.sum(axis=i)

    def coarse(self) -> tuple["Axis", NDArray[np.intp]]:
        """Return an axis of every second real number, and which of `asked` it has."""
        n, every = len(self.points), 1 if self.counted else 2
        kept = np.append(np.arange(0, n, every), np.arange(n, len(self.asked)))
        return self._replace(points=self.points[::every]), kept


class Grid(NamedTuple):
    """A density on a grid. seen: whether it saw all peaks, as far as it can be told."""

    axes: list[Axis]
    p: Numbers
    seen: bool

    @property
    def counted(self) -> bool:
        """Whether all is whole numbers: p are probabilities, not a density."""
        return all(axis.counted for axis in self.axes)

    @property
    def share(self) -> float:
        """How much of the density lies in the picture."""
        return _share(self.p, self.axes)

    @property
    def smooth(self) -> Numbers:
        """The density at the points alone, without atoms."""
        return self.p[tuple(slice(len(axis.points)) for axis in self.axes)]

    def marginal(self, i: int) -> Numbers:
        """Return the density along axis i: at its points, then the probabilities of its atoms."""
        line: Numbers = self.axes[1 - i].sum(self.p, 1 - i) if len(self.axes) > 1 else self.p
        return line


def around(log_prob: LogProb, rows: Numbers) -> Grid:
    """Return a density on a grid around the rows, (N, 1) or (N, 2), as fine as it has to be.

    Raises:
        ValueError: a density that is no number.
    """
    D, steps = rows.shape[1], STEPS
    counted = [_is_counted(log_prob, rows, i) for i in range(D)]
    atoms = [() if counted[i] else _atoms(log_prob, rows, i) for i in range(D)]
    some = rows[:: -(-len(rows) // ASKED)]
    there = _asked(log_prob, some)
    while True:
        made = (_axis(rows[:, i], steps, counted[i], FINEST[D]) for i in range(D))
        axes = [_beside(one, *some) for one, some in zip(made, atoms, strict=True)]
        p = _on(log_prob, axes, rows)
        seen = not (_off(p, axes) or _between(p, axes, some, there) > CONVERGED)
        finer = (6 // D - 1) * (steps - 1) + 1
        if seen or finer > FINEST[D] or all(counted):
            return Grid(axes, p, seen)
        steps = finer


def _is_counted(log_prob: LogProb, rows: Numbers, i: int) -> bool:
    """Return whether variable i has whole numbers in all rows, and can have no others."""
    if (rows[:, i] != np.rint(rows[:, i])).any():
        return False
    between = rows[:1].copy()
    between[0, i] += 0.5
    return _refused(log_prob, between)


def _atoms(log_prob: LogProb, rows: Numbers, i: int) -> tuple[float, ...]:
    """Return the commonest value of variable i if it has a probability of its own."""
    values, counts = np.unique(rows[:, i], return_counts=True)
    value = float(values[counts.argmax()])
    if counts.max() < max(2, COMMON * len(rows)) or len(values) == 1:
        return ()
    there = rows[rows[:, i] == value][:100]
    beside = BESIDE * (values[-1] - values[0])
    asked = [there + np.eye(rows.shape[1])[i] * step for step in (-beside, 0, beside)]
    below, at, above = (np.asarray(log_prob(one), np.float64) for one in asked)
    with np.errstate(invalid="ignore"):  # a density may be 0 beside it
        jump, slope = np.abs(at - (below + above) / 2), np.abs(above - below)
    slope[np.isnan(slope)] = 0  # of 0 on both sides
    return (value,) if np.median(jump) > JUMP + 10 * np.median(slope) else ()


def _beside(axis: Axis, *atoms: float) -> Axis:
    """Return an axis with atoms, none of its points on one: there is no density."""
    points, off = axis.points, BESIDE * (axis.points[-1] - axis.points[0])
    for value in atoms:
        points = np.where(np.abs(points - value) < off, value + off, points)
    return axis._replace(points=points, atoms=atoms)


def _refused(log_prob: LogProb, rows: Numbers) -> bool:
    """Return whether a density refuses rows: values that its variables cannot have."""
    try:
        log_prob(rows)
    except ValueError:
        return True
    return False


def _axis(column: Numbers, steps: int, counted: bool, finest: int) -> Axis:
    """Return where along a variable the density is asked for: a bit beyond the data."""
    low, high = float(column.min()), float(column.max())
    beyond = MARGIN * (high - low) or max(1.0, abs(low))
    if not counted:
        return Axis(np.linspace(low - beyond, high + beyond, steps))
    beyond = np.ceil(beyond) if high > low else 1.0
    step = np.ceil((high - low + 2 * beyond + 1) / finest)
    return Axis(np.arange(low - beyond, high + beyond + 1, step), True)


def _on(log_prob: LogProb, axes: list[Axis], rows: Numbers) -> Numbers:
    """Return a density on a grid; where it refuses whole numbers beyond the rows' own, 0 there."""
    allowed = []
    for i, axis in enumerate(axes):
        trial = np.repeat(rows[:1], len(axis.points), axis=0)
        trial[:, i] = axis.points
        own = np.isin(axis.asked, rows[:, i])
        allowed.append(own if axis.counted and _refused(log_prob, trial) else own | True)
    asked = [axis.asked[some] for axis, some in zip(axes, allowed, strict=True)]
    points = np.stack(np.meshgrid(*asked, indexing="ij"), axis=-1).reshape(-1, len(axes))
    p = np.zeros([len(axis.asked) for axis in axes])
    p[np.ix_(*allowed)] = _asked(log_prob, points).reshape([len(some) for some in asked])
    return p


def _asked(log_prob: LogProb, points: Numbers) -> Numbers:
    """Return the density at points, (n,).

    Raises:
        ValueError: it is no number.
    """
    p: Numbers = np.exp(np.asarray(log_prob(points), np.float64))
    if not np.isfinite(p).all():
        raise ValueError("the density is no number somewhere on the grid")
    return p


def _share(p: Any, axes: list[Axis]) -> float:
    """Return the integral of a density over its grid."""
    for i in reversed(range(len(axes))):
        p = axes[i].sum(p, i)
    return float(p)


def _off(p: Numbers, axes: list[Axis]) -> bool:
    """Return whether a grid is too coarse: every second of its points has another integral."""
    coarse, kept = zip(*(axis.coarse() for axis in axes), strict=True)
    return abs(_share(p[np.ix_(*kept)], list(coarse)) - _share(p, axes)) > CONVERGED


def _between(p: Numbers, axes: list[Axis], rows: Numbers, there: Numbers) -> float:
    """Return the share of rows on peaks that the points around them do not see.

    A peak that is narrower than the grid may lie between all of its points: the integral converges
    to what is left. But the data that it was learnt from lie on it.
    """
    smooth = ~np.any([np.isin(x, a.atoms) for a, x in zip(axes, rows.T, strict=True)], axis=0)
    rows, there, n = rows[smooth], there[smooth], len(rows)
    if not len(rows):
        return 0.0
    low = []
    for axis, x in zip(axes, rows.T, strict=True):
        last = max(0, len(axis.points) - 2)
        low.append(np.clip(np.searchsorted(axis.points, x, side="right") - 1, 0, last))
    tops = [len(axis.points) - 1 for axis in axes]
    corners = [
        p[tuple(np.minimum(k + d, top) for k, d, top in zip(low, step, tops, strict=True))]
        for step in product((0, 1), repeat=len(axes))
    ]
    return float((there > ABOVE * np.max(corners, axis=0)).sum() / n)
