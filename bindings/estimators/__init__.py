"""The estimators: scikit-learn's conventions over the engine."""

from chainrule.estimators.rows import ESTIMATORS, FVSBN, NADE, Estimator, load
from chainrule.estimators.sequences import RNN, AttentionRNN, Transformer

__all__ = [
    "ESTIMATORS",
    "FVSBN",
    "NADE",
    "RNN",
    "AttentionRNN",
    "Estimator",
    "Transformer",
    "load",
]
