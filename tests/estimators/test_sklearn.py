"""scikit-learn's conventions: its own checks, and the tools built on them."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from chainrule import (
    FVSBN,
    MADE,
    NADE,
    RNADE,
    CategoricalNADE,
    Detector,
    OrderlessNADE,
    PixelCNN,
    PixelRNN,
    TableNADE,
)

SMALL = {"n_hidden": 4, "epochs": 2, "binarize": 0.5}
MASKED = {"hidden": (4, 3), "epochs": 2, "binarize": 0.5}


@parametrize_with_checks(
    [
        *(FVSBN(epochs=2, binarize=0.5), NADE(**SMALL), NADE(**SMALL, tied=False, dtype="float64")),
        *(CategoricalNADE(**SMALL, column_types=None), RNADE(4, n_components=2, epochs=2)),
        TableNADE(4, n_components=2, epochs=2, dtype="float64"),
        *(MADE(**MASKED), MADE(**MASKED, n_masks=2, order_agnostic=True, direct=True)),
        *(
            OrderlessNADE(**MASKED),
            PixelCNN(1, 4, first_size=3, epochs=2, binarize=0.5),
            PixelRNN(1, 2, first_size=3, epochs=2, binarize=0.5),
        ),
        Detector(FVSBN(epochs=2, binarize=0.5), false_alarm=0.5),
        Detector(TableNADE(4, epochs=2), method="typicality", false_alarm=0.5, held_out=0.5),
    ]
)
def test_conventions(estimator, check):
    check(estimator)


def bits(rng, N=60, D=5):
    return rng.integers(0, 2, (N, D)).astype(np.uint8)


def test_constructor_stores_hyperparameters_and_nothing_else():
    wrong = NADE(n_hidden=-1, epochs="many", backend="abacus", binarize=np.nan)
    assert vars(wrong) == wrong.get_params()
    assert wrong.get_params()["n_hidden"] == -1


def test_set_params_and_clone_carry_every_hyperparameter():
    model = NADE(ordering=[2, 0, 1]).set_params(n_hidden=7, tied=False, weight_decay=0.1)
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(layers=3)


@pytest.mark.parametrize("model", [FVSBN(epochs=2), NADE(3, epochs=2, ordering="random")])
def test_pickle_round_trip_is_exact_and_keeps_one_buffer(model, rng):
    X = bits(rng)
    again = pickle.loads(pickle.dumps(model.fit(X)))
    np.testing.assert_array_equal(again.log_prob(X), model.log_prob(X))
    assert all(np.shares_memory(again.params_.flat, p) for p in again.params_.values())


def test_an_unfitted_estimator_says_so(rng):
    for call in ("log_prob", "score_samples", "score", "conditionals"):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(NADE(), call)(bits(rng))
    with pytest.raises(NotFittedError):
        NADE().sample(3)
    with pytest.raises(NotFittedError):
        NADE().save("never.safetensors")


def test_pipeline_scales_then_scores(rng):
    X = rng.normal(size=(80, 4))
    pipeline = make_pipeline(MinMaxScaler(), FVSBN(epochs=3, binarize=0.5)).fit(X)
    scaled = MinMaxScaler().fit_transform(X)
    direct = FVSBN(epochs=3, binarize=0.5).fit(scaled)
    assert pipeline.score(X) == direct.score(scaled)


def test_cross_validation_and_grid_search_prefer_the_better_model(rng):
    X = np.repeat(bits(rng, 200, 1), 4, axis=1)  # four copies of a coin: ln 2 nats if learned
    base = NADE(epochs=150, learning_rate=0.1, seed=0)
    assert cross_val_score(base.set_params(n_hidden=4), X, cv=3).mean() > -1.0
    search = GridSearchCV(base, {"n_hidden": [4], "learning_rate": [1e-5, 0.1]}, cv=3).fit(X)
    assert search.best_params_ == {"n_hidden": 4, "learning_rate": 0.1}
    assert search.score(X) == search.best_estimator_.score(X)


def test_grid_search_over_hidden_units(rng):
    search = GridSearchCV(NADE(epochs=1), {"n_hidden": [2, 3]}, cv=2).fit(bits(rng))
    assert search.best_estimator_.params_["W"].shape[1] == search.best_params_["n_hidden"]


def test_data_frames_lend_their_column_names(rng):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(bits(rng), columns=list("abcde"))
    model = FVSBN(epochs=1).fit(frame, X_valid=frame)
    assert model.feature_names_in_.tolist() == list("abcde")
    assert model.log_prob(frame).shape == (60,)
    with pytest.raises(ValueError, match="feature names"):
        model.log_prob(frame[list("edcba")])
