"""PixelCNN alone: what each pixel and colour sees, and what the plain network never does."""

from itertools import pairwise, product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support import slopes

from chainrule.engine import arena
from chainrule.engine.gradcheck import check_input, gradient, relative_error
from chainrule.engine.gradcheck import loss as nll
from chainrule.engine.layers import pixels
from chainrule.engine.models import pixel_cnn
from chainrule.engine.noise import Noise
from chainrule.kernels import adam, masked_conv, use_backend, use_threads
from chainrule.kernels.dispatch import HOST_BACKENDS
from chainrule.kernels.masked_conv import cpu

GRAY = {"height": 4, "width": 3, "n_features": 3, "n_layers": 2, "first_size": 3}
COLOUR = {"height": 2, "width": 2, "channels": 3, "levels": 4, "n_features": 3, "n_layers": 2}
DRAWN = {"n_classes": 3, "dropout": 0.3}
CONFIGS = {
    "plain": GRAY,
    "plain of labels": GRAY | DRAWN,
    "plain of colours": {**COLOUR, "first_size": 3, **DRAWN},
    "plain of positions": {**GRAY, **DRAWN, "positions": True},
    "gated": GRAY | {"gated": True},
    "gated of labels": GRAY | DRAWN | {"gated": True},
    "gated of colours": {**COLOUR, "first_size": 3, **DRAWN, "gated": True},
    "gated of positions": {**GRAY, **DRAWN, "gated": True, "positions": True},
}
NOISE = Noise(seed=5, step=6, row=0)
every_config = pytest.mark.parametrize("name", CONFIGS)
both_networks = pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])


@pytest.fixture(autouse=True, params=HOST_BACKENDS)
def backend(request):
    with use_backend(request.param):
        yield request.param


def make(dtype=np.float64, scale=0.35, **options):
    """Return a config and generic parameters, in the place of hidden weights too."""
    config = pixel_cnn.Config(**options)
    params = pixel_cnn.init(config, np.random.default_rng(0), dtype)
    params.flat[...] = scale * np.random.default_rng(1).normal(size=params.size)
    return config, params


def levels(config, rng, n):
    return rng.integers(0, config.levels, (n, *config.event.shape)).astype(config.event.dtype)


def given(config, n, noise=NOISE):
    """Return the labels and the noise that a config needs, as keywords."""
    y = {"y": np.arange(n, dtype=np.int32) * 2 % config.n_classes} if config.n_classes > 1 else {}
    return y | ({"noise": noise} if config.dropout else {})


def weights_and_windows(config, params):
    """Yield every matrix's name, the matrices and what they see."""
    for name, window in pixel_cnn.windows(config).items():
        yield name, params[name], window.mask(*params[name].shape[-2:])


# --- the gradient


@every_config
def test_gradient_matches_central_differences(name, rng):
    config, params = make(**CONFIGS[name])
    x = levels(config, rng, 3)
    grad, loss = gradient(pixel_cnn, config, params, x), nll(pixel_cnn, config, params, x)
    for key, p in params.items():
        error = relative_error(*slopes.in_groups(loss, p, grad[key], rng))
        assert p.size == 0 or error.largest > 1e-6, f"{key}: a zero proves nothing"
        assert error < 1e-6, key


@every_config
def test_gradient_in_x_matches_central_differences_in_real_levels(name, rng, backend):
    config, params = make(**CONFIGS[name])
    for error in check_input(pixel_cnn, config, params, levels(config, rng, 3)).values():
        assert error.largest > 1e-3
        assert error < 1e-6


@every_config
def test_hidden_weights_are_neither_read_nor_moved(name, rng):
    """From the start they are 0, and stay so with Adam, whatever it adds to a gradient."""
    config, params = make(**CONFIGS[name])
    x, other, grads = levels(config, rng, 4), params.copy(), [params.like(), params.like()]
    for _, W, seen in weights_and_windows(config, other):
        W[..., ~seen] = np.nan
    y = given(config, 4)
    losses = [
        pixel_cnn.loss_and_grad(config, p, x, grad, **y)
        for p, grad in zip((params, other), grads, strict=True)
    ]
    assert losses[0] == losses[1]
    assert_array_equal(grads[0].flat, grads[1].flat)
    state = pixel_cnn.init(config, rng, np.float64)
    moments = state.like(), state.like()
    for t in range(1, 4):
        pixel_cnn.loss_and_grad(config, state, x, grads[0], **y)
        adam.step(
            state.flat, grads[0].flat, moments[0].flat, moments[1].flat, t, lr=0.01, beta1=0.9,
            beta2=0.999, eps=1e-8, weight_decay=0.1, l1=0.0,
            n_decay=state.leading(pixel_cnn.WEIGHTS), max_norm=1.0,
        )  # fmt: skip
    n_hidden = 0
    for key, W, seen in weights_and_windows(config, state):
        assert W[..., seen].all(), key
        assert not W[..., ~seen].any() and not np.signbit(W[..., ~seen]).any(), key
        n_hidden += (~seen).sum()
    assert (n_hidden > 0) == (config.channels > 1)


