"""Negative log-likelihoods of data sets: of all of it, or of parts from all over it.

    mean_nll    rows of any event of fixed size                    nats a row
    mean_estimate   the same of a model whose likelihood is dear   nats a row
    rows_nll    rows of symbols                                    nats a symbol
    text_nll    one long text                                      nats a symbol
    log_probs   one long text, every symbol                        nats, piece by piece

All ask `chainrule.engine.density`: a labelled model is scored with labels y where they are given,
else by its marginal. How much is asked for at once is `chainrule.engine.bounds`' business.

A text is read piece by piece, so it may be larger than memory. A model with a context reads it by
the windows of `engine.windows`, many in one pass: the numbers are those of `log_prob_terms` of
the whole. A recurrent model reads it from end to end with its state carried along; where a limit
asks for parts of the text, each is led up to by LEAD symbols that do not count, which start from
h_0: an estimate of what the whole past would give.

Of a `team` each rank scores a share, and all get the mean; but a text that must be read in order,
by a recurrent model or with labels to be weighed, rank 0 reads alone.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any

import numpy as np

from chainrule.engine import bounds, density, labels, ragged, windows
from chainrule.engine.event import Sequence
from chainrule.engine.noise import Noise
from chainrule.engine.params import Params
from chainrule.engine.team import ALONE, Team
from chainrule.kernels import threads
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.types import Array, Ids

EVAL_ROWS = 1000  # rows a thread's model sees at once, at most
MIN_ROWS = 8  # the fewest of them worth a thread
ESTIMATES = 1 << 11  # of rows' likelihoods, at least, where these are estimated
NO_STEP = (1 << 32) - 1  # minibatches end before this number; validation draws by it
PART, LEAD = 512, 128  # symbols that count and that lead up, where a recurrent model reads parts

Piece = tuple[int, int, int]  # start, first, stop: text[start:stop] decides first … stop - 1


def mean_nll(
    model: Any,
    config: Any,
    params: Params,
    X: Any,
    batch_size: int | None = None,
    y: Any = None,
    *,
    team: Team = ALONE,
) -> float:
    """Return the mean of -log p(x) over the rows of X, in nats.

    batch_size: rows a thread asks for at once; None: as many as their numbers allow.
    """
    step = batch_size or bounds.rows_of(config, EVAL_ROWS)

    def total(lo: int, hi: int) -> float:
        xp, nll = array_module(X), 0.0
        for at in range(lo, hi, step):
            rows = slice(at, min(at + step, hi))
            log_p = density.log_prob(model, config, params, X[rows], _some(y, rows))
            nll -= float(log_p.sum(dtype=xp.float64))
        return nll

    return team.total(_shared(total, len(X), X, team)) / len(X)


def mean_estimate(
    model: Any,
    config: Any,
    params: Params,
    X: Any,
    seed: int,
    y: Any = None,
    *,
    team: Team = ALONE,
) -> float:
    """Return an estimate of the mean of -log p(x) over the rows of X, in nats, always the same.

    For a model whose exact likelihood takes as many passes as a row has variables. Its unbiased
    estimates by one pass are drawn from fixed noise, of no minibatch: so two sets of parameters are
    compared by the same draws. Each row has as many draws as make ESTIMATES in all.
    """
    n, step = -(-ESTIMATES // len(X)) * len(X), bounds.rows_of(config, EVAL_ROWS)

    def total(lo: int, hi: int) -> float:
        xp, nll = array_module(X), 0.0
        for at in range(lo, hi, step):
            rows = xp.arange(at, min(at + step, hi)) % len(X)
            noise, some = Noise(seed, NO_STEP, at), _some(y, rows)
            estimates = model.nll_estimates(config, params, X[rows], noise, some)
            nll += float(estimates.sum(dtype=xp.float64))
        return nll

    return team.total(_shared(total, n, X, team)) / n


def _shared(total: Callable[[int, int], float], n: int, X: Any, team: Team) -> float:
    """Return the sum of total(lo, hi) over this rank's slice of n rows, shared by threads."""
    first, last = team.slice_of(n)
    if on_device(X):
        return total(first, last)
    return sum(
        threads.map_rows(lambda lo, hi: total(first + lo, first + hi), last - first, MIN_ROWS)
    )


def rows_nll(
    model: Any,
    config: Any,
    params: Params,
    x: Any,
    y: Any = None,
    limit: int = 0,
    *,
    team: Team = ALONE,
) -> float:
    """Return the mean of -log p over the symbols of rows x, in nats a symbol.

    x: a table, (N, T), or `Ragged`. limit: about how many symbols, from rows all over x; 0 is all.
    """
    sizes = ragged.lengths(x)
    n = len(x) if not limit else max(1, min(len(x), int(limit / sizes.mean())))
    chosen = np.arange(n) * len(x) // n
    mine, log_p = chosen[slice(*team.slice_of(n))], 0.0
    for group, part in by_length(x, mine, config.event):
        some = _some(y, mine[group])
        log_p += float(symbol_log_probs(model, config, params, part, some).sum())
    return -team.total(log_p) / int(sizes[chosen].sum())


def by_length(
    x: Any, chosen: Any = None, event: Sequence | None = None
) -> Iterator[tuple[Any, Ids]]:
    """Yield rows of x in groups of like lengths: which of the chosen, and a table of them.

    A group is what a pass without gradients takes at once. chosen: numbers of rows; None: all.
    event: the model's, which says how many numbers a symbol needs.
    """
    chosen = np.arange(len(x)) if chosen is None else chosen
    most = _positions(event) * threads.n_threads()
    for group in ragged.groups(ragged.lengths(x)[chosen], most):
        yield group, ragged.table(x, chosen[group])


