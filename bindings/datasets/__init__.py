"""Data sets by name or path, each cut into train, valid and test: see `load` and `load_text`."""

from chainrule.datasets.corpora import Corpus, load_text
from chainrule.datasets.named import load
from chainrule.datasets.splits import SPLITS, Dataset, Split
from chainrule.encoders.doubts import DataWarning
from chainrule.encoders.levels import reduce_levels

__all__ = [
    "SPLITS",
    "Corpus",
    "DataWarning",
    "Dataset",
    "Split",
    "load",
    "load_text",
    "reduce_levels",
]
