"""The parts of the likelihood protocols that need no data: `pytest bench`."""

import json
import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

import chainrule as cr
from bench import defaults, drawn, likelihood, likeness, mixed, trials, wine
from chainrule.datasets.splits import Dataset, Split


@pytest.fixture
def rng():
    """Return the same numbers in every test."""
    return np.random.default_rng(0)


@pytest.fixture
def data(rng):
    """Return a small binary data set, each bit mostly the one before it."""
    flips = rng.random((60, 4)) < 0.2
    x = (np.cumsum(flips, axis=1) + rng.integers(0, 2, (60, 1))).astype(np.uint8) % 2
    return Dataset("toy", Split(x[:40]), Split(x[40:50]), Split(x[50:]))


# Trials


def test_a_name_is_of_what_decides():
    """Threads decide nothing, and a tuple is what JSON makes of it."""
    names = [
        trials.name_of(model, "toy")
        for model in (
            cr.NADE(5),
            cr.NADE(5, n_threads=3, verbose=True),
            cr.NADE(6),
            cr.NADE(5, ordering=(1, 0)),
            cr.NADE(5, ordering=[1, 0]),
            cr.NADE(5, ordering=np.array([1, 0])),
        )
    ]
    assert names[0] == names[1] and len(set(names)) == 3 and len(set(names[3:])) == 1
    assert trials.name_of(cr.NADE(5), "toy", stop=3) not in names


def test_a_trial_is_trained_once_and_kept(data, tmp_path, monkeypatch):
    """Its record comes back as it was, and its model from its file."""
    model = cr.FVSBN(epochs=3, learning_rate=0.1, n_threads=1)
    record = trials.run(model, data, tmp_path)
    assert record["valid_nats"] == pytest.approx(
        -trials.load(record, tmp_path).score(data.valid.x), abs=1e-9
    )
    assert len(record["history"]) == 3 and record["fit_seconds"] > 0
    assert not list(tmp_path.glob("*.state")) and not hasattr(model, "params_")
    monkeypatch.setattr(cr.FVSBN, "fit", None)
    assert trials.run(model, data, tmp_path) == record


def test_a_trial_that_was_stopped_goes_on_to_the_same_bits(data, tmp_path, monkeypatch):
    """As by Ctrl-C in the middle."""
    model = cr.FVSBN(epochs=6, batch_size=10, n_threads=1)
    whole = trials.run(model, data, tmp_path / "whole")
    fit = cr.FVSBN.fit

    def interrupted(self, X, y=None, **options):
        def stop(record, _):
            if record["epoch"] == 2:
                raise KeyboardInterrupt

        return fit(self, X, y, **options | {"callback": stop})

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(cr.FVSBN, "fit", interrupted)
        trials.run(model, data, tmp_path)
    assert list(tmp_path.glob("*.state")) and not list(tmp_path.glob("*.json"))
    resumed = trials.run(model, data, tmp_path)
    assert resumed["valid_nats"] == whole["valid_nats"]
    np.testing.assert_array_equal(
        trials.load(resumed, tmp_path).params_.flat,
        trials.load(whole, tmp_path / "whole").params_.flat,
    )


def test_a_trial_may_stop_early_and_have_no_valid_rows(data, tmp_path):
    """The schedule is then that of the whole training."""
    alone = data._replace(valid=Split(data.valid.x[:0]))
    record = trials.run(cr.FVSBN(epochs=6, n_threads=1), alone, tmp_path, stop=2)
    assert record["valid_nats"] is None and len(record["history"]) == 2
    assert record["history"][1]["learning_rate"] > 0.5 * record["history"][0]["learning_rate"]


