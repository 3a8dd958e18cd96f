"""Purification for users: limits, forms, who is purified, and what an adversary makes of it."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as cr
from chainrule.detection import pixels
from chainrule.engine.models import pixel_cnn

TOP = 15  # levels 0 … 15


def bars(n=200, seed=0, colours=0):
    """Return images with a dark and a bright half, levels of 16, and which half it is."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    x = rng.integers(0, 6, (n, 8, 8))
    for image, kind in zip(x, y, strict=True):
        half = [np.s_[:4], np.s_[4:], np.s_[:, :4], np.s_[:, 4:]][kind]
        image[half] += 8
    x = x if not colours else np.repeat(x[..., None], colours, axis=3)
    return x.astype(np.uint8), y


def as_floats(x):
    return (x / TOP).astype(np.float32)


@pytest.fixture(scope="module")
def density():
    x, _ = bars()
    how = {"n_layers": 2, "n_features": 12, "first_size": 5, "levels": 16}
    return cr.PixelCNN(**how, epochs=40, batch_size=20, learning_rate=5e-3, gated=True).fit(x)


@pytest.fixture(scope="module")
def classifier():
    x, y = bars()
    return cr.Classifier(hidden=(24,), epochs=40, batch_size=20, learning_rate=0.01).fit(
        as_floats(x), y
    )


EPS = 5 / TOP


def test_it_stays_near_and_raises_the_likelihood(density):
    x, _ = bars(30, seed=1)
    rng = np.random.default_rng(0)
    noisy = np.clip(as_floats(x) + rng.uniform(-EPS, EPS, x.shape), 0, 1).astype(np.float32)
    clean = cr.purify(density, noisy, EPS)
    assert clean.shape == noisy.shape and clean.dtype == np.float32
    assert np.abs(clean - noisy).max() <= EPS + 1e-6 and clean.min() >= 0 and clean.max() <= 1
    before, after = (density.log_prob(pixels.to_pixels(density, a)) for a in (noisy, clean))
    assert (after > before).all()
    assert_array_equal(cr.purify(density, noisy, EPS), clean)
    assert_allclose(cr.purify(density, as_floats(x), 0), as_floats(x), atol=1e-6)


@pytest.mark.parametrize("how", [{}, {"likelihood": "logistics", "n_logistics": 2}, {"colours": 3}])
def test_pixel_for_pixel_what_the_definition_says(how, rng):
    how = dict(how)
    x, _ = bars(60, colours=how.pop("colours", 0))
    model = cr.PixelCNN(1, 6, first_size=3, levels=16, epochs=3, **how).fit(x)
    noisy = np.clip(as_floats(x[:4]) + rng.uniform(-0.2, 0.2, x[:4].shape), 0, 1)
    low, high = (pixels.to_levels(model, np.clip(noisy + by, 0, 1)) for by in (-0.2, 0.2))
    z = low.copy()
    flat, least, most = (a.reshape(4, -1) for a in (z, low, high))
    for q in range(flat.shape[1]):
        p = pixel_cnn.conditionals(model.config_, model.params_, z).reshape(4, flat.shape[1], -1)
        for n in range(4):
            flat[n, q] = least[n, q] + p[n, q, least[n, q] : most[n, q] + 1].argmax()
    expected = np.clip(z.reshape(noisy.shape) / TOP, noisy - 0.2, noisy + 0.2)
    assert_allclose(cr.purify(model, noisy, 0.2), expected, atol=1e-12)


def test_only_what_is_odd_is_purified_where_a_detector_says_so(density):
    class Detector:
        def p_values(self, X):
            assert X.dtype == np.uint8 and X.max() <= TOP
            return np.where(np.arange(len(X)) % 2, 0.5, 0.01)

    x, _ = bars(20, seed=2)
    noisy = np.clip(as_floats(x) + 0.2, 0, 1)
    some = cr.purify(density, noisy, EPS, detector=Detector())
    assert_array_equal(some[1::2], noisy[1::2])
    assert_array_equal(some[::2], cr.purify(density, noisy[::2], EPS))
    assert_array_equal(cr.purify(density, noisy, EPS, detector=Detector(), below=0.001), noisy)


def test_it_undoes_an_attack_that_knows_nothing_and_not_one_that_does(density, classifier):
    x, y = bars(60, seed=3)
    x = as_floats(x)
    assert classifier.score(x, y) > 0.95
    fooled = cr.attacks.pgd(classifier, x, y, EPS)
    clean = cr.purify(density, fooled, EPS)
    assert classifier.score(clean, y) > classifier.score(fooled, y) + 0.2
    knowing = cr.attacks.bpda(classifier, density, x, y, EPS, purify_eps=EPS, restarts=2)
    assert np.abs(knowing - x).max() <= EPS + 1e-6
    seen = cr.purify(density, knowing, EPS)
    assert classifier.score(seen, y) < classifier.score(clean, y) - 0.05


def test_an_attack_that_raises_the_likelihood_is_likelier(density, classifier):
    x, y = bars(40, seed=4)
    x = as_floats(x)
    plain, knowing = (
        cr.attacks.pgd(classifier, x, y, EPS),
        cr.attacks.likely_pgd(classifier, density, x, y, EPS),
    )
    assert np.abs(knowing - x).max() <= EPS + 1e-6
    of = lambda a: density.log_prob(pixels.to_pixels(density, a)).mean()  # noqa: E731
    assert of(knowing) > of(plain) + 50
    assert classifier.score(knowing, y) < classifier.score(x, y) - 0.2


