"""Labels that nobody gives: the marginal of a model of p(x | y), and what x says about y.

Marginal    With a prior p(c) over the classes c, the model of x alone is

            (F1)  p(x) = Σ_c p(c) p(x | c)

            a mixture: non-negative, and Σ_x p(x) = Σ_c p(c) Σ_x p(x | c) = Σ_c p(c) = 1.

Terms       It factorises by the chain rule like any other distribution. Let

            (F2)  ℓ_ci = log p(c) + Σ_{k≤i} log p(x_k | x_<k, c),   ℓ_c0 = log p(c)
            (F3)  M_i  = log Σ_c exp ℓ_ci = log p(x_1 … x_i),       M_0 = log Σ_c p(c) = 0

            ℓ_ci is log p(c, x_1 … x_i), so F3 is F1 for the first i variables, and
            (F4)  log p(x_i | x_<i) = M_i - M_{i-1}.
            Their sum over i telescopes to M_D = log p(x).

Conditionals
            p(x_i = v | x_<i) = Σ_c p(c | x_<i) p(x_i = v | x_<i, c), and by Bayes
            (F5)  p(c | x_<i) = p(c, x_<i) / p(x_<i) = exp(ℓ_c,i-1 - M_{i-1}).
            So each class's conditionals are weighed by what the variables before i say about it;
            at i = 1 that is the prior. At v = x_i this is F4: exp(M_i) / exp(M_{i-1}).
            Of a real variable, whose p(x_i | x_<i, c) is a mixture of C components, the mean is one
            of n_classes · C: the components of all classes side by side, (π, μ, σ), each weight
            (F9)  π_cj p(c | x_<i)
            With an atom, of probability π_c, that of the mean is
            (F10) π = Σ_c p(c | x_<i) π_c,  and of F9's mixture, which has 1 - π, the weights become
                  π_cj p(c | x_<i) (1 - π_c) / (1 - π)

Posterior   (F6)  p(c | x) = exp(ℓ_cD - M_D): F5 after the last variable. Its largest class is the
            one that errs least often where model and prior are right.

Sampling    (F7)  y from p(c), then x from p(x | y): by F1 x is then drawn from p(x). Where
            x_1 … x_k are known, y from p(c | x_1 … x_k), F5 at i = k + 1, and then the rest.

Given       Of a model in any order (`Abilities.any_order`), some variables x_g being known and any
            others x_f asked for, y is drawn or summed over as what x_g says of it:
            (F8)  p(x_f | x_g) = Σ_c p(c | x_g) p(x_f | x_g, c)
            with p(c | x_g) by F6 of a row that lacks the rest.

Cost        n_classes times that of p(x | y), one class after the other. Memory: a number a class
            and variable for F2; the conditionals of one class at a time.

Source      Bayes' rule; a generative classifier: Ng and Jordan 2002, "On Discriminative vs.
            Generative Classifiers: A comparison of logistic regression and naive Bayes".

Everything is in nats. Padding, -1 at a row's end, has terms of 0, so ℓ stays where it was.
"""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.engine.event import CONTINUOUS
from chainrule.engine.params import Params
from chainrule.kernels.dispatch import array_module
from chainrule.kernels.types import Array, Ids


def n_classes(model: ModuleType, config: Any) -> int:
    """Return how many classes a model is told of; 1 where it is not."""
    return int(config.n_classes) if model.ABILITIES.labels else 1


def uniform(config: Any) -> Array:
    """Return the log of the prior under which all classes are alike, (n_classes,)."""
    return np.full(config.n_classes, -np.log(config.n_classes))


def prior(y: Any, n: int) -> Array:
    """Return log p(c), (n,): the shares of n classes among labels y, (N,), 0 … n - 1.

    A class without a label has probability 0, hence -inf.
    """
    counts = np.bincount(np.asarray(y), minlength=n)
    with np.errstate(divide="ignore"):
        log_p: Array = np.log(counts / counts.sum())
    return log_p


def log_prob(model: ModuleType, config: Any, params: Params, x: Any, log_prior: Any) -> Array:
    """Return log p(x) of each row, (N,): F1.

    log_prior: log p(c), (n_classes,); -inf for a class that never comes.
    """
    xp = array_module(params.flat)
    out: Array = _log_sum(_joint(model, config, params, x, log_prior), xp)  # F1
    return out


