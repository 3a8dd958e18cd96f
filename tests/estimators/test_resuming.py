"""From Python: trainings that are watched, stopped, killed, gone on with, lengthened, tuned."""

import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

import chainrule as cr
from chainrule.engine.storage import checkpoint
from chainrule.estimators import resuming
from chainrule.kernels import adam

TEXT = "the cat sat on the mat; the rat sat on the cat.\n" * 6
ROWS = ["the cat", "the rat sat", "on", "a mat"] * 6
STEADY = {"schedule": "constant", "warmup": 0.0}  # a rate that knows no length


# Trainings of a few steps leave a model that is worse than guessing, rightly.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def bits(seed=0, N=90, D=6):
    rng = np.random.default_rng(seed)
    return (np.cumsum(rng.random((N, D)) < 0.2, axis=1) % 2).astype(np.uint8)


# An estimator of each kind, its data, and where it validates.
KINDS = {
    "FVSBN": (cr.FVSBN(epochs=6, batch_size=20), bits(), bits(1)),
    "NADE": (cr.NADE(5, epochs=6, batch_size=20, ordering="random"), bits(), bits(1)),
    "RNN": (cr.RNN(6, context=8, steps=12, batch_size=3, eval_every=2, dropout=0.1), TEXT, TEXT),
    "attention": (cr.AttentionRNN(6, context=8, steps=8, batch_size=3, eval_every=2), TEXT, None),
    "Transformer": (cr.Transformer(1, 1, 8, context=8, steps=8, eval_every=2), TEXT, TEXT),
    "rows": (cr.Transformer(1, 1, 8, context=16, steps=8, eval_every=2, batch_size=5), ROWS, ROWS),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind, **settings):
    model, X, valid = KINDS[kind]
    return clone(model).set_params(**settings), X, valid


def longer(kind, factor=2):
    model = KINDS[kind][0]
    name = "epochs" if hasattr(model, "epochs") else "steps"
    return {name: factor * getattr(model, name)}


def assert_same_fit(one, other):
    assert one.params_.flat.tobytes() == other.params_.flat.tobytes()
    for mine, its in zip(one.history_, other.history_, strict=True):
        assert {**mine, "seconds": 0} == {**its, "seconds": 0}


@pytest.fixture
def eager(monkeypatch):
    """Let a training be saved after every minibatch."""
    monkeypatch.setattr(resuming, "EVERY", 0.0)
    monkeypatch.setattr(resuming, "AT_LEAST", 0.0)


def stop_at(n):
    """Return a callback that stops the training at record n."""
    count = []

    def callback(record, model):
        count.append(record)
        return len(count) == n

    return callback


# --- callbacks


@every_kind
def test_a_callback_sees_the_best_so_far_and_changes_no_bit(kind):
    model, X, valid = make(kind)
    plain = clone(model).fit(X, X_valid=valid)
    seen = []

    def callback(record, fitted):
        assert fitted is model and record == model.history_[-1]
        fitted.score(X), fitted.log_prob(X)
        (fitted.generate(5, seed=0) if hasattr(fitted, "generate") else fitted.sample(3, seed=0))
        seen.append((record, fitted.params_.flat.copy()))

    model.fit(X, X_valid=valid, callback=callback)
    assert_same_fit(model, plain)
    assert [record for record, _ in seen] == model.history_
    best = model.best_epoch_ if hasattr(model, "best_epoch_") else len(seen)
    if valid is not None:
        best = 1 + int(np.argmin([record["valid"] for record in model.history_]))
    assert seen[best - 1][1].tobytes() == model.params_.flat.tobytes()


@pytest.mark.parametrize("yes", [True, np.True_])
@pytest.mark.parametrize("kind", ["NADE", "RNN"])
def test_a_callback_that_says_true_stops_the_training(kind, yes):
    model, X, valid = make(kind)
    model.fit(X, X_valid=valid, callback=lambda record, fitted: yes)
    assert len(model.history_) == 1
    model.fit(X, X_valid=valid, callback=lambda record, fitted: 1.5)  # a number is no answer
    assert len(model.history_) == 6


@pytest.mark.parametrize("fitted_before", [False, True])
def test_what_a_callback_raises_ends_fit_as_other_errors_do(fitted_before):
    model, X, _ = make("NADE")
    if fitted_before:
        model.fit(X)
    before = dict(vars(model))

    def fail(record, fitted):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        model.fit(bits(3), callback=fail)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)

    def stop(record, fitted):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(X, callback=stop)
    assert len(model.history_) == 1, "Ctrl-C keeps the best so far"