@every_config
@pytest.mark.parametrize("edges", [(0, 4, 7), (0, 1, 2, 7)])
def test_slices_of_a_minibatch_add_up(name, edges, rng):
    """And drop the same numbers as the whole: by seed, minibatch and place in it."""
    config, params = make(**CONFIGS[name])
    x, whole, part = levels(config, rng, 7), params.like(), params.like()
    keywords = given(config, 7)
    loss = pixel_cnn.loss_and_grad(config, params, x, whole, **keywords)
    total, sum_of_parts = np.zeros_like(whole.flat), 0.0
    for lo, hi in pairwise(edges):
        own = given(config, 7, Noise(5, 6, lo))
        own |= {"y": own["y"][lo:hi]} if "y" in own else {}
        part.flat[...] = np.nan
        sum_of_parts += pixel_cnn.loss_and_grad(config, params, x[lo:hi], part, total=7, **own)
        total += part.flat
    assert_allclose(sum_of_parts, loss, rtol=1e-12)
    assert_allclose(total, whole.flat, rtol=1e-9, atol=1e-13)
    if config.dropout:
        for noise in (Noise(5, 7, 0), Noise(4, 6, 0), Noise(5, 6, 1), None):
            again = pixel_cnn.loss_and_grad(config, params, x, part, **keywords | {"noise": noise})
            assert again != loss, noise


@every_config
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_the_bits_do_not_depend_on_the_number_of_threads(name, dtype, rng, monkeypatch):
    monkeypatch.setattr(cpu, "THREAD_WORK", 1)
    config, params = make(dtype, **CONFIGS[name])
    x, grads, scores = levels(config, rng, 5), [], []
    for threads in (1, 2, 3):
        grads.append(params.like())
        with use_threads(threads):
            loss = pixel_cnn.loss_and_grad(config, params, x, grads[-1], **given(config, 5))
            labels = given(config, 5).get("y")
            scores.append((loss, *pixel_cnn.log_prob(config, params, x, labels)))
    for grad, score in zip(grads[1:], scores[1:], strict=True):
        assert_array_equal(grad.flat, grads[0].flat)
        assert score == scores[0]


# --- the distribution


def test_labels_choose_the_biases(rng):
    """Of equal biases none matters; a class without an image has no gradient."""
    config, params = make(**CONFIGS["gated of labels"])
    x, grad = levels(config, rng, 4), params.like()
    pixel_cnn.loss_and_grad(config, params, x, grad, y=np.array([0, 2, 2, 0]))
    of_classes = ("b_v", "b_h", "b_s")
    for name in of_classes:
        assert grad[name][[0, 2]].any(axis=tuple(range(1, grad[name].ndim))).all(), name
        assert_array_equal(grad[name][1], 0, err_msg=name)
        params[name][...] = params[name][:1]
    plain, same = make(**CONFIGS["gated"])
    for name in same:
        same[name][...] = params[name][0] if name in of_classes else params[name]
    expected = pixel_cnn.log_prob(plain, same, x)
    got = pixel_cnn.log_prob(config, params, x, np.array([0, 1, 2, 1]))
    assert_allclose(got, expected, rtol=1e-12)


# --- what is seen


def moved(config, params, x):
    """Return which outputs move with which inputs, of any of the images: (D, D), input first."""

    def all_of(x):
        return pixel_cnn.conditionals(config, params, x).reshape(len(x), x[0].size, -1)

    before, found = all_of(x), []
    for i in range(x[0].size):
        changed = x.copy()
        flat = changed.reshape(len(x), -1)
        flat[:, i] = (flat[:, i] + 1) % config.levels
        found.append((all_of(changed) != before).any(axis=(0, 2)))
    return np.array(found)