def text_nll(
    model: Any, config: Any, params: Params, text: Any, limit: int = 0, *, team: Team = ALONE
) -> float:
    """Return the mean of -log p over a text's symbols, (T,), in nats a symbol.

    limit: about how many symbols, in parts from all over the text; 0 is all.
    """
    total, count = 0.0, 0
    for log_p in log_probs(model, config, params, text, limit, team=team):
        total -= float(log_p.sum(dtype=np.float64))
        count += len(log_p)
    return team.total(total) / team.total(count)


def log_probs(
    model: Any,
    config: Any,
    params: Params,
    text: Any,
    limit: int = 0,
    log_prior: Any = None,
    *,
    team: Team = ALONE,
) -> Iterator[Array]:
    """Yield log p(x_t | x_<t), float64 on the host, of the symbols of a text, in order.

    limit: about how many of them, in parts from all over the text; 0 is all. log_prior: log p(c),
    (n_classes,), of a labelled model, whose marginal this is; None: all classes alike.
    team: yield this rank's share of them.
    """
    n_classes = labels.n_classes(model, config)
    if n_classes == 1:
        yield from _log_probs(model, config, params, text, limit, team)
        return
    if team.rank > 0:  # each part's weights are what the parts before it say
        return
    weights = labels.uniform(config) if log_prior is None else np.asarray(log_prior, np.float64)
    classes = (_log_probs(model, config, params, text, limit, ALONE, c) for c in range(n_classes))
    for terms in zip(*classes, strict=True):
        mixed, weights = labels.mix(np.stack(terms), weights)
        yield mixed


def _log_probs(
    model: Any,
    config: Any,
    params: Params,
    text: Any,
    limit: int,
    team: Team,
    c: int | None = None,
) -> Iterator[Array]:
    """Yield log p of a text's symbols, or given that it is of class c."""
    T = len(text)
    pieces: Iterable[Piece] = [(0, 0, T)][slice(*team.slice_of(1))]
    if model.ABILITIES.context:
        step, n = windows.stride(config.context), windows.count(T, config.context)
        chosen = _spread(n, -(-limit // step)) if 0 < limit < T else range(n)
        mine = chosen[slice(*team.slice_of(len(chosen)))]
        pieces = (windows.window(k, T, config.context) for k in mine)
    elif 0 < limit < T:
        some = _spread(-(-T // PART), -(-limit // PART))
        parts = (k * PART for k in some[slice(*team.slice_of(len(some)))])
        pieces = ((max(0, at - LEAD), at, min(at + PART, T)) for at in parts)
    elif model.ABILITIES.state:
        if team.rank == 0:
            yield from _end_to_end(model, config, params, text)
        return
    yield from _by_pieces(model, config, params, text, pieces, c)


def _by_pieces(
    model: Any, config: Any, params: Params, text: Any, pieces: Iterable[Piece], c: int | None
) -> Iterator[Array]:
    """Yield log p of what the pieces decide, those of one shape in one pass."""
    for shape, group in groupby(pieces, lambda piece: (piece[2] - piece[0], piece[1] - piece[0])):
        at_once = max(1, _positions(config.event) // max(1, shape[0])) * threads.n_threads()
        while some := list(islice(group, at_once)):
            x = np.stack([text[start:stop] for start, _, stop in some]).astype(np.int32)
            y = None if c is None else np.full(len(x), c, np.int32)
            yield symbol_log_probs(model, config, params, x, y)[:, shape[1] :].reshape(-1)


def _end_to_end(model: Any, config: Any, params: Params, text: Any) -> Iterator[Array]:
    """Yield log p of a whole text under a recurrent model, its state carried along."""
    xp = array_module(params.flat)
    carry = xp.empty((1, model.state_size(config)), params.dtype)
    step = _positions(config.event)
    for at in range(0, len(text), step):
        x = xp.asarray(np.asarray(text[at : at + step])[None].astype(np.int32))
        fresh = xp.asarray([at == 0])
        yield _host(model.log_prob_terms(config, params, x, carry=carry, fresh=fresh))[0]


def symbol_log_probs(model: Any, config: Any, params: Params, x: Ids, y: Any = None) -> Array:
    """Return log p of every symbol of x, (N, T), float64 on the host, rows shared by threads."""
    xp = array_module(params.flat)
    if xp is not np:
        y = None if y is None else xp.asarray(y)
        return _host(density.log_prob_terms(model, config, params, xp.asarray(x), y))
    out = np.empty(x.shape)

    def rows(lo: int, hi: int) -> None:
        some = _some(y, slice(lo, hi))
        out[lo:hi] = density.log_prob_terms(model, config, params, x[lo:hi], some)

    threads.map_rows(rows, len(x))
    return out


def _host(log_p: Any) -> Array:
    host: Array = (log_p.get() if on_device(log_p) else log_p).astype(np.float64)
    return host


def _some(y: Any, rows: Any) -> Any:
    return None if y is None else y[rows]


def _positions(event: Sequence | None) -> int:
    """Return how many symbols a thread reads at once."""
    return bounds.POSITIONS if event is None else bounds.positions_at_once(event)


def _spread(n: int, wanted: int) -> range | list[int]:
    """Return about `wanted` of 0 … n - 1, at least one, spread evenly."""
    m = max(1, min(n, wanted))
    return range(n) if m == n else [k * n // m for k in range(m)]
