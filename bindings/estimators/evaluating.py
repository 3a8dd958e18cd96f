"""Functions of a fitted model, from host arrays to host arrays, on either side and all threads.

All take a model of the engine, its config, parameters on the side where they are to run, x, y or
None, and the log of the classes' prior; a model with labels that is given none is its marginal.
"""

from typing import Any

import numpy as np

from chainrule.engine import density, labels
from chainrule.engine.event import Columns, Sequence
from chainrule.engine.params import Params
from chainrule.engine.team import dealing
from chainrule.estimators import runtime
from chainrule.kernels import threads
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array


def log_prob(model: Any, config: Any, params: Params, x: Any, y: Any, log_prior: Any) -> Array:
    """Return log p(x), (N,); of sequences summed in float64, of which they may be long."""
    if model.EVENT is Sequence:
        terms: Array = log_prob_terms(model, config, params, x, y, log_prior).sum(axis=1)
        return terms

    def of_slice(lo: int, hi: int) -> Array:
        some = None if y is None else y[lo:hi]
        return _run(density.log_prob, model, config, params, x[lo:hi], some, log_prior)

    return dealing.rows(of_slice, len(x))


def log_prob_terms(
    model: Any, config: Any, params: Params, x: Any, y: Any, log_prior: Any
) -> Array:
    """Return log p(x_i | x_<i), shaped like x; of sequences in float64."""

    def of_slice(lo: int, hi: int) -> Array:
        some = None if y is None else y[lo:hi]
        return _run(density.log_prob_terms, model, config, params, x[lo:hi], some, log_prior)

    out = dealing.rows(of_slice, len(x))
    return out.astype(np.float64) if model.EVENT is Sequence else out


def conditionals(model: Any, config: Any, params: Params, x: Any, y: Any, log_prior: Any) -> Array:
    """Return the distribution of every x_i given x_<i, as `engine.models` has it."""
    return _run(density.conditionals, model, config, params, x, y, log_prior)


def posterior(model: Any, config: Any, params: Params, x: Any, y: Any, log_prior: Any) -> Array:
    """Return log p(class | x), (N, n_classes)."""

    def without_y(model: Any, config: Any, params: Params, x: Any, y: Any, log_prior: Any) -> Any:
        return labels.posterior(model, config, params, x, log_prior)

    return _run(without_y, model, config, params, x, y, log_prior)


def posterior_after(
    model: Any, config: Any, params: Params, x: Any, k: Any, log_prior: Any
) -> Array:
    """Return log p(class | x_1 … x_k), (N, n_classes); k, (N,): of each row."""

    def after(model: Any, config: Any, params: Params, x: Any, k: Any, log_prior: Any) -> Any:
        return labels.posterior_after(model, config, params, x, k, log_prior)

    return _run(after, model, config, params, x, k, log_prior)  # k is cut as labels are


def log_prob_given(
    model: Any, config: Any, params: Params, x: Any, given: Any, y: Any, log_prior: Any
) -> Array:
    """Return log p(x_f | x_g), (N,); given, (N, D) bool, marks g."""
    return _run(_knowing(density.log_prob_given, given), model, config, params, x, y, log_prior)


def marginals(
    model: Any, config: Any, params: Params, x: Any, given: Any, y: Any, log_prior: Any
) -> Array:
    """Return the distribution of every single x_i given x_g, as `engine.models` has it."""
    return _run(_knowing(density.marginals, given), model, config, params, x, y, log_prior)


def _knowing(function: Any, given: Any) -> Any:
    """Return a function of `density` that is told what is given."""

    def of_rows(model: Any, config: Any, params: Params, x: Any, y: Any, log_prior: Any) -> Any:
        marks = array_module(x).asarray(given)
        return function(model, config, params, x, marks, y, log_prior)

    return of_rows


def draw_given(u: Array, log_p: Array) -> Any:
    """Return a class for each uniform, (N,), by the logarithms of its row's probabilities."""
    return labels.draw_given(u, log_p)


def uniforms(model: Any, config: Any, params: Params, x: Any, v: Any, y: Any) -> Any:
    """Return uniforms, (N, D) float64, from which rows x are drawn again.

    v: (N, D) in [0, 1), says which of those that draw a bit or a category.
    """
    xp = array_module(params.flat)
    numbers = None if y is None else xp.asarray(y)
    return runtime.to_host(model.uniforms(config, params, xp.asarray(x), xp.asarray(v), numbers))


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
    kept = None if x is None else xp.asarray(x)
    numbers = None if y is None else xp.asarray(y)

    def of_slice(lo: int, hi: int) -> Array:
        some, its = (None if a is None else a[lo:hi] for a in (kept, numbers))
        drawn = model.sample(config, params, xp.asarray(u[lo:hi]), some, its)
        return runtime.to_host(drawn)

    return dealing.rows(of_slice, len(u))