def test_a_trial_may_begin_from_another(data, tmp_path):
    """It is `fit(start=…)` of what the first kept, and one record with it."""
    model = cr.FVSBN(epochs=3, learning_rate=0.1, n_threads=1)
    first = trials.run(model, data, tmp_path)
    again = cr.FVSBN(epochs=2, learning_rate=0.05, warmup=0.1, n_threads=1)
    both = trials.run(again, data, tmp_path, start=first)
    begun = trials.load(first, tmp_path)
    asked = cr.FVSBN(**again.get_params()).fit(data.train.x, X_valid=data.valid.x, start=begun)
    np.testing.assert_array_equal(trials.load(both, tmp_path).params_.flat, asked.params_.flat)
    assert [record["epoch"] for record in both["history"]] == [1, 2, 3, 4, 5]
    assert both["history"][:3] == first["history"] and "history" not in both["start"]
    assert both["best_epoch"] == 3 + asked.best_epoch_
    assert both["fit_seconds"] == pytest.approx(sum(r["seconds"] for r in both["history"]))
    assert both["trial"] != trials.name_of(again, "toy") and both["trial"] != first["trial"]
    assert trials.run(again, data, tmp_path, start=first) == both  # kept


def test_a_protocol_goes_on_where_that_is_better(data, tmp_path, monkeypatch):
    """A second training that made valid worse is not what is scored."""
    data = data._replace(name="binarized_mnist")
    monkeypatch.setattr(cr.datasets, "load", lambda name: data)
    settings = {"epochs": 3, "learning_rate": 0.1, "batch_size": 10, "n_threads": 1}
    for then, epochs in (({"epochs": 4}, 7), ({"l1": 90.0, "epochs": 2}, 3)):
        asked = likelihood.Images("FVSBN", settings, ({},), {}, then=then)
        monkeypatch.setitem(likelihood.MNIST, "mnist_fvsbn", asked)
        (found,) = likelihood.mnist("mnist_fvsbn", tmp_path, tmp_path)
        assert len(found["history"]) == epochs
        assert found["nll_nats"]["valid"] == pytest.approx(found["valid_nats"], abs=1e-6)


def test_the_best_on_valid_is_chosen(data, tmp_path):
    """And the others are kept without their curves."""
    models = trials.settings_tried(
        cr.FVSBN(epochs=3, n_threads=1), [{"learning_rate": 1e-6}, {"learning_rate": 0.1}]
    )
    chosen, tried = trials.search(models, data, tmp_path)
    assert chosen["hyperparameters"]["learning_rate"] == 0.1 and len(tried) == 2
    assert "history" not in tried[0] and tried[0]["valid_nats"] > tried[1]["valid_nats"]
    records = [{"valid_nats": nats} for nats in (math.nan, 2.0, 1.0, 1.0)]
    assert trials.best(records) is records[2]
    assert (
        trials.changed_settings("FVSBN", chosen["hyperparameters"]) == "epochs=3 learning_rate=0.1"
    )


def test_scores_are_kept_group_by_group(data, tmp_path, monkeypatch):
    """Those that are there are not made again."""
    model, path = cr.FVSBN(epochs=1, n_threads=1).fit(data.train.x), tmp_path / "toy.test.npy"
    monkeypatch.setattr(trials, "GROUP", 15)
    asked = []

    class Stopped:
        def log_prob(self, x):
            asked.append(len(x))
            if len(asked) == 2:
                raise KeyboardInterrupt
            return model.log_prob(x)

    with pytest.raises(KeyboardInterrupt):
        trials.kept_log_prob(Stopped(), data.train.x, path)
    assert len(np.load(path)) == 15
    for _ in range(2):
        found = trials.kept_log_prob(Stopped(), data.train.x, path)
        np.testing.assert_allclose(found, model.log_prob(data.train.x), rtol=1e-6)
    assert asked == [15, 15, 15, 10]


