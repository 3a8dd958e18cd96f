"""The toy's estimator, and the encoder of its columns: codes 0 … K - 1, K by the data."""

from dataclasses import dataclass

import numpy as np

from chainrule.encoders import validation
from chainrule.encoders.bits import Bits
from chainrule.engine.event import Columns
from chainrule.estimators.row_density import RowDensity
from support import toy


class Codes(Bits):
    """Between tables of whole numbers and int32 codes in the model's order."""

    unit = "category"
    values = ()

    def learn(self, X, name="X"):
        super().learn(X, name)
        self.values = tuple((self.arrange(np.asarray(X).max(axis=0)) + 1).tolist())
        return self

    @property
    def event(self):
        return Columns(self.values)

    def check(self, X, name="X"):
        self.encode(X, name)

    def encode(self, X, name="X"):
        codes = self.arrange(np.asarray(validation.as_table(X, name)))
        if (codes != np.floor(codes)).any() or (codes < 0).any() or (codes >= self.values).any():
            raise ValueError(f"{name} must hold the categories that were learnt")
        return codes.astype(np.int32)

    def encode_given(self, given, mask, n):
        codes = np.broadcast_to(np.asarray(given), (n, self.dims))
        return self.encode(np.where(mask, codes, 0), "given")

    def describe(self):
        return f"rows of {self.dims} categories"

    def as_json(self):
        return {**super().as_json(), "values": list(self.values)}

    def of_json(self, values, D):
        super().of_json(values, D)
        self.values = tuple(values["values"])
        return self


@dataclass(kw_only=True, eq=False, repr=False)
class Toy(RowDensity):
    """Softmax regressions over columns of categories, told a label.

    Args:
        epochs: passes over the data, at most.
    """

    learning_rate: float = 0.05

    def _new_encoder(self):
        return Codes(None, self.ordering, int(self.seed))

    def _model_name(self):
        return "toy"

    def _config(self, D, n_classes=1):
        return toy.Config((2,) * D, n_classes)

    def _fitted_config(self):
        return toy.Config(self.encoder_.event.values, self._n_classes)
