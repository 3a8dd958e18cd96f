"""The autoencoder: its formulas, gradients, noise, and that it is in no list of densities."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine import gradcheck, models
from chainrule.engine.event import Columns
from chainrule.engine.models import autoencoder
from chainrule.engine.noise import Noise
from chainrule.engine.storage import checkpoint
from chainrule.kernels import threads, use_backend
from chainrule.kernels.maths import sigmoid

KINDS = {"bits": (2,) * 5, "real": (0,) * 4, "both": (2, 0, 0, 2)}
every_kind = pytest.mark.parametrize("kind", KINDS)


def problem(rng, kind, noise=0.0, N=6, dtype=np.float64):
    """Return a config, parameters without meaning, and rows."""
    config = autoencoder.Config(KINDS[kind], n_linear=4, n_hidden=3, noise=noise)
    params = autoencoder.init(config, rng, dtype)
    params.flat[...] = rng.normal(size=params.size)
    x = rng.normal(size=(N, len(config.values)))
    bits = np.array(config.values) == 2
    x[:, bits] = x[:, bits] > 0
    return config, params, x.astype(config.event.dtype_with(dtype))


@every_kind
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_it_is_what_the_formulas_say(kind, backend, rng):
    config, params, x = problem(rng, kind)
    h = sigmoid((x @ params["W1"] + params["b1"]) @ params["W2"] + params["b2"])
    r = h @ params["V"] + params["c"]
    bits = np.array(config.values) == 2
    r[:, bits] = sigmoid(r[:, bits])
    cost = (r - x) ** 2 / 2
    p, ones = r[:, bits], x[:, bits].astype(np.float64)
    cost[:, bits] = -ones * np.log(p) - (1 - ones) * np.log(1 - p)
    with use_backend(backend):
        assert_allclose(autoencoder.encode(config, params, x), h, rtol=1e-12)
        assert_allclose(autoencoder.reconstruct(config, params, x), r, rtol=1e-12)
        assert_allclose(autoencoder.errors(config, params, x), cost.sum(axis=1), rtol=1e-11)
        loss = autoencoder.loss_and_grad(config, params, x, params.like(), total=7)
    assert loss == pytest.approx(cost.sum() / 7)


@every_kind
@pytest.mark.parametrize("noise", [0.0, 0.4])
def test_gradients_match_central_differences(kind, noise, rng):
    config, params, x = problem(rng, kind, noise)
    checked = gradcheck.check_backends(autoencoder, config, params, x, own=True)
    assert set(checked) == set(params)
    for name, errors in checked.items():
        assert max(errors.values()) < 1e-6, name
        assert min(error.largest for error in errors.values()) > 1e-4, "zero proves nothing"
    assert max(gradcheck.check_input(autoencoder, config, params, x).values()) < 1e-6


def test_any_cut_of_a_minibatch_drops_the_same_inputs(rng):
    config, params, x = problem(rng, "bits", noise=0.5, N=20)
    whole, part, other = params.like(), params.like(), params.like()
    loss = autoencoder.loss_and_grad(config, params, x, whole, 20, Noise(1, 2, 0))
    first = autoencoder.loss_and_grad(config, params, x[:7], part, 20, Noise(1, 2, 0))
    second = autoencoder.loss_and_grad(config, params, x[7:], other, 20, Noise(1, 2, 7))
    assert loss == pytest.approx(first + second)
    assert_allclose(whole.flat, part.flat + other.flat, rtol=1e-10, atol=1e-14)
    assert autoencoder.loss_and_grad(config, params, x, whole, 20, Noise(1, 3, 0)) != loss


@every_kind
def test_single_precision_and_threads_change_rounding_alone(kind, rng):
    config, params, x = problem(rng, kind, N=300)
    single = autoencoder.init(config, rng, np.float32)
    single.flat[...] = params.flat
    grads = params.like(), single.like()
    exact = autoencoder.loss_and_grad(config, params, x, grads[0])
    with threads.use_threads(2):
        narrow = x if x.dtype == np.uint8 else x.astype(np.float32)
        assert autoencoder.loss_and_grad(config, single, narrow, grads[1]) == pytest.approx(
            exact, rel=1e-4
        )
    assert_allclose(grads[1].flat, grads[0].flat, atol=2e-4)


def test_every_output_sees_every_input_its_own_too(rng):
    """What makes it no density, and what MADE's masks take away."""
    config, params, x = problem(rng, "bits", N=1)
    before = autoencoder.reconstruct(config, params, x)[0]
    for j in range(5):
        flipped = x.copy()
        flipped[0, j] ^= 1
        assert (autoencoder.reconstruct(config, params, flipped)[0] != before).all()


def test_it_is_found_by_name_and_in_no_list_of_densities(rng, tmp_path):
    assert models.get("autoencoder") is autoencoder
    assert "autoencoder" not in models.MODELS and autoencoder not in models.of(Columns).values()
    config, params, _ = problem(rng, "both", noise=0.25)
    checkpoint.save(tmp_path / "a.safetensors", "autoencoder", config, params)
    again = checkpoint.load(tmp_path / "a.safetensors")
    assert (again.model, again.config) == ("autoencoder", config)
    assert_array_equal(again.params.flat, params.flat)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="make a bit of each category"):
        autoencoder.Config((2, 3), 4, 3)
    with pytest.raises(ValueError, match=r"noise must be a share in \[0, 1\), got 1"):
        autoencoder.Config((2, 2), 4, 3, noise=1)
