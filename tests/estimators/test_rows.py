"""FVSBN and NADE: fitting, orderings and evaluation, from data to numbers."""

import itertools
import tracemalloc

import numpy as np
import pytest
from sklearn.base import clone

import chainrule as cr
from chainrule.encoders import validation
from chainrule.encoders.doubts import DataWarning
from chainrule.engine import bounds
from chainrule.engine.training import train
from chainrule.estimators import trainable
from chainrule.kernels import dispatch, threads


def copy_of(model, **hyperparameters):
    return clone(model).set_params(**hyperparameters)


# Fitting


def test_fit_returns_itself_learns_and_keeps_a_history(model, X):
    model = copy_of(model, epochs=20)
    assert model.fit(X, X_valid=X[:40]) is model
    assert [record["epoch"] for record in model.history_] == list(range(1, 21))
    assert {"train", "valid", "seconds"} <= model.history_[0].keys()
    assert model.history_[-1]["train"] < model.history_[0]["train"]
    assert model.score(X) > -5 * np.log(2)  # better than fair coins


def test_the_epoch_that_is_best_on_validation_data_is_kept(model, X, rng):
    other = rng.integers(0, 2, (30, 5))  # unlike X, so that training makes it worse
    fitted = copy_of(model, epochs=15, schedule="constant").fit(X, X_valid=other)
    valid = [record["valid"] for record in fitted.history_]
    assert fitted.best_epoch_ == 1 + int(np.argmin(valid)) < 15
    assert -fitted.score(other) == pytest.approx(min(valid), rel=1e-6)


def test_the_last_epoch_is_kept_without_validation_data(X):
    model = cr.FVSBN(epochs=4).fit(X)
    assert model.best_epoch_ == 4
    assert model.history_[-1]["valid"] is None


def test_patience_stops_early(X, rng):
    other = rng.integers(0, 2, (30, 5))
    model = cr.NADE(6, epochs=200, learning_rate=0.1, schedule="constant", patience=2)
    model.fit(X, X_valid=other)
    assert len(model.history_) == model.best_epoch_ + 2 < 200


def test_the_seed_decides_everything(model, X):
    one, same, other = (copy_of(model, seed=s, n_threads=1).fit(X) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.params_.flat, same.params_.flat)
    assert (one.params_.flat != other.params_.flat).any()


def test_backends_and_threads_agree(model, X):
    scores = [
        copy_of(model, dtype="float64", backend=backend, n_threads=n).fit(X).score(X)
        for backend, n in [("reference", 1), ("cpu", 1), ("cpu", 2), ("cpu", None)]
    ]
    np.testing.assert_allclose(scores, scores[0], rtol=1e-9)


@pytest.mark.parametrize(("N", "D"), [(1, 1), (1, 3), (7, 1)])
def test_one_row_or_one_column_will_do(model, N, D):
    X = np.ones((N, D), np.uint8)
    fitted = copy_of(model, epochs=50).fit(X)
    assert fitted.log_prob(X).shape == (N,)
    assert fitted.score(X) > -D * np.log(2)
    assert fitted.sample(2, seed=0).shape == fitted.conditionals(X[:1]).repeat(2, 0).shape


def test_kinds_of_data_give_the_same_model(X):
    scores = {cr.FVSBN(epochs=2).fit(data).score(X) for data in (X, X.astype(bool), X * 1.0)}
    scores.add(cr.FVSBN(epochs=2).fit(X.tolist()).score(X))
    scores.add(cr.FVSBN(epochs=2, binarize=127).fit(X * 255).score(X * 255))
    assert len(scores) == 1


def test_fit_leaves_the_data_alone(X):
    before = X.copy()
    cr.NADE(2, epochs=1, ordering="reverse").fit(X, X_valid=X).sample(
        3, given=X[0], observed=X[0] > 0
    )
    np.testing.assert_array_equal(X, before)


def test_validation_data_of_another_width_are_refused(X):
    with pytest.raises(ValueError, match="X_valid has 4 features, but FVSBN is expecting 5"):
        cr.FVSBN().fit(X, X_valid=X[:, :4])
    with pytest.raises(ValueError, match="X_valid contains NaN"):
        cr.FVSBN().fit(X, X_valid=np.full((2, 5), np.nan))


