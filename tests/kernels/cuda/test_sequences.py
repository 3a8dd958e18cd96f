"""Sequences on the CPU rig: strided views, gradients in place, extremes, whole models."""

from importlib import import_module

import numpy as np
import pytest
from cuda_on_cpu.cases import CASES, RECURRENT, Expected, cast
from cuda_on_cpu.fake_cupy import to_device
from cuda_on_cpu.rig import ORDERS
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine.models import attention_rnn, transformer
from chainrule.engine.models import rnn as rnn_model
from chainrule.engine.params import Params
from chainrule.kernels import (
    embedding,
    lstm,
    rotary,
    softmax_cross_entropy,
    use_backend,
)

FLOATS = [np.float32, np.float64]


def reference(name):
    return import_module(f"chainrule.kernels.{name}.reference")


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", RECURRENT)
def test_views_of_a_larger_batch(name, dtype, in_place, rig, rng):
    """Rows beside the view stay as they were; dz may take the place of the gates, or of dh."""
    case = CASES[name]
    inputs = case.inputs(rng, 10, 3, 9)
    expected = Expected(case, reference(name), inputs, dtype)
    on_device = {k: to_device(a) for k, a in cast(inputs, dtype).items()}
    for rig.order in ORDERS:
        expected.check(case.run(case.op, **on_device, beside=2, in_place=in_place))


def test_what_must_be_contiguous(rig):
    z, W, h, c = (to_device(np.zeros(s)) for s in ((2, 3, 8), (2, 8), (3, 3, 2), (3, 3, 2)))
    with pytest.raises(ValueError, match="lstm: the last axis must be contiguous"):
        lstm.forward(z, W, h.transpose(0, 2, 1).copy().transpose(0, 2, 1), c)
    with pytest.raises(ValueError, match="lstm: arrays must be C-contiguous"):
        lstm.forward(z, to_device(np.zeros((8, 2))).T, h, c)
    with pytest.raises(ValueError, match="rotary: the last two axes must be contiguous"):
        rotary.rotate(to_device(np.zeros((1, 2, 3, 8)))[:, :, ::2], 0, 1)


