"""Former names, until all commands use the new ones."""

from chainrule.estimators.sequence_density import SequenceDensity

__all__ = ["SequenceDensity"]
