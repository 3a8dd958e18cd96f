"""Sequences as `chainrule train` sees them: texts and rows of symbols, read and measured.

A text is a name that `datasets.load_text` knows, or any file but .npy, .npz, .csv, .tsv and .gz.
Everything else is rows, as for the models of rows: each row becomes a sequence of symbols.
"""

import hashlib
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from chainrule import datasets
from chainrule.commands import baselines, labels
from chainrule.commands.common import load, table
from chainrule.datasets import corpora, rowfiles
from chainrule.encoders import symbols
from chainrule.encoders.texts import Text
from chainrule.engine.training.train import State
from chainrule.estimators.sequence_base import SequenceDensity
from chainrule.kernels.types import Array

MOST = 10**8  # numbers in a table of how often each symbol is at each place
TABLES = (".npy", ".npz", ".csv", ".tsv", ".gz")


class Reading(NamedTuple):
    """How data are to be read: the share that validates, characters or bytes, labels, lines.

    labels: True: the data set's own; a str: a file of them, or the column that they are.
    lines: each line of a text file is a sequence of its own; see `commands.lines`.
    """

    valid: float = 0.1
    unit: str = "character"
    labels: bool | str = False
    lines: bool = False


def is_text(data: str) -> bool:
    """Return whether a name or path is that of a text."""
    path = Path(data)
    return data in corpora.NAMED or (path.is_file() and path.suffix.lower() not in TABLES)


class Corpus:
    """A text for one estimator.

    Attributes:
        name: the text's. parts: what `_training` reads. fingerprint: a hash of the text.
    """

    def __init__(self, estimator: SequenceDensity, data: str, reading: Reading) -> None:
        """Open the text, and check it against the estimator."""
        if reading.labels:
            raise ValueError("--labels are of rows; a text has none")
        self.name, self._train, self._valid = corpora.load_text(
            data, valid=reading.valid, unit=reading.unit
        )
        self.parts = estimator._prepare(self._train, None, self._valid)
        self._counts, digest = np.zeros(self._train.vocabulary.size, np.int64), hashlib.sha256()
        digest.update(self._train.vocabulary.characters.encode("utf-8", "surrogatepass"))
        for text in (self._train, self._valid):
            digest.update(str(len(text)).encode())
            for block in text.blocks():
                digest.update(np.ascontiguousarray(block).data)
                if text is self._train:
                    self._counts += np.bincount(block, minlength=len(self._counts))
        self.fingerprint = digest.hexdigest()

    def describe(self) -> str:
        """Return the text's name and sizes in words."""
        v = self._train.vocabulary
        return (
            f"{self.name}: {len(self._train):,} train, {len(self._valid):,} valid {v.kind}s, "
            f"{v.size} different"
        )

    def config(self, estimator: SequenceDensity) -> Any:
        """Return the Config of the estimator's model for this text."""
        return estimator._fitted_config()

    def kept(self, state: State) -> str:
        """Say which step was kept, and of how many."""
        return kept_step(state)

    def report(self, estimator: SequenceDensity) -> tuple[dict[str, Any], Table]:
        """Return how well the validation text is predicted: for run.json, and to show."""
        nats = -estimator.score(self._valid)
        kind, known = f"valid {self._train.vocabulary.kind}s", {"uniform": log(len(self._counts))}
        p = (self._counts + 1) / (self._counts + 1).sum()
        known["frequencies"] = _unigram(p, self._valid)
        grid = table(kind, "nats", "bits", "perplexity")
        for name, value in {**known, estimator.model_: nats}.items():
            grid.add_row(name, *measures(value))
        outcome = {
            "unit": self._train.vocabulary.kind,
            "symbols": {"train": len(self._train), "valid": len(self._valid)},
            "valid_nats": nats,
            "valid_bits": nats / log(2),
            "baselines": known,
        }
        return outcome, grid


