"""What `bench.attacks` keeps, judges and compares is what it says."""

import numpy as np
import pytest

import chainrule as cr
from bench import attacked, attacks
from chainrule.detection import pixels


def images(n, seed=0):
    """Return small greys, 0 … 15, with a bright half, and which half it is."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    x = rng.integers(0, 7, (n, 6, 6))
    for image, kind in zip(x, y, strict=True):
        image[:3] += (8 * (kind == 0)).astype(x.dtype)
        image[3:] += (8 * (kind == 1)).astype(x.dtype)
    return x.astype(np.uint8), y


@pytest.fixture(scope="module")
def defended():
    """Return a classifier, its density with clean images that it ranks among, images, labels."""
    x, y = images(240)
    model = cr.Classifier(hidden=(12,), epochs=15, learning_rate=0.02, batch_size=20, seed=0)
    model.fit((x[:160] / 15).astype(np.float32), y[:160])
    of = cr.PixelCNN(1, 6, first_size=3, levels=16, epochs=3, batch_size=16, seed=0).fit(x[:160])
    density = attacked.Density(of, np.sort(of.log_prob(x[160:200])), of.log_prob(x[200:]))
    few, labels = images(12, seed=1)
    return model, density, (few / 15).astype(np.float32), labels


def test_what_is_finished_is_not_done_again(tmp_path):
    """Models come back from their files, and attacked images with the seconds that they took."""
    kept, calls = attacked.Kept(tmp_path / "some"), []

    def make():
        calls.append(1)
        return np.arange(3.0)

    model = cr.NADE(2, epochs=1, seed=0)
    X = np.eye(4, dtype=np.uint8)
    first = kept.model("nade", model, X)
    again = kept.model("nade", None, X)  # there is nothing that could be fitted
    assert again.score(X) == first.score(X)
    assert sorted(path.name for path in kept.folder.iterdir()) == ["nade.safetensors"]
    one, two = (kept.images("attack, large", make) for _ in range(2))
    assert len(calls) == 1 and one[1] == two[1] and (one[0] == two[0]).all()
    assert attacked.Kept(None).model("nade", model, X) is model
    assert attacked.Kept(None).images("any", make)[1] >= 0 and len(calls) == 2


def test_figures_of_an_attack_are_those_of_its_images(defended):
    """Of images that nobody changed there is no area; of those of noise it is near one."""
    model, density, x, y = defended
    none = attacked.judged(model, density, x, y, x, 0.0)
    assert none["auc"] == {"images": 0} and none["accuracy"] == model.score(x, y)
    noisy = cr.attacks.noise(x, 0.4, seed=0)
    found = attacked.judged(model, density, x, y, noisy, 1.5)
    assert found["auc"]["images"] == 12 and found["auc"]["low"] <= found["auc"]["value"] <= 1
    assert found["auc"]["value"] > 0.9 and found["odd"] > 0.5 and found["seconds"] == 1.5
    odd = density.p_values(noisy) <= attacked.ODD
    clean = cr.purify(density.model, noisy, attacked.PURIFY_EPS)
    both = (model.predict(clean) != y) & ~odd
    assert found["wrong_purified_and_not_odd"] == pytest.approx(both.mean())
    assert found["median_inf_norm"] == pytest.approx(0.4, abs=1e-6)


def test_false_alarms_have_an_interval_around_what_was_counted(defended):
    """Wilson's, that of 4 of 40 as published tables have it."""
    density = defended[1]._replace(ranks=np.arange(39.0), apart=np.r_[[-1.0] * 4, [50.0] * 36])
    found = density.false_alarms()
    assert found["images"] == 40
    of = found["odd_at_rate"]["0.05"]
    assert of["value"] == pytest.approx(0.1)
    assert (of["low"], of["high"]) == pytest.approx((0.0396, 0.2305), abs=1e-4)
    assert found["odd_at_rate"]["0.01"]["value"] == 0, "39 clean ones tell no rate below 1 in 40"


def test_of_several_weights_each_image_has_what_serves_it(defended):
    """None is worse than with the first weight alone."""
    model, density, x, y = defended
    served = attacked.likely(model, density, x, y, 0.3)
    of = {"weight": attacked.WEIGHTS[0], "steps": attacked.KNOWING_STEPS}
    first = cr.attacks.likely_pgd(model, density.model, x, y, 0.3, **of)

    def passes(moved):
        return (model.predict(moved) != y) & (density.p_values(moved) > attacked.ODD)

    assert (passes(served) >= passes(first)).all()
    assert np.abs(served - x).max() <= 0.3 + 1e-6


def test_gradients_that_others_are_given_are_of_each_rows_label(defended):
    """Many rows at once, each with its own label, as one by one."""
    pytest.importorskip("art")
    from bench.peers import art_attacks

    model, _, x, y = defended
    of = art_attacks.OfOurs(model)
    whole = of.class_gradient(x)
    assert whole.shape == (12, 2, 6, 6)
    own = of.class_gradient(x, label=y)
    np.testing.assert_allclose(own[:, 0], whole[np.arange(12), y], rtol=1e-5)
    np.testing.assert_allclose(of.class_gradient(x, label=1)[:, 0], whole[:, 1], rtol=1e-5)
    for n in range(3):
        one = of.class_gradient(x[n : n + 1], label=y[n : n + 1])
        np.testing.assert_allclose(one[0], own[n], rtol=1e-5)


def test_levels_go_to_a_classifier_as_shares():
    """From 0 to 1 in single precision, and back to the level that they were."""
    x = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert attacked.floats(x).dtype == np.float32 and attacked.floats(x).max() == 1
    model = cr.PixelCNN(1, 2, first_size=3, epochs=1, levels=256).fit(x)
    assert (pixels.to_pixels(model, attacked.floats(x)) == x).all()


def test_pictures_are_drawn_of_what_an_attack_left(defended):
    """Pixels between levels, as attacks leave them, and sets of bits per dimension."""
    pytest.importorskip("matplotlib")
    model, density, x, y = defended
    names = [*attacks.DRAWN, "likely_bpda, large", "likely_pgd, large", "bpda, large"]
    shown = {"clean": x, **{name: cr.attacks.noise(x, 0.1, norm="2") for name in names}}
    for figure in (attacks._picture(model, density, shown, y), attacks._sets(density, shown)):
        assert len(figure.axes) > 0
