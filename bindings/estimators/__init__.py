"""The estimators: scikit-learn's conventions over the engine."""

from chainrule.estimators.loading import ESTIMATORS, Estimator, load
from chainrule.estimators.rows import FVSBN, NADE
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
