"""chainrule: exact autoregressive density models with hand-derived gradients.

    import chainrule as cr
    X = cr.datasets.load("digits").train.x
    model = cr.NADE(n_hidden=100, epochs=20).fit(X)
    model.log_prob(X)               # nats
    model.sample(10, seed=0)

    lm = cr.Transformer().fit(text)
    lm.sample(500, prompt="ROMEO:", temperature=0.8)

Names are imported when first used, so that `chainrule.engine` and `chainrule.kernels` need
neither scikit-learn nor anything else of the Python API.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.registry import HOMES

if TYPE_CHECKING:
    from chainrule import datasets, detection, plots
    from chainrule.compilation import compile_kernels
    from chainrule.detection import attacks
    from chainrule.detection.classifier import Classifier
    from chainrule.detection.detector import Detector
    from chainrule.detection.purifying import purify
    from chainrule.engine.storage.checkpoint import CheckpointError
    from chainrule.engine.team.joining import use_team
    from chainrule.estimators.autoencoder import Autoencoder
    from chainrule.estimators.gradcheck import gradcheck
    from chainrule.estimators.loading import load
    from chainrule.estimators.made import MADE
    from chainrule.estimators.orderless import OrderlessNADE
    from chainrule.estimators.pixel_cnn import PixelCNN
    from chainrule.estimators.pixel_rnn import PixelRNN
    from chainrule.estimators.rows import FVSBN, NADE
    from chainrule.estimators.sequences import RNN, AttentionRNN, Transformer
    from chainrule.estimators.tables import RNADE, CategoricalNADE, TableNADE
    from chainrule.kernels import use_backend, use_threads

__all__ = [
    "FVSBN",
    "MADE",
    "NADE",
    "RNADE",
    "RNN",
    "AttentionRNN",
    "Autoencoder",
    "CategoricalNADE",
    "CheckpointError",
    "Classifier",
    "Detector",
    "OrderlessNADE",
    "PixelCNN",
    "PixelRNN",
    "TableNADE",
    "Transformer",
    "attacks",
    "compile_kernels",
    "datasets",
    "detection",
    "gradcheck",
    "load",
    "plots",
    "purify",
    "use_backend",
    "use_team",
    "use_threads",
]

_MODULES = {"attacks": "chainrule.detection.attacks"}  # public ones whose room is another
_HOMES = {
    **{name: module for module, name in HOMES.values()},
    "CheckpointError": "chainrule.engine.storage.container",
    "Detector": "chainrule.detection.detector",
    "compile_kernels": "chainrule.compilation",
    "gradcheck": "chainrule.estimators.gradcheck",
    "load": "chainrule.estimators.loading",
    "purify": "chainrule.detection.purifying",
    "use_backend": "chainrule.kernels",
    "use_team": "chainrule.engine.team.joining",
    "use_threads": "chainrule.kernels",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("chainrule")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name in __all__:
        value = import_module(_MODULES.get(name, f"chainrule.{name}"))
    else:
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted({*globals(), *__all__})
