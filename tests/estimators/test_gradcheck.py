"""The gradient checks as users call them: what they check, what they refuse, what they show."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule.engine import gradcheck as referee
from chainrule.engine.event import Image
from chainrule.engine.models import nade, rnn
from chainrule.estimators import runtime
from chainrule.registry import ESTIMATORS

DROPOUT = ("--set", "dropout=0.5")
TEXT = "abcabdabcab"


def rows(out):
    """Return the lines of the table, split into words."""
    return [line.split() for line in out.splitlines() if line.rstrip().endswith(("pass", "FAIL"))]


def break_one_entry(monkeypatch, model, name, index, when=lambda *_, **__: True, by=1.5):
    """Let a model's gradient be wrong in one entry."""
    right = model.loss_and_grad

    def wrong(config, params, x, grad, *rest, **more):
        loss = right(config, params, x, grad, *rest, **more)
        if when(params, **more):
            grad[name][index] *= by
        return loss

    monkeypatch.setattr(model, "loss_and_grad", wrong)


# --- options that are obeyed or refused


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (("--backend", "xyz"), "--backend must be one of 'reference', 'cpu', 'cuda'; got 'xyz'"),
        (("--set", "epochs=3"), "leave --set epochs out"),
        (("--set", "ordering=reverse"), "leave --set ordering out"),
        (("--set", "dtype=float32"), "leave --set dtype out"),
    ],
)
def test_what_is_not_checked_is_refused(more, word, call):
    status, out, err = call("gradcheck", "nade", *more)
    assert (status, out, err.count("\n")) == (2, "", 1) and word in err, err


def test_a_gpu_that_is_not_there_is_refused(call, monkeypatch):
    def absent(backend):
        if backend == "cuda":
            raise RuntimeError("no GPU here")
        return np

    monkeypatch.setattr(runtime, "array_module", absent)
    assert call("gradcheck", "nade", "--backend", "cuda") == (2, "", "chainrule: no GPU here\n")


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_only_the_backend_that_was_asked_for_is_checked(backend, call):
    status, out, _ = call("gradcheck", "fvsbn", "--backend", backend)
    assert status == 0 and {line[1] for line in rows(out)} == {backend}


@pytest.mark.parametrize("model", ["fvsbn", "nade", "rnn"])
def test_the_gpus_gradient_is_checked_by_name(model, call, rig, monkeypatch):
    import cupy

    monkeypatch.setattr(runtime, "array_module", lambda name: cupy if name == "cuda" else np)
    small = {"nade": ("--set", "n_hidden=2"), "rnn": ("--set", "n_hidden=2")}.get(model, ())
    status, out, err = call("gradcheck", model, "--backend", "cuda", *small)
    assert (status, err) == (0, "") and {line[1] for line in rows(out)} == {"cuda"}, err


def test_a_wrong_gradient_on_the_gpu_is_found(call, rig, monkeypatch):
    import cupy

    monkeypatch.setattr(runtime, "array_module", lambda name: cupy if name == "cuda" else np)
    on_gpu = lambda params, **_: runtime.to_host(params.flat) is not params.flat  # noqa: E731
    break_one_entry(monkeypatch, nade, "b", 2, on_gpu)
    small = ("--set", "n_hidden=2")
    assert call("gradcheck", "nade", *small)[0] == 0, "the host's are right"
    status, out, _ = call("gradcheck", "nade", "--backend", "cuda", *small)
    assert status == 1 and [line[:2] for line in rows(out) if line[-1] == "FAIL"] == [["b", "cuda"]]


@pytest.mark.parametrize("model", ["rnn", "transformer"])
def test_dropout_is_checked(model, call):
    one_layer = ("--set", "n_layers=1") if model == "transformer" else ()
    status, out, _ = call("gradcheck", model, *DROPOUT, *one_layer)
    assert status == 0 and "dropout=0.5" in out and "all pass" in out
    status, _, err = call("gradcheck", model, "--set", "dropout=0.99")
    assert status == 2 and "leaves no gradient to check" in err


def test_a_wrong_gradient_of_dropout_is_found(call, monkeypatch):
    break_one_entry(monkeypatch, rnn, "b_y", 1, lambda *_, noise=None, **__: noise is not None)
    status, out, _ = call("gradcheck", "rnn", *DROPOUT)
    assert status == 1 and {line[0] for line in rows(out) if line[-1] == "FAIL"} == {"b_y"}
    assert call("gradcheck", "rnn")[0] == 0
    model = cr.RNN(3, n_layers=2, dropout=0.5, context=4)
    errors = cr.gradcheck(model, TEXT)
    assert [name for name, error in errors.items() if error > 1e-6] == ["b_y"]