class SymbolTable:
    """A data set of rows for one estimator of sequences; attributes as `Corpus`."""

    def __init__(self, estimator: SequenceDensity, data: str, reading: Reading) -> None:
        """Read the rows and check them."""
        self._data, self._labelled = load(data), bool(reading.labels)
        self.name = self._data.name
        if isinstance(reading.labels, str):
            self._data = labels.relabelled(self._data, reading.labels)
        splits = self._data.train, self._data.valid, self._data.test
        if self._labelled and any(split.y is None for split in splits):
            raise ValueError(
                f"{self.name} has no labels of its own; leave out --labels, or say where they are "
                "with --labels-from"
            )
        train, valid = self._data.train, self._data.valid
        places = self._data.origins or {}
        called = {"X": "train", "X_valid": "valid", "the test rows": "test"}
        with rowfiles.naming({name: places[s] for name, s in called.items() if s in places}):
            self.parts = estimator._prepare(train.x, self._y(train), valid.x, self._y(valid))
            symbols.read(self._data.test.x, estimator.vocabulary_, "the test rows")
        digest = hashlib.sha256()
        for split in (train, valid):
            for array in (split.x, self._y(split)):
                digest.update(repr(None if array is None else array.shape).encode())
                digest.update(b"" if array is None else np.ascontiguousarray(array).data)
        self.fingerprint = digest.hexdigest()

    def _y(self, split: datasets.Split) -> Any:
        return split.y if self._labelled else None

    def describe(self) -> str:
        """Return the data's name and sizes in words."""
        sizes = (f"{len(getattr(self._data, s).x):,} {s}" for s in datasets.SPLITS)
        given = " and a label" if self._labelled else ""
        width = self._data.train.x.shape[1]
        return f"{self.name}: {', '.join(sizes)} rows of {width} symbols{given}"

    def config(self, estimator: SequenceDensity) -> Any:
        """Return the Config of the estimator's model for these rows."""
        return estimator._fitted_config()

    def kept(self, state: State) -> str:
        """Say which step was kept, and of how many."""
        return kept_step(state)

    def report(self, estimator: SequenceDensity) -> tuple[dict[str, Any], Table]:
        """Return how well the test rows are predicted: for run.json, and to show."""
        test = self._data.test
        D = test.x.shape[1]
        nll = -float(estimator.log_prob(test.x, self._y(test)).mean())
        grid = table("test rows", "nats a row", "bits a symbol")
        known = self._baselines(estimator.vocabulary_.size)
        for name, value in {**known, estimator.model_: nll}.items():
            grid.add_row(name, f"{value:.2f}", f"{value / D / log(2):.4f}")
        outcome = {
            "image_shape": self._data.image_shape,
            "row_length": D,
            "rows": {split: len(getattr(self._data, split).x) for split in datasets.SPLITS},
            "test_nll": nll,
            "test_bits_per_dimension": nll / D / log(2),
            "baselines": known,
        }
        return outcome, grid

    def _baselines(self, V: int) -> dict[str, float]:
        """Return what the test rows cost, nats a row, under models that know no other symbols."""
        train, test = self._data.train.x, self._data.test.x
        D = test.shape[1]
        known = {"uniform": D * log(V)}
        if D * V <= MOST:  # else a symbol is seen too seldom for its share to mean anything
            p = baselines.symbol_frequencies(train, V)
            anywhere = np.broadcast_to(p.mean(axis=0), p.shape)
            known["frequencies"] = baselines.symbol_nll(anywhere, test)
            known["independent"] = baselines.symbol_nll(p, test)
        return known


def measures(nats: float) -> tuple[str, str, str]:
    """Return nats a symbol, bits and perplexity in figures."""
    return f"{nats:.4f}", f"{nats / log(2):.4f}", f"{np.exp(nats):.3f}"


def kept_step(state: State) -> str:
    """Say which step was kept, and of how many."""
    best = state.history[state.best_record - 1]["step"] if state.best_record else 0
    return f"best step {best} of {state.step}, on validation data"


def _unigram(p: Array, text: Text) -> float:
    """Return the mean -log p of a text's symbols under their frequencies alone, in nats."""
    counts = sum(np.bincount(block, minlength=len(p)) for block in text.blocks())
    return float(-(np.asarray(counts) @ np.log(p)) / len(text))