def test_columns_of_validation_data_and_of_given_must_be_those_of_the_fit(X):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    swapped, seen = frame[list("edcba")], np.arange(5) < 2
    model = cr.FVSBN(epochs=1, ordering="reverse")
    with pytest.raises(ValueError, match="X_valid: The feature names should match") as caught:
        model.fit(frame, X_valid=swapped)
    assert "\n" not in str(caught.value) and not hasattr(model, "params_")
    model.fit(frame, X_valid=frame)
    for given in (swapped.head(3), swapped.iloc[0]):
        with pytest.raises(ValueError, match="given: The feature names should match"):
            model.sample(3, given=given, observed=seen)
    for given, plain in ((frame.head(3), X[:3]), (frame.iloc[0], X[0])):
        drawn = model.sample(3, 1, given=given, observed=seen)
        np.testing.assert_array_equal(drawn, model.sample(3, 1, given=plain, observed=seen))


def test_a_failed_fit_leaves_the_earlier_one(X):
    model = cr.FVSBN(epochs=1).fit(X)
    before = model.log_prob(X)
    with pytest.raises(ValueError):
        model.fit(X[:, :3] + 7)
    np.testing.assert_array_equal(model.log_prob(X), before)


@pytest.mark.parametrize(
    ("error", "after"),  # inside the first epoch of two steps, and later
    [(KeyboardInterrupt, 1), (KeyboardInterrupt, 7), (FloatingPointError, 7)],
)
def test_control_c_and_divergence_keep_the_best_so_far(monkeypatch, X, error, after):
    run = train.run

    def interrupted(*args, **team):
        for count, step in enumerate(run(*args, **team), start=1):
            yield step
            if count == after:
                raise error

    monkeypatch.setattr(trainable.train, "run", interrupted)
    model = cr.NADE(4, epochs=50, learning_rate=0.05)
    with pytest.raises(error):
        model.fit(X, X_valid=X[:50])
    assert len(model.history_) == after // 2
    assert np.isfinite(model.score(X))
    if model.history_:
        best = min(record["valid"] for record in model.history_)
        assert -model.score(X[:50]) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, FloatingPointError])
def test_an_interrupted_refit_that_learned_nothing_leaves_the_earlier_fit(monkeypatch, X, error):
    model = cr.FVSBN(epochs=2).fit(X)
    before = model.log_prob(X)

    def broken(*args, **team):
        raise error
        yield

    monkeypatch.setattr(trainable.train, "run", broken)
    with pytest.raises(error):
        model.fit(X[:, :3])
    np.testing.assert_array_equal(model.log_prob(X), before)


def test_a_training_that_diverged_at_once_leaves_nothing(X):
    model = cr.NADE(4, epochs=30, learning_rate=1e38, schedule="constant", backend="reference")
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="learning rate"):
        model.fit(X)
    assert vars(model) == model.get_params()


def test_the_callers_own_backend_holds_between_steps(X):
    model = cr.FVSBN(epochs=1, batch_size=50, backend="reference", n_threads=1)
    parts = model._prepare(X)
    outside = dispatch._host_backend.get(), threads.n_threads()
    for _ in model._training(*parts, model._start()):
        assert (dispatch._host_backend.get(), threads.n_threads()) == outside


# Orderings


@pytest.mark.parametrize("ordering", ["reverse", "random", [3, 0, 4, 1, 2]])
def test_an_ordering_is_a_permuted_model_in_the_datas_columns(model, ordering, X):
    fitted = copy_of(model, ordering=ordering, n_threads=1).fit(X)
    order = fitted.order_
    assert sorted(order) == list(range(5)) and list(order) != list(range(5))
    plain = copy_of(model, n_threads=1).fit(X[:, order])
    np.testing.assert_array_equal(fitted.log_prob(X), plain.log_prob(X[:, order]))
    conditionals = fitted.conditionals(X)
    np.testing.assert_array_equal(conditionals[:, order], plain.conditionals(X[:, order]))
    np.testing.assert_array_equal(fitted.sample(9, 1)[:, order], plain.sample(9, 1))


# Evaluation


