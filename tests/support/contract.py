"""Small models of every kind and observations for them: what tests of the model contract read.

A new model joins `tests/engine/models/test_contract.py` by its lines here.
"""

from itertools import product
from math import prod

import numpy as np
from scipy import stats

from chainrule.engine import models
from chainrule.engine.event import CONTINUOUS, Columns, Image

T = 4  # symbols of a sequence
DEEP = {"n_symbols": 3, "context": 5, "n_layers": 2, "n_heads": 2, "n_embd": 4}
MADE = {"hidden": (9, 12), "direct": True}
MIXTURES = {"activation": "tanh", "n_components": 2}
PIXELS = {"height": 2, "width": 3, "n_features": 5, "n_layers": 2, "first_size": 5}
COLOURS = {"height": 2, "width": 1, "channels": 3, "n_features": 9, "n_layers": 1, "first_size": 3}
RECURRENT = {"height": 2, "width": 3, "n_hidden": 6, "n_layers": 2, "first_size": 5}
TRIPLES = {"height": 2, "width": 1, "channels": 3, "n_hidden": 6, "n_layers": 1, "first_size": 3}
MIXED = {"values": (3, 0, 2, 0), "n_hidden": 3, "n_components": 2}
MODELS = {  # what a test is called: the registry's name, and a Config's arguments
    "fvsbn": ("fvsbn", {"n_visible": 5}),
    "fvsbn of labels": ("fvsbn", {"n_visible": 5, "n_classes": 3}),
    "nade": ("nade", {"n_visible": 5, "n_hidden": 3}),
    "nade of labels": ("nade", {"n_visible": 5, "n_hidden": 3, "n_classes": 3}),
    "nade untied": ("nade_untied", {"n_visible": 4, "n_hidden": 2}),
    "nade untied of labels": ("nade_untied", {"n_visible": 4, "n_hidden": 2, "n_classes": 2}),
    "made": ("made", {"values": (2,) * 5, "hidden": (24,)}),
    "made deep": ("made", {"values": (2,) * 5, **MADE, "activation": "tanh"}),
    "made of masks": ("made", {"values": (2,) * 4, **MADE, "n_masks": 3, "activation": "sigmoid"}),
    "made of labels": ("made", {"values": (2,) * 4, **MADE, "n_classes": 3, "activation": "tanh"}),
    "made of categories": ("made", {"values": (3, 2, 1, 5), **MADE}),
    "made of numbers": ("made", {"values": (0, 0), "hidden": (7,), **MIXTURES}),
    "made of a table": ("made", {"values": (3, 0, 2), **MADE, **MIXTURES, "n_classes": 2}),
    "made of tables and masks": (
        "made",
        {"values": (0, 3, 2), **MADE, **MIXTURES, "n_masks": 2, "mixture_weights": "equal"},
    ),
    "orderless": ("orderless_nade", {"values": (2,) * 5, "hidden": (4, 3)}),
    "orderless of categories": (
        "orderless_nade",
        {"values": (2, 3, 1, 4), "hidden": (5,), "activation": "tanh", "n_classes": 2},
    ),
    "orderless of numbers": (
        "orderless_nade",
        {"values": (0, 3, 0), "hidden": (4,), "activation": "tanh", "n_components": 2},
    ),
    "table of bits": ("table_nade", {"values": (2,) * 4, "n_hidden": 3, "rescale": False}),
    "table of categories": ("table_nade", {"values": (3, 2, 1, 17), "n_hidden": 3}),
    "table of numbers": ("table_nade", {"values": (0, 0), "n_hidden": 3, "n_components": 3}),
    "table of Laplacians": ("table_nade", {"values": (0, 2), "n_hidden": 2, "family": "laplace"}),
    "table": ("table_nade", {**MIXED, "rescale": False, "mixture_weights": "learned"}),
    "table of labels": (
        "table_nade",
        {**MIXED, "values": (3, 0, 2), "n_classes": 3, "family": "laplace"},
    ),
    "table of labelled categories": (
        "table_nade",
        {"values": (3, 2, 5), "n_hidden": 3, "n_classes": 2},
    ),
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
    "pixel_cnn": ("pixel_cnn", PIXELS),
    "pixel_cnn of labels": ("pixel_cnn", {**PIXELS, "n_classes": 3}),
    "pixel_cnn of levels": ("pixel_cnn", {**PIXELS, "height": 1, "levels": 4}),
    "pixel_cnn of positions": ("pixel_cnn", {**PIXELS, "positions": True}),
    "pixel_cnn of colours": ("pixel_cnn", {**COLOURS, "levels": 2}),
    # Of fewer features all that a top's ReLU lets through may be off in some pixel.
    "pixel_cnn gated": ("pixel_cnn", {**PIXELS, "first_size": 3, "gated": True, "n_features": 12}),
    "pixel_cnn gated, of colours": (
        "pixel_cnn",
        {**COLOURS, "levels": 3, "gated": True, "n_classes": 2, "n_features": 12},
    ),
    "pixel_cnn gated, of positions": (
        "pixel_cnn",
        {
            **COLOURS,
            "gated": True,
            "levels": 2,
            "n_classes": 2,
            "n_features": 18,
            "positions": True,
        },
    ),
    "pixel_rnn": ("pixel_rnn", RECURRENT),
    "pixel_rnn of positions": (
        "pixel_rnn",
        {**RECURRENT, "n_classes": 2, "positions": True, "dropout": 0.3},
    ),
    "pixel_rnn of labels": ("pixel_rnn", {**RECURRENT, "n_classes": 3, "cell": "diagonal"}),
    "pixel_rnn of levels": ("pixel_rnn", {**RECURRENT, "width": 2, "levels": 4}),
    "pixel_rnn diagonal, of colours": (
        "pixel_rnn",
        {**TRIPLES, "cell": "diagonal", "levels": 3, "n_classes": 2},
    ),
    "pixel_rnn of colours": ("pixel_rnn", TRIPLES),
    "pixel_rnn of mixtures": (
        "pixel_rnn",
        {**RECURRENT, "width": 2, "levels": 4, "n_logistics": 2},
    ),
    "toy": ("toy", {"values": (3, 5, 4)}),
    "toy of labels": ("toy", {"values": (4, 3, 3), "n_classes": 2}),
}


