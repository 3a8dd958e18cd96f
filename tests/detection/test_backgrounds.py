"""Perturbed data: how much is replaced, by what, what stays; and the choice of the rate."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as cr
from chainrule.detection import AUC, backgrounds, observations

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N = 400
RNG = np.random.default_rng(1)
FEW = {"steps": 4, "batch_size": 4, "context": 32}


def bits():
    X = (RNG.random((N, 12)) < 0.1).astype(np.uint8)
    return cr.NADE(3, epochs=1, ordering="random").fit(X), X


def images():
    X = RNG.integers(0, 200, (N, 4, 4, 3)).astype(np.uint8)
    model = cr.PixelCNN(1, 3, first_size=3, epochs=1, levels=4, reduce_from=256)
    return model.fit(X), X // 64


def lines():
    X = ["".join(RNG.choice(list("abcdefgh"), k)) for k in RNG.integers(5, 25, N)]
    return cr.RNN(4, **FEW).fit(X), X


@pytest.mark.parametrize("rate", [0.1, 0.5])
@pytest.mark.parametrize(("make", "values"), [(bits, 2), (images, 4)])
def test_levels_are_replaced_by_any_of_them(make, values, rate):
    model, X = make()
    given = X if values == 2 else X * 64
    assert_array_equal(observations.levels(model, given), X)
    found = backgrounds.mutated(model, given, rate, np.random.default_rng(0))
    changed = (found != X).mean()
    expected = rate * (1 - 1 / values)  # a value may be replaced by itself
    assert changed == pytest.approx(expected, abs=5 * np.sqrt(expected / X.size))
    drawn = np.bincount(found[found != X], minlength=values)
    assert found.shape == X.shape and len(drawn) == values and drawn.min() > 0
    again = backgrounds.mutated(model, given, rate, np.random.default_rng(0))
    assert_array_equal(again, found)


def test_symbols_are_replaced_and_the_vocabulary_stays():
    model, X = lines()
    found = backgrounds.mutated(model, X, 0.4, np.random.default_rng(0))
    assert found.vocabulary is model.vocabulary_ and list(found.lengths) == [len(x) for x in X]
    before = np.concatenate(observations.symbols(model, X))
    after = found.ids.flat
    assert (before != after).mean() == pytest.approx(0.4 * 7 / 8, abs=0.03)
    assert set(after.tolist()) == set(range(8))
    background = backgrounds.fit(model, ["a" * 9] * 30, [0.01], None, 0).model
    assert background.vocabulary_.characters == "abcdefgh" and background.ends_


def test_a_text_is_perturbed_as_one():
    text = "abcd" * 100
    model = cr.RNN(4, **FEW).fit(text)
    found = backgrounds.mutated(model, text, 0.2, np.random.default_rng(0))
    assert found.is_text and len(found.ids) == 400


def test_cells_of_tables_come_from_other_rows_of_their_column():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(
        {"a": RNG.normal(size=N), "b": RNG.choice(["x", "y"], N), "c": 100 + np.arange(N)}
    )
    model = cr.TableNADE(4, epochs=1, column_types={"c": "integer"}).fit(X)
    found = backgrounds.mutated(model, X, 0.3, np.random.default_rng(0))
    for k, name in enumerate(X):
        column = np.asarray(found.raw(k))
        assert set(column) <= set(X[name])
    assert (np.asarray(found.raw(2)) != X["c"]).mean() == pytest.approx(0.3, abs=0.08)
    background = backgrounds.fit(model, X, [0.3], None, 0).model
    assert (
        background.encoder_.types
        == model.encoder_.types
        == ("continuous", "categorical", "integer")
    )
    assert background.log_prob(X).shape == (N,)


def test_crossings_have_the_halves_of_two_rows():
    model, X = bits()
    X = np.arange(N)[:, None] // [1] % 2 * np.ones((1, 12), np.uint8)
    found = backgrounds.crossings(model, X, np.random.default_rng(0))
    assert (found[:, :6] == found[:, :1]).all() and (found[:, 6:] == found[:, 6:7]).all()
    assert 0.3 < (found[:, 0] != found[:, 6]).mean() < 0.7
    model, X = lines()
    crossed = backgrounds.crossings(model, X, np.random.default_rng(0)).ids
    rows = {tuple(row) for row in observations.symbols(model, X)}
    halves = {row[: -(-len(row) // 2)] for row in rows}
    assert all(any(tuple(crossed[k])[: len(h)] == h for h in halves) for k in range(20))


def test_the_rate_that_tells_crossings_best_is_taken(monkeypatch):
    """Of backgrounds that differ in the rate alone, by areas that are made for the test."""
    model, X = bits()
    areas = {0.1: 0.6, 0.2: 0.8, 0.4: 0.8}
    monkeypatch.setattr(backgrounds, "_fitted", lambda model, X, rate, seed: rate)
    monkeypatch.setattr(
        backgrounds, "log_prob", lambda model, one, data: np.full(len(data), one.rate)
    )
    tried = []

    def auc(clean, odd):
        tried.append(round(float((model.log_prob(X) - clean)[0]), 5))
        return AUC(areas[tried[-1]], 0, 1)

    monkeypatch.setattr(backgrounds, "auc", auc)
    found = backgrounds.fit(model, X, [0.1, 0.2, 0.4], X, 0)
    assert found.rate == 0.2 and tried == [0.1, 0.2, 0.4], "of equal areas the lowest rate"
    assert backgrounds.fit(model, X, [0.4], None, 0).rate == 0.4


def walks(n, seed):
    """Return n images of which a pixel is near its left neighbour, and a row's last its first."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(0, 2, (n, 4, 6))
    steps[..., 0] = rng.integers(0, 3, (n, 4))
    x = np.cumsum(steps, axis=2) % 8
    x[..., -1] = x[..., 0]
    return x.astype(np.uint8)


