"""Attacks: what they may change and what they must reach, and beside those of others."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.art import ArtClassifier

import chainrule as cr
from chainrule.detection.attacks import _walked
from chainrule.engine.attacks.signs import Walk

HOW = {
    "mlp": {"network": "mlp", "hidden": (24,)},
    "tanh": {"network": "mlp", "hidden": (16, 12), "activation": "tanh"},
    "cnn": {"network": "cnn", "channels": (6, 8)},
}
every_network = pytest.mark.parametrize("kind", HOW)
EPS = 0.12
ATTACKS = {
    "fgsm": lambda c, x, y, **more: cr.attacks.fgsm(c, x, y, EPS, **more),
    "bim": lambda c, x, y, **more: cr.attacks.bim(c, x, y, EPS, **more),
    "pgd": lambda c, x, y, **more: cr.attacks.pgd(c, x, y, EPS, steps=10, **more),
    "pgd of 2-norm": lambda c, x, y, **more: cr.attacks.pgd(
        c, x, y, 1.0, norm="2", steps=10, **more
    ),
    "deepfool": lambda c, x, y, **more: cr.attacks.deepfool(c, x, y, **more),
    "carlini_wagner": lambda c, x, y, **more: cr.attacks.carlini_wagner(
        c, x, y, rounds=4, steps=80, rate=0.05, **more
    ),
}
every_attack = pytest.mark.parametrize("attack", ATTACKS)


def images(n=300, seed=0):
    """Return noisy images, each of one of four kinds by which quarter is bright, and which."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    x = 0.5 * rng.random((n, 8, 8))
    for image, kind in zip(x, y, strict=True):
        i, j = divmod(int(kind), 2)
        image[4 * i : 4 * i + 4, 4 * j : 4 * j + 4] += 0.35
    return x.astype(np.float32), y


@pytest.fixture(scope="module", params=HOW)
def fitted(request):
    x, y = images()
    return cr.Classifier(**HOW[request.param], epochs=30, learning_rate=0.01, batch_size=30).fit(
        x, y
    )


@pytest.fixture(scope="module")
def one():
    x, y = images()
    return cr.Classifier(hidden=(24,), epochs=30, learning_rate=0.01, batch_size=30).fit(x, y)


def size(changed, x, norm="2"):
    d = (changed.astype(np.float64) - x).reshape(len(x), -1)
    return np.abs(d).max(axis=1) if norm == "inf" else np.linalg.norm(d, axis=1)


# --- beside ART's ---------------------------------------------------------------------------------


def right_rows(model, n=60):
    x, y = images(n, seed=1)
    kept = model.predict(x) == y
    assert kept.mean() > 0.9
    return x[kept], y[kept]


def test_steps_of_fgsm_are_arts(fitted):
    from art.attacks.evasion import FastGradientMethod

    x, y = right_rows(fitted)
    theirs = FastGradientMethod(ArtClassifier(fitted), eps=EPS).generate(x, y)
    assert_allclose(cr.attacks.fgsm(fitted, x, y, EPS), theirs, atol=1e-6)
    target = (y + 1) % 4
    aimed = FastGradientMethod(ArtClassifier(fitted), eps=EPS, targeted=True).generate(x, target)
    assert_allclose(cr.attacks.fgsm(fitted, x, target, EPS, targeted=True), aimed, atol=1e-6)


def test_steps_of_bim_are_arts(fitted):
    from art.attacks.evasion import BasicIterativeMethod

    x, y = right_rows(fitted)
    art = BasicIterativeMethod(
        ArtClassifier(fitted), eps=EPS, eps_step=0.02, max_iter=10, verbose=False
    )
    ours = cr.attacks.bim(fitted, x, y, EPS, step=0.02, steps=10)
    assert_allclose(ours, art.generate(x, y), atol=1e-5)


def test_steps_in_the_2_norm_are_arts(fitted):
    from art.attacks.evasion import ProjectedGradientDescent

    x, y = right_rows(fitted)
    art = ProjectedGradientDescent(
        ArtClassifier(fitted), norm=2, eps=1.0, eps_step=0.2, max_iter=10, verbose=False
    )
    ours = _walked(fitted, x, y, (0, 1), Walk(1.0, 0.2, 10, "2"))
    assert_allclose(ours, art.generate(x, y), atol=2e-4)