def log_prob_terms(model: ModuleType, config: Any, params: Params, x: Any, log_prior: Any) -> Array:
    """Return log p(x_i | x_<i), shaped like x: F4."""
    xp = array_module(params.flat)
    M = _log_sum(_prefixes(model, config, params, x, log_prior), xp)
    terms: Array = M[:, 1:] - M[:, :-1]  # F4
    return terms.reshape(x.shape)


def mix(terms: Array, log_weights: Array) -> tuple[Array, Array]:
    """Return the marginal's terms of a piece of a long sequence, and the weights after it.

    terms: (n_classes, k), log p(x_i | x_<i, c) of the piece, float64. log_weights: (n_classes,),
    log p(c | what comes before the piece): F5, the prior where nothing does.
    """
    ell = np.concatenate([log_weights[:, None], log_weights[:, None] + terms.cumsum(axis=1)], 1)
    M = _log_sum(ell, np)
    return M[1:] - M[:-1], ell[:, -1] - M[-1]  # F4, F5


def conditionals(model: ModuleType, config: Any, params: Params, x: Any, log_prior: Any) -> Array:
    """Return the distribution of every x_i given x_<i, as the model itself would: F5."""
    xp = array_module(params.flat)
    ahead = _prefixes(model, config, params, x, log_prior)[:, :, :-1]
    weights = xp.exp(ahead - _log_sum(ahead, xp)).reshape(-1, *x.shape)  # F5
    classes = _classes(config, len(x), log_prior, xp)
    return _mean(config, weights, (model.conditionals(config, params, x, y) for y, _ in classes))


def posterior(model: ModuleType, config: Any, params: Params, x: Any, log_prior: Any) -> Array:
    """Return log p(c | x) of each row and class, (N, n_classes): F6."""
    joint = _joint(model, config, params, x, log_prior)
    out: Array = (joint - _log_sum(joint, array_module(params.flat))).T  # F6
    return out


def posterior_after(
    model: ModuleType, config: Any, params: Params, x: Any, k: Any, log_prior: Any
) -> Array:
    """Return log p(c | x_1 … x_k) of each row and class, (N, n_classes); k, (N,): F5.

    What x holds behind its first k variables is of no account.
    """
    xp = array_module(params.flat)
    ahead = _prefixes(model, config, params, x, log_prior)
    ell = xp.take_along_axis(ahead, xp.asarray(k)[None, :, None], axis=2)[:, :, 0]
    out: Array = (ell - _log_sum(ell, xp)).T  # F5
    return out


def log_prob_given(
    model: ModuleType, config: Any, params: Params, x: Any, given: Any, log_prior: Any
) -> Array:
    """Return log p(x_f | x_g), (N,); given, (N, D) bool, marks g: F8."""
    xp = array_module(params.flat)
    weights = posterior(model, config, params, _alone(config, x, given), log_prior).T
    classes = _classes(config, len(x), log_prior, xp)
    each = [model.log_prob_given(config, params, x, given, y) for y, _ in classes]
    out: Array = _log_sum(weights + xp.stack(each), xp)  # F8
    return out


def marginals(
    model: ModuleType, config: Any, params: Params, x: Any, given: Any, log_prior: Any
) -> Array:
    """Return the distribution of every x_i given x_g, as the model itself would: F8."""
    xp = array_module(params.flat)
    weights = xp.exp(posterior(model, config, params, _alone(config, x, given), log_prior))
    classes = _classes(config, len(x), log_prior, xp)
    each = (model.marginals(config, params, x, given, y) for y, _ in classes)
    return _mean(config, weights.T[:, :, None], each)  # F8


def _mean(config: Any, weights: Any, each: Iterator[Any]) -> Array:
    """Return the mean of the classes' distributions of every variable, as the model has them.

    weights: (n_classes, N, …), of each variable or of all. each: of one class after the other.
    """
    if CONTINUOUS in getattr(config.event, "values", ()):
        return _side_by_side(config, weights, each)
    total: Any = 0
    for weight, p in zip(weights, each, strict=True):
        total = total + weight.reshape(*weight.shape, *[1] * (p.ndim - weight.ndim)) * p
        total = total.astype(p.dtype, copy=False)
    out: Array = total
    return out