def passes(detector, classifier, density, x, y):
    """Return which images are not odd, and are wrong once they are purified."""
    wrong = classifier.predict(cr.purify(density, x, EPS)) != y
    return wrong & (detector.p_values(pixels.to_pixels(density, x)) > 0.05)


def test_an_attack_on_both_passes_where_those_on_one_do_not(density, classifier):
    x, y = bars(60, seed=5)
    x = as_floats(x)
    detector = cr.Detector(density).fit(bars(200, seed=6)[0])
    known = {"purify_eps": EPS, "steps": 20}
    of, eps = (classifier, density, x, y, 7 / TOP), 7 / TOP
    both = cr.attacks.likely_bpda(*of, **known)
    assert both.dtype == np.float32 and np.abs(both - x).max() <= eps + 1e-6
    found = {
        "both": both,
        "likely_pgd": cr.attacks.likely_pgd(*of),
        "bpda": cr.attacks.bpda(*of, **known, restarts=2),
        "pgd": cr.attacks.pgd(classifier, x, y, eps),
        "noise": cr.attacks.noise(x, like=both),
    }
    share = {
        name: passes(detector, classifier, density, one, y).mean() for name, one in found.items()
    }
    assert share["both"] > max(share[name] for name in share if name != "both") + 0.1, share
    moved = (both != x).any(axis=(1, 2))
    log_p = lambda a: density.log_prob(pixels.to_pixels(density, a))  # noqa: E731
    assert (log_p(both) > log_p(found["bpda"]))[moved].all()
    wrong = classifier.predict(cr.purify(density, both, EPS)) != y
    assert_array_equal(wrong[moved], True)  # what is no use is left as it is
    few = cr.attacks.likely_bpda(*of, **known, weights=1e-3)
    assert (log_p(few) <= log_p(both))[(few != x).any(axis=(1, 2))].all()


def test_both_parts_reach_a_target_and_their_settings_are_checked(density, classifier):
    x, y = bars(20, seed=7)
    x, target = as_floats(x), (y + 1) % 4
    known = {"purify_eps": EPS, "steps": 10, "targeted": True}
    found = cr.attacks.likely_bpda(classifier, density, x, target, 0.9, norm="inf", **known)
    moved = (found != x).any(axis=(1, 2))
    assert moved.any()
    there = classifier.predict(cr.purify(density, found, EPS)) == target
    assert_array_equal(there[moved], True)
    attack = lambda **how: cr.attacks.likely_bpda(classifier, density, x, y, **how)  # noqa: E731
    for how, words in (
        ({"weights": ()}, "weights holds no weight of log p; give one"),
        ({"weights": (1e-3, -1)}, "weights must be a finite number of at least 0"),
        ({"margin": -1}, "margin must be"),
        ({"purify_eps": -1}, "eps must be"),
    ):
        with pytest.raises(ValueError, match=words):
            attack(**how)


@pytest.mark.parametrize("name", ["likely_pgd", "bpda", "likely_bpda"])
def test_who_knows_of_a_density_on_a_gpu_is_told_how_to_take_it_to_the_host(
    name, density, classifier
):
    x, y = bars(4)
    on_device = copy.copy(density).set_params(backend="cuda")
    with pytest.raises(ValueError, match=r"and density has .*density.set_params\(backend='cpu'\)"):
        getattr(cr.attacks, name)(classifier, on_device, as_floats(x), y)


def test_floats_to_levels_and_back():
    x = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    of_all = cr.PixelCNN(1, 2, first_size=3, epochs=1).fit(x)
    assert_array_equal(pixels.to_levels(of_all, x / 255)[..., 0], x)
    assert_array_equal(pixels.to_levels(of_all, x / 255 * 4 - 2, (-2, 2))[..., 0], x)
    assert_allclose(pixels.to_floats(of_all, x, (-2, 2)), x / 255 * 4 - 2)
    fewer = cr.PixelCNN(1, 2, first_size=3, levels=4, reduce_from=256, epochs=1).fit(x)
    assert_array_equal(pixels.to_levels(fewer, x / 255)[..., 0], x // 64)
    stand = pixels.to_floats(fewer, np.arange(4))
    assert_array_equal(pixels.to_levels(fewer, np.full((4, 8, 8), stand[2]))[0, 0, 0], [2])
    bits = cr.PixelCNN(1, 2, first_size=3, binarize=0.3, epochs=1).fit(x / 255)
    assert_array_equal(pixels.to_levels(bits, x / 255)[..., 0], x / 255 > 0.3)
    assert pixels.to_floats(bits, np.array([0, 1])).tolist() == [0, 1]
    near = cr.purify(fewer, x / 255, 0.01)
    assert np.abs(near - x / 255).max() <= 0.01 + 1e-12


def test_labels_and_other_models(density):
    x, y = bars(40)
    labelled = cr.PixelCNN(1, 4, first_size=3, levels=16, epochs=1).fit(x, y)
    assert cr.purify(labelled, as_floats(x), EPS, y=y).shape == x.shape
    for wrong, error, words in (
        (
            lambda: cr.purify(labelled, as_floats(x)),
            ValueError,
            "give y, or a model that was fitted",
        ),
        (lambda: cr.purify(cr.NADE(), as_floats(x)), TypeError, "must be a density of images"),
        (lambda: cr.purify(density, x), TypeError, "X must hold floats"),
        (lambda: cr.purify(density, as_floats(x)[:, :5]), ValueError, "X has images of 5×8"),
        (lambda: cr.purify(density, as_floats(x), -1), ValueError, "eps must be a finite number"),
    ):
        with pytest.raises(error, match=words):
            wrong()