def looks(window, height, width):
    """Return which pixel a window shows which pixel, (R·S, R·S), the one that is seen first."""
    seen = np.zeros((height, width, height, width), bool)
    for i, j, (u, v) in product(range(height), range(width), [*window.taps()]):
        if 0 <= i + u < height and 0 <= j + v < width:
            seen[i + u, j + v, i, j] = True
    return seen.reshape(height * width, -1)


def test_a_plain_network_sees_through_its_windows_and_has_a_blind_spot(rng):
    """A pixel far to the right and above is never seen, however deep the network is."""
    config, params = make(height=5, width=6, n_features=8, n_layers=6, first_size=3)
    later = looks(config.masked, 5, 6)
    seen = looks(config.first, 5, 6)
    for _ in range(config.n_layers):
        seen = seen @ later
    past = np.triu(np.ones((30, 30), bool), 1)
    assert_array_equal(seen & ~past, False)
    found = moved(config, params, levels(config, rng, 20))
    assert_array_equal(found, seen)
    blind = [(0, 5, 2, 0), (1, 4, 2, 2), (3, 4, 4, 2)]  # from two columns off in the row above on
    for i, j, of_i, of_j in blind:
        assert past[i * 6 + j, of_i * 6 + of_j] and not found[i * 6 + j, of_i * 6 + of_j]


def test_a_gated_network_sees_all_of_the_past_and_nothing_else(rng):
    config, params = make(
        height=5, width=6, n_features=8, n_layers=6, first_size=3, gated=True, scale=0.25
    )
    found = moved(config, params, levels(config, rng, 6))
    assert_array_equal(found, np.triu(np.ones((30, 30), bool), 1))


@both_networks
def test_colours_see_those_before_of_the_same_pixel(gated, rng):
    """Red neither green nor blue, green red alone, blue both; all see earlier pixels whole."""
    config, params = make(**COLOUR | {"width": 3, "n_features": 24, "gated": gated}, scale=0.25)
    found = moved(config, params, levels(config, rng, 12))
    assert_array_equal(found, np.triu(np.ones((18, 18), bool), 1))


# --- the start, and sizes


@both_networks
@pytest.mark.parametrize("channels", [1, 3])
def test_an_initial_network_knows_nothing(gated, channels, rng):
    config = pixel_cnn.Config(8, 8, channels, 4, n_features=24, n_layers=5, gated=gated)
    params = pixel_cnn.init(config, rng)
    p = pixel_cnn.conditionals(config, params, levels(config, rng, 4))
    assert_allclose(p, 0.25, atol=0.15)
    assert p.std() > 1e-3
    assert not any(params[name].any() for name in params if name not in pixel_cnn.WEIGHTS)
    deep = params["W_o"].std() * (params["W_o"].shape[-2] * config.n_layers) ** 0.5
    shown = masked_conv.raster(1, "B", channels).mask(*params["W_o"].shape[-2:]).mean()
    assert deep == pytest.approx((shown if gated else 2 * shown) ** 0.5, rel=0.1)


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_above_are_heard_in_the_deepest_layer_from_the_start(channels, rng):
    """Gates upon gates halved them layer by layer: the twelfth heard 1e-4 of the first."""
    config = pixel_cnn.Config(12, 12, channels, 2, n_features=24, n_layers=12, gated=True)
    params = pixel_cnn.init(config, rng)
    with arena.borrow(params.flat) as new:
        z = pixels.scaled(levels(config, rng, 4), config.levels, new)
        _, tape = pixel_cnn._forward(config, params, z, np.zeros(4, np.int32), None, new)
        spread = [float(layer.v[:, 4:].std()) for layer in tape.blocks[1:]]
    assert 0.1 < spread[-1] / spread[0] < 2 and 0.05 < spread[-1] < 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_features": 4, "channels": 3}, "multiple of the 3 channels"),
        ({"n_layers": 0}, "must be 1 or more"),
        ({"first_size": 1}, "at least 3"),
        ({"kernel_size": 4}, "must be odd"),
        ({"first_size": 6}, "must be odd"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"levels": 1}, "2 levels or more"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        pixel_cnn.Config(**GRAY | arguments)
