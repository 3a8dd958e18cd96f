"""Training: which rows, which steps, which epoch is kept, and going on to the same bits."""

import copy
import math
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression

from chainrule.engine import models
from chainrule.engine.event import Abilities, Columns
from chainrule.engine.models import fvsbn, nade
from chainrule.engine.params import Params
from chainrule.engine.training import scoring, train
from chainrule.engine.training.recipe import learning_rate
from chainrule.engine.training.train import Recipe
from chainrule.kernels import adam, use_backend, use_threads
from chainrule.kernels.triangular.reference import unpack

OF_ROWS = models.of(Columns)
every_model = pytest.mark.parametrize("model", OF_ROWS.values(), ids=OF_ROWS)


def bits(n_rows, D=6, seed=0):
    """Return correlated bits: half of the rows repeat their first bit."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (n_rows, D), np.uint8)
    x[: n_rows // 2] = x[: n_rows // 2, :1]
    return rng.permutation(x)


def fit(model, config, recipe, X, X_valid=None, dtype=np.float64, state=None):
    state = state or train.start(model, config, recipe, dtype)
    return state, list(train.run(model, config, recipe, state, X, X_valid))


def without_seconds(history):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


def assert_same_bits(one, other):
    for name in ("params", "best"):
        assert_array_equal(getattr(one, name).flat, getattr(other, name).flat, err_msg=name)
    for name in ("m", "v"):
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in ("step", "size", "loss_sum", "best_record", "best_valid", "whole"):
        assert getattr(one, name) == getattr(other, name), name
    assert without_seconds(one.history) == without_seconds(other.history)


# --- rows and steps, seen through a model that writes down what it is given


CONFIG = SimpleNamespace(event=Columns.bits(8))


class Spy:
    """A model of one weight and one bias whose gradient is chosen and whose rows are kept."""

    WEIGHTS = ("w",)
    ABILITIES = Abilities()

    def __init__(self, gradient=0.0, losses=None):
        self.gradient, self.losses = gradient, losses
        self.seen, self.lock = [], threading.Lock()

    def init(self, config, rng, dtype):
        params = Params({"w": (2,), "b": (1,)}, dtype=dtype)
        params.flat[...] = 1
        return params

    def loss_and_grad(self, config, params, x, grad, total=None):
        grad.flat[...] = self.gradient * len(x) / total
        with self.lock:
            self.seen.append((x.copy(), total))
        return float(x.sum()) / total

    def log_prob(self, config, params, x):
        return np.full(len(x), -self.losses.pop(0) if self.losses else -1.0)


def numbered(n_rows):
    """Return one row for each number below n_rows, in binary."""
    return ((np.arange(n_rows)[:, None] >> np.arange(8)) & 1).astype(np.uint8)


def numbers(seen):
    return np.concatenate([x for x, _ in seen]) @ (1 << np.arange(8))


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(("n_rows", "batch_size"), [(100, 32), (64, 32), (7, 32), (1, 1), (33, 1)])
def test_an_epoch_sees_every_row_once_in_an_order_of_its_own(n_rows, batch_size, n_threads):
    def epochs(seed):
        spy, X = Spy(), numbered(n_rows)
        recipe = Recipe(epochs=2, batch_size=batch_size, seed=seed)
        with use_threads(n_threads):
            _, progress = fit(spy, CONFIG, recipe, X)
        per_epoch = math.ceil(n_rows / batch_size)
        assert [p.step for p in progress] == list(range(1, 2 * per_epoch + 1))
        assert [p.stretch for p in progress] == [1] * per_epoch + [2] * per_epoch
        assert {p.n_steps for p in progress} == {2 * per_epoch}
        sizes = {size for _, size in spy.seen}
        assert sizes <= {batch_size, n_rows % batch_size, n_rows} - {0}
        rows = numbers(spy.seen)
        return rows[:n_rows], rows[n_rows:]

    first, second = epochs(seed=1)
    assert_array_equal(np.sort(first), np.arange(n_rows))
    assert_array_equal(np.sort(second), np.arange(n_rows))
    if n_rows > 7:
        assert (first != second).any() and (first != epochs(seed=2)[0]).any()
    if n_threads == 1:  # with more, slices are noted in the order they run
        assert_array_equal(epochs(seed=1), (first, second))
        assert_array_equal(first, np.random.default_rng([1, 1]).permutation(n_rows))


def test_train_loss_is_the_mean_over_rows_not_over_minibatches():
    X = numbered(100)
    state, progress = fit(Spy(), CONFIG, Recipe(epochs=1, batch_size=32), X)
    assert_allclose(state.history[0]["train"], X.sum(axis=1).mean(), rtol=1e-14)
    assert progress[-1].record is state.history[0]
    assert [p.record for p in progress[:-1]] == [None] * 3


def test_weight_decay_shrinks_weights_and_leaves_biases():
    recipe = Recipe(epochs=2, batch_size=10, weight_decay=0.1, learning_rate=0.5, warmup=0.3)
    state, _ = fit(Spy(gradient=0.0), CONFIG, recipe, numbered(30))
    rates = [learning_rate(recipe, step, 6) for step in range(6)]
    assert_allclose(state.params["w"], np.prod([1 - 0.1 * rate for rate in rates]), rtol=1e-12)
    assert_array_equal(state.params["b"], 1)


def test_every_step_gets_the_recipes_settings(monkeypatch):
    recipe = Recipe(
        epochs=2,
        batch_size=10,
        beta1=0.7,
        beta2=0.8,
        eps=1e-3,
        clip_norm=2.0,
        weight_decay=0.1,
        l1=0.05,
    )
    calls = []
    monkeypatch.setattr(train.adam, "step", lambda *arrays, **rest: calls.append(rest))
    state, _ = fit(Spy(), CONFIG, recipe, numbered(25))
    for i, call in enumerate(calls):
        assert call == {
            "t": i + 1,
            "lr": learning_rate(recipe, i, 6),
            "beta1": 0.7,
            "beta2": 0.8,
            "eps": 1e-3,
            "weight_decay": 0.1,
            "l1": 0.05,
            "n_decay": 2,
            "max_norm": 2.0,
        }
    assert len(calls) == 6
    assert [r["learning_rate"] for r in state.history] == [calls[2]["lr"], calls[5]["lr"]]


def test_gradients_of_all_threads_are_added_and_the_buffers_reused(monkeypatch):
    made = []
    like = Params.like
    monkeypatch.setattr(Params, "like", lambda self: made.append(like(self)) or made[-1])
    steps = []
    monkeypatch.setattr(train.adam, "step", lambda theta, g, *_, **__: steps.append(g.copy()))
    with use_threads(3):
        fit(Spy(gradient=6.0), CONFIG, Recipe(epochs=3, batch_size=50), numbered(100))
    assert len(made) == 3
    assert_allclose(steps, 6.0, rtol=1e-14)


# --- which epoch is kept, and when it ends


def test_the_best_epoch_on_validation_data_is_kept():
    losses = [5.0, 3.0, 4.0, 2.0, 2.0]
    spy, recipe = Spy(gradient=1.0, losses=list(losses)), Recipe(epochs=5, batch_size=10)
    state = train.start(spy, CONFIG, recipe, np.float64)
    at_end = []
    with use_threads(1):
        for progress in train.run(spy, CONFIG, recipe, state, numbered(20), numbered(3)):
            if progress.record:
                at_end.append(state.params.flat.copy())
    assert [r["valid"] for r in state.history] == losses
    assert (state.best_record, state.best_valid) == (4, 2.0)  # the earlier of two equals
    assert_array_equal(state.best.flat, at_end[3])
    assert (at_end[3] != at_end[4]).any()


def test_the_last_epoch_is_kept_without_validation_data():
    config, recipe = nade.Config(6, 3), Recipe(epochs=3, batch_size=10)
    state, progress = fit(nade, config, recipe, bits(25))
    assert_array_equal(state.best.flat, state.params.flat)
    assert state.best_record == 3 and [r["valid"] for r in state.history] == [None] * 3
    assert len(progress) == 9


@pytest.mark.parametrize(("patience", "stops_after"), [(1, 3), (2, 5), (3, 7), (0, 7)])
def test_patience(patience, stops_after):
    spy = Spy(losses=[3.0, 2.0, 2.5, 1.0, 1.0] + [1.5] * 2)
    if patience == 2:
        spy.losses = [3.0, 2.0, 1.9, 2.5, 1.9, 1.0, 1.0]
    recipe = Recipe(epochs=7, batch_size=10, patience=patience)
    with use_threads(1):
        state, progress = fit(spy, CONFIG, recipe, numbered(10), numbered(3))
        assert len(state.history) == stops_after == progress[-1].stretch
        assert fit(spy, CONFIG, recipe, numbered(10), numbered(3), state=state)[1] == []


@every_model
def test_history_reports_the_likelihood_of_the_kept_parameters(model, small):
    config, _ = small(model, 6, 3)
    recipe = Recipe(epochs=4, batch_size=16, learning_rate=0.05)
    state, _ = fit(model, config, recipe, bits(50), bits(30, seed=1))
    if model.ABILITIES.any_order:  # training's likelihood is an estimate over all orders
        kept = scoring.mean_estimate(model, config, state.best, bits(30, seed=1), recipe.seed)
    else:
        kept = -model.log_prob(config, state.best, bits(30, seed=1)).mean()
    assert_allclose(state.history[state.best_record - 1]["valid"], kept, rtol=1e-12)
    assert state.best_valid == min(r["valid"] for r in state.history)


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_mean_nll_is_that_of_the_whole(batch_size, small):
    config, params = small(nade, 6)
    X = bits(41)
    got = train.mean_nll(nade, config, params, X, batch_size)
    assert_allclose(got, -nade.log_prob(config, params, X).mean(), rtol=1e-13)


# --- going on


@every_model
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("stop", [1, 3, 4, 6, 8, 15])
def test_a_stopped_training_goes_on_to_the_same_bits(model, dtype, stop, small):
    config, _ = small(model, 6, 3)
    X, X_valid = bits(50), bits(20, seed=1)
    recipe = Recipe(
        epochs=9, batch_size=16, learning_rate=0.3, patience=2, clip_norm=1.0, weight_decay=0.01
    )
    straight, _ = fit(model, config, recipe, X, X_valid, dtype)
    state = train.start(model, config, recipe, dtype)
    for progress in train.run(model, config, recipe, state, X, X_valid):
        if progress.step == stop:
            break
    assert state.step == stop and state.whole
    resumed, rest = fit(model, config, recipe, X, X_valid, state=copy.deepcopy(state))
    assert rest[0].step == stop + 1
    assert_same_bits(resumed, straight)
    assert state.step == stop  # the copy, not the original, went on


@every_model
def test_threads_decide_the_rounding_and_nothing_else(model, small):
    config, _ = small(model, 6, 3)
    recipe = Recipe(epochs=3, batch_size=40, learning_rate=0.05)
    runs = {}
    for name, n in [("one", 1), ("two", 2), ("two again", 2), ("three", 3)]:
        with use_threads(n):
            runs[name], _ = fit(model, config, recipe, bits(100), bits(50, seed=1))
    assert_same_bits(runs["two"], runs["two again"])
    for name in ("two", "three"):
        assert_allclose(runs[name].params.flat, runs["one"].params.flat, rtol=1e-6, atol=1e-9)


# --- trouble


def test_a_loss_that_is_not_finite_stops_before_the_update():
    class Diverging(Spy):
        def loss_and_grad(self, config, params, x, grad, total=None):
            super().loss_and_grad(config, params, x, grad, total)
            return math.nan if len(self.seen) == 3 else 1.0

    spy, recipe = Diverging(gradient=1.0), Recipe(batch_size=10)
    state = train.start(spy, CONFIG, recipe)
    with use_threads(1), pytest.raises(FloatingPointError) as caught:
        for _ in train.run(spy, CONFIG, recipe, state, numbered(100)):
            before = copy.deepcopy(state)
    assert str(caught.value) == (
        "the loss of minibatch 3 is nan, not a finite number: "
        "lower the learning rate or clip the gradient's norm"
    )
    assert_same_bits(state, before)
    assert state.whole and state.step == 2


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_a_real_divergence_is_noticed(backend, small):
    config, recipe = nade.Config(6, 3), Recipe(learning_rate=1e38, batch_size=10)
    state = train.start(nade, config, recipe)
    with (
        use_backend(backend),
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match="lower the learning rate"),
    ):
        for _ in train.run(nade, config, recipe, state, bits(100)):
            pass


def test_a_validation_loss_that_is_not_finite_stops_too():
    spy, recipe = Spy(losses=[1.0, math.inf]), Recipe(batch_size=10)
    with use_threads(1), pytest.raises(FloatingPointError, match=r"validation loss at step 2 "):
        fit(spy, CONFIG, recipe, numbered(10), numbered(3))


def test_an_update_that_is_interrupted_leaves_a_state_that_says_so(monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(train.adam, "step", interrupted)
    state = train.start(Spy(), CONFIG, Recipe())
    with pytest.raises(KeyboardInterrupt):
        next(train.run(Spy(), CONFIG, Recipe(), state, numbered(10)))
    assert not state.whole and state.step == 0


def test_data_that_do_not_fit_are_refused():
    recipe, X = Recipe(epochs=1, batch_size=10), numbered(20)
    state, _ = fit(Spy(), CONFIG, recipe, X)
    for X_now, X_valid in [(X[:0], None), (X, X[:0])]:
        with pytest.raises(ValueError, match="no rows to train or validate on"):
            fit(Spy(), CONFIG, recipe, X_now, X_valid)
    with pytest.raises(ValueError, match=r"began on 20 rows and X has 19; resume with the same"):
        fit(Spy(), CONFIG, recipe, X[:19], state=state)
    with pytest.raises(ValueError, match="give X_valid or set patience=0"):
        fit(Spy(), CONFIG, Recipe(patience=3), X)


def test_blas_gets_its_threads_back_when_the_consumer_walks_away():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def blas_threads():
        pools = threadpoolctl.threadpool_info()
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]

    before = blas_threads()
    running = train.run(Spy(), CONFIG, Recipe(), train.start(Spy(), CONFIG, Recipe()), numbered(10))
    next(running)
    assert set(blas_threads()) <= {1}
    running.close()
    assert blas_threads() == before


def test_place_moves_arrays_and_keeps_the_rest(small):
    config, recipe = nade.Config(6, 3), Recipe(epochs=1, batch_size=10)
    state, _ = fit(nade, config, recipe, bits(30))
    placed = train.place(state, np)
    assert_same_bits(placed, state)
    converted = SimpleNamespace(asarray=lambda array: array + 1)  # stands for another library
    assert_array_equal(train.place(state, converted).best["V"], state.best["V"] + 1)


# --- learning


@every_model
def test_training_memorises_a_tiny_data_set(model, small):
    rows = np.random.default_rng(5).integers(0, 2, (4, 8), np.uint8)
    X = np.tile(rows, (10, 1))
    config, _ = small(model, 8, 16)
    any_order = model.ABILITIES.any_order  # steps by random sets: more of them, and smaller ones
    epochs, size = (4000, 0.1) if any_order else (800, 0.3)  # the optimum is at infinity
    recipe = Recipe(epochs=epochs, batch_size=40, learning_rate=size)
    state, _ = fit(model, config, recipe, X, dtype=np.float32)
    losses = [record["train"] for record in state.history]
    if any_order:  # a record is an estimate by random sets too
        losses[-1] = -model.log_prob(config, state.best, rows).mean()
    assert losses[0] > 4 and losses[10] < losses[0]
    entropy = math.log(4)
    assert entropy - 1e-4 < losses[-1] < entropy + 0.02


def test_fvsbn_reaches_the_optimum_of_scikit_learns_logistic_regressions():
    X = bits(400, D=6, seed=3)
    config = fvsbn.Config(6)
    recipe = Recipe(epochs=1500, batch_size=400, learning_rate=0.1)
    state, _ = fit(fvsbn, config, recipe, X)
    alpha = unpack(state.params["alpha"], 6)
    assert_array_equal(np.triu(alpha), 0)
    p_first = X[:, 0].mean()
    nll = -(p_first * math.log(p_first) + (1 - p_first) * math.log(1 - p_first))
    assert_allclose(state.params["b"][0], math.log(p_first / (1 - p_first)), atol=1e-4)
    for i in range(1, 6):
        theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(X[:, :i], X[:, i])
        assert_allclose(alpha[i, :i], theirs.coef_[0], atol=2e-3)
        assert_allclose(state.params["b"][i], theirs.intercept_[0], atol=2e-3)
        nll -= theirs.predict_log_proba(X[:, :i])[np.arange(400), X[:, i]].mean()
    assert_allclose(train.mean_nll(fvsbn, config, state.params, X), nll, rtol=1e-6)


def test_the_update_is_adams():
    """Three steps by hand on a constant gradient, where Adam moves lr a step."""
    recipe = Recipe(epochs=3, batch_size=10, learning_rate=0.1, schedule="constant")
    state, _ = fit(Spy(gradient=0.5), CONFIG, recipe, numbered(10))
    assert_allclose(state.params.flat, 1 - 3 * 0.1, rtol=1e-7)
    assert adam is train.adam
