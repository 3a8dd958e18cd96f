"""The package as a whole: names, examples, devices, gradient checks, progress."""

import doctest
import inspect
import os
import subprocess
import sys
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone

import chainrule as cr
from chainrule import progress
from chainrule.estimators import runtime


def copy_of(model, **hyperparameters):
    return clone(model).set_params(**hyperparameters)


# The GPU, where there is none


def test_cuda_without_cupy_or_a_device_says_so_and_never_falls_back(X, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RuntimeError, match=r"needs CuPy.*use backend='cpu'"):
        cr.FVSBN(backend="cuda").fit(X)
    fitted = cr.FVSBN(epochs=1).fit(X).set_params(backend="cuda")
    with pytest.raises(RuntimeError, match="needs CuPy"):
        fitted.log_prob(X)


def test_a_model_saved_on_a_gpu_machine_loads_on_one_without(X, tmp_path):
    cr.FVSBN(epochs=1).fit(X).set_params(backend="cuda").save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors").set_params(backend="cpu")
    assert again.log_prob(X).shape == (150,)


def test_the_way_to_a_device_and_back(monkeypatch, model, X):
    """A stand-in whose device is the host: proves the plumbing, not the kernels."""
    stand_in = SimpleNamespace(asarray=np.array)
    monkeypatch.setattr(runtime, "array_module", lambda b: stand_in if b == "cuda" else np)
    host, device = (
        copy_of(model, backend=b, n_threads=1, ordering="random").fit(X, X_valid=X)
        for b in ("cpu", "cuda")
    )
    np.testing.assert_array_equal(device.params_.flat, host.params_.flat)
    np.testing.assert_array_equal(device.log_prob(X), host.log_prob(X))
    observed = np.arange(5) < 2
    for rows in (device, host):
        assert (rows.sample(9, 1, X[:9], observed)[:, :2] == X[:9, :2]).all()


@pytest.mark.gpu
def test_the_gpu_gives_the_cpus_numbers(model, X):
    try:
        runtime.array_module("cuda")
    except RuntimeError as error:
        pytest.skip(str(error))
    on_cpu, on_gpu = (
        copy_of(model, dtype="float64", backend=b).fit(X, X_valid=X) for b in ("cpu", "cuda")
    )
    np.testing.assert_allclose(on_gpu.log_prob(X), on_cpu.log_prob(X), rtol=1e-8)
    np.testing.assert_allclose(on_gpu.conditionals(X), on_cpu.conditionals(X), rtol=1e-8)
    np.testing.assert_array_equal(on_gpu.sample(50, 1), on_cpu.sample(50, 1))


# Examples in docstrings


@pytest.mark.parametrize(
    "name",
    [
        "estimators.row_density",
        "estimators.gradcheck",
        "datasets.named",
        "detection.curves",
        "detection.detector",
        "estimators.autoencoder",
        "estimators.rows",
        "estimators.tables",
        "estimators.fitting",
        "estimators.generating",
        "estimators.loading",
        "estimators.pixel_cnn",
        "detection.classifier",
        "encoders.levels",
        "estimators.sequences",
        "plots.seeing",
        "engine.params",
    ],
)
def test_examples_do_what_they_say(name):
    failed, _ = doctest.testmod(import_module(f"chainrule.{name}"))
    assert failed == 0


ESTIMATORS = [
    cr.Detector,
    *(cr.FVSBN, cr.NADE, cr.MADE, cr.OrderlessNADE, cr.PixelCNN),
    *(cr.Classifier, cr.Autoencoder, cr.RNN, cr.AttentionRNN, cr.Transformer),
]
FUNCTIONS = [cr.load, cr.detection.auc, cr.gradcheck, cr.datasets.load, cr.datasets.load_text]


@pytest.mark.parametrize("thing", ESTIMATORS + FUNCTIONS)
def test_every_public_name_has_an_example(thing):
    assert ">>>" in inspect.getdoc(thing)


def test_the_public_names_are_all_there():
    assert set(cr.__all__) <= set(dir(cr))
    assert all(getattr(cr, name) is not None for name in cr.__all__)
    assert cr.__version__
    with pytest.raises(AttributeError, match="no attribute 'Transformer2'"):
        cr.Transformer2  # noqa: B018


def test_the_engine_needs_none_of_the_libraries_above_it():
    code = """if True:
        import sys
        import chainrule.engine, chainrule.kernels
        from chainrule.engine import models, train, gradcheck
        too_much = {"sklearn", "rich", "typer", "matplotlib", "safetensors"} & sys.modules.keys()
        assert not too_much, too_much
    """
    subprocess.run([sys.executable, "-c", code], check=True, cwd=os.path.dirname(__file__))


# Gradient checks and progress


@pytest.mark.parametrize("ordering", [None, "random"])
def test_gradcheck_passes_fitted_and_unfitted_and_changes_nothing(model, ordering, X):
    unfitted = copy_of(model, ordering=ordering)
    fitted = copy_of(unfitted).fit(X)
    before = fitted.params_.flat.copy()
    for estimator in (unfitted, fitted):
        errors = cr.gradcheck(estimator, X[:20])
        assert set(errors) == set(fitted.params_) and max(errors.values()) < 1e-6
    np.testing.assert_array_equal(fitted.params_.flat, before)
    assert not hasattr(unfitted, "params_")


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("max_entries", [3, None])
def test_gradcheck_finds_a_wrong_gradient_in_either_backend(monkeypatch, backend, max_entries, X):
    kernel = import_module(f"chainrule.kernels.nade.{backend}")
    right = kernel.nll_and_grad

    def wrong(*args, **kwargs):
        right(*args, **kwargs)
        dV = kwargs["dV"] if "dV" in kwargs else args[9]
        dV *= 1.01

    monkeypatch.setattr(kernel, "nll_and_grad", wrong)
    errors = cr.gradcheck(cr.NADE(3), X[:10], max_entries)
    assert errors["V"] == pytest.approx(0.01, rel=1e-3)
    assert max(errors[name] for name in "Wbc") < 1e-6


def test_gradcheck_says_what_it_needs(X):
    with pytest.raises(TypeError, match="must be an estimator such as NADE"):
        cr.gradcheck("nade", X)
    with pytest.raises(ValueError, match="max_entries"):
        cr.gradcheck(cr.FVSBN(), X, 0)


def test_nothing_is_drawn_where_nobody_watches(X, capsys, monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 0)
    monkeypatch.setattr(progress, "compiling", lambda: False)
    cr.FVSBN(epochs=2, verbose=True).fit(X).score(X)
    captured = capsys.readouterr()
    assert captured.out == "" and "\x1b" not in captured.err and "\r" not in captured.err
    assert captured.err.count("\n") == 2, "a plain line an epoch"


def test_a_watched_training_shows_epoch_and_losses(X, capsys, monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 0)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich's way to be told that it is a terminal
    monkeypatch.setenv("TERM", "xterm")
    cr.FVSBN(epochs=2, verbose=True).fit(X, X_valid=X)
    captured = capsys.readouterr()
    assert "epoch 2/2" in captured.err and "valid" in captured.err and captured.out == ""
    with progress.waiting("compiling", delay=0):
        pass
