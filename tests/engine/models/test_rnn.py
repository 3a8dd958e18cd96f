"""RNN and AttentionRNN: state, truncation, length, and the textbook's hello."""

import importlib.util
import itertools
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine import gradcheck
from chainrule.engine.gradcheck import numeric_grad, relative_error
from chainrule.engine.models import attention_rnn, rnn
from chainrule.kernels import use_backend, use_threads

CELLS = ("tanh", "lstm", "gru")
V = 4
# Fields that both configurations share stand in one place; so do those of one alone.
CONFIGS = {
    **{f"{cell} {L}": (rnn, rnn.Config(V, 3, L, cell)) for cell in CELLS for L in (1, 2)},
    **{
        f"attention {cell} {heads}": (attention_rnn, attention_rnn.Config(V, 4, 6, cell, heads))
        for cell, heads in zip(CELLS, (1, 2, 4), strict=True)
    },
}
RNNS = [name for name in CONFIGS if not name.startswith("attention")]
each_rnn = pytest.mark.parametrize("name", RNNS)
each_cell = pytest.mark.parametrize("cell", CELLS)


def setup(name, rng, dtype=np.float64):
    """Return a model, its config and generic parameters."""
    model, config = CONFIGS[name]
    params = model.init(config, rng, dtype)
    params.flat[...] = rng.normal(size=params.size) / 2
    return model, config, params


def symbols(rng, N, T):
    return rng.integers(0, V, (N, T)).astype(np.int32)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize(("N", "T"), [(1, 1), (3, 2), (2, 5)])
@pytest.mark.parametrize("name", CONFIGS)
def test_gradients_match_finite_differences(name, N, T, backend, rng):
    model, config, params = setup(name, rng)
    x = symbols(rng, N, T)
    if N > 1:
        x[-1, T - 1 :] = -1  # padding
    with use_backend(backend):
        errors = gradcheck.check(model, config, params, x)
    assert max(errors.values()) < 1e-6, errors


@pytest.mark.parametrize("context", [1, 2, 3, 6])
@pytest.mark.parametrize("name", CONFIGS)
def test_probabilities_sum_to_one(name, context, rng):
    model, config, params = setup(name, rng)
    if model is attention_rnn:
        config = attention_rnn.Config(V, 4, context, config.cell, config.n_heads)
    every_x = np.array(list(itertools.product(range(V), repeat=5)), np.int32)
    assert_allclose(np.exp(model.log_prob(config, params, every_x)).sum(), 1, rtol=1e-12)


@pytest.mark.parametrize("name", CONFIGS)
def test_conditionals_are_those_of_log_prob(name, rng):
    model, config, params = setup(name, rng)
    x = symbols(rng, 3, 9)
    p = model.conditionals(config, params, x)
    assert_allclose(p.sum(axis=2), 1)
    chosen = np.take_along_axis(p, x[:, :, None], axis=2)[:, :, 0]
    assert_allclose(np.log(chosen), model.log_prob_terms(config, params, x))
    assert_allclose(model.log_prob(config, params, x), np.log(chosen).sum(axis=1))


@pytest.mark.parametrize("name", CONFIGS)
def test_rows_and_threads_do_not_meet(name, rng, monkeypatch):
    model, config, params = setup(name, rng)
    x = symbols(rng, 7, 6)
    x[2, 3:] = -1
    together = model.log_prob_terms(config, params, x)
    assert (together[2, 3:] == 0).all()
    assert_allclose(model.log_prob(config, params, x[2:3, :3]), together[2].sum())
    with use_threads(3):
        for group in ("_ROWS", "_CHUNK", "_SYMBOLS"):
            monkeypatch.setattr(model, group, 2, raising=False)
        assert_allclose(model.log_prob_terms(config, params, x), together, rtol=1e-10)


@each_rnn
def test_pieces_with_the_state_carried_over_are_one_long_pass(name, rng):
    _, config, params = setup(name, rng)
    x, grad = symbols(rng, 3, 12), params.like()
    carry = np.full((3, rnn.state_size(config)), np.nan)
    fresh, total = np.ones(3, bool), 0.0
    for first, last in ((0, 5), (5, 6), (6, 12)):
        piece = np.ascontiguousarray(x[:, first:last])
        total += rnn.loss_and_grad(config, params, piece, grad, carry=carry, fresh=fresh)
        fresh[:] = False
    assert total == pytest.approx(-rnn.log_prob(config, params, x).mean(), rel=1e-12)


@each_rnn
def test_only_fresh_rows_start_anew(name, rng):
    _, config, params = setup(name, rng)
    x, grad, alone = symbols(rng, 4, 5), params.like(), params.like()
    carry = rng.normal(size=(4, rnn.state_size(config)))
    fresh = np.array([True, False, True, False])
    kept, old = carry.copy(), carry.copy()
    loss = rnn.loss_and_grad(config, params, x, grad, 1, carry=carry, fresh=fresh)
    new = rnn.loss_and_grad(config, params, x[fresh], alone, 1)
    parts = rnn.loss_and_grad(config, params, x[~fresh], params.like(), 1, carry=old[~fresh])
    assert loss == pytest.approx(new + parts)
    for first in ("b_0", "c_0"):
        if first in grad:
            assert_allclose(grad[first], alone[first], err_msg="another row reached the start")
    assert (carry != kept).all()