def test_an_evaluation_is_in_nats_and_bits(data):
    """The error is that of the mean over test rows."""
    log_p = {"valid": [-1.0, -3.0], "test": np.array([-2.0, -4.0, -6.0])}
    found = trials.nats_by_split(log_p, 4)
    assert found["nll_nats"] == {"valid": 2.0, "test": 4.0}
    assert found["test_standard_error"] == pytest.approx(2 / math.sqrt(3))
    assert found["test_bits_per_dim"] == pytest.approx(4 / (4 * math.log(2)))
    fitted = cr.FVSBN(epochs=1).fit(data.train.x)
    assert trials.evaluation(fitted, data)["nll_nats"]["train"] == pytest.approx(
        -fitted.score(data.train.x)
    )


# Protocols


def test_each_table_has_one_grid_and_a_published_figure():
    """No table has settings of its own."""
    assert set(likelihood.PUBLISHED_TABLES) == set(likelihood.TABLES)
    assert set(likelihood.MINIBATCHES) == set(likelihood.TABLE_MODELS)
    for name in likelihood.TABLE_MODELS:
        grid = likelihood.table_grid(name)
        assert len({json.dumps(settings, sort_keys=True) for settings in grid}) == len(grid)


def test_results_are_written_with_their_curve(tmp_path):
    """One model has a picture of its training; several have none."""
    result = {
        "data": "toy", "estimator": "NADE", "nll_nats": {"train": 1.0, "test": 2.0},
        "test_standard_error": 0.1, "published_nats": {"NADE": 2.5},
        "history": [{"epoch": 1, "train": 3.0, "valid": 2.0}],
    }  # fmt: skip
    assert "test     2.00 ± 0.10 nats  published: NADE 2.5" in likelihood.row(result)
    path = likelihood.write(tmp_path, "toy", [result])
    assert json.loads(path.read_text())["results"] == [trials.summary(result)]
    assert (tmp_path / "likelihood_toy.png").exists()
    assert (tmp_path / "likelihood_toy.csv").read_text().splitlines() == [
        "data,estimator,epoch,step,train,valid,learning_rate,seconds",
        "toy,NADE,1,,3,2,,",
    ]
    folds = [{**result, "data": f"toy-{k}"} for k in range(2)]
    path = likelihood.write(tmp_path, "two", [{**trials.summary(result), "folds": folds}, result])
    assert not (tmp_path / "likelihood_two.png").exists()
    assert "history" not in path.read_text()
    lines = (tmp_path / "likelihood_two.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["data", "toy-0", "toy-1", "toy"]


# Red wine


@pytest.fixture
def bottles(rng, monkeypatch):
    """Stand in for the wines: correlated columns in units of their own, and ten folds."""
    x = rng.normal(size=(300, wine.COLUMNS)) @ rng.normal(size=(wine.COLUMNS,) * 2) * 5 + 3
    fold = rng.permutation(np.arange(300) % 10)
    monkeypatch.setattr(wine, "load", lambda: (x, fold))
    return x, fold


def test_a_fold_is_standardised_by_its_nine_parts(bottles):
    """And what is chosen by is one of them, never the tenth."""
    x, fold = bottles
    data = wine.cut(x, fold, 9)
    assert [len(part.x) for part in (data.train, data.valid, data.test)] == [240, 30, 30]
    nine = wine.whole(data).train.x
    np.testing.assert_allclose(nine.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(nine.std(axis=0), 1)
    rest = x[fold != 9]
    np.testing.assert_allclose(data.valid.x, (x[fold == 0] - rest.mean(0)) / rest.std(0))
    np.testing.assert_allclose(data.test.x, (x[fold == 9] - rest.mean(0)) / rest.std(0))
    assert len(wine.whole(data).valid.x) == 0


def test_the_gaussian_is_scipys(rng):
    """With the covariance that divides by N."""
    train, test = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 3)), rng.normal(size=(7, 3))
    bell = multivariate_normal(train.mean(axis=0), np.cov(train.T, bias=True))
    np.testing.assert_allclose(wine.gaussian(train, test), bell.logpdf(test))
    assert wine.gaussian(train[:, :1], test[:, :1]).shape == (7,)


