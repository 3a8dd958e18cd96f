"""The referee: what is right passes, what is wrong does not, wherever it is wrong."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine import gradcheck
from chainrule.engine.event import Abilities
from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.models import nade, transformer
from chainrule.engine.params import Params

CONFIG = SimpleNamespace()


class Quadratic:
    """Loss Σ (x·w)² / 2; `wrong` is added to one entry of a gradient."""

    ABILITIES = Abilities()

    def __init__(self, wrong=0.0):
        self.wrong = wrong

    def log_prob(self, config, params, x):
        return -((x @ params["w"]) ** 2) / 2

    def loss_and_grad(self, config, params, x, grad, total=None, dx=None):
        s = x @ params["w"]
        grad["w"][...] = s @ x / len(x)
        grad["w"][1] += self.wrong
        if dx is not None:
            dx[...] = s[:, None] * params["w"] / len(x)
            dx[0, 1] += self.wrong
        return float((s**2).sum()) / 2 / len(x)


class Lookup(Quadratic):
    """Loss Σ |E[x]|² / 2, of symbols; -1 is padding."""

    def rows(self, params, x):
        return np.where((x >= 0)[..., None], params["E"][x], 0)

    def log_prob(self, config, params, x):
        return -(self.rows(params, x) ** 2).sum(axis=(1, 2)) / 2

    def loss_and_grad(self, config, params, x, grad, total=None, dx=None):
        rows = self.rows(params, x) / len(x)
        grad.flat[...] = 0
        np.add.at(grad["E"], x, rows)
        if dx is not None:
            dx[...] = rows
            dx[1, 0] += self.wrong
        return -float(self.log_prob(config, params, x).sum()) / len(x)


@pytest.fixture
def params(rng):
    params = Params({"w": (4,)}, dtype=np.float64)
    params.flat[...] = rng.normal(size=4)
    return params


def test_slopes_of_some_entries_are_those_of_all(rng):
    p, at = rng.normal(size=(3, 4)), np.array([11, 0, 5])
    before = p.copy()
    whole = numeric_grad(lambda: float((p**3).sum()), p)
    assert_allclose(whole, 3 * before**2, rtol=1e-8)
    assert_array_equal(numeric_grad(lambda: float((p**3).sum()), p, at=at), whole.reshape(-1)[at])
    assert_array_equal(p, before)
    assert numeric_grad(lambda: 0.0, np.zeros((2, 0))).shape == (2, 0)
    with pytest.raises(TypeError, match="need float64, got float32"):
        numeric_grad(lambda: 0.0, np.zeros(2, np.float32))


def test_entries_are_the_largest_and_others(rng):
    grad = rng.normal(size=(10, 30))
    some = gradcheck.entries(grad, 100, rng)
    assert len(set(some.tolist())) == 100
    largest = np.argsort(-np.abs(grad.reshape(-1)))[:50]
    assert set(largest.tolist()) <= set(some.tolist())
    for most in (None, 300, 1000):
        assert_array_equal(gradcheck.entries(grad, most, rng), np.arange(300))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("most", [None, 6])
def test_a_right_gradient_passes_on_each_backend(own, most, small, rng):
    config, params = small(nade, 4, 3)
    before, x = params.flat.copy(), rng.integers(0, 2, (5, 4), np.uint8)
    checked = gradcheck.check_backends(nade, config, params, x, most=most, own=own)
    assert checked.keys() == set(params)
    for errors in checked.values():
        assert list(errors) == ["reference", "cpu"]
        assert all(error.backend == name for name, error in errors.items())
        assert max(errors.values()) < 1e-6 and errors["cpu"].largest > 0
    assert_array_equal(params.flat, before)


def test_a_wrong_entry_is_found_and_named(params, rng):
    x = rng.normal(size=(5, 4))
    for errors in gradcheck.check_backends(Quadratic(0.01), CONFIG, params, x).values():
        error = gradcheck.worst([*errors.values()])
        assert error > 1e-4 and error.index == (1,)
        assert_allclose(error.ours - error.numeric, 0.01, rtol=1e-4)
    errors = gradcheck.check(Quadratic(np.nan), CONFIG, params, x)
    assert np.isnan(errors["w"])


def test_the_worst_is_what_is_no_number():
    errors = [gradcheck.RelativeError(v) for v in (0.1, float("nan"), 9.0)]
    assert np.isnan(gradcheck.worst(errors)) and gradcheck.worst(errors[::2]) == 9


def test_an_error_is_copied_with_all_that_it_knows():
    error = gradcheck.RelativeError(0.5, (1, 2), 3.0, 4.0, "cpu", 5.0)
    for other in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert other == error and vars(other) == vars(error)


def test_the_gradient_in_real_inputs(params, rng):
    x = rng.normal(size=(5, 4))
    assert max(gradcheck.check_input(Quadratic(), CONFIG, params, x).values()) < 1e-7
    for error in gradcheck.check_input(Quadratic(0.01), CONFIG, params, x).values():
        assert error > 1e-4 and error.index == (0, 1)
    bits = rng.integers(0, 2, (5, 4), np.uint8)
    assert max(gradcheck.check_input(Quadratic(), CONFIG, params, bits).values()) < 1e-7


def test_the_gradient_in_rows_of_a_table(rng):
    params = Params({"E": (6, 3)}, dtype=np.float64)
    params.flat[...] = rng.normal(size=18)
    x = np.array([[4, 1, 2], [0, 3, -1]])
    errors = gradcheck.check_input(Lookup(), CONFIG, params, x, table="E")
    assert max(errors.values()) < 1e-7
    for error in gradcheck.check_input(Lookup(0.01), CONFIG, params, x, table="E").values():
        assert error > 1e-4 and error.index[:2] == (1, 0)
    with pytest.raises(ValueError, match="a symbol comes twice"):
        gradcheck.check_input(Lookup(), CONFIG, params, x[:, [0, 0]], table="E")


@pytest.mark.parametrize("labels", ["given", "in turn"])
def test_labels_and_dropout_are_part_of_what_is_checked(labels, rng):
    config = transformer.Config(3, 4, 1, 1, 4, n_classes=2, dropout=0.2)
    params = transformer.init(config, rng, np.float64)
    params.flat[...] = rng.normal(size=params.size)
    x = rng.integers(0, 3, (3, 4), np.int32)
    y = np.array([1, 1, 0], np.int32) if labels == "given" else None
    checked = gradcheck.check_backends(transformer, config, params, x, y, most=20)
    for name, errors in checked.items():
        assert max(errors.values()) < 1e-6, name
    starts = gradcheck.gradient(transformer, config, params, x, y)["E"][3:]
    assert (np.abs(starts).max(axis=1) > 0).all()  # both classes came