@each_rnn
def test_the_truncated_gradient_is_that_of_a_fixed_start(name, rng):
    """Finite differences with the carried rows held fixed: no gradient reaches them."""
    _, config, params = setup(name, rng)
    x, grad = symbols(rng, 2, 4), params.like()
    carry = rng.normal(size=(2, rnn.state_size(config)))

    def loss(into=None):
        into = params.like() if into is None else into
        return rnn.loss_and_grad(config, params, x, into, carry=carry.copy())

    loss(grad)
    assert (grad["b_0"] == 0).all()
    for parameter in params:
        if parameter not in ("b_0", "c_0") and params[parameter].size:
            numeric = numeric_grad(loss, params[parameter])
            assert relative_error(grad[parameter], numeric) < 1e-6, parameter


@each_cell
def test_long_rows_take_bounded_memory(cell, rng):
    config = rnn.Config(V, 8, 1, cell)
    params = rnn.init(config, rng)
    x = symbols(rng, 1, 20_000)
    rnn.log_prob(config, params, x)  # compiled, and the arena has grown
    peaks = []
    for T in (5_000, 20_000):
        tracemalloc.start()
        total = rnn.log_prob(config, params, x[:, :T])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert np.isfinite(total).all()
    assert peaks[1] - peaks[0] < 15_000 * 40, peaks  # the answer and a few copies of it


@each_cell
def test_a_long_row_with_huge_weights_stays_finite(cell, rng):
    config = rnn.Config(V, 8, 1, cell)
    params = rnn.init(config, rng)
    params.flat[...] = rng.normal(size=params.size) * 1e4
    x, grad = symbols(rng, 2, 4096), params.like()
    assert np.isfinite(rnn.log_prob(config, params, x)).all()
    assert np.isfinite(rnn.loss_and_grad(config, params, x, grad))
    assert np.isfinite(grad.flat).all()


@each_rnn
def test_dropout_repeats_with_its_seed_and_has_the_right_gradient(name, rng):
    _, plain, params = setup(name, rng)
    config = rnn.Config(V, plain.n_hidden, plain.n_layers, plain.cell, dropout=0.4)
    x, grad = symbols(rng, 3, 5), params.like()

    def loss(seed=1):
        return rnn.loss_and_grad(config, params, x, params.like(), noise=(seed, 2, 0))

    rnn.loss_and_grad(config, params, x, grad, noise=(1, 2, 0))
    for parameter in params:
        if params[parameter].size:
            assert relative_error(grad[parameter], numeric_grad(loss, params[parameter])) < 1e-6
    assert loss() == loss() != loss(seed=2)
    without = rnn.loss_and_grad(config, params, x, grad)
    assert without == rnn.loss_and_grad(plain, params, x, grad)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in RNNS])
def test_attention_maps_are_distributions_over_the_past(name, rng):
    model, config, params = setup(name, rng)
    maps = model.attention_maps(config, params, symbols(rng, 2, 6))
    assert maps.shape == (2, config.n_heads, 6, 6)
    assert (np.triu(maps) == 0).all() and (maps >= 0).all()
    assert_allclose(maps[:, :, 1:].sum(axis=3), 1)


def test_what_cannot_be_is_named(rng):
    with pytest.raises(ValueError, match="cell must be one of tanh, lstm, gru, got 'elman'"):
        rnn.Config(V, 3, 1, "elman")
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got 1.0"):
        rnn.Config(V, 3, dropout=1.0)
    with pytest.raises(ValueError, match="multiple of n_heads, got 4 and 3"):
        attention_rnn.Config(V, 4, 6, "lstm", 3)
    model, config, params = setup("attention tanh 1", rng)
    with pytest.raises(ValueError, match="up to context=6 symbols here, got 7"):
        model.loss_and_grad(config, params, symbols(rng, 1, 7), params.like())


@pytest.fixture(scope="module")
def hello():
    path = Path(__file__).parents[3] / "examples" / "hello.py"
    spec = importlib.util.spec_from_file_location("hello", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_hello_of_the_textbook(hello):
    config, params = hello.by_hand()
    p = rnn.conditionals(config, params, hello.WORD)[0]
    h, e, l, o = range(4)
    e_of = np.exp
    assert p[1, e] == pytest.approx(e_of(2.2) / (e_of(1.0) + e_of(2.2) + e_of(-3.0) + e_of(4.1)))
    product = p[0, h] * p[1, e] * p[2, l] * p[3, l] * p[4, o]
    assert rnn.log_prob(config, params, hello.WORD)[0] == pytest.approx(np.log(product))
    assert p[3, l] != pytest.approx(p[4, l]), "the second l is known from the first"
    second = e_of(hello.SECOND_L)
    assert_allclose(p[4], second / second.sum())


def test_hello_is_learnt(hello, capsys):
    config, params = hello.trained()
    assert_array_equal(rnn.conditionals(config, params, hello.WORD)[0].argmax(1), hello.WORD[0])
    hello.show(config, params)
    assert "the likeliest letters: hello" in capsys.readouterr().out