def test_other_data_than_the_papers_are_told_by_the_control(bottles):
    """The figures beside it would mean nothing."""
    with pytest.raises(ValueError, match=r"control gives .* where -13.18 is published"):
        wine.control()


def test_folds_count_alike(rng):
    """The mean of means, and its error over folds; rows that training has too are told apart."""
    train = rng.normal(size=(3, 2))
    tests = [np.stack([train[1], -train[1]]), -train[:1]]
    folds = [Dataset("toy", Split(train), Split(train[:0]), Split(test)) for test in tests]
    by_row = dict(zip(map(bytes, np.concatenate(tests)), (-1.0, -3.0, -6.0), strict=True))

    def log_prob(x):
        return np.array([by_row.get(bytes(row), -9.0) for row in x])

    found = wine.over_folds("RNADE", folds, [log_prob, log_prob], {"RNADE": -5.0})
    assert found["nll_nats"]["test"] == 4.0 and found["published_nats"] == {"RNADE": 5.0}
    assert found["test_standard_error"] == pytest.approx(math.sqrt(8) / math.sqrt(2))
    assert found["test_log_likelihood_of_rows_without_copies"] == -4.5
    assert found["test_log_likelihood_of_dithered_rows"] == -9


def test_rows_are_dithered_within_their_steps(rng):
    """Of each column its own."""
    train = rng.integers(0, 50, (200, 2)) * np.array([0.5, 3.0]) + np.array([0.1, 0])
    data = Dataset("toy", Split(train), Split(train[:0]), Split(train[:100]))
    farthest = np.abs(wine.dithered(data) - data.test.x).max(axis=0)
    assert (farthest <= [0.25, 1.5]).all() and (farthest > [0.22, 1.3]).all()


# Mixed columns


@pytest.mark.parametrize("name", mixed.TABLES)
def test_tables_are_mixed_and_cut(name):
    """Words, whole and real numbers in one table; every row is in one part."""
    table = mixed.TABLES[name]()
    kinds = {column.dtype.kind for column in table.values()}
    assert "f" in kinds and kinds & set("iU")
    data = mixed.cut(name, table)
    parts = [part.x for part in (data.train, data.valid, data.test)]
    rows = len(next(iter(table.values())))
    assert sum(map(len, parts)) == rows and len(parts[1]) == rows // 10
    assert sorted(map(repr, np.concatenate(parts)[:, 0])) == sorted(
        map(repr, next(iter(table.values())).astype(object))
    )
    again = mixed.cut(name, mixed.TABLES[name]())
    np.testing.assert_array_equal(again.test.x, data.test.x)


def test_a_measure_is_cut_into_words_of_equally_many(rng):
    """Smallest first."""
    column = rng.normal(size=90)
    words = mixed.in_words(column, ("low", "medium", "high"))
    assert [np.sum(words == w) for w in ("low", "medium", "high")] == [30, 30, 30]
    assert column[words == "low"].max() < column[words == "high"].min()


def test_figures_of_known_differences():
    """Total variation, Kolmogorov's distance, and conditional tables by hand."""
    a, b = np.array(["x", "x", "y", "y"]), np.array(["x", "z", "z", "z"])
    assert likeness.difference(a, b) == 0.75
    ramp = np.arange(100.0)
    assert likeness.difference(ramp, ramp + 25) == 0.25
    first, second = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])
    same, crossed = (first, first), (second, second[::-1])
    assert likeness.conditional_difference(same, (second, second)) == 0
    assert likeness.conditional_difference(same, crossed) == 1
    assert likeness.conditional_difference((first, np.array([0, 0, 0, 0])), same) == 0.75
    assert likeness.rank_correlation(ramp, -(ramp**3)) == pytest.approx(-1)
    assert likeness.rank_correlation(ramp, np.ones(100)) == 0