def test_conditionals_multiply_to_the_probability_which_sums_to_one(model, X):
    fitted = copy_of(model, dtype="float64", ordering="random").fit(X)
    every_x = np.array(list(itertools.product([0, 1], repeat=5)), np.uint8)
    p = fitted.conditionals(every_x)
    log_p = np.log(np.where(every_x, p, 1 - p)).sum(axis=1)
    np.testing.assert_allclose(fitted.log_prob(every_x), log_p, rtol=1e-12)
    assert np.exp(log_p).sum() == pytest.approx(1, rel=1e-12)


def test_score_is_the_mean_and_score_samples_the_same_function(X):
    model = cr.FVSBN(epochs=1).fit(X)
    assert type(model).score_samples is type(model).log_prob
    assert isinstance(model.score(X), float)
    assert model.score(X) == pytest.approx(model.log_prob(X).mean(), rel=1e-6)


def test_many_rows_go_in_chunks_without_a_seam(monkeypatch, model, X):
    fitted = copy_of(model, n_threads=1, backend="reference", dtype="float64").fit(X)
    whole = fitted.log_prob(X), fitted.conditionals(X), fitted.sample(20, seed=3)
    monkeypatch.setattr(bounds, "ROWS", 7)
    chunked = fitted.log_prob(X), fitted.conditionals(X), fitted.sample(20, seed=3)
    for one, other in zip(whole, chunked, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


def peak(call):
    """Return the most bytes that a call had at once beside what was there before."""
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


@pytest.mark.parametrize("ordering", [None, "reverse"])
@pytest.mark.parametrize("kind", ["uint8", "int8", "int64", "float32", "columns first", "sparse"])
def test_memory_beside_the_data_is_bounded(monkeypatch, ordering, kind, rng):
    monkeypatch.setattr(bounds, "ROWS", 512)
    monkeypatch.setattr(validation, "CELLS", 1 << 16)
    bits = rng.integers(0, 2, (60_000, 100), np.uint8)
    if kind == "sparse":
        X = pytest.importorskip("scipy.sparse").csr_matrix(bits)
    else:
        X = np.asfortranarray(bits) if kind == "columns first" else bits.astype(kind)
    model = cr.FVSBN(epochs=1, ordering=ordering, backend="reference").fit(bits[:9])
    copies = 0 if (kind, ordering) == ("uint8", None) else 1
    assert peak(lambda: clone(model)._prepare(X)) < copies * bits.nbytes + 2e6
    assert peak(lambda: model.log_prob(X)) < 4 * len(bits) + 2e6
    assert peak(lambda: model.conditionals(X)) < 4 * bits.size + 2e6


def test_read_only_data_are_scored(X):
    model = cr.FVSBN(epochs=1).fit(X)
    expected = model.log_prob(X)
    X.flags.writeable = False
    np.testing.assert_array_equal(model.log_prob(X), expected)
    cr.FVSBN(epochs=1).fit(X, X_valid=X)


def test_another_width_is_refused(X):
    model = cr.NADE(2, epochs=1).fit(X)
    for call in (model.log_prob, model.conditionals, model.score):
        with pytest.raises(ValueError, match="X has 4 features, but NADE is expecting 5"):
            call(X[:, :4])


def test_observed_by_name_must_be_named_as_in_the_fit(X):
    pandas = pytest.importorskip("pandas")
    names = list("abcde")
    model = cr.FVSBN(epochs=1).fit(pandas.DataFrame(X, columns=names))
    row = pandas.Series([1] * 5, index=names)
    first = pandas.Series([True] + [False] * 4, index=names)
    assert model.sample(3, 1, given=row, observed=first)[:, 0].all()
    with pytest.raises(ValueError, match=r"^observed: .*feature names"):
        model.sample(3, 1, given=row, observed=first[::-1])


@pytest.mark.parametrize(
    ("threshold", "said"), [(127, "no value of X is above"), (-1, "every value of X is above")]
)
def test_a_threshold_that_makes_all_bits_alike_is_doubted(threshold, said, rng):
    X = rng.integers(0, 2, (30, 4))
    with pytest.warns(DataWarning, match=f"{said} binarize={threshold}"):
        cr.FVSBN(epochs=1, binarize=threshold).fit(X)
