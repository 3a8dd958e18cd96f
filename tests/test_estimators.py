"""The public API of FVSBN and NADE, from data to files."""

import doctest
import inspect
import itertools
import json
import os
import subprocess
import sys
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

import chainrule as cr
from chainrule import base, fitting, progress, runtime
from chainrule.engine import checkpoint, train
from chainrule.kernels import dispatch, threads

MODELS = [
    cr.FVSBN(epochs=3, learning_rate=0.05),
    cr.NADE(6, epochs=3, learning_rate=0.05),
    cr.NADE(3, tied=False, epochs=3, learning_rate=0.05),
]
every_model = pytest.mark.parametrize("model", MODELS, ids=["fvsbn", "nade", "nade_untied"])


def copy_of(model, **hyperparameters):
    return type(model)(**(model.get_params() | hyperparameters))


@pytest.fixture
def X(rng):
    """Rows with structure: each bit mostly repeats the one before it."""
    flips = rng.random((150, 5)) < 0.2
    return (np.cumsum(flips, axis=1) + rng.integers(0, 2, (150, 1))).astype(np.uint8) % 2


# Fitting


@every_model
def test_fit_returns_itself_learns_and_keeps_a_history(model, X):
    model = copy_of(model, epochs=20)
    assert model.fit(X, X_valid=X[:40]) is model
    assert [record["epoch"] for record in model.history_] == list(range(1, 21))
    assert {"train", "valid", "seconds"} <= model.history_[0].keys()
    assert model.history_[-1]["train"] < model.history_[0]["train"]
    assert model.score(X) > -5 * np.log(2)  # better than fair coins


@every_model
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


@every_model
def test_the_seed_decides_everything(model, X):
    one, same, other = (copy_of(model, seed=s, n_threads=1).fit(X) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.params_.flat, same.params_.flat)
    assert (one.params_.flat != other.params_.flat).any()


@every_model
def test_backends_and_threads_agree(model, X):
    scores = [
        copy_of(model, dtype="float64", backend=backend, n_threads=n).fit(X).score(X)
        for backend, n in [("reference", 1), ("cpu", 1), ("cpu", 2), ("cpu", None)]
    ]
    np.testing.assert_allclose(scores, scores[0], rtol=1e-9)


@every_model
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

    def interrupted(*args):
        for count, step in enumerate(run(*args), start=1):
            yield step
            if count == after:
                raise error

    monkeypatch.setattr(fitting.train, "run", interrupted)
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

    def broken(*args):
        raise error
        yield

    monkeypatch.setattr(fitting.train, "run", broken)
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
    rows, valid = model._prepare(X)
    outside = dispatch._host_backend.get(), threads.n_threads()
    for _ in model._training(rows, valid, model._start()):
        assert (dispatch._host_backend.get(), threads.n_threads()) == outside


# Orderings


@every_model
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


@every_model
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


@every_model
def test_many_rows_go_in_chunks_without_a_seam(monkeypatch, model, X):
    fitted = copy_of(model, n_threads=1, backend="reference", dtype="float64").fit(X)
    whole = fitted.log_prob(X), fitted.conditionals(X), fitted.sample(20, seed=3)
    monkeypatch.setattr(base, "CHUNK", 7)
    chunked = fitted.log_prob(X), fitted.conditionals(X), fitted.sample(20, seed=3)
    for one, other in zip(whole, chunked, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)


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


# Sampling


@every_model
def test_samples_are_bits_and_follow_the_seed(model, X):
    fitted = copy_of(model).fit(X)
    rows = fitted.sample(40, seed=1)
    assert rows.shape == (40, 5) and rows.dtype == np.uint8 and set(np.unique(rows)) <= {0, 1}
    np.testing.assert_array_equal(rows, fitted.sample(40, seed=1))
    assert (rows != fitted.sample(40, seed=2)).any()
    assert (fitted.sample(40) != fitted.sample(40)).any()  # fresh entropy
    np.testing.assert_array_equal(rows[:7], fitted.sample(7, seed=1))


@every_model
def test_frequencies_of_samples_match_the_probabilities(model, X):
    fitted = copy_of(model, ordering="random").fit(X)
    n = 20_000
    every_x = np.array(list(itertools.product([0, 1], repeat=5)), np.uint8)
    expected = n * np.exp(fitted.log_prob(every_x).astype(np.float64))
    seen = np.bincount(fitted.sample(n, seed=0) @ (1 << np.arange(5)[::-1]), minlength=32)
    chi2 = ((seen - expected) ** 2 / expected).sum()
    assert chi2 < 61.1  # 31 degrees of freedom: one in a thousand


@every_model
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


