"""What every sequence model must be: a distribution, causal, differentiated right, any length."""

from itertools import pairwise, product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine import models
from chainrule.engine.event import Sequence
from chainrule.engine.gradcheck import numeric_grad, relative_error
from chainrule.engine.windows import window_start
from chainrule.kernels import use_backend
from chainrule.kernels.dispatch import HOST_BACKENDS

V = 3
# A new model joins every test below by its lines here: its registry name and a Config's arguments.
DEEP = {"context": 4, "n_layers": 2, "n_heads": 2, "n_embd": 4}
CONFIGS = {
    "transformer": ("transformer", DEEP),
    "transformer untied": ("transformer", {**DEEP, "tied": False}),
    "transformer rotary": ("transformer", {**DEEP, "rotary": True}),
    "transformer of classes": ("transformer", {**DEEP, "n_classes": 3, "dropout": 0.3}),
    "transformer of one layer": ("transformer", {**DEEP, "n_layers": 1, "dropout": 0.5}),
    "rnn": ("rnn", {"n_hidden": 3}),
    "rnn deep": ("rnn", {"n_hidden": 3, "n_layers": 2, "dropout": 0.3}),
    "lstm": ("rnn", {"n_hidden": 3, "n_layers": 2, "cell": "lstm"}),
    "gru": ("rnn", {"n_hidden": 3, "n_layers": 2, "cell": "gru"}),
    "attention_rnn": ("attention_rnn", {"n_hidden": 4, "context": 4, "n_heads": 2}),
}
every_model = pytest.mark.parametrize("name", CONFIGS)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
NOISE = {np.float32: 1e-4, np.float64: 1e-11}


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def make(name, dtype=np.float64, **changes):
    """Return a model of the table, a config of it and generic parameters."""
    module, arguments = CONFIGS[name]
    model = models.get(module)
    arguments = {k: v for k, v in {**arguments, **changes}.items() if has(model, k)}
    config = model.Config(n_symbols=V, **arguments)
    params = model.init(config, np.random.default_rng(0), dtype)
    params.flat[...] = 0.5 * np.random.default_rng(1).normal(size=params.size)
    return model, config, params


def has(model, field):
    return field in model.Config.__dataclass_fields__


def symbols(rng, *shape):
    return rng.integers(0, V, shape).astype(np.int32)


def every_sequence(T):
    return np.array(list(product(range(V), repeat=T)), np.int32)


def labels_for(config, x):
    """Return the labels that some rows must have, as a keyword."""
    n = getattr(config, "n_classes", 1)
    return {"y": (np.arange(len(x)) * 2 % n).astype(np.int32)} if n > 1 else {}


def one_label(config, x):
    return {k: np.full_like(y, 2) for k, y in labels_for(config, x).items()}


def check_gradient(model, config, params, x, **keywords):
    """Check every parameter's gradient and return it."""
    grad, scrap = params.like(), params.like()
    grad.flat[...] = np.nan
    loss = model.loss_and_grad(config, params, x, grad, **keywords)
    rounding = 16 * np.finfo(float).eps * max(1, abs(loss)) / 2e-6
    for key, p in params.items():
        numeric = numeric_grad(lambda: model.loss_and_grad(config, params, x, scrap, **keywords), p)
        largest = max(np.abs(numeric).max(initial=0), 1e-3)
        assert np.abs(grad[key] - numeric).max(initial=0) <= 1e-8 * largest + rounding, key
    return grad


def test_the_table_covers_the_registry():
    assert {module for module, _ in CONFIGS.values()} == set(models.of(Sequence))
    assert all(models.get(name) is model for name, model in models.of(Sequence).items())


# --- the gradient


@every_model
@pytest.mark.parametrize(("N", "T"), [(1, 1), (3, 1), (1, 4), (3, 3)])
def test_gradient_matches_central_differences(name, N, T, rng):
    model, config, params = make(name)
    x = symbols(rng, N, T)
    check_gradient(model, config, params, x, **labels_for(config, x))


