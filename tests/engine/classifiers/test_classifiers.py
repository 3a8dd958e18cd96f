"""Classifiers of the engine: their formulas, gradients in parameters and inputs, twins, dtypes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import correlate
from scipy.special import log_softmax

from chainrule.engine import gradcheck, models
from chainrule.engine.classifiers import cnn, functions, mlp
from chainrule.engine.gradcheck import numeric_grad, relative_error
from chainrule.engine.storage import checkpoint
from chainrule.engine.training import train
from chainrule.engine.training.classifying import ClassedRows
from chainrule.engine.training.recipe import Recipe
from chainrule.kernels import use_backend, use_threads

CONFIGS = {
    "linear": (mlp, mlp.Config((5,), 3, ())),
    "relu": (mlp, mlp.Config((5,), 3, (6, 4))),
    "tanh": (mlp, mlp.Config((2, 3, 1), 4, (5,), "tanh")),
    "max": (cnn, cnn.Config((6, 5, 1), 3, (3, 2))),
    "mean": (cnn, cnn.Config((5, 4, 3), 4, (2, 3), "mean")),
    "one pixel": (cnn, cnn.Config((1, 3, 2), 2, (4, 3))),
}
every_network = pytest.mark.parametrize("kind", CONFIGS)


def problem(rng, kind, N=4, dtype=np.float64):
    """Return a module, a config, parameters, rows and their classes."""
    model, config = CONFIGS[kind]
    params = model.init(config, rng, np.float64)
    params.flat[...] += 0.1 * rng.normal(size=params.size)
    x = rng.normal(size=(N, *config.shape)).astype(dtype)
    y = (np.arange(N) % config.n_classes).astype(np.int32)
    single = model.init(config, rng, dtype)
    single.flat[...] = params.flat
    return model, config, single, x, y


def by_definition(kind, config, params, x):
    """Return the logits of one row, by loops and SciPy."""
    if kind in ("linear", "relu", "tanh"):
        h, n = x.reshape(-1), len(config.hidden) + 1
        for l in range(1, n + 1):
            of_l = "" if l == 1 else l
            h = h @ params[f"W{of_l}"] + params[f"c{of_l}"]
            if l < n:
                h = np.tanh(h) if config.activation == "tanh" else np.maximum(h, 0)
        return h
    h = x
    for l in range(1, len(config.channels) + 1):
        of_l = "" if l == 1 else l
        W, c, (R, S, C) = (
            params[f"W{of_l}"].reshape(3, 3, h.shape[2], -1),
            params[f"c{of_l}"],
            h.shape,
        )
        padded = np.pad(h, ((1, 1), (1, 1), (0, 0)))
        a = np.stack(
            [
                c[o]
                + sum(correlate(padded[..., k], W[..., k, o], "valid", "direct") for k in range(C))
                for o in range(len(c))
            ],
            axis=-1,
        )
        pool = np.max if config.pooling == "max" else np.mean
        cut = [
            [np.maximum(a, 0)[i : i + 2, j : j + 2] for j in range(0, S, 2)] for i in range(0, R, 2)
        ]
        h = np.array([[pool(block, axis=(0, 1)) for block in row] for row in cut])
    return h.reshape(-1) @ params["V"] + params["b"]


@every_network
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_it_is_what_the_formulas_say(kind, backend, rng):
    model, config, params, x, y = problem(rng, kind)
    expected = np.stack([by_definition(kind, config, params, row) for row in x])
    nll = -log_softmax(expected, axis=1)[np.arange(len(y)), y]
    with use_backend(backend):
        assert_allclose(model.logits(config, params, x), expected, rtol=1e-10, atol=1e-12)
        assert_allclose(model.losses(config, params, x, y), nll, rtol=1e-10)
        loss = model.loss_and_grad(config, params, x, params.like(), 7, y)
    assert loss == pytest.approx(nll.sum() / 7)


@every_network
def test_gradients_match_central_differences(kind, rng):
    model, config, params, x, y = problem(rng, kind)
    checked = gradcheck.check_backends(model, config, params, x, y, own=True)
    assert set(checked) == set(params)
    for name, errors in checked.items():
        assert max(errors.values()) < 1e-6, name
        assert min(error.largest for error in errors.values()) > 1e-4, "zero proves nothing"
    assert max(gradcheck.check_input(model, config, params, x, y).values()) < 1e-6


@every_network
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_the_input_gradient_of_any_combination_of_logits(kind, backend, rng):
    model, config, params, x, _ = problem(rng, kind)
    ds = rng.normal(size=(2, len(x), config.n_classes))
    with use_backend(backend):
        s, dx = model.input_gradient(config, params, x, lambda s, some: ds[:, some])
        s_of_one, of_one = model.input_gradient(config, params, x, lambda s, some: ds[1, some])
        for m in range(2):
            numeric = numeric_grad(
                lambda m=m: float((ds[m] * model.logits(config, params, x)).sum()), x
            )
            assert np.abs(numeric).max() > 1e-3, "zero proves nothing"
            assert relative_error(dx[m], numeric) < 1e-6
    assert_array_equal(s, s_of_one)
    assert_array_equal(of_one, dx[1])
    assert_allclose(s, model.logits(config, params, x), rtol=1e-12)


@every_network
def test_many_rows_are_worked_on_a_few_at_a_time(kind, rng, monkeypatch):
    model, config, params, x, y = problem(rng, kind, N=7)

    def all_of_it():
        s, dx = model.input_gradient(config, params, x, lambda s, some: np.stack([s, -s]))
        return model.logits(config, params, x), model.losses(config, params, x, y), s, dx

    whole = all_of_it()
    monkeypatch.setattr(functions, "NUMBERS_AT_ONCE", 2 * x[0].size)
    for one, other in zip(whole, all_of_it(), strict=True):
        assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    none = model.input_gradient(config, params, x[:0], lambda s, some: s)
    assert [a.shape for a in none] == [(0, config.n_classes), (0, *config.shape)]


@every_network
def test_single_precision_and_threads_change_rounding_alone(kind, rng):
    model, config, params, x, y = problem(rng, kind, N=300)
    _, _, single, _, _ = problem(np.random.default_rng(1), kind, dtype=np.float32)
    single.flat[...] = params.flat
    grads = params.like(), single.like()
    exact = model.loss_and_grad(config, params, x, grads[0], y=y)
    with use_threads(2):
        narrow = model.loss_and_grad(config, single, x.astype(np.float32), grads[1], y=y)
    assert narrow == pytest.approx(exact, rel=1e-4)
    assert_allclose(grads[1].flat, grads[0].flat, atol=2e-4)
    assert model.logits(config, single, x).dtype == np.float32


@every_network
def test_it_is_found_by_name_saved_and_read(kind, rng, tmp_path):
    model, config, params, _, _ = problem(rng, kind)
    name = model.__name__.rpartition(".")[2]
    assert models.get(name) is model and name not in models.MODELS
    checkpoint.save(tmp_path / "c.safetensors", name, config, params)
    again = checkpoint.load(tmp_path / "c.safetensors")
    assert (again.model, again.config) == (name, config)
    assert_array_equal(again.params.flat, params.flat)


@every_network
def test_training_learns_its_labels_and_weight_decay_knows_its_weights(kind, rng):
    model, config, _, _, _ = problem(rng, kind)
    x = rng.normal(size=(120, *config.shape))
    y = np.argmax(x.reshape(120, -1)[:, : config.n_classes], axis=1).astype(np.int32)
    recipe = Recipe(epochs=60, batch_size=20, learning_rate=0.02, weight_decay=1e-4)
    state = train.start(model, config, recipe, np.float64)
    for _ in train.run(model, config, recipe, state, ClassedRows(x, y, (x, y))):
        pass
    first, last = state.history[0], state.history[-1]
    assert last["train"] < 0.8 * first["train"] and last["valid"] < 0.8 * first["valid"]
    assert last["valid"] <= np.log(config.n_classes)
    weights = sum(a.size for name, a in state.params.items() if name[0] in "WV")
    assert state.params.leading(model.WEIGHTS) == weights


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: mlp.Config((3,), 2, (0,)), "hidden must be sizes of 1 or more"),
        (lambda: mlp.Config((3,), 2, activation="step"), "activation must be one of"),
        (lambda: mlp.Config((), 2), "features need sizes of 1 or more"),
        (lambda: cnn.Config((3,), 2), r"over images \(R, S, C\), got shape \(3,\)"),
        (lambda: cnn.Config((3, 3, 1), 2, ()), "channels must be one size or more"),
        (lambda: cnn.Config((3, 3, 1), 2, pooling="least"), "pooling must be one of"),
        (lambda: cnn.Config((3, 3, 1), 0), "features need sizes of 1 or more"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
