"""A text as `chainrule train` sees it: a name that `datasets.load_text` knows, or a file."""

from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.commands.material import Clean, Report, by_symbol
from chainrule.commands.requests import Reading
from chainrule.datasets import corpora
from chainrule.encoders.texts import Text
from chainrule.registry import spelling

TABLES = (".npy", ".npz", ".csv", ".tsv", ".gz")


def is_text(data: str) -> bool:
    """Return whether a name or path is that of a text: not of rows, as any other file is."""
    path = Path(data)
    return data in corpora.NAMED or (path.is_file() and path.suffix.lower() not in TABLES)


class TextMaterial:
    """A text for one estimator, its end held out; attributes as `Material`."""

    def __init__(self, estimator: Any, data: str, reading: Reading) -> None:
        """Open the text, and check it against the estimator."""
        self.name, self._train, self._valid = corpora.load_text(
            data, valid=reading.valid, unit=reading.unit
        )
        (self.source,) = estimator._prepare(self._train, X_valid=self._valid)

    def describe(self) -> str:
        """Return the text's name and sizes in words."""
        v = self._train.vocabulary
        return (
            f"{self.name}: {len(self._train):,} train, {len(self._valid):,} valid {v.kind}s, "
            f"{v.size} different"
        )

    def image_shape(self, estimator: Any) -> None:
        """Return None: a text is no picture."""

    def report(self, estimator: Any) -> Report:
        """Return how well the validation text is predicted, beside baselines."""
        counts = [_counts(text) for text in (self._train, self._valid)]
        sizes = {"symbols": {"train": len(self._train), "valid": len(self._valid)}}
        return measured(estimator, self._valid, counts, sizes)

    def clean(self, estimator: Any) -> Clean:
        """Return None: one text is one observation."""
        return None


def measured(
    estimator: Any, valid: Any, counts: list[NDArray[Any]], sizes: dict[str, Any]
) -> Report:
    """Return how well an estimator predicts validation sequences, beside baselines.

    counts: how often each symbol comes, (V,), in training and in validation. sizes: for run.json.
    """
    nats, (train, held_out) = -estimator.score(valid), counts
    p = (train + 1) / (train + 1).sum()
    frequencies = float(-(held_out @ np.log(p)) / held_out.sum())
    known = {"uniform": log(len(p)), "frequencies": frequencies}
    unit = estimator.encoder_.unit
    outcome = {
        "unit": unit,
        **sizes,
        "valid_nats": nats,
        "valid_bits": nats / log(2),
        "baselines": known,
    }
    return Report(outcome, by_symbol(f"valid {unit}s", {**known, spelling(type(estimator)): nats}))


def _counts(text: Text) -> NDArray[np.int64]:
    """Return how often each symbol comes in a text, (V,)."""
    counts = np.zeros(text.vocabulary.size, np.int64)
    for block in text.blocks():
        counts += np.bincount(block, minlength=len(counts))
    return counts