def test_rows_drawn_again_are_closer_than_shuffled_columns():
    """What depends on what is seen; the columns alone are not enough."""
    data = mixed.cut("census", mixed.census(2000))
    found = likeness.table(data.train.x, likeness.others(data))
    again, shuffled = found["drawn again"], found["shuffled columns"]
    assert shuffled["columns"] == 0
    assert all(shuffled[k] > 2 * again[k] for k in ("correlations", "tables"))
    same = likeness.compare(data.train.x, data.train.x)
    assert max(same.values()) == 0
    assert "census" in likeness.said("census", found)


# Defaults


def test_the_control_of_defaults_is_a_density_of_all_columns(rng):
    """Of numbers SciPy's; a category by how often it is, one more of each value."""
    a = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3))
    x = np.column_stack([a, rng.integers(0, 2, 40)])
    train, test, categories = x[:30], x[30:], np.array([False, False, False, True])
    bell = multivariate_normal(train[:, :3].mean(axis=0), np.cov(train[:, :3].T, bias=True))
    ones = (train[:, 3].sum() + 1) / 32
    often = np.where(test[:, 3] == 1, ones, 1 - ones)
    expected = -(bell.logpdf(test[:, :3]) + np.log(often)).mean()
    assert defaults.gaussian(train, test, categories, alone=False) == pytest.approx(expected)
    alone = [
        -norm(c.mean(), c.std()).logpdf(t).mean()
        for c, t in zip(train[:, :3].T, test[:, :3].T, strict=True)
    ]
    expected = sum(alone) - np.log(often).mean()
    assert defaults.gaussian(train, test, categories, alone=True) == pytest.approx(expected)


def test_defaults_are_measured_on_cuts_that_share_no_row(monkeypatch):
    """One cut of a table, and what is told of several."""
    monkeypatch.setattr(defaults, "MODELS", ("MADE",))
    monkeypatch.setitem(defaults.USUAL, "epochs", 1)
    parts = defaults.cut(defaults.rows_of("iris"), 7)
    assert [len(part) for part in parts] == [120, 15, 15]
    assert sorted(map(tuple, np.concatenate(parts))) == sorted(map(tuple, defaults.rows_of("iris")))
    found = defaults.of_cut("iris", 7)
    assert list(found) == ["MADE", "MADE, without valid", "MADE, usual", "Gaussian", "alone"]
    first, *_ = defaults.over_cuts("iris", [found, {name: x + 2 for name, x in found.items()}])
    assert first["nll_nats"]["test"] == pytest.approx(found["MADE"] + 1)
    assert first["test_standard_error"] == pytest.approx(1)
    assert first["nats_above_gaussian"] == pytest.approx(found["MADE"] - found["Gaussian"])
    assert first["its_standard_error"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("shape", [(8, 6, 6), (8, 36)])
def test_models_of_images_draw_samples_and_completions(shape, rng, tmp_path, monkeypatch):
    """Flat rows as images; two pictures of one name, and beside completions what they are of."""
    x, figures = rng.integers(0, 2, shape).astype(np.uint8), []
    save = drawn.plots.save
    monkeypatch.setattr(drawn.plots, "save", lambda of, to: (figures.append(of), save(of, to)))
    model = cr.PixelCNN(n_layers=1, n_features=4, epochs=1, n_threads=1, seed=0).fit(x)
    drawn.draw(model, x, tmp_path / "few.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.png", "few_completed.png"]
    data, _, made = (axes.get_images()[0].get_array() for axes in figures[1].axes)
    for n, row in enumerate(x.reshape(8, 6, 6)[::2]):
        tiles = [made[7 * n : 7 * n + 6, 7 * k : 7 * k + 6] for k in range(drawn.TIMES)]
        np.testing.assert_array_equal(data[7 * n : 7 * n + 6], row)
        assert all((tile[:3] == row[:3]).all() for tile in tiles)
        assert len({tile.tobytes() for tile in tiles}) > 1
