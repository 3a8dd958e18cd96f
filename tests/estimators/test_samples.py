"""What an estimator draws, freely and given some of the variables."""

import itertools
import warnings

import numpy as np
import pytest
from sklearn.base import clone

import chainrule as cr


def copy_of(model, **hyperparameters):
    return clone(model).set_params(**hyperparameters)


def test_samples_are_bits_and_follow_the_seed(model, X):
    fitted = copy_of(model).fit(X)
    rows = fitted.sample(40, seed=1)
    assert rows.shape == (40, 5) and rows.dtype == np.uint8 and set(np.unique(rows)) <= {0, 1}
    np.testing.assert_array_equal(rows, fitted.sample(40, seed=1))
    assert (rows != fitted.sample(40, seed=2)).any()
    assert (fitted.sample(40) != fitted.sample(40)).any()  # fresh entropy
    np.testing.assert_array_equal(rows[:7], fitted.sample(7, seed=1))


def test_frequencies_of_samples_match_the_probabilities(model, X):
    fitted = copy_of(model, ordering="random").fit(X)
    n = 20_000
    every_x = np.array(list(itertools.product([0, 1], repeat=5)), np.uint8)
    expected = n * np.exp(fitted.log_prob(every_x).astype(np.float64))
    seen = np.bincount(fitted.sample(n, seed=0) @ (1 << np.arange(5)[::-1]), minlength=32)
    chi2 = ((seen - expected) ** 2 / expected).sum()
    assert chi2 < 61.1  # 31 degrees of freedom: one in a thousand


def test_observed_values_are_kept_and_a_prefix_conditions_exactly(model, X):
    fitted = copy_of(model, ordering=[4, 2, 0, 1, 3]).fit(X)
    observed = np.isin(np.arange(5), [4, 2])  # first in the model's order
    given = np.array([9, 9, 1, 9, 0])  # what is not observed is not looked at
    n = 20_000
    rows = fitted.sample(n, seed=0, given=given, observed=observed)
    assert (rows[:, 2] == 1).all() and (rows[:, 4] == 0).all()
    every_x = np.array(list(itertools.product([0, 1], repeat=5)), np.uint8)
    fits = (every_x[:, 2] == 1) & (every_x[:, 4] == 0)
    p = np.where(fits, np.exp(fitted.log_prob(every_x).astype(np.float64)), 0)
    expected = n * p[fits] / p.sum()
    seen = np.bincount(rows @ (1 << np.arange(5)[::-1]), minlength=32)[fits]
    assert ((seen - expected) ** 2 / expected).sum() < 24.4  # 7 degrees of freedom, as above


@pytest.mark.filterwarnings("ignore:the observed variables do not come first:UserWarning")
def test_what_is_observed_later_does_not_reach_back(X):
    model = cr.NADE(6, epochs=20, learning_rate=0.05).fit(X)
    last = np.arange(5) == 4
    rows = [model.sample(50, seed=1, given=np.full(5, v), observed=last) for v in (0, 1)]
    np.testing.assert_array_equal(rows[0][:, :4], rows[1][:, :4])
    np.testing.assert_array_equal(rows[0][:, :4], model.sample(50, seed=1)[:, :4])


@pytest.mark.parametrize("ordering", [None, "reverse", [2, 4, 0, 1, 3]], ids=str)
@pytest.mark.parametrize("pattern", list(np.ndindex(2, 2, 2, 2, 2)), ids=str)
def test_draws_that_are_not_exact_come_with_a_warning(ordering, pattern, X):
    model, seen = cr.FVSBN(epochs=1, ordering=ordering).fit(X), np.array(pattern, bool)
    in_order = [pattern[i] for i in model.order_]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.sample(4, seed=1, given=X[0], observed=seen)
    assert len(caught) == (in_order != sorted(in_order, reverse=True))
    for warning in caught:
        assert warning.category is UserWarning and warning.filename == __file__
        assert "do not come first in the model's order" in str(warning.message)
        assert "never those after it" in str(warning.message)


@pytest.mark.filterwarnings("ignore:the observed variables do not come first:UserWarning")
def test_given_may_be_a_row_each_or_one_for_all(X):
    model = cr.FVSBN(epochs=1).fit(X)
    mask = np.array([True, False, True, False, False])
    each = model.sample(8, seed=1, given=X[:8], observed=mask)
    np.testing.assert_array_equal(each[:, mask], X[:8, mask])
    for row in (X[0], X[:1], X[0].tolist()):
        rows = model.sample(8, seed=1, given=row, observed=mask)
        assert (rows[:, mask] == X[0, mask]).all()
    everything = model.sample(8, given=X[:8], observed=np.ones(5, bool))
    np.testing.assert_array_equal(everything, X[:8])
    nothing = model.sample(8, seed=1, given=X[:8], observed=np.zeros(5, bool))
    np.testing.assert_array_equal(nothing, model.sample(8, seed=1))
    holes = np.where(mask, X[:8], np.nan)
    np.testing.assert_array_equal(model.sample(8, 1, holes, mask), each)


def test_given_obeys_the_threshold(X):
    model = cr.FVSBN(epochs=1, binarize=127).fit(X * 255)
    rows = model.sample(2, given=[255, 0, 128, 127, 0], observed=np.ones(5, bool))
    np.testing.assert_array_equal(rows, [[1, 0, 1, 0, 0]] * 2)


MASK = np.ones(5, bool)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n": 0}, "n must be a whole number of at least 1, got 0"),
        ({"n": 2.5}, "n must be"),
        ({"given": np.zeros(5)}, "both or neither"),
        ({"observed": MASK}, "both or neither"),
        ({"given": np.zeros((3, 5)), "observed": MASK}, r"given must have shape \(2, 5\)"),
        ({"given": np.zeros((2, 4)), "observed": MASK}, r"got \(2, 4\)"),
        ({"given": np.full(5, 2), "observed": MASK}, "must hold only 0 and 1, got 2"),
        ({"given": np.full(5, np.nan), "observed": MASK}, "NaN"),
        ({"given": np.zeros(5), "observed": MASK[:4]}, r"observed must be a bool array .*\(5,\)"),
        ({"given": np.zeros(5), "observed": [0, 1, 2]}, "observed must be a bool array"),
        ({"given": np.zeros(5), "observed": np.ones((5, 5), bool)}, "observed must be"),
    ],
    ids=str,
)
def test_sampling_names_what_it_cannot_use(arguments, says, X):
    model = cr.FVSBN(epochs=1).fit(X)
    with pytest.raises(ValueError, match=says):
        model.sample(**({"n": 2} | arguments))


def test_every_row_may_have_observed_variables_of_its_own(model, X):
    fitted = copy_of(model, ordering="reverse").fit(X)
    masks = np.arange(5) >= np.arange(6)[:, None]  # the last few columns: first in the order
    rows = fitted.sample(6, seed=1, given=X[:6], observed=masks)
    assert (rows == X[:6])[masks].all()
    for n, mask in enumerate(masks):
        same = fitted.sample(6, seed=1, given=X[:6], observed=mask)
        np.testing.assert_array_equal(rows[n], same[n])
    with pytest.warns(UserWarning, match="do not come first"):
        fitted.sample(6, seed=1, given=X[:6], observed=masks[:, ::-1])
    hidden = np.where(masks, X[:6], np.nan)
    np.testing.assert_array_equal(rows, fitted.sample(6, 1, hidden, masks))
