"""Rows of any event train through one source: bits, categories, real numbers, images, labels."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine.event import CONTINUOUS, Abilities, Columns, Image
from chainrule.engine.params import Params
from chainrule.engine.training import scoring, train
from chainrule.engine.training.recipe import Recipe
from chainrule.engine.training.sources import RowSource
from chainrule.kernels import use_threads


@dataclass(frozen=True)
class Config:
    """Independent variables, each of K values, or normal around a mean, for each class."""

    event: Columns | Image
    n_classes: int = 1
    components = 1  # of a real variable

    @property
    def values(self):
        event = self.event
        return event.values if isinstance(event, Columns) else (event.levels,) * event.shape[0]


class Independent:
    """A model whose likeliest parameters are known: shares of the values, and means."""

    WEIGHTS, ABILITIES, Config = ("s",), Abilities(labels=True), Config

    @staticmethod
    def init(config, rng, dtype):
        return Params({"s": (config.n_classes, sum(max(K, 1) for K in config.values))}, dtype=dtype)

    @staticmethod
    def parts(config, params, x, y):
        """Yield each variable's values, its outputs of every row, and where these stand."""
        y = np.zeros(len(x), int) if y is None else y
        assert x.dtype.kind == config.event.dtype.kind, "x is what the event says"
        at = 0
        for i, K in enumerate(config.values):
            columns = slice(at, at + max(K, 1))
            yield K, x.reshape(len(x), -1)[:, i], params["s"][y][:, columns], columns, y
            at = columns.stop

    @classmethod
    def log_prob(cls, config, params, x, y=None):
        total = 0.0
        for K, value, s, _, _ in cls.parts(config, params, x, y):
            if K == CONTINUOUS:
                total = total - (value - s[:, 0]) ** 2 / 2 - np.log(2 * np.pi) / 2
            else:
                log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
                total = total + log_p[np.arange(len(x)), value]
        return total

    @classmethod
    def loss_and_grad(cls, config, params, x, grad, total=None, y=None):
        grad.flat[...] = 0
        for K, value, s, columns, classes in cls.parts(config, params, x, y):
            if K == CONTINUOUS:
                ds = s - value[:, None]
            else:
                ds = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
                ds[np.arange(len(x)), value] -= 1
            np.add.at(grad["s"][:, columns], classes, ds / total)
        return -float(cls.log_prob(config, params, x, y).sum()) / total


EVENTS = {
    "bits": Columns.bits(3),
    "categories": Columns((2, 5, 3)),
    "real": Columns((CONTINUOUS, CONTINUOUS)),
    "image": Image(2, 1, 1, 4),
}


