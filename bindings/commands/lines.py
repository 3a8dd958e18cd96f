"""A text file of many short texts, a line each: names, words, sentences. `train --lines`."""

import hashlib
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from chainrule.commands.common import table
from chainrule.commands.symbols import Reading, kept_step, measures
from chainrule.encoders.texts import Text
from chainrule.engine.training.train import State
from chainrule.estimators.sequence_base import SequenceDensity


def read_lines(path: Path, unit: str) -> tuple[list[Any], int]:
    """Return the lines of a file that have anything in them, and how many have not.

    Lines end in any of the three ways that there are.
    unit: "character", for UTF-8, or "byte".
    """
    text: Any = Text.open(path, unit).read()
    end, both, alone = ("\n", "\r\n", "\r") if unit == "character" else (b"\n", b"\r\n", b"\r")
    lines = text.replace(both, end).replace(alone, end).removesuffix(end).split(end)
    filled = [line for line in lines if line]
    if not filled:
        raise ValueError(f"{path} has only empty lines; give a file with text in it")
    return filled, len(lines) - len(filled)


class Lines:
    """A file's lines for one estimator, each a sequence of its own; attributes as `Corpus`."""

    def __init__(self, estimator: SequenceDensity, data: str, reading: Reading) -> None:
        """Read the lines, draw those that validate, and check all against the estimator."""
        if reading.labels:
            raise ValueError("--labels are of rows; a text has none")
        self.name, self._kind = Path(data).stem, reading.unit
        lines, self._n_empty = read_lines(Path(data), reading.unit)
        self._train, self._valid = _split(lines, reading.valid)
        self.parts = estimator._prepare(self._train, None, self._valid)
        digest = hashlib.sha256(repr((self._train, self._valid)).encode())
        self.fingerprint = digest.hexdigest()

    def describe(self) -> str:
        """Return the file's name and sizes in words."""
        empty = f", {self._n_empty:,} empty ones left out" if self._n_empty else ""
        return (
            f"{self.name}: {len(self._train):,} train, {len(self._valid):,} valid lines of "
            f"{self._kind}s{empty}"
        )

    def config(self, estimator: SequenceDensity) -> Any:
        """Return the Config of the estimator's model for these lines."""
        return estimator._fitted_config()

    def kept(self, state: State) -> str:
        """Say which step was kept, and of how many."""
        return kept_step(state)

    def report(self, estimator: SequenceDensity) -> tuple[dict[str, Any], Table]:
        """Return how well the validation lines are predicted: for run.json, and to show."""
        nats, V = -estimator.score(self._valid), estimator.config_.n_symbols
        known = {"uniform": log(V), "frequencies": self._unigram(estimator)}
        grid = table(f"valid {self._kind}s", "nats", "bits", "perplexity")
        for name, value in {**known, estimator.model_: nats}.items():
            grid.add_row(name, *measures(value))
        outcome = {
            "unit": self._kind,
            "lines": {"train": len(self._train), "valid": len(self._valid)},
            "valid_nats": nats,
            "valid_bits": nats / log(2),
            "baselines": known,
        }
        return outcome, grid

    def _unigram(self, estimator: SequenceDensity) -> float:
        """Return the mean -log p of a symbol or end under their frequencies alone, in nats."""
        train, valid = (_counts(estimator, lines) for lines in (self._train, self._valid))
        p = (train + 1) / (train + 1).sum()
        return float(-(valid @ np.log(p)) / valid.sum())


def _counts(estimator: SequenceDensity, lines: list[Any]) -> Any:
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