@pytest.mark.parametrize("V", [7, 1100])  # a warp a row, a block a row
@pytest.mark.parametrize("dtype", FLOATS)
def test_cross_entropy_at_its_extremes(dtype, V, rig, rng):
    s = rng.normal(0, 1, (6, V)).astype(dtype)
    s[0, :2], s[1] = (1e4, -1e4), -1e4
    s[2, ::2] = -np.inf  # symbols that cannot be
    s[3, 1], s[4, 3] = np.nan, np.inf
    y = np.array([1, 0, 1, 0, 0, -1], np.int32)
    with np.errstate(invalid="ignore"):
        expected, ds = np.empty(6, dtype), np.empty_like(s)
        reference("softmax_cross_entropy").nll_and_grad(s, y, 0.5, expected, ds)
    both, nll, of_both = map(to_device, (s, 0 * expected, 0 * expected))
    softmax_cross_entropy.forward(both, to_device(y), nll)
    softmax_cross_entropy.nll_and_grad(both, to_device(y), 0.5, of_both, both)
    for got in (nll, of_both):
        assert_allclose(got.get(), expected, rtol=1e-5)
    assert_allclose(both.get(), ds, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("multiprocessors", [132, 1], indirect=True)
def test_embedding_adds_symbols_of_every_group(multiprocessors, rig, rng):
    """Whole numbers, so that sums are exact: each row counted once, whichever group found it."""
    N, V, C = 5000, 4, 3
    ids, dx = rng.integers(0, V, N).astype(np.int32), rng.integers(-9, 9, (N, C)).astype("f4")
    dW = to_device(np.ones((V, C), np.float32))
    embedding.backward(to_device(dx), to_device(ids), dW)
    exact = [1 + dx[ids == v].sum(axis=0) for v in range(V)]
    assert_array_equal(dW.get(), exact)


# --- whole models ---------------------------------------------------------------------------------

RNNS = {
    "tanh": rnn_model.Config(7, 9, 2, "tanh"),
    "lstm": rnn_model.Config(7, 10, 2, "lstm"),
    "gru": rnn_model.Config(7, 5, 1, "gru"),
}


TRANSFORMERS = {
    "learned positions, tied": transformer.Config(7, 5, 2, 2, 8),
    "rotary, untied, labels": transformer.Config(7, 6, 1, 3, 12, 4, rotary=True, tied=False),
}


def on_both_sides(model, config, rng):
    """Return parameters and gradients on the host and on the device."""
    host = model.init(config, rng, np.float64)
    host.flat[...] = rng.normal(size=host.size) / 2
    params = Params(host.shapes, to_device(host.flat))
    return host, host.like(), params, params.like()


def check_whole_model(model, config, x, rng, labels=None, **noise):
    """Compare engine code on arrays of the device with the reference: loss, gradient, log p."""
    host, host_grad, params, grad = on_both_sides(model, config, rng)
    close = {"rtol": 1e-11, "atol": 1e-12}
    ours = config, params, to_device(x)
    loss = model.loss_and_grad(*ours, grad, total=10, y=labels, **noise)
    with use_backend("reference"):
        theirs = config, host, x
        assert_allclose(loss, model.loss_and_grad(*theirs, host_grad, total=10, y=labels, **noise))
        assert_allclose(grad.flat.get(), host_grad.flat, **close)
        for function in (model.log_prob_terms, model.conditionals):
            assert_allclose(function(*ours, labels).get(), function(*theirs, labels), **close)


def padded_rows(rng, N, T, V):
    x = rng.integers(0, V, (N, T)).astype(np.int32)
    x[0, T - 2 :] = -1
    return x


@pytest.mark.parametrize("cell", RNNS)
def test_whole_rnn(cell, rig, rng):
    check_whole_model(rnn_model, RNNS[cell], padded_rows(rng, 5, 6, 7), rng)


@pytest.mark.parametrize("cell", RNNS)
def test_state_carried_from_piece_to_piece(cell, rig, rng):
    config = RNNS[cell]
    host, host_grad, params, grad = on_both_sides(rnn_model, config, rng)
    x = rng.integers(0, 7, (3, 4)).astype(np.int32)
    carry, fresh = rng.normal(size=(3, rnn_model.state_size(config))), np.array([True, False, True])
    on_device = to_device(carry)
    rnn_model.loss_and_grad(
        config, params, to_device(x), grad, carry=on_device, fresh=to_device(fresh)
    )
    with use_backend("reference"):
        rnn_model.loss_and_grad(config, host, x, host_grad, carry=carry, fresh=fresh)
    assert_allclose(on_device.get(), carry, rtol=1e-11)
    assert_allclose(grad.flat.get(), host_grad.flat, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "config"),
    [
        (rnn_model, rnn_model.Config(7, 6, 2, "lstm", dropout=0.5)),
        (transformer, transformer.Config(7, 5, 2, 2, 8, dropout=0.5)),
    ],
    ids=["rnn", "transformer"],
)
def test_dropout_drops_the_same_numbers(model, config, rig, rng):
    check_whole_model(model, config, padded_rows(rng, 4, 3, 7), rng, noise=(3, 1, 2))


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_whole_transformer(name, rig, rng):
    config = TRANSFORMERS[name]
    x, labels = padded_rows(rng, 3, 5, 7), rng.integers(0, config.n_classes, 3)
    check_whole_model(transformer, config, x, rng, labels)


@pytest.mark.parametrize("cell", RNNS)
def test_whole_attention_rnn(cell, rig, rng):
    config = attention_rnn.Config(7, 6, 5, cell, 2)
    check_whole_model(attention_rnn, config, padded_rows(rng, 3, 5, 7), rng)