@every_model
def test_every_parameter_matters(name, rng):
    model, config, params = make(name)
    x = symbols(rng, 20, 4)
    grad = params.like()
    model.loss_and_grad(config, params, x, grad, **labels_for(config, x))
    for key in params:
        assert grad[key].size == 0 or np.abs(grad[key]).max() > 1e-4, key


@every_model
def test_gradient_with_dropout(name, rng):
    model, config, params = make(name)
    if not getattr(config, "dropout", 0):
        pytest.skip("no dropout here")
    x = symbols(rng, 2, 3)
    y = labels_for(config, x)
    dropped = check_gradient(model, config, params, x, noise=(5, 6, 0), **y)
    other, whole = params.like(), params.like()
    model.loss_and_grad(config, params, x, other, noise=(5, 7, 0), **y)
    model.loss_and_grad(config, params, x, whole, **y)
    assert not np.allclose(dropped.flat, other.flat)
    assert not np.allclose(dropped.flat, whole.flat)


@every_model
def test_gradient_of_padded_rows(name, rng):
    model, config, params = make(name)
    x = symbols(rng, 3, 4)
    x[0, 1:], x[1, 3:] = -1, -1
    check_gradient(model, config, params, x, **labels_for(config, x))


@every_model
@both_dtypes
def test_loss_is_the_mean_negative_log_likelihood(name, dtype, rng):
    model, config, params = make(name, dtype)
    x = symbols(rng, 5, 4)
    keywords = labels_for(config, x)
    mean = -model.log_prob(config, params, x, **keywords).mean()
    loss = model.loss_and_grad(config, params, x, params.like(), **keywords)
    assert isinstance(loss, float)
    assert_allclose(loss, mean, rtol=NOISE[dtype])
    a_symbol = model.loss_and_grad(config, params, x, params.like(), total=20, **keywords)
    assert_allclose(a_symbol, mean / 4, rtol=NOISE[dtype])


@every_model
def test_gradient_overwrites_what_the_buffer_held(name, rng):
    model, config, params = make(name)
    x, clean, dirty = symbols(rng, 3, 3), params.like(), params.like()
    dirty.flat[...] = np.nan
    y = labels_for(config, x)
    model.loss_and_grad(config, params, x, clean, **y)
    model.loss_and_grad(config, params, x, dirty, **y)
    assert_array_equal(dirty.flat, clean.flat)


@every_model
@pytest.mark.parametrize("edges", [(0, 4, 7), (0, 1, 2, 7)])
def test_slices_of_a_minibatch_add_up(name, edges, rng):
    model, config, params = make(name)
    x, whole, part = symbols(rng, 7, 4), params.like(), params.like()
    y = labels_for(config, x)
    loss = model.loss_and_grad(config, params, x, whole, total=28, **y)
    total, sum_of_parts = np.zeros_like(whole.flat), 0.0
    for lo, hi in pairwise(edges):
        own = {k: labels[lo:hi] for k, labels in y.items()}
        sum_of_parts += model.loss_and_grad(config, params, x[lo:hi], part, total=28, **own)
        total += part.flat
    assert_allclose(sum_of_parts, loss, rtol=1e-12)
    assert_allclose(total, whole.flat, rtol=1e-9, atol=1e-13)


# --- the gradient in the input


def table_of(name, params):
    """Return the name of the table that a model looks its symbols up in."""
    return "E" if "E" in params else "W_xh"


@every_model
@pytest.mark.parametrize("noise", [None, (5, 6, 0)])
def test_dx_is_the_slope_in_the_row_that_a_symbol_was_looked_up_in(name, noise, rng):
    """A symbol that occurs once has its row of the table to itself, unless the output shares it."""
    model, config, params = make(name, **({"tied": False} if "transformer" in name else {}))
    rates = {"noise": noise} if getattr(config, "dropout", 0) else {}
    x = np.array([[2, 1, 0, 1], [1, 1, 1, -1]], np.int32)  # 2 and 0: once each, and not last
    keywords = {**labels_for(config, x), **rates}
    table, scrap = params[table_of(name, params)], params.like()
    dx = np.full((2, 4, table.shape[1]), np.nan)
    model.loss_and_grad(config, params, x, scrap, dx=dx, **keywords)
    for symbol, t in ((2, 0), (0, 2)):
        numeric = numeric_grad(
            lambda: model.loss_and_grad(config, params, x, scrap, **keywords), table[symbol]
        )
        assert np.abs(numeric).max() > 1e-3
        assert_allclose(dx[0, t], numeric, rtol=1e-6, atol=1e-8)
    assert not dx[:, -1].any() and not dx[1, 2].any(), "symbols that nobody reads"