def _side_by_side(config: Any, weights: Any, each: Iterator[Any]) -> Array:
    """Return the mean of tables (N, D, width) of distributions, mixtures growing wider: F9."""
    values, C, K = np.array(config.event.values), config.components, len(weights)
    real, counted = np.flatnonzero(values == CONTINUOUS), np.flatnonzero(values != CONTINUOUS)
    xp, atoms = array_module(weights), bool(config.event.atoms)
    widest = max(3 * K * C + atoms, 2, *values.tolist())
    out: Any = None
    for k, (weight, p) in enumerate(zip(weights, each, strict=True)):
        if out is None:
            out = xp.zeros((*p.shape[:2], widest), p.dtype)
        w, width = weight[:, :, None].astype(p.dtype), min(p.shape[2], widest)
        out[:, counted, :width] += (w * p)[:, counted, :width]
        for part in range(3):  # weights, means, scales
            mine = p[:, real, part * C : (part + 1) * C]
            at = (part * K + k) * C
            out[:, real, at : at + C] = (w * p)[:, real, :C] if part == 0 else mine  # F9
        if atoms:
            own = slice(3 * C, 3 * C + 1)
            out[:, real, k * C : (k + 1) * C] *= 1 - p[:, real, own]
            out[:, real, 3 * K * C : 3 * K * C + 1] += (w * p)[:, real, own]
    if atoms:
        of_all = out[:, real, : K * C]
        rest = xp.maximum(of_all.sum(axis=2, keepdims=True), np.finfo(of_all.dtype).tiny)
        out[:, real, : K * C] = of_all / rest  # F10
    result: Array = out
    return result


def draw_given(u: Array, log_p: Any) -> Ids:
    """Return a class for each uniform in [0, 1), (N,), by a distribution a row, (N, n_classes)."""
    below = np.cumsum(np.exp(np.asarray(log_p, np.float64)), axis=1)
    y = (below <= np.asarray(u)[:, None] * below[:, -1:]).sum(axis=1)  # F8
    drawn: Ids = np.minimum(y, below.shape[1] - 1).astype(np.int32)
    return drawn


def _alone(config: Any, x: Any, given: Any) -> Any:
    """Return rows that lack all but what is given."""
    return array_module(x).where(given, x, x.dtype.type(config.event.missing))


def draw(u: Array, log_prior: Any) -> Ids:
    """Return a class for each uniform in [0, 1), (N,) int32 on the host: F7."""
    below = np.cumsum(np.exp(np.asarray(log_prior, np.float64)))
    y = np.searchsorted(below / below[-1], np.asarray(u), side="right")  # F7
    return np.minimum(y, len(below) - 1).astype(np.int32)


def _classes(config: Any, n: int, log_prior: Any, xp: Any) -> Iterator[tuple[Any, float]]:
    """Yield y, (n,), and log p(c) of each class.

    Raises:
        ValueError: a prior that is none.
    """
    prior = np.asarray(log_prior, np.float64)
    if prior.shape != (config.n_classes,) or not abs(np.exp(prior).sum() - 1) < 1e-3:
        raise ValueError(f"log_prior must hold log p(c) of {config.n_classes} classes, of sum 1")
    for c, log_p in enumerate(prior.tolist()):
        yield xp.full(n, c, np.int32), log_p


def _joint(model: ModuleType, config: Any, params: Params, x: Any, log_prior: Any) -> Any:
    """Return log p(c, x) of every class and row, (n_classes, N)."""
    xp = array_module(params.flat)
    classes = _classes(config, len(x), log_prior, xp)
    return xp.stack([log_p + model.log_prob(config, params, x, y) for y, log_p in classes])


def _prefixes(model: ModuleType, config: Any, params: Params, x: Any, log_prior: Any) -> Any:
    """Return ℓ_ci of F2, (n_classes, N, 1 + D), float64."""
    xp = array_module(params.flat)
    ell = xp.empty((config.n_classes, len(x), 1 + x[0].size if len(x) else 1), np.float64)
    for k, (y, log_p) in enumerate(_classes(config, len(x), log_prior, xp)):
        ell[k, :, 0] = log_p
        terms = model.log_prob_terms(config, params, x, y).reshape(len(x), -1)
        ell[k, :, 1:] = log_p + xp.cumsum(terms, axis=1, dtype=np.float64)  # F2
    return ell


def _log_sum(ell: Any, xp: Any) -> Any:
    """Return log Σ_c exp ℓ_c over the first axis: F3, F1."""
    top = ell.max(axis=0)
    return top + xp.log(xp.exp(ell - top).sum(axis=0))  # F3
