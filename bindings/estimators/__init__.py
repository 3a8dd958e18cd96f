"""The estimators: scikit-learn's conventions over the engine."""

from chainrule.estimators.loading import Estimator, load
from chainrule.estimators.orderless import OrderlessNADE
from chainrule.estimators.rows import FVSBN, NADE
from chainrule.estimators.sequences import RNN, AttentionRNN, Transformer
from chainrule.estimators.tables import RNADE, CategoricalNADE, TableNADE
from chainrule.registry import ESTIMATORS

__all__ = [
    "ESTIMATORS",
    "FVSBN",
    "NADE",
    "RNADE",
    "RNN",
    "AttentionRNN",
    "CategoricalNADE",
    "Estimator",
    "OrderlessNADE",
    "TableNADE",
    "Transformer",
    "load",
]