def rows_of(config, n=300, seed=0):
    """Return rows of the event, (N, …), and labels on which they depend."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, config.n_classes, n).astype(np.int32)
    columns = [
        rng.normal(size=n) + y if K == CONTINUOUS else (rng.random(n) ** (1 + y) * K).astype(int)
        for K in config.values
    ]
    return np.stack(columns, 1).astype(config.event.dtype).reshape(n, *config.event.shape), y


def fit(config, source, recipe, state=None):
    state = state or train.start(Independent, config, recipe, np.float64)
    return state, list(train.run(Independent, config, recipe, state, source))


@pytest.mark.parametrize("labelled", [False, True], ids=["", "labels"])
@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_rows_of_any_event_are_learnt(event, labelled):
    config = Config(event, 2 if labelled else 1)
    (x, y), (x_valid, y_valid) = rows_of(config), rows_of(config, 100, 1)
    given = (y, y_valid) if labelled else (None, None)
    recipe = Recipe(epochs=80, batch_size=50, learning_rate=0.05)
    state, progress = fit(config, RowSource(x, given[0], (x_valid, given[1])), recipe)
    assert {p.per for p in progress} == {"row"} and len(state.history) == 80
    truth = -Independent.log_prob(config, state.params, x_valid, given[1]).mean()
    assert_allclose(state.history[-1]["valid"], truth, rtol=1e-12)
    for c in range(config.n_classes):
        some = x[y == c] if labelled else x
        first = some.reshape(len(some), -1)[:, 0]
        s = state.params["s"][c]
        if config.values[0] == CONTINUOUS:
            assert_allclose(s[0], first.mean(), atol=0.02)
        else:
            K = config.values[0]
            p = np.exp(s[:K]) / np.exp(s[:K]).sum()
            assert_allclose(p, np.bincount(first, minlength=K) / len(first), atol=0.03)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_labels_stay_with_their_rows(n_threads, accumulation):
    config = Config(Columns((2, 5, 3)), 4)
    x, y = rows_of(config, 90)
    recipe = Recipe(epochs=2, batch_size=40, accumulation=accumulation, learning_rate=0.1)
    with use_threads(n_threads):
        state, progress = fit(config, RowSource(x, y), recipe)
    with use_threads(1):
        straight, _ = fit(
            config, RowSource(x, y), Recipe(epochs=2, batch_size=40, learning_rate=0.1)
        )
    assert_allclose(state.params.flat, straight.params.flat, rtol=1e-7, atol=1e-9)
    start = train.start(Independent, config, recipe, np.float64).params
    order = np.random.default_rng([0, 1]).permutation(90)[:40]
    first = -Independent.log_prob(config, start, x[order], y[order]).mean()
    assert_allclose(progress[0].loss, first, rtol=1e-12)


def test_without_labels_a_labelled_model_is_validated_by_its_marginal():
    config = Config(Columns((CONTINUOUS,)), 2)
    x, y = rows_of(config)
    state, _ = fit(config, RowSource(x, y, (x, None)), Recipe(epochs=30, learning_rate=0.1))
    of_class = [Independent.log_prob(config, state.best, x, np.full(len(x), c)) for c in (0, 1)]
    truth = -np.log(np.exp(of_class).mean(axis=0)).mean()
    assert_allclose(scoring.mean_nll(Independent, config, state.best, x), truth, rtol=1e-12)
    assert_allclose(state.best_valid, truth, rtol=1e-12)


def test_records_may_be_made_every_so_many_minibatches():
    config = Config(Columns.bits(3))
    x, _ = rows_of(config, 100)
    source = RowSource(x, valid=(x, None))
    recipe = Recipe(epochs=3, batch_size=10, eval_every=8)
    state, progress = fit(config, source, recipe)
    assert [r["step"] for r in state.history] == [8, 16, 24, 30]
    assert not any("epoch" in record for record in state.history)
    assert [p.step for p in progress if p.record] == [8, 16, 24, 30]
    assert {(p.stretches, p.n_steps) for p in progress} == {(4, 30)}
    losses = [p.loss for p in progress]
    assert_allclose(state.history[1]["train"], np.mean(losses[8:16]), rtol=1e-12)
    epochs, _ = fit(config, source, Recipe(epochs=3, batch_size=10))
    assert [r["epoch"] for r in epochs.history] == [1, 2, 3]
    assert_array_equal(epochs.params.flat, state.params.flat)  # records change nothing learnt
    rare, _ = fit(config, source, Recipe(epochs=3, batch_size=10, eval_every=1000))
    assert [r["step"] for r in rare.history] == [30]


def test_patience_counts_records_of_steps_too():
    config = Config(Columns.bits(3))
    x, _ = rows_of(config, 100)
    recipe = Recipe(epochs=50, batch_size=10, eval_every=3, patience=2, learning_rate=1.0)
    state, _ = fit(config, RowSource(x, valid=(1 - x, None)), recipe)
    assert len(state.history) - state.best_record == 2 and state.step < 500


def test_a_training_keeps_to_its_records():
    config = Config(Columns.bits(3))
    x, _ = rows_of(config, 100)
    state, _ = fit(config, RowSource(x), Recipe(epochs=1, batch_size=10))
    with pytest.raises(ValueError, match="go on with the same eval_every"):
        fit(config, RowSource(x), Recipe(epochs=2, batch_size=10, eval_every=3), state)


def test_labels_that_do_not_fit_are_refused(monkeypatch):
    config = Config(Columns.bits(3))
    x, y = rows_of(config, 30)
    with pytest.raises(ValueError, match="there are 30 rows and 29 labels"):
        RowSource(x, y[:29])
    with pytest.raises(ValueError, match="there are 30 rows and 29 labels"):
        RowSource(x, y, (x, y[:29]))
    monkeypatch.setattr(Independent, "ABILITIES", Abilities())
    with pytest.raises(ValueError, match="y are labels, and this model learns without"):
        fit(config, RowSource(x, y), Recipe(epochs=1))
