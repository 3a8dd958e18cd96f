"""Former names, until all commands use the new ones."""

from chainrule.estimators.row_density import NOT_EXACT
from chainrule.estimators.row_density import RowDensity as BinaryDensity

__all__ = ["NOT_EXACT", "BinaryDensity"]
