"""Sampling with a memory: the same symbols as recomputing everything, and the right frequencies."""

from itertools import islice, product

import numpy as np
import pytest
from cuda_on_cpu.fake_cupy import to_device
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import chisquare
from support.sequences import CASES, V, behind, make, prompts, some_labels

from chainrule.engine.params import Params
from chainrule.kernels import use_backend, use_threads
from chainrule.kernels.categorical import reference as categorical
from chainrule.kernels.dispatch import HOST_BACKENDS
from chainrule.kernels.samplers import products as decoding

every_case = pytest.mark.parametrize("case", CASES)
OPTIONS = [(1.0, 0, 1.0), (0.0, 0, 1.0), (0.7, 3, 0.9), (2.0, 1, 1.0)]  # temperature, k, p


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def draw(p, u, *options):
    """Return the symbol that the definition draws for one distribution, (V,)."""
    x = np.empty(1, np.int32)
    categorical.draw(np.log(p[None]), np.array([u]), *options, x)
    return x[0]


def recomputed(model, config, params, u, x, labels, *options):
    """Return what sampling must return.

    For every symbol, all conditionals of all that came before it are computed anew.
    """
    out = x.copy()
    for n in range(len(u)):
        label = None if labels is None else labels[n : n + 1]
        so_far = []
        for t in range(u.shape[1]):
            if u[n, t] >= 0:
                asked = np.array([[*so_far, 0]], np.int32)  # the last one is what we ask for
                p = model.conditionals(config, params, asked, label)[0, -1]
                out[n, t] = draw(p, u[n, t], *options)
            if out[n, t] >= 0:
                so_far.append(out[n, t])
    return out


def mixed(rng, N, T):
    """Return uniforms and x: draws, given symbols and waiting in any order."""
    u, x = rng.random((N, T)), rng.integers(0, V, (N, T)).astype(np.int32)
    kind = rng.integers(0, 5, (N, T))
    u[kind >= 3] = -1
    x[kind == 4] = -1
    return u, x


@every_case
@pytest.mark.parametrize("N", [1, 5])
def test_cached_is_recomputed(case, N, rng, monkeypatch):
    """One row, its weights as they lie; and several, for which they are laid out in tiles."""
    monkeypatch.setattr(decoding, "FEW_SYMBOLS", 1)
    model, config, params = make(case)
    labels = some_labels(config, N)
    for options in OPTIONS:
        u, x = behind(prompts(rng, N, 13)[0], rng.random((N, 17)))
        expected = recomputed(model, config, params, u, x, labels, *options)
        got = model.sample(config, params, u, x, labels, *options)
        assert got.dtype == np.int32
        assert_array_equal(got, expected, err_msg=str(options))


@every_case
@pytest.mark.parametrize("N", [1, 6])
def test_what_is_given_is_kept_anywhere(case, N, rng):
    model, config, params = make(case)
    labels = some_labels(config, N)
    u, x = mixed(rng, N, 23)
    before = x.copy()
    expected = recomputed(model, config, params, u, x, labels, 0.9, 0, 1.0)
    got = model.sample(config, params, u, x, labels, 0.9)
    assert_array_equal(got, expected)
    assert_array_equal(x, before)
    assert_array_equal(got[u < 0], x[u < 0])
    other = x.copy()
    other[0, np.flatnonzero(u[0] >= 0)] = 0  # what stands where something is drawn is not read
    assert_array_equal(model.sample(config, params, u, other, labels, 0.9), got)


@every_case
def test_peek_is_the_conditional_and_moves_nothing(case, rng):
    model, config, params = make(case)
    N, labels = 3, some_labels(config, 3)
    x = rng.integers(0, V, (N, 14)).astype(np.int32)
    p = model.conditionals(config, params, x, labels)
    sampler = model.start(config, params, N, labels)
    for t in range(14):
        for _ in range(t % 3):  # not at all, once, twice
            assert_allclose(sampler.peek(), p[:, t], rtol=1e-10)
        if t % 2:
            sampler.put(x[:, t])
        else:
            u = np.full((N, 1), -1.0)
            assert_array_equal(sampler.extend(u, x[:, t : t + 1]), x[:, t : t + 1])


