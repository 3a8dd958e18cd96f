"""The models by the names that the command line has for them, each with its estimator.

This is the only list of models in `bindings`: a new one is a line here, its estimator, and a line
in `chainrule.engine.models`. Nothing is imported before somebody asks for it, so that the command
line knows the names at once.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.suggestions import near

if TYPE_CHECKING:
    from chainrule.estimators.kept import Kept

HOMES: dict[str, tuple[str, str]] = {  # where the estimator is, and what it is called there
    "fvsbn": ("chainrule.estimators.rows", "FVSBN"),
    "nade": ("chainrule.estimators.rows", "NADE"),
    "categorical_nade": ("chainrule.estimators.tables", "CategoricalNADE"),
    "rnade": ("chainrule.estimators.tables", "RNADE"),
    "table_nade": ("chainrule.estimators.tables", "TableNADE"),
    "made": ("chainrule.estimators.made", "MADE"),
    "orderless_nade": ("chainrule.estimators.orderless", "OrderlessNADE"),
    "autoencoder": ("chainrule.estimators.autoencoder", "Autoencoder"),
    "rnn": ("chainrule.estimators.sequences", "RNN"),
    "attention_rnn": ("chainrule.estimators.sequences", "AttentionRNN"),
    "transformer": ("chainrule.estimators.sequences", "Transformer"),
    "pixel_cnn": ("chainrule.estimators.pixel_cnn", "PixelCNN"),
    "pixel_rnn": ("chainrule.estimators.pixel_rnn", "PixelRNN"),
    "classifier": ("chainrule.detection.classifier", "Classifier"),
}

KEEPERS: dict[str, tuple[str, str]] = {  # what keeps a model and more: its metadata, where it is
    "detector": ("chainrule.detection.detector", "Detector"),
}


class _Estimators(Mapping[str, Any]):
    """The estimators by the names of their classes, each imported when it is first asked for."""

    def __getitem__(self, name: str) -> Any:
        for module, known in HOMES.values():
            if known == name:
                return getattr(import_module(module), name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(name for _, name in HOMES.values())

    def __len__(self) -> int:
        return len(HOMES)


ESTIMATORS: Mapping[str, "type[Kept]"] = _Estimators()


def spelling(cls: type) -> str:
    """Return an estimator's name as the command line spells it."""
    return next(spelt for spelt, (_, name) in HOMES.items() if name == cls.__name__)


def estimator_class(name: str) -> "type[Kept]":
    """Return the estimator called `name`, in any mixture of cases, underscores and dashes.

    Raises:
        ValueError: there is none; the text says what may have been meant.
    """
    given = name.lower().replace("_", "").replace("-", "")
    for spelt, (_, known) in HOMES.items():
        if spelt.replace("_", "") == given:
            return ESTIMATORS[known]
    raise ValueError(f"unknown model {name!r}{near(name, HOMES)}; there are {', '.join(HOMES)}")


def keepers(metadata: Mapping[str, Any]) -> list[Any]:
    """Return the class that wrote a file of a model and more, alone; none of a model's own file."""
    found = [where for name, where in KEEPERS.items() if name in metadata]
    return [getattr(import_module(module), name) for module, name in found]
