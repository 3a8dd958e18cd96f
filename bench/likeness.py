"""How far rows that a model drew are from data: column by column, and columns together.

    columns         of each column the total variation of its frequencies, ½ Σ |p - q|, or of a real
                    one Kolmogorov's distance; the largest of all
    correlations    of each pair of numeric columns the difference of their rank correlations; the
                    largest of all
    tables          of each ordered pair, real columns cut into quarters, the total variation of the
                    conditional tables p(second | first), weighted by p(first); the largest of all

None is zero for rows of the very distribution that the data are from. So the same is told of the
data's own rows drawn again (what sampling alone does: no model can be better), of rows that the
model has not seen (fewer, so noisier), and of the data with each column shuffled by itself (what a
model of columns alone would reach at best).
"""

from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, spearmanr

from chainrule.datasets.splits import Dataset

FEW = 12  # values of a real column that is compared by frequencies
CUTS = 4  # parts that others are cut into, for conditional tables


def others(data: Dataset, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Return what samples of a model are to be seen beside, by name."""
    rows, rng = data.train.x, np.random.default_rng(seed)
    return {
        "drawn again": rows[rng.integers(0, len(rows), len(rows))],
        "unseen rows": np.concatenate([data.valid.x, data.test.x]),
        "shuffled columns": shuffled(rows, seed),
    }


def table(data: NDArray[Any], drawn: dict[str, NDArray[Any]]) -> dict[str, dict[str, float]]:
    """Return the three figures of several rows by name, each compared with the data."""
    return {name: compare(data, rows) for name, rows in drawn.items()}


def compare(data: NDArray[Any], drawn: NDArray[Any]) -> dict[str, float]:
    """Return how far rows drawn are from data, both (N, D) of objects, in the three figures."""
    pairs = [_typed(data[:, j], drawn[:, j]) for j in range(data.shape[1])]
    numbers = [pair for pair in pairs if pair[0].dtype.kind == "f"]
    correlations = [
        abs(rank_correlation(one[0], other[0]) - rank_correlation(one[1], other[1]))
        for one, other in combinations(numbers, 2)
    ]
    few = [_in_few(*pair) for pair in pairs]
    return {
        "columns": max(difference(*pair) for pair in pairs),
        "correlations": max(correlations, default=0.0),
        "tables": max(conditional_difference(*pair) for pair in permutations(few, 2)),
    }


def difference(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the total variation of two columns of few values, of others Kolmogorov's distance."""
    values = np.unique(np.concatenate([a, b]))
    if a.dtype.kind == "f" and len(values) > FEW:
        return float(ks_2samp(a, b).statistic)
    return 0.5 * float(sum(abs(np.mean(a == v) - np.mean(b == v)) for v in values))


def rank_correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return Spearman's correlation of two columns; 0 where one is constant."""
    constant = min(len(np.unique(a)), len(np.unique(b))) == 1
    return 0.0 if constant else float(spearmanr(a, b).statistic)


def conditional_difference(
    first: tuple[NDArray[Any], NDArray[Any]], second: tuple[NDArray[Any], NDArray[Any]]
) -> float:
    """Return Σ_v p(v) ½ Σ_w |p(w | v) - q(w | v)|, p of data and q of what was drawn.

    first, second: columns of codes, the data's and the drawn one. A v never drawn counts 1.
    """
    whole = 0.0
    for v in np.unique(first[0]):
        ours, theirs = second[1][first[1] == v], second[0][first[0] == v]
        apart = 1.0
        if len(ours):
            values = np.unique(np.concatenate([ours, theirs]))
            apart = 0.5 * sum(abs(np.mean(theirs == w) - np.mean(ours == w)) for w in values)
        whole += float(np.mean(first[0] == v)) * float(apart)
    return whole


def shuffled(rows: NDArray[Any], seed: int = 0) -> NDArray[Any]:
    """Return rows with each column in an order of its own: the columns alone, nothing else."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(column) for column in rows.T], axis=1)


def said(name: str, figures: dict[str, dict[str, float]]) -> str:
    """Return the figures of a table in lines."""
    lines = [
        f"  {what:17}" + "  ".join(f"{figure} {value:.3f}" for figure, value in compared.items())
        for what, compared in figures.items()
    ]
    return "\n".join([f"{name}, farthest from the training rows:", *lines])


def _typed(a: Any, b: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return two columns as numbers if both are, else as words."""
    try:
        return a.astype(float), b.astype(float)
    except ValueError:
        return a.astype(str), b.astype(str)


def _in_few(a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return two columns as codes: real ones cut where the data's quarters end."""
    if a.dtype.kind == "f" and len(np.unique(a)) > FEW:
        inner = np.quantile(a, np.arange(1, CUTS) / CUTS)
        return np.searchsorted(inner, a), np.searchsorted(inner, b)
    return a, b