@every_case
def test_put_of_what_was_drawn_is_extend(case, rng):
    model, config, params = make(case)
    N, labels = 4, some_labels(config, 4)
    u = rng.random((N, 12))
    drawing, putting = (model.start(config, params, N, labels) for _ in range(2))
    for t in range(12):
        x = drawing.extend(u[:, t : t + 1])[:, 0]
        p = putting.peek()
        assert_array_equal([draw(p[n], u[n, t], 1.0, 0, 1.0) for n in range(N)], x)
        putting.put(x)
        assert_allclose(putting.peek(), drawing.peek(), rtol=1e-10)
    several = model.start(config, params, N, labels)
    several.put(model.sample(config, params, u, None, labels))
    assert_allclose(several.peek(), drawing.peek(), rtol=1e-10)


@every_case
def test_a_row_that_waits_stays_where_it_is(case, rng):
    model, config, params = make(case)
    N, labels = 3, some_labels(config, 3)
    x = rng.integers(0, V, (N, 7)).astype(np.int32)
    sampler = model.start(config, params, N, labels)
    sampler.put(x)
    before = sampler.peek()
    waiting = np.array([[2], [-1], [1]], np.int32)
    assert_array_equal(sampler.extend(np.full((N, 1), -1.0), waiting), waiting)
    after = sampler.peek()
    assert_allclose(after[1], before[1], rtol=1e-12)
    if (config.event.context or 9) > 2:  # else the same symbol again may be all that is seen
        assert (np.abs(after - before)[[0, 2]].max(axis=1) > 1e-9).all()


@every_case
def test_cached_is_recomputed_but_for_rounding_in_float32(case, rng, monkeypatch):
    """Follow the sampler: each draw must be right given its own past, or within rounding of it."""
    monkeypatch.setattr(decoding, "FEW_SYMBOLS", 1)
    model, config, params = make(case, np.float32)
    u = rng.random((9, 25)).astype(np.float32)
    labels = some_labels(config, 9)
    x = model.sample(config, params, u.astype(np.float64), y=labels)
    exact = Params(params.shapes, params.flat.astype(np.float64))
    p = model.conditionals(config, exact, x, labels).astype(np.float64)
    above = np.take_along_axis(p.cumsum(axis=2), x[..., None], axis=2)[..., 0]
    below = above - np.take_along_axis(p, x[..., None], axis=2)[..., 0]
    off = np.maximum(np.maximum(below - u, u - above), 0)
    assert off.max() < 1e-4, "a draw that no rounding explains"
    assert (off > 0).sum() <= 1


@every_case
def test_rows_do_not_meet(case, rng):
    model, config, params = make(case)
    N, labels = 7, some_labels(config, 7)
    u, x = mixed(rng, N, 29)
    together = model.sample(config, params, u, x, labels)
    for n in range(N):
        label = None if labels is None else labels[n : n + 1]
        moves = (u[n] >= 0) | (x[n] >= 0)
        alone = model.sample(config, params, u[n : n + 1, moves], x[n : n + 1, moves], label)
        assert_array_equal(alone[0], together[n, moves])


@every_case
def test_threads_and_pieces_do_not_matter(case, rng):
    model, config, params = make(case)
    N, labels = 27, some_labels(config, 27)
    u, x = mixed(rng, N, 17)
    arguments = {"x": x, "y": labels, "temperature": 0.9}
    whole = model.sample(config, params, u, **arguments)
    for n_threads in (1, 2, 5):
        with use_threads(n_threads):
            assert_array_equal(model.sample(config, params, u, **arguments), whole)
    for chunk in (1, 3, 17, 100):
        pieces = list(model.stream(config, params, u, **arguments, chunk=chunk))
        assert [piece.shape[1] for piece in pieces[:-1]] == [chunk] * (len(pieces) - 1)
        assert_array_equal(np.concatenate(pieces, axis=1), whole)


@every_case
def test_a_stream_without_end(case, rng):
    model, config, params = make(case, np.float32)

    def uniforms():
        pieces = np.random.default_rng(3)
        while True:
            yield pieces.random((2, 4))

    labels = some_labels(config, 2)
    endless = model.stream(config, params, uniforms(), y=labels)
    first = np.concatenate(list(islice(endless, 10)), axis=1)
    u = np.concatenate(list(islice(uniforms(), 10)), axis=1)
    assert_array_equal(first, model.sample(config, params, u, y=labels))