@pytest.mark.parametrize("gated", [False, True])
def test_arrays_of_the_network_that_a_model_is_not_are_left_out(gated):
    """Nothing was checked of them, and an error of 0.0 would look as if something had been."""
    of_one, of_two = {"W_x", "W_i", "W_m"}, {"W_xv", "W_xh", "W_v", "W_h", "W_vh"}
    model = cr.PixelCNN(1, 2, gated=gated, first_size=3)
    errors = cr.gradcheck(model, np.eye(3, dtype=int)[None], 2)
    own, others = (of_two, of_one) if gated else (of_one, of_two)
    assert own <= set(errors) and not others & set(errors)
    assert all(error.largest > 0 for error in errors.values())


def test_every_setting_that_shapes_a_model_is_obeyed():
    """A field of a Config is either a setting of the estimator or comes from the data."""
    from_data = {"n_visible", "n_symbols", "n_classes", "values", "half_steps", "atoms"} | {
        *("mask_seed",),  # seed
        *("height", "width", "channels", "shape"),
    }
    of_real_columns = {"n_components", "family", "mixture_weights", "rescale"}
    for cls in ESTIMATORS.values():
        model = cls()
        if isinstance(model, cr.Classifier):
            config = model._config((3, 3, 1), 2)
        elif hasattr(model, "image_shape"):
            config = model._image_config(Image(2, 2), 1)
        else:
            config = model._config(*((3,) if hasattr(model, "epochs") else (3, 1)))
        fields = {field.name for field in dataclasses.fields(config)}
        idle = of_real_columns if isinstance(model, cr.CategoricalNADE) else set()  # it has none
        assert fields <= from_data | idle | model.get_params().keys()


# --- the worst entry


def test_the_worst_entry_is_shown_with_both_values(call, monkeypatch):
    break_one_entry(monkeypatch, nade, "W", (3, 1))
    status, out, _ = call("gradcheck", "nade")
    wrong = [line for line in rows(out) if line[-1] == "FAIL"]
    assert status == 1 and [line[:2] for line in wrong] == [["W", "reference"], ["W", "cpu"]]
    for line in wrong:
        assert line[2] == "[3,1]" and float(line[3]) == pytest.approx(1.5 * float(line[4]), 1e-5)


@pytest.mark.parametrize("max_entries", [None, 10])
def test_the_library_says_which_entry_is_worst(max_entries, monkeypatch, X):
    grads = {}
    cr.gradcheck(cr.NADE(3), X[:20])
    right = nade.loss_and_grad

    def watch(config, params, x, grad, *rest, **more):
        loss = right(config, params, x, grad, *rest, **more)
        worst = int(np.abs(grad["V"]).argmax())  # among those that are checked in any case
        grad["V"].reshape(-1)[worst] *= 1.5
        grads["index"] = np.unravel_index(worst, grad["V"].shape)
        grads["value"] = grad["V"][grads["index"]]
        return loss

    monkeypatch.setattr(nade, "loss_and_grad", watch)
    error = cr.gradcheck(cr.NADE(3), X[:20], max_entries)["V"]
    assert isinstance(error, float) and error.index == grads["index"]
    assert error.ours == pytest.approx(grads["value"])
    assert error.numeric == pytest.approx(grads["value"] / 1.5, rel=1e-4)
    assert error.backend in ("reference", "cpu")
    assert error == pytest.approx(0.5, rel=0.01)


def test_a_gradient_that_is_no_number_in_one_backend_is_the_worse(monkeypatch, X):
    calls = []

    def second(params, **_):
        calls.append(1)
        return len(calls) == 2

    break_one_entry(monkeypatch, nade, "b", 1, second, by=np.nan)
    error = cr.gradcheck(cr.NADE(3), X[:20])["b"]
    assert np.isnan(error) and error.index == (1,) and error.backend == "cpu"


def test_an_error_is_a_number_like_any_other():
    error = referee.relative_error(np.array([[1.0, 2.0, 3.5]]), np.array([[1.0, 2.0, 4.0]]))
    assert error == 0.125 and repr(error) == "0.125" and f"{error:.1e}" == "1.2e-01"
    for twin in (copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert twin == error and vars(twin) == vars(error)
    assert referee.relative_error(np.zeros(0), np.zeros(0)) == 0