def test_a_background_that_sees_neighbours_forgets_what_neighbours_say():
    """What only the first pixel of a row says of the last is all of the ratio."""
    train, clean = walks(1500, 0), walks(300, 1)
    model = cr.PixelCNN(2, 16, first_size=11, levels=8, epochs=12, learning_rate=3e-3, seed=0)
    local = cr.PixelCNN(1, 16, kernel_size=1, first_size=3, epochs=6, learning_rate=3e-3, seed=0)
    model.fit(train)
    detector = cr.Detector(model, method="ratio", background=local, false_alarm=0.05)
    detector.fit(train, X_clean=clean)
    background = detector.background_.model
    assert detector.background_.rate is None and background.kernel_size == 1
    assert len(detector.clean_scores_) == len(clean), "nothing is set aside: nothing is chosen"
    assert_allclose(
        detector.score_samples(clean), model.log_prob(clean) - background.log_prob(clean), rtol=1e-5
    )
    per_pixel = (model.log_prob_terms(clean) - background.log_prob_terms(clean)).mean((0, 1))
    assert per_pixel[-1] > 0.5 and np.abs(per_pixel[:-1]).max() < 0.15
    odd = clean.copy()
    odd[..., -1] = (odd[..., -2] + 1) % 8  # as near as any pixel, and not the first
    odd = odd[(odd[..., -1] != odd[..., 0]).all(axis=1)]
    assert (detector.predict(odd) == -1).mean() > 0.9


def test_a_fitted_background_is_used_as_it_is(tmp_path, monkeypatch):
    """It reads images itself, needs no X, and comes back with the file."""
    X = RNG.integers(0, 200, (N, 4, 4, 3)).astype(np.uint8)
    model, other = (
        cr.PixelCNN(1, 3, first_size=3, epochs=1, levels=4, reduce_from=256, seed=s).fit(X + 9 * s)
        for s in (0, 1)
    )
    monkeypatch.setattr(cr.PixelCNN, "fit", lambda *_: pytest.fail("fitted"))
    detector = cr.Detector(model, method="ratio", background=other, false_alarm=0.1).fit(X[:50])
    assert detector.background_ == (other, None, True)
    assert_allclose(detector.score_samples(X), model.log_prob(X) - other.log_prob(X), atol=1e-5)
    detector.save(tmp_path / "it.safetensors")
    again = cr.load(tmp_path / "it.safetensors")
    assert_array_equal(again.p_values(X), detector.p_values(X))
    assert again.background_.own and isinstance(again.background, cr.PixelCNN)


@pytest.mark.parametrize("make", [bits, lines])
def test_any_density_of_such_observations_is_a_background(make):
    model, X = make()
    simple = cr.FVSBN(epochs=1) if make is bits else cr.RNN(2, **FEW)
    if make is lines:
        model = cr.RNN(4, ends=True, **FEW).fit(X)
    detector = cr.Detector(model, method="ratio", background=simple, false_alarm=0.1)
    found = detector.fit(X[:200], X_clean=X[200:])
    assert type(found.background_.model) is type(simple) and found.p_values(X).shape == (N,)


def test_a_given_background_comes_back_with_the_file(tmp_path):
    """One that was fitted here reads bits as the model has them, in whatever order it has."""
    model, X = bits()
    detector = cr.Detector(model, method="ratio", background=cr.FVSBN(epochs=1), false_alarm=0.1)
    detector.fit(X[:200], X_clean=X[200:]).save(tmp_path / "it.safetensors")
    again = cr.load(tmp_path / "it.safetensors")
    assert_array_equal(again.score_samples(X), detector.score_samples(X))
    assert again.background_[1:] == (None, False) and isinstance(again.background, cr.FVSBN)


def test_a_background_of_other_observations_is_refused():
    model, X = images()
    fit = {"method": "ratio", "false_alarm": 0.1}
    for wrong in (cr.NADE(3), "local", cr.PixelCNN):
        with pytest.raises(TypeError, match="background must be a density of what the model is of"):
            cr.Detector(model, background=wrong, **fit).fit(X, X_clean=X)
    coarse = cr.PixelCNN(1, 3, first_size=3, epochs=1, levels=2, reduce_from=256).fit(X * 64)
    with pytest.raises(ValueError, match="in colour, bits, and the model of images of 4×4"):
        cr.Detector(model, background=coarse, **fit).fit(X * 64)
    levels = cr.PixelCNN(1, 3, first_size=3, epochs=1, levels=4).fit(X)
    with pytest.raises(ValueError, match="read them in other ways"):
        cr.Detector(model, background=levels, **fit).fit(X * 64)
    abc, xyz = (cr.RNN(4, ends=True, **FEW).fit([text] * 40) for text in ("abc", "xyz"))
    with pytest.raises(ValueError, match="read them in other ways"):
        cr.Detector(abc, background=xyz, **fit).fit(["cab"] * 40)
