"""Images are trained by how many there are, unless told: seen, said, resumed, and worth it."""

import inspect

import numpy as np
import pytest

import chainrule as cr

SMALL = {"n_layers": 1, "first_size": 3, "seed": 0}


def recipe_of(n, valid=True, cls=cr.PixelCNN, **settings):
    """Return epochs, batch size and learning rate for n images."""
    X = np.random.default_rng(0).integers(0, 2, (n, 3, 3))
    model = cls(**settings)
    model._prepare(X, X_valid=X[:9] if valid else None)
    recipe = model._recipe()
    return recipe.epochs, recipe.batch_size, recipe.learning_rate


@pytest.mark.parametrize("cls", [cr.PixelCNN, cr.PixelRNN])
@pytest.mark.parametrize(
    ("n", "alone", "validated"),
    [
        (40, (40, 4, 1e-2), (100, 4, 1e-2)),
        (300, (20, 6, 1e-2), (50, 6, 1e-2)),
        (1437, (20, 28, 3e-3), (50, 28, 3e-3)),
        (4999, (20, 32, 3e-3), (50, 32, 3e-3)),
        (5000, (50, 32, 2e-3), (50, 32, 2e-3)),
    ],
)
def test_few_images_have_small_minibatches_and_a_higher_rate(cls, n, alone, validated):
    assert recipe_of(n, False, cls) == alone and recipe_of(n, True, cls) == validated
    assert recipe_of(n, True, cls, epochs=7, learning_rate=1e-4) == (7, validated[1], 1e-4)
    assert recipe_of(n, False, cls, batch_size=50) == (alone[0], 50, alone[2])


def test_what_is_chosen_is_told():
    doc = " ".join(inspect.getdoc(cr.PixelCNN).split())
    for words in ("without X_valid 20", "a fiftieth of them, 4 at least", "500 0.01"):
        assert words in doc
    assert cr.PixelRNN().get_params()["batch_size"] is None


def discs(n, seed, colours):
    """Return n discs of any of the colours, at any place and of any radius, 12×12 pixels."""
    rng, (row, column) = np.random.default_rng(seed), np.mgrid[:12, :12]
    x = np.full((n, 12, 12, 3), 20, np.uint8)
    for image in x:
        y, z = rng.uniform(3, 8, 2)
        image[(row - y) ** 2 + (column - z) ** 2 <= rng.uniform(2, 4) ** 2] = rng.choice(colours)
    return x


@pytest.mark.parametrize(("settings", "most"), [({}, 60), ({"gated": True}, 160)])
def test_forty_discs_are_learnt_by_the_defaults(settings, most):
    colours = np.array([(230, 60, 40), (60, 200, 80), (240, 220, 60)])
    x, other = discs(40, 0, colours), discs(60, 1, colours)
    model = cr.PixelCNN(**settings, seed=0).fit(x)
    assert -model.score(other) < most, "806 and 338 nats after 50 epochs of 32 images and 0.001"


def test_what_was_chosen_is_said_and_a_training_goes_on(capsys, tmp_path):
    X = np.random.default_rng(0).integers(0, 2, (60, 3, 3))
    whole = cr.PixelCNN(**SMALL, n_features=4, epochs=4, schedule="constant", verbose=True).fit(X)
    said = "batch_size=4, learning_rate=0.01: as there are 60 images alone\n"
    assert said in capsys.readouterr().err
    for epochs in (2, 4):
        model = cr.PixelCNN(**SMALL, n_features=4, epochs=epochs, schedule="constant")
        model.fit(X, checkpoint=tmp_path / "c")
    np.testing.assert_array_equal(model.params_.flat, whole.params_.flat)
    with pytest.raises(ValueError, match="begun with batch_size=None, not 20"):
        model.set_params(batch_size=20).fit(X, checkpoint=tmp_path / "c")


def test_the_command_line_says_so_and_resumes(call, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 2, (60, 3, 3)))
    small = ("--set", "n_layers=1", "--set", "n_features=4", "--set", "first_size=3")
    begin = ("train", "pixel_cnn", "--data", tmp_path / "x.npy", "--out", tmp_path / "r", *small)
    status, out, err = call(*begin, "--epochs", 1)
    assert status == 0 and "learning_rate=0.01: as there are 48 images" in out + err
    status, out, err = call(
        "train", "pixel_cnn", "--out", tmp_path / "r", "--resume", "--epochs", 2
    )
    assert status == 0 and "as there are 48 images" in out + err
