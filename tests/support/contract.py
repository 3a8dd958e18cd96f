"""Small models of every kind and observations for them: what tests of the model contract read.

A new model joins `tests/engine/models/test_contract.py` by its lines here.
"""

from itertools import product

import numpy as np

from chainrule.engine import models
from chainrule.engine.event import Columns

T = 4  # symbols of a sequence
DEEP = {"n_symbols": 3, "context": 5, "n_layers": 2, "n_heads": 2, "n_embd": 4}
MODELS = {  # what a test is called: the registry's name, and a Config's arguments
    "fvsbn": ("fvsbn", {"n_visible": 5}),
    "fvsbn of labels": ("fvsbn", {"n_visible": 5, "n_classes": 3}),
    "nade": ("nade", {"n_visible": 5, "n_hidden": 3}),
    "nade of labels": ("nade", {"n_visible": 5, "n_hidden": 3, "n_classes": 3}),
    "nade untied": ("nade_untied", {"n_visible": 4, "n_hidden": 2}),
    "nade untied of labels": ("nade_untied", {"n_visible": 4, "n_hidden": 2, "n_classes": 2}),
    "rnn": ("rnn", {"n_symbols": 3, "n_hidden": 3}),
    "lstm": ("rnn", {"n_symbols": 3, "n_hidden": 3, "n_layers": 2, "cell": "lstm"}),
    "gru": ("rnn", {"n_symbols": 3, "n_hidden": 3, "n_layers": 2, "cell": "gru"}),
    "tanh of labels": ("rnn", {"n_symbols": 3, "n_hidden": 3, "n_classes": 2}),
    "lstm of labels": (
        "rnn",
        {"n_symbols": 3, "n_hidden": 3, "n_layers": 2, "cell": "lstm", "n_classes": 3},
    ),
    "attention_rnn": ("attention_rnn", {"n_symbols": 3, "n_hidden": 4, "context": 5, "n_heads": 2}),
    "attention_rnn of labels": (
        "attention_rnn",
        {"n_symbols": 3, "n_hidden": 4, "context": 5, "n_heads": 2, "n_classes": 3},
    ),
    "transformer": ("transformer", DEEP),
    "transformer rotary": ("transformer", {**DEEP, "rotary": True, "tied": False}),
    "transformer of labels": ("transformer", {**DEEP, "n_classes": 3}),
    "toy": ("toy", {"values": (3, 2, 4)}),
    "toy of labels": ("toy", {"values": (2, 3, 3), "n_classes": 2}),
}


def make(name, dtype=np.float64):
    """Return a model of the table, its config and generic parameters."""
    module, options = MODELS[name]
    model = models.get(module)
    config = model.Config(**options)
    params = model.init(config, np.random.default_rng(0), dtype)
    params.flat[...] = 0.7 * np.random.default_rng(1).normal(size=params.size)
    return model, config, params


def values(config):
    """Return how many values each variable has, of a sequence those of T symbols."""
    event = config.event
    return event.values if isinstance(event, Columns) else (event.n_symbols,) * T


def random_x(config, rng, N):
    """Return N random observations."""
    columns = [rng.integers(0, K, N) for K in values(config)]
    return np.stack(columns, axis=1).astype(config.event.dtype)


def every_x(config):
    """Return all observations there are."""
    return np.array(list(product(*map(range, values(config)))), config.event.dtype)


def random_y(config, rng, N):
    """Return a label for each row, or None for a model without."""
    n = getattr(config, "n_classes", 1)
    return rng.integers(0, n, N).astype(np.int32) if n > 1 else None


def given_somewhere(config, rng, N):
    """Return uniforms, a third of them negative, and observations to be kept there."""
    x = random_x(config, rng, N)
    u = rng.random(x.shape)
    u[rng.random(x.shape) < 1 / 3] = -1
    return u, x