def test_what_is_observed_later_does_not_reach_back(X):
    model = cr.NADE(6, epochs=20, learning_rate=0.05).fit(X)
    last = np.arange(5) == 4
    rows = [model.sample(50, seed=1, given=np.full(5, v), observed=last) for v in (0, 1)]
    np.testing.assert_array_equal(rows[0][:, :4], rows[1][:, :4])
    np.testing.assert_array_equal(rows[0][:, :4], model.sample(50, seed=1)[:, :4])


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


# Files


@every_model
@pytest.mark.parametrize("ordering", [None, "random", np.array([1, 0, 4, 3, 2])], ids=str)
def test_save_and_load_give_the_same_estimator(model, ordering, X, tmp_path):
    fitted = copy_of(model, ordering=ordering, dtype=np.float64, seed=np.int64(3), epochs=2)
    fitted.fit(X, X_valid=X)
    fitted.save(tmp_path / "model.safetensors")
    again = cr.load(tmp_path / "model.safetensors")
    assert type(again) is type(fitted)
    assert again.get_params().keys() == fitted.get_params().keys()
    assert (again.seed, again.dtype, again.epochs) == (3, "float64", 2)
    assert again.history_ == fitted.history_ and again.best_epoch_ == fitted.best_epoch_
    np.testing.assert_array_equal(again.order_, fitted.order_)
    np.testing.assert_array_equal(again.log_prob(X), fitted.log_prob(X))
    np.testing.assert_array_equal(again.sample(5, 1), fitted.sample(5, 1))
    np.testing.assert_array_equal(again.fit(X).log_prob(X), fitted.fit(X).log_prob(X))


def test_column_names_survive_a_file(X, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    cr.FVSBN(epochs=1).fit(frame).save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors")
    assert again.feature_names_in_.tolist() == list("abcde")
    assert again.log_prob(frame).shape == (150,)


def metadata_of(model):
    return {
        "estimator": "NADE",
        "hyperparameters": json.loads(json.dumps(model.get_params())),
        "order": model.order_.tolist(),
        "history": [],
        "best_epoch": 1,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"estimator": "Oracle"},
        {"estimator": "FVSBN", "hyperparameters": {}},
        {"estimator": None},
        {"hyperparameters": {"n_hidden": 2, "layers": 3}},
        {"hyperparameters": {"n_hidden": 9}},
        {"hyperparameters": {"n_hidden": 2, "tied": False}},
        {"hyperparameters": {"n_hidden": 2, "epochs": "x"}},
        {"hyperparameters": [1]},
        {"order": [0, 1, 2, 3, 3]},
        {"order": [0, 1]},
        {"order": "raster"},
        {"order": [[0, 1], [2]]},
        {"history": "long"},
        {"history": [1]},
        {"best_epoch": -1},
        {"feature_names": ["a"]},
        {"feature_names": 5},
    ],
    ids=str,
)
def test_a_checkpoint_that_fits_no_estimator_is_refused(change, X, tmp_path):
    model = cr.NADE(2, epochs=1).fit(X)
    path = tmp_path / "odd.safetensors"
    checkpoint.save(path, model.model_, model.config_, model.params_, metadata_of(model) | change)
    with pytest.raises(cr.CheckpointError, match="holds a nade model but no estimator") as caught:
        cr.load(path)
    assert "\n" not in str(caught.value)


def test_foreign_and_missing_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        cr.load(tmp_path / "nothing.safetensors")
    (tmp_path / "foreign.safetensors").write_bytes(b"PK\x03\x04 this is no checkpoint")
    with pytest.raises(cr.CheckpointError):
        cr.load(tmp_path / "foreign.safetensors")


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


@every_model
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
@every_model
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
    "name", ["base", "checks", "datasets", "estimators", "fitting", "engine.params"]
)
def test_examples_do_what_they_say(name):
    failed, _ = doctest.testmod(import_module(f"chainrule.{name}"))
    assert failed == 0


@pytest.mark.parametrize("thing", [cr.FVSBN, cr.NADE, cr.load, cr.gradcheck, cr.datasets.load])
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


@every_model
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
        nll = right(*args, **kwargs)
        dV = kwargs["dV"] if "dV" in kwargs else args[7]
        dV *= 1.01
        return nll

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
    cr.FVSBN(epochs=2, verbose=True).fit(X).score(X)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_watched_training_shows_epoch_and_losses(X, capsys, monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 0)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich's way to be told that it is a terminal
    monkeypatch.setenv("TERM", "xterm")
    cr.FVSBN(epochs=2, verbose=True).fit(X, X_valid=X)
    captured = capsys.readouterr()
    assert "epoch 2/2" in captured.err and "valid" in captured.err and captured.out == ""
    with progress.waiting("compiling", delay=0):
        pass