@every_case
def test_frequencies(case, rng):
    model, config, params = make(case)
    params.flat[...] *= 0.5
    every_x = np.array(list(product(range(V), repeat=3)), np.int32)
    label = None if some_labels(config, 1) is None else np.full(len(every_x), 2)
    p = np.exp(model.log_prob(config, params, every_x, label))
    assert p.sum() == pytest.approx(1, abs=1e-12)
    N = 2000
    labels = None if label is None else np.full(N, 2)
    x = model.sample(config, params, rng.random((N, 3)), y=labels)
    counts = np.bincount(x @ [V * V, V, 1], minlength=V**3)
    order = np.argsort(p)
    bins = np.add.reduceat(p[order], np.arange(0, V**3, 4))  # 16 bins: rare ones together
    drawn = np.add.reduceat(counts[order], np.arange(0, V**3, 4))
    rare = np.searchsorted(bins * N > 5, True)
    bins, drawn = (np.append(a[:rare].sum() + a[rare], a[rare + 1 :]) for a in (bins, drawn))
    assert chisquare(drawn, N * bins / bins.sum()).pvalue > 1e-4


@every_case
def test_uniforms_decide(case, rng):
    model, config, params = make(case)
    labels, u = some_labels(config, 3), rng.random((3, 12))
    x = model.sample(config, params, u, y=labels)
    assert_array_equal(model.sample(config, params, u.copy(), y=labels), x)
    other = model.sample(config, params, rng.random((3, 12)), y=labels)
    assert (other != x).any()
    greedy = model.sample(config, params, u, temperature=0, y=labels)
    assert_array_equal(model.sample(config, params, u, top_k=1, y=labels), greedy)
    assert_array_equal(model.sample(config, params, 1 - u, top_p=1e-9, y=labels), greedy)


@every_case
def test_device_arrays(case, rng, rig):
    """The path that GPU arrays take, on stand-ins, its kernels on the CPU rig."""
    model, config, params = make(case)
    labels, options = some_labels(config, 3), (0.9, 3, 0.95)
    u, x = mixed(rng, 3, 7)
    u, x = np.hstack([np.full((3, 9), -1.0), u]), np.hstack([prompts(rng, 3, 9)[0], x])
    expected = model.sample(config, params, u, x, labels, *options)
    on_device = Params(params.shapes, to_device(params.flat))
    y = None if labels is None else to_device(labels)
    got = model.sample(config, on_device, to_device(u), to_device(x), y, *options)
    assert_array_equal(got.get(), expected)
    there, here = model.start(config, on_device, 3, y), model.start(config, params, 3, labels)
    there.put(to_device(x))
    here.put(x)
    assert_allclose(there.peek().get(), here.peek(), rtol=1e-9)
    more = there.extend(to_device(u[:, -2:]), to_device(x[:, -2:]))
    assert_array_equal(more.get(), here.extend(u[:, -2:], x[:, -2:]))


@every_case
def test_no_rows_and_no_symbols(case):
    model, config, params = make(case)
    three, none = some_labels(config, 3), some_labels(config, 0)
    assert model.sample(config, params, np.zeros((3, 0)), y=three).shape == (3, 0)
    assert model.sample(config, params, np.zeros((0, 4)), y=none).shape == (0, 4)
    assert model.start(config, params, 0, none).peek().shape == (0, V)


def test_what_does_not_fit_is_named():
    model, config, params = make("tanh, 1 layers")
    u = np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"there are 2 rows; got uniforms \(2, 3\) and x \(2, 2\)"):
        model.sample(config, params, u, np.zeros((2, 2), np.int32))
    with pytest.raises(ValueError, match=r"there are 3 rows; got uniforms \(2, 3\)"):
        model.start(config, params, 3).extend(u)
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        next(model.stream(config, params, u, chunk=0))


@every_case
def test_labels_where_there_are_some_and_nowhere_else(case):
    model, config, params = make(case)
    wrong = None if some_labels(config, 2) is not None else np.zeros(2, np.int32)
    if wrong is not None and model.ABILITIES.labels:  # the only class there is: nothing changes
        u = np.full((2, 3), 0.5)
        told = model.sample(config, params, u, None, wrong)
        assert_array_equal(told, model.sample(config, params, u))
        return
    calls = (
        lambda: model.start(config, params, 2, wrong),
        lambda: model.sample(config, params, np.zeros((2, 3)), None, wrong),
        lambda: next(model.stream(config, params, np.zeros((2, 3)), None, wrong)),
    )
    for call in calls:
        with pytest.raises(ValueError, match="leave y out" if wrong is not None else "give y"):
            call()