@every_model
def test_dx_adds_up_to_the_gradient_of_the_table(name, rng):
    model, config, params = make(name, **({"tied": False} if "transformer" in name else {}))
    x, grad, plain = symbols(rng, 5, 4), params.like(), params.like()
    x[1, 2:] = -1
    y, key = labels_for(config, x), table_of(name, params)
    dx = np.full((5, 4, params[key].shape[1]), np.nan)
    loss = model.loss_and_grad(config, params, x, grad, dx=dx, **y)
    assert loss == model.loss_and_grad(config, params, x, plain, **y)
    assert_array_equal(grad.flat, plain.flat)
    for v in range(V):
        assert_allclose(dx[x == v].sum(axis=0), grad[key][v], rtol=1e-9, atol=1e-12)
    assert not dx[x < 0].any()


# --- the distribution


@every_model
@both_dtypes
@pytest.mark.parametrize("T", [1, 3, 4, 6])  # the last: beyond the context
def test_probabilities_sum_to_one(name, T, dtype):
    model, config, params = make(name, dtype)
    x = every_sequence(T)
    log_p = model.log_prob(config, params, x, **one_label(config, x))
    assert log_p.shape == (V**T,) and log_p.dtype == dtype
    assert_allclose(np.exp(log_p.astype(np.float64)).sum(), 1, rtol=NOISE[dtype])


@every_model
@pytest.mark.parametrize("context", [1, 2, 3])
def test_probabilities_sum_to_one_far_beyond_the_context(name, context):
    model, config, params = make(name, context=context)
    x = every_sequence(6)
    log_p = model.log_prob(config, params, x, **one_label(config, x))
    assert_allclose(np.exp(log_p).sum(), 1, rtol=1e-12)


@every_model
@both_dtypes
@pytest.mark.parametrize("T", [1, 4, 11])
def test_conditionals_agree_with_symbol_log_prob(name, T, dtype, rng):
    model, config, params = make(name, dtype)
    x = symbols(rng, 5, T)
    keywords = labels_for(config, x)
    p = model.conditionals(config, params, x, **keywords)
    log_p = model.log_prob_terms(config, params, x, **keywords)
    assert p.shape == (5, T, V) and p.dtype == dtype and log_p.dtype == dtype
    assert_allclose(p.sum(axis=2), 1, rtol=NOISE[dtype])
    at = np.take_along_axis(p, x[..., None].astype(int), axis=2)[..., 0]
    assert_allclose(log_p, np.log(at), rtol=NOISE[dtype], atol=NOISE[dtype])
    total = model.log_prob(config, params, x, **keywords)
    assert_allclose(total, log_p.sum(axis=1), rtol=NOISE[dtype])


@every_model
@pytest.mark.parametrize("T", [4, 9])
def test_a_symbol_sees_what_it_may_and_nothing_else(name, T, rng):
    model, config, params = make(name)
    x = symbols(rng, 2, T)
    y = labels_for(config, x)
    before = model.conditionals(config, params, x, **y)
    for i in range(T):
        changed = x.copy()
        changed[:, i] = (changed[:, i] + 1) % V
        moved = (model.conditionals(config, params, changed, **y) != before).any(axis=2)
        for t in range(T):
            start = window_start(t, config.context) if has(model, "context") else 0
            seen = start <= i < t
            assert moved[:, t].all() if seen else not moved[:, t].any(), f"x_{i} at {t}"


