"""What `save` writes, `load` reads: every estimator, however its hyper-parameters were spelled."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr

D = 4
ROWS = np.random.default_rng(0).integers(0, 2, (12, D), np.uint8)
LETTERS = st.characters(exclude_categories=()) | st.characters(min_codepoint=0xD7FE)
WHOLE = st.sampled_from([int, np.int64, np.uint8, np.int16])
REAL = st.sampled_from([float, np.float32, np.float64, Fraction])


@st.composite
def orderings(draw):
    order = draw(st.permutations(range(D)))
    spelled = (list(order), tuple(order), np.array(order), np.array(order, np.uint8))
    return draw(st.sampled_from((None, "reverse", "random", np.str_("raster"), range(D), *spelled)))


@st.composite
def of_rows(draw):
    whole, real = draw(WHOLE), draw(REAL)
    settings = {
        "epochs": whole(1),
        "learning_rate": real(0.125),
        "seed": whole(3),
        "ordering": draw(orderings()),
        "dtype": draw(st.sampled_from(("float32", np.float32, np.dtype("float64"), np.float64))),
        "binarize": draw(st.sampled_from((None, real(0.5)))),
    }
    if draw(st.booleans()):
        return cr.FVSBN(**settings)
    tied = draw(st.sampled_from((True, False, np.True_, np.False_)))
    return cr.NADE(whole(2), tied=tied, **settings)


@st.composite
def of_symbols(draw):
    whole, real = draw(WHOLE), draw(REAL)
    settings = {
        "context": whole(4),
        "steps": whole(1),
        "batch_size": whole(2),
        "learning_rate": real(0.125),
        "dtype": draw(st.sampled_from(("float32", np.float64, np.dtype(np.float32)))),
    }
    cell = draw(st.sampled_from(("tanh", "lstm", np.str_("gru"))))
    kinds = (
        lambda: cr.RNN(whole(2), cell=cell, dropout=real(0.25), **settings),
        lambda: cr.AttentionRNN(whole(2), cell=cell, **settings),
        lambda: cr.Transformer(whole(1), 1, 2, rotary=np.bool_(True), **settings),
    )
    return draw(st.sampled_from(kinds))()


def back(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("trip") / "model.safetensors"
    model.save(path)
    return cr.load(path)


@settings(max_examples=40, deadline=None)
@given(of_rows())
def test_estimators_of_rows(tmp_path_factory, model):
    again = back(model.fit(ROWS), tmp_path_factory)
    np.testing.assert_array_equal(again.order_, model.order_)
    np.testing.assert_array_equal(again.log_prob(ROWS), model.log_prob(ROWS))
    assert again.history_ == model.history_
    np.testing.assert_array_equal(again.fit(ROWS).log_prob(ROWS), model.log_prob(ROWS))


@settings(max_examples=40, deadline=None)
@given(of_symbols(), st.text(LETTERS, min_size=4, max_size=8) | st.binary(min_size=4, max_size=9))
def test_estimators_of_symbols(tmp_path_factory, model, text):
    again = back(model.fit(text), tmp_path_factory)
    assert again.vocabulary_ == model.vocabulary_ and again.history_ == model.history_
    np.testing.assert_array_equal(again.log_prob([text]), model.log_prob([text]))


@pytest.mark.parametrize(
    "labels", [None, [2, 0, 2], ["é", "x", "x"], [True, False, True], np.array([7, 7, 9], np.uint8)]
)
@pytest.mark.parametrize(
    "texts", [["ab", "ba", "\ud800b"], [b"ab", b"b", b"a"], [[0, 1], [1], [2]]]
)
def test_rows_of_symbols_with_labels(labels, texts, tmp_path_factory):
    given = (texts,) if labels is None else (texts, labels)
    model = cr.Transformer(1, 1, 2, context=8, steps=2, batch_size=2).fit(*given)
    again = back(model, tmp_path_factory)
    np.testing.assert_array_equal(again.classes_, model.classes_)
    np.testing.assert_array_equal(again.log_prob(*given), model.log_prob(*given))


def test_two_surrogates_stay_two(tmp_path_factory):
    """Side by side they are one character to JSON; an ordinary pair of them is one to Python."""
    text = "\ud83d\ude00 \U0001f600 \udfff" * 4
    model = cr.RNN(2, context=4, steps=1).fit(text)
    assert back(model, tmp_path_factory).vocabulary_.characters == model.vocabulary_.characters
    assert len(model.vocabulary_.characters) == 5


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (cr.NADE(2, epochs=1), {"n_hidden": 9, "tied": False, "ordering": "reverse", "epochs": 7}),
        (cr.FVSBN(epochs=1), {"dtype": "float64", "learning_rate": "high"}),
        (cr.RNN(2, steps=1, context=4), {"n_hidden": 3, "cell": "gru", "context": 8}),
        (cr.Transformer(1, 1, 2, steps=1, context=4), {"n_heads": 0, "rotary": True}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_fitted_is_saved(model, change, tmp_path_factory):
    data = ROWS if isinstance(model, cr.NADE | cr.FVSBN) else "abcabcabc"
    before = model.fit(data).get_params()
    model.set_params(**change, n_threads=1, verbose=True)
    again = back(model, tmp_path_factory)
    assert again.get_params() == {**before, "n_threads": 1, "verbose": True}
    np.testing.assert_array_equal(again.params_.flat, model.params_.flat)
    twice = back(again.set_params(**change), tmp_path_factory)
    assert (
        twice.get_params()
        == again.set_params(**before).set_params(n_threads=1, verbose=True).get_params()
    )


def test_an_ordering_changed_in_place_is_saved_as_it_was(tmp_path_factory):
    order = [3, 1, 2, 0]
    model = cr.FVSBN(epochs=1, ordering=order).fit(ROWS)
    order[:] = [0, 0, 0, 0]
    assert back(model, tmp_path_factory).ordering == [3, 1, 2, 0]


def test_a_backend_that_is_none_is_not_saved(tmp_path):
    model = cr.FVSBN(epochs=1).fit(ROWS).set_params(backend="abacus")
    with pytest.raises(ValueError, match="backend must be one of"):
        model.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())