def test_deepfool_goes_no_farther_than_arts(fitted):
    from art.attacks.evasion import DeepFool

    x, y = right_rows(fitted)
    art = DeepFool(ArtClassifier(fitted), max_iter=50, epsilon=0.02, nb_grads=4, verbose=False)
    ours, theirs = cr.attacks.deepfool(fitted, x, y), art.generate(x)
    assert (fitted.predict(ours) != y).mean() >= (fitted.predict(theirs) != y).mean()
    assert (fitted.predict(ours) != y).mean() > 0.95
    both = (fitted.predict(ours) != y) & (fitted.predict(theirs) != y)
    assert np.median(size(ours, x)[both] / size(theirs, x)[both]) <= 1.05


def test_carlini_and_wagner_goes_no_farther_than_arts(fitted):
    from art.attacks.evasion import CarliniL2Method

    x, y = (a[:20] for a in right_rows(fitted))
    art = CarliniL2Method(ArtClassifier(fitted), max_iter=30, binary_search_steps=6, verbose=False)
    ours, theirs = cr.attacks.carlini_wagner(fitted, x, y), art.generate(x, np.eye(4)[y])
    assert (fitted.predict(ours) != y).all()
    both = fitted.predict(theirs) != y
    assert both.mean() > 0.5
    assert np.median(size(ours, x)[both] / size(theirs, x)[both]) <= 1.05


# --- what may be changed, and what has to be reached ---------------------------------------------


@every_attack
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_within_its_ball_and_range_in_the_shape_and_dtype_of_x(attack, dtype, fitted):
    x, y = images(40, seed=2)
    x, before = x.astype(dtype), x.copy()
    changed = ATTACKS[attack](fitted, x, y)
    assert_array_equal(x, before)
    assert changed.shape == x.shape and changed.dtype == dtype
    assert changed.min() >= 0 and changed.max() <= 1
    if attack in ("fgsm", "bim", "pgd"):
        assert size(changed, x, "inf").max() <= EPS + 1e-6
    if attack == "pgd of 2-norm":
        assert size(changed, x).max() <= 1 + 1e-5


@every_attack
def test_it_is_stronger_than_noise_of_its_size(attack, fitted):
    x, y = images(80, seed=3)
    changed = ATTACKS[attack](fitted, x, y)
    norm = "inf" if attack in ("fgsm", "bim", "pgd") else "2"
    control = cr.attacks.noise(x, like=changed, norm=norm)
    assert_array_equal(size(control, x, norm) <= size(changed, x, norm) + 1e-5, True)
    assert fitted.score(changed, y) < fitted.score(control, y) - 0.1
    right = fitted.predict(x) == y
    if attack not in ("deepfool", "carlini_wagner"):
        raised = fitted.losses(changed, y) > fitted.losses(x, y)
        assert raised[right].mean() > 0.95
    else:
        assert fitted.score(changed, y) == 0


def test_carlini_and_wagner_goes_no_farther_than_deepfool(fitted):
    x, y = right_rows(fitted)
    least, near = (size(ATTACKS[name](fitted, x, y), x) for name in ("carlini_wagner", "deepfool"))
    assert np.median(least / near) <= 1.02


@every_attack
def test_labels_that_are_wrong_already_are_left_alone(attack, one):
    x, y = images(40, seed=4)
    wrong = np.arange(40) % 2 == 0
    y = np.where(wrong, (one.predict(x) + 1) % 4, one.predict(x))
    changed = ATTACKS[attack](one, x, y)
    moved = size(changed, x) > 0
    assert_array_equal(moved, ~wrong)


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name != "deepfool"])
def test_a_target_is_sought(attack, one):
    x, _ = images(60, seed=5)
    said = one.predict(x)
    target = np.where(np.arange(60) % 5 == 0, said, (said + 1) % 4)
    changed = ATTACKS[attack](one, x, target, targeted=True)
    assert_array_equal(changed[::5], x[::5])
    lower = one.losses(changed, target) < one.losses(x, target)
    assert lower[size(changed, x) > 0].mean() > 0.9
    if attack == "carlini_wagner":
        assert (one.predict(changed) == target).all()


def test_carlini_and_wagners_confidence_is_a_margin(one):
    x, y = right_rows(one, 30)
    sure = cr.attacks.carlini_wagner(one, x, y, confidence=2.0, rate=0.05)
    s = one.logits(sure)
    of_y = s[np.arange(len(y)), y].copy()
    s[np.arange(len(y)), y] = -np.inf
    assert (s.max(axis=1) - of_y >= 2 - 1e-4).all()
    assert (size(sure, x) > size(cr.attacks.carlini_wagner(one, x, y, rate=0.05), x)).all()


