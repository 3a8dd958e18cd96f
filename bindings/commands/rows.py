"""Binary rows as `chainrule train` sees them: read, checked, announced, and measured at the end."""

from typing import Any

from rich.table import Table

from chainrule import datasets
from chainrule.commands import baselines
from chainrule.commands.common import bits, load, table
from chainrule.datasets import rowfiles
from chainrule.encoders import validation
from chainrule.engine.storage import fingerprint
from chainrule.engine.training.train import State
from chainrule.estimators.base import BinaryDensity
from chainrule.kernels.types import Bits


class Rows:
    """A data set of rows, split in three, for one estimator.

    Attributes:
        name: the data set's. parts: what `_training` reads.
        fingerprint: a hash of what is learnt from.
    """

    def __init__(self, estimator: BinaryDensity, data: str) -> None:
        """Read the rows and check all of them."""
        self._data = load(data)
        self.name = self._data.name
        self._threshold = estimator.get_params()["binarize"]
        places = self._data.origins or {}
        called = {"X": "train", "X_valid": "valid", "the test rows": "test"}
        with rowfiles.naming({name: places[s] for name, s in called.items() if s in places}):
            self.parts = estimator._prepare(self._data.train.x, X_valid=self._data.valid.x)
            self._bits(self._data.test.x, "the test rows")
        if self._data.columns is not None:
            estimator._name_columns(self._data.columns)
        rows, valid = self.parts[0].contents
        self._width = rows.shape[1]
        self.fingerprint = fingerprint.of(rows, valid)

    def older(self) -> str:
        """Return the fingerprint that chainrule 0.1.0 kept."""
        return fingerprint.of_packed_bits(*self.parts[0].contents)

    def _bits(self, x: Any, name: str) -> Bits:
        return validation.as_bits(x, self._threshold, name)

    def describe(self) -> str:
        """Return the data's name and sizes in words."""
        sizes = ", ".join(f"{len(getattr(self._data, s).x):,} {s}" for s in datasets.SPLITS)
        return f"{self.name}: {sizes} rows of {self._width} bits"

    def config(self, estimator: BinaryDensity) -> Any:
        """Return the Config of the estimator's model for these rows."""
        return estimator._config(self._width)

    def kept(self, state: State) -> str:
        """Say which epoch was kept, and of how many."""
        epochs = len(state.history)
        return f"best epoch {state.best_record} of {epochs}, on the validation rows"

    def report(self, estimator: BinaryDensity) -> tuple[dict[str, Any], Table]:
        """Return how well the test rows are predicted, beside baselines: for run.json, to show."""
        test = self._bits(self._data.test.x, "the test rows")
        D = test.shape[1]
        p = baselines.independent(self._bits(self._data.train.x, "X"))
        nll = -estimator.score(test)
        known = {
            "uniform": baselines.uniform(D),
            "independent": baselines.independent_nll(p, test),
        }
        grid = table("test rows", "nats", "bits/dim")
        for name, value in {**known, estimator.model_: nll}.items():
            grid.add_row(name, f"{value:.2f}", f"{bits(value, D):.4f}")
        outcome = {
            "image_shape": self._data.image_shape,
            "rows": {split: len(getattr(self._data, split).x) for split in datasets.SPLITS},
            "test_nll": nll,
            "test_bits_per_dimension": bits(nll, D),
            "baselines": known,
        }
        return outcome, grid
