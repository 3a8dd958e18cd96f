"""Sampling with a memory: the same symbols as recomputing everything, and the right frequencies."""

from itertools import islice, product

import numpy as np
import pytest
from cuda_on_cpu.fake_cupy import to_device
from numpy.testing import assert_array_equal
from scipy.stats import chisquare
from support.sequences import CASES, V, make, prompts, some_labels

from chainrule.engine.params import Params
from chainrule.kernels import categorical, use_backend, use_threads
from chainrule.kernels.dispatch import HOST_BACKENDS
from chainrule.kernels.samplers import products as decoding

every_case = pytest.mark.parametrize("case", CASES)
OPTIONS = [(1.0, 0, 1.0), (0.0, 0, 1.0), (0.7, 3, 0.9), (2.0, 1, 1.0)]  # temperature, k, p


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def recomputed(model, config, params, u, prompt, lengths, labels, *options):
    """Return what sampling must return, and each draw's probabilities, (N, n_new, V).

    For every symbol, all conditionals of all that came before it are computed anew.
    """
    ids, p = np.empty(u.shape, np.int32), np.empty((*u.shape, V))
    for n, length in enumerate(lengths):
        label = None if labels is None else labels[n : n + 1]
        x = list(prompt[n, :length])
        for t in range(u.shape[1]):
            so_far = np.array([[*x, 0]], np.int32)  # the last one is what we ask for
            p[n, t] = model.conditionals(config, params, so_far, label)[0, -1]
            ids[n, t] = categorical.draw(np.log(p[n, None, t]), u[n, t, None], *options)[0]
            x.append(ids[n, t])
    return ids, p


@every_case
@pytest.mark.parametrize("N", [1, 5])
def test_cached_is_recomputed(case, N, rng, monkeypatch):
    """One row, its weights as they lie; and several, for which they are laid out in tiles."""
    monkeypatch.setattr(decoding, "FEW_SYMBOLS", 1)
    model, config, params = make(case)
    labels = some_labels(config, N)
    for options in OPTIONS:
        prompt, lengths = prompts(rng, N, 13)
        u = rng.random((N, 17))
        expected, _ = recomputed(model, config, params, u, prompt, lengths, labels, *options)
        got = model.sample(config, params, u, prompt, lengths, *options, y=labels)
        assert got.dtype == np.int32
        assert_array_equal(got, expected, err_msg=str(options))


@every_case
def test_cached_is_recomputed_but_for_rounding_in_float32(case, rng, monkeypatch):
    """Follow the sampler: each draw must be right given its own past, or within rounding of it."""
    monkeypatch.setattr(decoding, "FEW_SYMBOLS", 1)
    model, config, params = make(case, np.float32)
    u = rng.random((9, 25)).astype(np.float32)
    labels = some_labels(config, 9)
    x = model.sample(config, params, u, y=labels)
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
    prompt, lengths = prompts(rng, N, 9)
    u = rng.random((N, 20))
    together = model.sample(config, params, u, prompt, lengths, y=labels)
    for n in range(N):
        label = None if labels is None else labels[n : n + 1]
        alone = model.sample(config, params, u[n : n + 1], prompt[n : n + 1, : lengths[n]], y=label)
        assert_array_equal(alone[0], together[n])


@every_case
def test_threads_and_pieces_do_not_matter(case, rng):
    model, config, params = make(case)
    N, labels = 27, some_labels(config, 27)
    prompt, lengths = prompts(rng, N, 6)
    u = rng.random((N, 11))
    arguments = {"prompt": prompt, "lengths": lengths, "y": labels, "temperature": 0.9}
    whole = model.sample(config, params, u, **arguments)
    for n_threads in (1, 2, 5):
        with use_threads(n_threads):
            assert_array_equal(model.sample(config, params, u, **arguments), whole)
    for chunk in (1, 3, 11, 100):
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
    prompt, lengths = prompts(rng, 3, 7)
    u, labels = rng.random((3, 9)), some_labels(config, 3)
    options = 0.9, 3, 0.95
    expected = model.sample(config, params, u, prompt, lengths, *options, labels)
    on_device = Params(params.shapes, to_device(params.flat))
    labels = None if labels is None else to_device(labels)
    x = model.sample(config, on_device, to_device(u), to_device(prompt), lengths, *options, labels)
    assert_array_equal(x.get(), expected)


@every_case
def test_no_rows_and_no_symbols(case):
    model, config, params = make(case)
    assert model.sample(config, params, np.zeros((3, 0))).shape == (3, 0)
    assert model.sample(config, params, np.zeros((0, 4))).shape == (0, 4)


def test_prompts_must_fit_their_rows():
    model, config, params = make("tanh, 1 layers")
    x, u = np.zeros((2, 3), np.int32), np.zeros((2, 1))
    for lengths in ([4, 0], [-1, 0], [1]):
        with pytest.raises(ValueError, match="lengths from 0 to their width"):
            model.sample(config, params, u, x, lengths)
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        next(model.stream(config, params, u, chunk=0))
