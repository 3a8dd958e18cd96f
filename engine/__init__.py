"""Hand-derived models, distributions, training, checkpoints; arrays in, arrays out.

`from chainrule.engine import checkpoint, train` and the like reach into the rooms.
"""

from importlib import import_module
from typing import Any

_ROOMS = {
    **dict.fromkeys(
        ("checkpoint", "container", "description", "files", "fingerprint", "history"), "storage"
    ),
    **dict.fromkeys(("batches", "divergence", "recipe", "scoring", "sources", "train"), "training"),
}


def __getattr__(name: str) -> Any:
    """Import a module of one of the rooms when it is first asked for."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'chainrule.engine' has no attribute {name!r}")
    return import_module(f"chainrule.engine.{_ROOMS[name]}.{name}")
