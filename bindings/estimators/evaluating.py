"""Functions of a fitted model, from host arrays to host arrays, on either side and all threads.

All take a model of the engine, its config, parameters on the side where they are to run, x, y or
None, and the log of the classes' prior; a model with labels that is given none is its marginal.
"""

from typing import Any

import numpy as np

from chainrule.engine.event import Columns, Sequence
from chainrule.engine.params import Params
from chainrule.estimators import marginal as density
from chainrule.estimators import marginal as labels
from chainrule.estimators import runtime
from chainrule.kernels import threads
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array

ROWS = 4096  # of a table that are worked on at once at most: Ctrl-C is heard between
NUMBERS = 1 << 23  # of conditionals that are held at once: bounds memory


def rows_at_once(event: Any) -> int:
    """Return how many observations are evaluated or drawn at once."""
    return max(1, min(ROWS, NUMBERS // int(event.n_outputs)))


def log_prob(model: Any, config: Any, params: Params, x: Any, y: Any, log_prior: Any) -> Array:
    """Return log p(x), (N,); of sequences summed in float64, of which they may be long."""
    if model.EVENT is Sequence:
        terms: Array = log_prob_terms(model, config, params, x, y, log_prior).sum(axis=1)
        return terms
    return _run(density.log_prob, model, config, params, x, y, log_prior)


def log_prob_terms(
    model: Any, config: Any, params: Params, x: Any, y: Any, log_prior: Any
) -> Array:
    """Return log p(x_i | x_<i), shaped like x; of sequences in float64."""
    out = _run(density.log_prob_terms, model, config, params, x, y, log_prior)
    return out.astype(np.float64) if model.EVENT is Sequence else out


def conditionals(model: Any, config: Any, params: Params, x: Any, y: Any, log_prior: Any) -> Array:
    """Return the distribution of every x_i given x_<i, as `engine.models` has it."""
    return _run(density.conditionals, model, config, params, x, y, log_prior)


def posterior(model: Any, config: Any, params: Params, x: Any, y: Any, log_prior: Any) -> Array:
    """Return log p(class | x), (N, n_classes)."""

    def without_y(model: Any, config: Any, params: Params, x: Any, y: Any, log_prior: Any) -> Any:
        return labels.posterior(model, config, params, x, log_prior)

    return _run(without_y, model, config, params, x, y, log_prior)


def draw(u: Array, log_prior: Any) -> Any:
    """Return a class for each uniform in [0, 1), (N,) int32."""
    return labels.draw(u, log_prior)


def _run(
    function: Any, model: Any, config: Any, params: Params, x: Any, y: Any, log_prior: Any
) -> Array:
    """Return a function's result: on a device of all rows, on the host of some a thread.

    Kernels of tables split rows themselves; of sequences more than the kernels is worth it.
    """
    xp = array_module(params.flat)
    if xp is not np or model.EVENT is Columns:
        y = None if y is None else xp.asarray(y)
        return runtime.to_host(function(model, config, params, xp.asarray(x), y, log_prior))

    def rows(lo: int, hi: int) -> Array:
        some = None if y is None else y[lo:hi]
        part: Array = function(model, config, params, x[lo:hi], some, log_prior)
        return part

    return np.concatenate(threads.map_rows(rows, len(x)))


def sample(model: Any, config: Any, params: Params, u: Any, x: Any, y: Any) -> Any:
    """Return rows drawn where the uniform u is in [0, 1), and kept as in x where it is negative."""
    xp = array_module(params.flat)
    if x is not None:  # until the engine keeps x by itself: a bit's certain uniform
        u = np.where(u < 0, np.where(x == 1, -1, 2), u).astype(u.dtype)
    rest = () if y is None else (None, None, xp.asarray(y))
    return runtime.to_host(model.sample(config, params, xp.asarray(u), *rest))