def test_what_is_drawn_follows_from_the_seed_and_restarts_help(one):
    x, y = images(60, seed=6)
    attack = lambda **how: cr.attacks.pgd(one, x, y, 0.08, steps=3, **how)  # noqa: E731
    assert_array_equal(attack(seed=1), attack(seed=1))
    assert (attack(seed=1) != attack(seed=2)).any()
    assert one.score(attack(restarts=4), y) <= one.score(attack(), y)
    for norm in ("inf", "2"):
        noise = cr.attacks.noise(x, 0.1, norm=norm, seed=3)
        assert_array_equal(noise, cr.attacks.noise(x, 0.1, norm=norm, seed=3))
        assert (noise != cr.attacks.noise(x, 0.1, norm=norm, seed=4)).any()


def test_a_row_is_the_same_in_any_company(one):
    x, y = images(30, seed=7)
    for attack in ("fgsm", "bim", "deepfool", "carlini_wagner"):
        whole = ATTACKS[attack](one, x, y)
        assert_allclose(ATTACKS[attack](one, x[:7], y[:7]), whole[:7], atol=1e-4, err_msg=attack)


def test_other_ranges_are_allowed():
    x, y = images(80)
    wide = cr.Classifier(hidden=(24,), epochs=40, learning_rate=0.01, batch_size=20).fit(
        4 * x - 2, y
    )
    changed = cr.attacks.pgd(wide, 4 * x - 2, y, 0.4, clip=(-2, 2))
    assert (
        changed.min() >= -2
        and changed.max() <= 2
        and size(changed, 4 * x - 2, "inf").max() <= 0.4 + 1e-5
    )
    nearest = cr.attacks.carlini_wagner(wide, 4 * x[:9] - 2, y[:9], clip=(-2, 2), rate=0.05)
    assert (wide.predict(nearest) != y[:9]).all()


def test_what_cannot_be_is_refused_in_a_sentence(one):
    x, y = images(5)
    for wrong, error, words in (
        (lambda: cr.attacks.fgsm("mlp", x, y), TypeError, "must be a Classifier, got str"),
        (
            lambda: cr.attacks.fgsm(one, (x * 255).astype(np.uint8), y),
            TypeError,
            "must hold floats",
        ),
        (
            lambda: cr.attacks.fgsm(one, x * 255, y),
            ValueError,
            r"and clip=\(0.0, 1.0\); scale them",
        ),
        (lambda: cr.attacks.fgsm(one, x * np.nan, y), ValueError, r"NaN \(first at \[0, 0, 0\]\)"),
        (lambda: cr.attacks.noise(np.full_like(x, np.inf), 0.1), ValueError, "X contains inf"),
        (lambda: cr.attacks.fgsm(one, x, y, -1), ValueError, "eps must be a finite number of at"),
        (lambda: cr.attacks.fgsm(one, x, y, clip=(1, 0)), ValueError, "the least and the largest"),
        (lambda: cr.attacks.fgsm(one, x, y, clip=1), ValueError, "clip must be two numbers"),
        (lambda: cr.attacks.pgd(one, x, y, norm="1"), ValueError, "norm must be one of 'inf', '2'"),
        (lambda: cr.attacks.pgd(one, x, y, restarts=0), ValueError, "restarts must be a whole"),
        (lambda: cr.attacks.pgd(one, x, y + 9), ValueError, "a label never seen in training"),
        (lambda: cr.attacks.noise(x), ValueError, "give eps, how large noise is, or like"),
        (lambda: cr.attacks.noise(x, like=x[:2]), ValueError, "like has shape"),
    ):
        with pytest.raises(error, match=words):
            wrong()


def test_a_classifier_on_a_gpu_is_refused_with_the_way_back_to_the_host(one):
    """In one sentence, before anything is worked out, and what it says to do is enough."""
    x, y = images(5)
    on_device = copy.copy(one).set_params(backend="cuda")
    said = (
        "attacks run on the host, and classifier has backend='cuda'; take it there by "
        "classifier.set_params(backend='cpu'), fitted as it is"
    )
    for attack in ATTACKS.values():
        with pytest.raises(ValueError) as refused:
            attack(on_device, x, y)
        assert str(refused.value) == said
    back = on_device.set_params(backend="cpu")
    assert_array_equal(cr.attacks.fgsm(back, x, y, EPS), cr.attacks.fgsm(one, x, y, EPS))
