"""A text file of many short texts, a line each: names, words, sentences. `train --lines`."""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.commands.material import Clean, Report, measure
from chainrule.commands.requests import Reading
from chainrule.commands.text_material import measured
from chainrule.encoders.texts import Text


def read_lines(path: Path, unit: str) -> tuple[list[Any], int]:
    """Return the lines of a file that have anything in them, and how many have not.

    unit: "character", for UTF-8, or "byte".
    """
    filled, n_empty = numbered_lines(path, unit)
    return [line for _, line in filled], n_empty


def numbered_lines(path: Path, unit: str) -> tuple[list[tuple[int, Any]], int]:
    """Return the same lines, each with its number in the file, from 1.

    Lines end in any of the three ways that there are.
    """
    text: Any = Text.open(path, unit).read()
    end, both, alone = ("\n", "\r\n", "\r") if unit == "character" else (b"\n", b"\r\n", b"\r")
    lines = text.replace(both, end).replace(alone, end).removesuffix(end).split(end)
    filled = [(number, line) for number, line in enumerate(lines, 1) if line]
    if not filled:
        raise ValueError(f"{path} has only empty lines; give a file with text in it")
    return filled, len(lines) - len(filled)


class LineMaterial:
    """A file's lines for one estimator, each a sequence of its own; attributes as `Material`."""

    def __init__(self, estimator: Any, data: str, reading: Reading) -> None:
        """Read the lines, draw those that validate, and check all against the estimator."""
        self.name, self._kind = Path(data).stem, reading.unit
        lines, self._n_empty = read_lines(Path(data), reading.unit)
        self._train, self._valid = _split(lines, reading.valid)
        (self.source,) = estimator._prepare(self._train, X_valid=self._valid)

    def describe(self) -> str:
        """Return the file's name and sizes in words."""
        empty = f", {self._n_empty:,} empty ones left out" if self._n_empty else ""
        return (
            f"{self.name}: {len(self._train):,} train, {len(self._valid):,} valid lines of "
            f"{self._kind}s{empty}"
        )

    def image_shape(self, estimator: Any) -> None:
        """Return None: a text is no picture."""

    def report(self, estimator: Any) -> Report:
        """Return how well the validation lines are predicted, beside baselines."""
        counts = [_counts(estimator, lines) for lines in (self._train, self._valid)]
        sizes = {"lines": {"train": len(self._train), "valid": len(self._valid)}}
        return measured(estimator, self._valid, counts, sizes)

    def clean(self, estimator: Any) -> Clean:
        """Return log p and lengths of the validation lines, as `Material` says."""
        return measure(estimator, self._valid)


def _counts(estimator: Any, lines: list[Any]) -> Any:
    """Return how often each symbol comes, and the end if there is one, (V,)."""
    ids = estimator.vocabulary_.encode(lines[0][:0].join(lines))
    counts = np.bincount(ids, minlength=estimator.config_.n_symbols)
    if estimator.ends_:
        counts[-1] = len(lines)
    return counts


def _split(lines: list[Any], share: float) -> tuple[list[Any], list[Any]]:
    """Return lines to learn from and lines that validate, drawn from all over, always the same.

    A line with a symbol that no other line to learn from has is one of these: it can be learnt.
    """
    if not 0 < share < 1:
        raise ValueError(f"valid must be a share between 0 and 1, got {share!r}")
    order = np.random.default_rng(0).permutation(len(lines))
    n = min(max(1, round(share * len(lines))), len(lines) - 1)
    drawn = set(order[:n].tolist())
    train = [line for k, line in enumerate(lines) if k not in drawn]
    valid: list[Any] = []
    known = set().union(*train)
    for k in sorted(drawn):
        (valid if known.issuperset(lines[k]) else train).append(lines[k])
    if not train or not valid:
        raise ValueError(
            f"there are {len(lines)} lines, too few to learn from some and validate on others"
        )
    return train, valid