class Flat:
    """A model of images as one of rows, (N, R·S·C): all else that it has is the model's own."""

    def __init__(self, model):
        """Remember the model."""
        self._model = model

    def __getattr__(self, name):
        """Return what needs no other shape."""
        return getattr(self._model, name)

    def log_prob(self, config, params, x, y=None):
        return self._model.log_prob(config, params, images(config, x), y)

    def log_prob_terms(self, config, params, x, y=None):
        terms = self._model.log_prob_terms(config, params, images(config, x), y)
        assert terms.shape == (len(x), *config.event.shape)
        return terms.reshape(x.shape)

    def conditionals(self, config, params, x, y=None):
        p = self._model.conditionals(config, params, images(config, x), y)
        return p.reshape(*x.shape, *p.shape[4:])

    def loss_and_grad(self, config, params, x, grad, **keywords):
        return self._model.loss_and_grad(config, params, images(config, x), grad, **keywords)

    def sample(self, config, params, uniforms, x=None, y=None):
        x = None if x is None else images(config, x)
        drawn = self._model.sample(config, params, images(config, uniforms), x, y)
        return drawn.reshape(uniforms.shape)


def images(config, x):
    """Return rows as images."""
    return x.reshape(len(x), *config.event.shape)


def make(name, dtype=np.float64):
    """Return a model of the table, of images as one of rows, its config and generic parameters."""
    module, options = MODELS[name]
    model = models.get(module)
    config = model.Config(**options)
    params = model.init(config, np.random.default_rng(0), dtype)
    scale = 0.4 if model.EVENT is Image else 0.7  # logits grow with each layer's sums
    params.flat[...] = scale * np.random.default_rng(1).normal(size=params.size)
    return Flat(model) if model.EVENT is Image else model, config, params


def values(config):
    """Return how many values each variable has, of a sequence those of T symbols."""
    event = config.event
    if isinstance(event, Image):
        return (event.levels,) * prod(event.shape)
    return event.values if isinstance(event, Columns) else (event.n_symbols,) * T


def is_discrete(name):
    """Return whether what a model of the table is of can be counted."""
    return CONTINUOUS not in MODELS[name][1].get("values", ())


def random_x(config, rng, N):
    """Return N random observations, real columns in float64."""
    columns = [rng.integers(0, K, N) if K else rng.normal(size=N) for K in values(config)]
    event = config.event
    dtype = event.dtype_with(np.float64) if isinstance(event, Columns) else event.dtype
    return np.stack(columns, axis=1).astype(dtype)


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


def of_variable(config, i, p):
    """Return the conditionals of variable i, of a bit p(1), (N,), out of all, (N, D) or more."""
    return p[:, i, 1] if p.ndim > 2 and values(config)[i] == 2 else p[:, i]


def probability(config, i, p, x):
    """Return p(x_i | x_<i), (N,), of values x of variable i, from its conditionals p, (N, …)."""
    if p.ndim == 1:
        return np.where(x, p, 1 - p)
    if values(config)[i] == CONTINUOUS:
        weights, component = _mixture(config, p)
        return (weights * component.pdf(x[:, None])).sum(axis=1)
    return np.take_along_axis(p, x[:, None].astype(int), 1)[:, 0]


def below(config, p, x):
    """Return F(x_i | x_<i), (N,), of a real variable, from its conditionals."""
    weights, component = _mixture(config, p)
    return (weights * component.cdf(x[:, None])).sum(axis=1)


def drawn(p, u):
    """Return what u draws of a variable that can be counted: p is p(1), (N,), or p(v), (N, K)."""
    if p.ndim == 1:
        return u < p
    sums = np.cumsum(p, axis=1)
    return (sums <= u[:, None] * sums[:, -1:]).sum(axis=1)


def _mixture(config, p):
    """Return the weights of a mixture and its components."""
    n_components = config.n_components * getattr(config, "n_masks", 1)
    weights, means, scales = np.split(p[:, : 3 * n_components], 3, axis=1)
    family = {"gaussian": stats.norm, "laplace": stats.laplace}[config.family]
    return weights, family(means, scales)