def test_what_is_no_function_is_no_callback():
    with pytest.raises(TypeError, match="callback must be a function, got int"):
        cr.FVSBN().fit(bits(), callback=3)


# --- going on


@every_kind
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_stopped_fit_goes_on_to_the_same_bits(kind, n_threads, tmp_path):
    model, X, valid = make(kind, n_threads=n_threads)
    straight = clone(model).fit(X, X_valid=valid)
    kept = {"X_valid": valid, "checkpoint": tmp_path / "fit.state"}
    clone(model).fit(X, **kept, callback=stop_at(2))
    assert len(checkpoint.load_state(kept["checkpoint"]).state.history) == 2
    late = []
    model.fit(X, **kept, callback=lambda record, _: late.append(record))
    assert_same_fit(model, straight)
    assert late == model.history_[2:], "the callback is for new records"


@pytest.mark.parametrize("kind", ["NADE", "RNN", "rows"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_a_file_to_go_on_from(kind, error, tmp_path, monkeypatch):
    model, X, valid = make(kind)
    straight = clone(model).fit(X, X_valid=valid)
    training = type(model)._training

    def interrupted(self, *parts):
        for count, step in enumerate(training(self, *parts), start=1):
            yield step
            if count == 3:  # amid an epoch, or between two records
                raise error

    kept = {"X_valid": valid, "checkpoint": tmp_path / "fit.state"}
    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(type(model), "_training", interrupted)
        clone(model).fit(X, **kept)
    assert checkpoint.load_state(kept["checkpoint"]).state.step == 3
    assert_same_fit(model.fit(X, **kept), straight)


CHILD = """if True:
    import sys
    import test_resuming
    from chainrule.estimators import resuming
    resuming.EVERY = resuming.AT_LEAST = 0.0
    kind, path, factor = sys.argv[1:]
    model, X, valid = test_resuming.make(kind, **test_resuming.longer(kind, int(factor)))
    model.set_params(n_threads=2).fit(X, X_valid=valid, checkpoint=path)
"""


@pytest.mark.parametrize("kind", ["NADE", "RNN"])
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals as on Unix")
def test_a_killed_fit_goes_on_to_the_same_bits(kind, tmp_path):
    path, factor = tmp_path / "fit.state", 40
    command = [sys.executable, "-P", "-c", CHILD, kind, str(path), str(factor)]
    environment = os.environ | {"PYTHONPATH": os.path.dirname(__file__)}
    child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    seen, deadline = set(), time.monotonic() + 120
    while child.poll() is None and len(seen) < 4 and time.monotonic() < deadline:
        if path.exists():
            seen.add(path.stat().st_mtime_ns)  # inodes are used again
        time.sleep(0.002)
    child.kill()
    _, said = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL, said
    model, X, valid = make(kind, n_threads=2, **longer(kind, factor))
    total = model.epochs * 5 if kind == "NADE" else model.steps
    assert 0 < checkpoint.load_state(path).state.step < total
    straight = clone(model).fit(X, X_valid=valid)
    assert_same_fit(model.fit(X, X_valid=valid, checkpoint=path), straight)


@pytest.mark.parametrize("name", ["params", "v"])
@pytest.mark.parametrize("n_records", [0, 2])
def test_a_training_that_diverges_says_so_and_leaves_what_was_sound(
    name, n_records, tmp_path, eager, monkeypatch
):
    model, X, _ = make("NADE", learning_rate=0.01)
    path, sound, real = tmp_path / "fit.state", [], adam.step

    def step(params, grad, m, v, *, t, **named):
        real(params, grad, m, v, t=t, **named)
        if t == 5 * n_records + 1:
            (params if name == "params" else v)[0] = np.inf

    monkeypatch.setattr(adam, "step", step)
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        model.fit(X, checkpoint=path, callback=lambda *_: sound.append(path.read_bytes()))
    assert len(sound) == n_records and path.exists() == bool(n_records)
    assert not n_records or path.read_bytes() == sound[-1]
    assert hasattr(model, "params_") == bool(n_records), "the best so far"


def test_a_finished_fit_returns_at_once(tmp_path, eager):
    model, X, valid = make("RNN")
    path = tmp_path / "fit.state"
    model.fit(X, X_valid=valid, checkpoint=str(path))
    age, fitted = path.stat().st_mtime_ns, clone(model)
    fitted.set_params(verbose=True, n_threads=1).fit(X, X_valid=valid, checkpoint=path)
    assert_same_fit(fitted, model)
    assert path.stat().st_mtime_ns == age, "nothing new, nothing written"


# --- only with what it began with


@pytest.mark.parametrize(
    ("kind", "settings", "data", "words"),
    [
        ("NADE", {"seed": 3}, {}, "begun with seed=0, not 3; use the same settings, or delete it"),
        ("NADE", {"n_hidden": 4}, {}, "begun with n_hidden=5, not 4"),
        ("NADE", {"dtype": np.float64}, {}, "begun with dtype=float32, not float64"),
        ("NADE", {"ordering": np.arange(6)}, {}, r"begun with ordering=random, not \[0, 1"),
        ("NADE", {}, {"X": bits(5)}, "begun on other data or from another start; give the same"),
        ("NADE", {}, {"X_valid": None}, "begun on other data"),
        ("NADE", {"epochs": 1}, {}, "epochs=1 is less than what is done.*; give 2 or more"),
        ("RNN", {"steps": 3}, {}, "steps=3 is less than what is done.*; give 4 or more"),
        ("RNN", {"learning_rate": 1}, {}, r"begun with learning_rate=0\.\d+, not 1"),
        ("RNN", {}, {"X": TEXT.upper(), "X_valid": None}, "begun on other data"),
        ("rows", {}, {"X": ROWS[::-1]}, "begun on other data"),
    ],
    ids=str,
)
def test_a_training_goes_on_only_as_it_began(kind, settings, data, words, tmp_path):
    model, X, valid = make(kind)
    path = tmp_path / "fit.state"
    model.fit(X, X_valid=valid, checkpoint=path, callback=stop_at(2))
    content, given = path.read_bytes(), {"X": X, "X_valid": valid} | data
    before = dict(vars(model.set_params(**settings)))
    with pytest.raises(ValueError, match=words) as caught:
        model.fit(**given, checkpoint=path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content and vars(model).keys() == before.keys()


def test_a_file_of_something_else_is_no_checkpoint(tmp_path):
    path, X = tmp_path / "fit.state", bits()
    cr.NADE(3, epochs=1).fit(X, checkpoint=path)
    with pytest.raises(ValueError, match="holds another training than a fit of FVSBN; delete"):
        cr.FVSBN(epochs=1).fit(X, checkpoint=path)
    cr.FVSBN(epochs=1).fit(X).save(tmp_path / "model")
    with pytest.raises(checkpoint.CheckpointError, match="no training to resume"):
        cr.FVSBN(epochs=1).fit(X, checkpoint=tmp_path / "model")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(checkpoint.CheckpointError):
        cr.FVSBN(epochs=1).fit(X, checkpoint=tmp_path / "text")
    with pytest.raises(OSError, match="make the folder"):
        cr.FVSBN(epochs=1).fit(X, checkpoint=tmp_path / "none" / "fit.state")


def test_the_same_data_may_come_in_another_form(tmp_path):
    ids, kept = np.arange(200) % 7, {"checkpoint": tmp_path / "fit.state"}
    cr.RNN(4, context=8, steps=2).fit(ids, **kept)
    cr.RNN(4, context=8, steps=2).fit(ids.astype(np.uint16), **kept)
    labels, rows = ["odd", "even"] * 9, np.arange(72).reshape(18, 4) % 5
    kept["checkpoint"] = tmp_path / "rows.state"
    model = cr.Transformer(1, 1, 8, context=8, steps=2)
    clone(model).fit(rows, labels, **kept)
    clone(model).fit(rows.tolist(), np.array(labels), **kept)
    with pytest.raises(ValueError, match="begun on other data"):
        clone(model).fit(rows, labels[::-1], **kept)


# --- lengthened


@every_kind
def test_a_lengthened_training_at_a_constant_rate_is_a_long_one(kind, tmp_path):
    model, X, valid = make(kind, **STEADY)
    kept = {"X_valid": valid, "checkpoint": tmp_path / "fit.state"}
    model.fit(X, **kept)
    n_records = len(model.history_)
    model.set_params(**longer(kind)).fit(X, **kept)
    assert len(model.history_) == 2 * n_records
    assert_same_fit(model, clone(model).fit(X, X_valid=valid))


@pytest.mark.parametrize("kind", ["NADE", "RNN"])
def test_a_lengthened_cosine_goes_on_along_the_longer_one_and_says_so(kind, tmp_path, capsys):
    model, X, valid = make(kind, warmup=0.25)
    path = tmp_path / "fit.state"
    model.fit(X, X_valid=valid, checkpoint=path)
    n = len(model.history_)
    model.set_params(verbose=True, **longer(kind)).fit(X, X_valid=valid, checkpoint=path)
    said = capsys.readouterr().err
    assert "12 epochs, not 6" in said or "24 steps, not 12" in said
    assert "along the cosine of all" in said and "warm-up is 0.25 of them" in said
    long = clone(model).set_params(verbose=False).fit(X, X_valid=valid)
    rates = [[record["learning_rate"] for record in m.history_] for m in (model, long)]
    assert rates[0][n:] == rates[1][n:] and rates[0][:n] != rates[1][:n]


def test_an_unfinished_training_may_be_shortened_to_what_is_done(tmp_path):
    model, X, _ = make("NADE")
    path = tmp_path / "fit.state"
    model.fit(X, checkpoint=path, callback=stop_at(3))
    assert len(model.set_params(epochs=3).fit(X, checkpoint=path).history_) == 3


def test_records_of_a_tenth_keep_their_place_and_new_ones_are_a_tenth_of_the_new_steps(tmp_path):
    model, kept = cr.RNN(4, context=8, steps=20, **STEADY), {"checkpoint": tmp_path / "fit.state"}
    model.fit(TEXT, **kept)
    model.set_params(steps=50).fit(TEXT, **kept)
    assert [r["step"] for r in model.history_] == [*range(2, 21, 2), *range(25, 51, 5)]
    straight = clone(model).fit(TEXT)
    assert model.params_.flat.tobytes() == straight.params_.flat.tobytes()


def test_a_training_that_patience_ended_stays_ended(tmp_path):
    noise = np.random.default_rng(0).integers(0, 2, (40, 6))
    model = cr.NADE(6, epochs=100, patience=2, learning_rate=0.1, **STEADY)
    kept = {"X_valid": 1 - noise, "checkpoint": tmp_path / "fit.state"}
    n = len(model.fit(noise, **kept).history_)
    assert n < 100
    assert len(model.set_params(epochs=200).fit(noise, **kept).history_) == n


# --- a warm start


@every_kind
def test_a_training_may_start_from_a_fitted_model(kind):
    model, X, valid = make(kind)
    begun = clone(model).fit(X, X_valid=valid)
    other = X[: len(X) // 2]
    first = []

    def keep(record, fitted):
        first.append(record["train"])

    model.set_params(learning_rate=1e-9).fit(other, start=begun, callback=keep)
    np.testing.assert_allclose(model.params_.flat, begun.params_.flat, atol=1e-5)
    assert first[0] == pytest.approx(-begun.score(other), rel=0.3), (
        "from the first minibatch on it knows"
    )
    again = clone(begun).fit(X, X_valid=valid)
    again.fit(other, start=again)  # itself
    twin = clone(begun).fit(other, start=begun)
    assert_same_fit(again, twin)
    assert twin.params_.flat.tobytes() != begun.params_.flat.tobytes()


def test_symbols_keep_their_numbers_and_new_ones_are_refused():
    begun = cr.RNN(6, context=8, steps=3).fit(TEXT)
    model = cr.RNN(6, context=8, steps=3).fit("the rat sat on the mat", start=begun)
    assert model.vocabulary_ == begun.vocabulary_ and model.config_ == begun.config_
    with pytest.raises(ValueError, match="X at position 4 holds 'z', a character never seen"):
        cr.RNN(6, context=8, steps=3).fit("the zoo is on the mat", start=begun)


def test_labels_keep_theirs():
    model = cr.Transformer(1, 1, 8, context=8, steps=2)
    rows, words = np.arange(72).reshape(18, 4) % 5, ["a", "b", "c"] * 6
    begun = clone(model).fit(rows, words)
    tuned = clone(model).fit(rows[1:3], ["b", "c"], start=begun)
    assert tuned.classes_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="y holds 'd', a label never seen"):
        clone(model).fit(rows[:2], ["b", "d"], start=begun)
    for X in (rows, rows.ravel()):
        with pytest.raises(ValueError, match="fitted with labels; give y"):
            clone(model).fit(X, start=begun)


def test_sequences_end_as_those_of_the_start():
    model = cr.RNN(6, context=8, steps=3)
    ended, open_end = clone(model).fit(ROWS), clone(model).fit(TEXT)
    assert clone(model).fit(ROWS[:3], start=ended).ends_
    assert not clone(model).fit(ROWS, start=open_end).ends_
    with pytest.raises(ValueError, match="start was fitted on a list of sequences that end"):
        clone(model).fit("the rat", start=ended)
    with pytest.raises(ValueError, match="use the same settings"):
        clone(model).set_params(ends=False).fit(ROWS, start=ended)


def test_a_start_must_fit():
    X, model = bits(), cr.NADE(5, epochs=2)
    begun = clone(model).fit(X)
    for start, error, words in (
        (cr.FVSBN(epochs=1).fit(X), TypeError, "start must be a fitted NADE, got FVSBN"),
        (begun.params_, TypeError, "start must be a fitted NADE, got Params"),
        (clone(model), NotFittedError, "not fitted"),
        (
            cr.NADE(4, epochs=1).fit(X),
            ValueError,
            "^start has n_hidden=4, and this would have n_hidden=5; use the same settings and col",
        ),
        (cr.NADE(5, tied=False, epochs=1).fit(X), ValueError, "start is a nade_untied, and this"),
        (cr.NADE(5, epochs=1).fit(X[:, :3]), ValueError, "use the same settings and columns"),
        (cr.NADE(5, epochs=1, ordering="reverse").fit(X), ValueError, "ordering=start.order_"),
    ):
        with pytest.raises(error, match=words):
            model.fit(X, start=start)
        assert not hasattr(model, "params_")
    pandas = pytest.importorskip("pandas")
    named = pandas.DataFrame(X, columns=list("abcdef"))
    begun = clone(model).fit(named)
    with pytest.raises(ValueError, match="columns of other names"):
        clone(model).fit(named.rename(columns={"a": "z"}), start=begun)
    clone(model).set_params(dtype="float64").fit(X, start=begun)


def test_a_warm_start_goes_on_too_but_only_from_its_start(tmp_path):
    X, path, model = bits(), tmp_path / "fit.state", cr.NADE(5, epochs=4)
    begun = clone(model).fit(bits(4))
    straight = clone(model).fit(X, start=begun)
    clone(model).fit(X, start=begun, checkpoint=path, callback=stop_at(2))
    with pytest.raises(ValueError, match="from another start"):
        clone(model).fit(X, checkpoint=path)
    assert_same_fit(clone(model).fit(X, start=begun, checkpoint=path), straight)


# --- scikit-learn


@pytest.mark.parametrize("kind", ["NADE", "Transformer"])
def test_an_estimator_keeps_nothing_of_these_arguments(kind, tmp_path):
    model, X, valid = make(kind)
    plain = clone(model).fit(X, X_valid=valid)
    start = clone(plain)
    model.fit(X, X_valid=valid, start=plain, checkpoint=tmp_path / "s", callback=stop_at(99))
    assert vars(model).keys() == vars(plain).keys() and model.get_params() == start.get_params()
    again = pickle.loads(pickle.dumps(model))
    assert_same_fit(again, model)
    assert not hasattr(clone(model), "params_")


def test_cross_validation_takes_a_callback():
    seen = []
    params = {"callback": lambda record, model: seen.append(record["epoch"])}
    cross_val_score(cr.NADE(4, epochs=2), bits(), cv=3, params=params)
    assert seen == [1, 2] * 3


@pytest.mark.parametrize("hidden", [8, (8,), [8]])
def test_a_setting_may_be_written_otherwise(hidden, tmp_path):
    """Files know lists alone, and a number of units is one layer."""
    path, options = tmp_path / "m.state", {"batch_size": 20, "backend": "reference"}
    cr.MADE(8, epochs=1, **options).fit(bits(), checkpoint=path)
    gone_on = cr.MADE(hidden, epochs=2, **options).fit(bits(), checkpoint=path)
    assert len(gone_on.history_) == 2
    with pytest.raises(ValueError, match=r"was begun with hidden=.*8\]?, not \[9\]; use the same"):
        cr.MADE((9,), epochs=3, **options).fit(bits(), checkpoint=path)