@every_model
@pytest.mark.parametrize("T", [4, 7])
def test_padding_contributes_nothing(name, T, rng):
    model, config, params = make(name)
    x = symbols(rng, 4, T)
    lengths = [T, T - 1, 2, 1]
    ragged = x.copy()
    for row, length in zip(ragged, lengths, strict=True):
        row[length:] = -1
    y = labels_for(config, x)
    log_p = model.log_prob_terms(config, params, ragged, **y)
    for n, length in enumerate(lengths):
        own = {k: labels[n : n + 1] for k, labels in y.items()}
        alone = model.log_prob_terms(config, params, x[n : n + 1, :length], **own)
        assert_allclose(log_p[n, :length], alone[0], rtol=1e-12)
        assert_array_equal(log_p[n, length:], 0)


def test_labels_choose_the_start_token(rng):
    model, config, params = make("transformer of classes")
    x = np.repeat(symbols(rng, 1, 4), 3, axis=0)
    by_label = model.log_prob(config, params, x, y=np.arange(3))
    assert len(set(by_label)) == 3
    every = every_sequence(3)
    for label in range(3):
        log_p = model.log_prob(config, params, every, y=np.full(len(every), label))
        assert_allclose(np.exp(log_p).sum(), 1, rtol=1e-12)


@pytest.mark.parametrize("name", [n for n in CONFIGS if CONFIGS[n][0] != "rnn"])
def test_a_context_is_a_limit_in_training_only(name, rng):
    model, config, params = make(name)
    with pytest.raises(ValueError, match="context"):
        x = symbols(rng, 1, 5)
        model.loss_and_grad(config, params, x, params.like(), **labels_for(config, x))


def test_backends_agree_in_float32(rng):
    model, config, params = make("transformer", np.float32, n_embd=16, context=9)
    x, grads = symbols(rng, 5, 9), [params.like(), params.like()]
    for host, grad in zip(HOST_BACKENDS, grads, strict=True):
        with use_backend(host):
            model.loss_and_grad(config, params, x, grad)
    for key in params:
        assert relative_error(grads[0][key], grads[1][key]) < 1e-4, key


# --- the Transformer's own


@pytest.mark.parametrize("rotary", [False, True])
def test_attention_maps_are_causal_distributions(rotary, rng):
    model, config, params = make("transformer", rotary=rotary)
    maps = model.attention_maps(config, params, symbols(rng, 3, 4))
    assert maps.shape == (3, config.n_layers, config.n_heads, 4, 4)
    assert_allclose(maps.sum(axis=-1), 1, rtol=1e-12)
    assert not np.triu(maps, 1).any()
    assert (maps[..., np.tri(4, dtype=bool)] > 0).all()


def test_initial_transformer_knows_nothing(rng):
    model, config, _ = make("transformer untied", n_embd=32, n_layers=4, context=8)
    params = model.init(config, rng, np.float64)
    p = model.conditionals(config, params, symbols(rng, 4, 8))
    assert_allclose(p, 1 / V, rtol=0.5)  # logits have a deviation of 0.02 √32
    assert params["W_2"].std() == pytest.approx(0.02 / 8**0.5, rel=0.05)
    assert params["W_1"].std() == pytest.approx(0.02, rel=0.05)
    assert set(params["ln1_g"].flat) == {1.0} and not params["b_qkv"].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_embd": 5}, "multiple of n_heads"),
        ({"n_embd": 6, "rotary": True}, "must be even"),
        ({"dropout": 1.0}, "dropout must be"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.get("transformer").Config(n_symbols=V, **{**DEEP, **arguments})


@every_model
def test_labels_are_wanted_or_refused(name, rng):
    model, config, params = make(name)
    x, grad = symbols(rng, 2, 3), params.like()
    y = {} if labels_for(config, x) else {"y": np.zeros(2, np.int32)}
    if y and model.ABILITIES.labels:  # the only class there is goes without saying
        alone = model.log_prob_terms(config, params, x)
        assert_array_equal(model.log_prob_terms(config, params, x, **y), alone)
        return
    message = "leave y out" if y else "a model of 3 classes is p"
    for f in (model.log_prob, model.log_prob_terms, model.conditionals):
        with pytest.raises(ValueError, match=message):
            f(config, params, x, **y)
    with pytest.raises(ValueError, match=message):
        model.loss_and_grad(config, params, x, grad, **y)
