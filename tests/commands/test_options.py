"""Every option of every verb is obeyed or refused in a sentence; help, version, suggestions."""

import subprocess
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule import cli, progress, registry
from chainrule.commands import fields, verbs

VALUES = {"threads": 2, "backend": "cpu", "seed": 1}
LOCAL = {"n_threads", "verbose", "backend"}  # have options of their own


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with data and a small model of each kind."""
    folder = tmp_path_factory.mktemp("options")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (40, 9), dtype=np.uint8)
    np.save(folder / "x.npy", x)
    (folder / "t.txt").write_text("to be or not to be " * 30)
    cr.FVSBN(epochs=1).fit(x).save(folder / "rows.safetensors")
    cr.RNN(3, steps=1, context=4).fit("to be or not").save(folder / "text.safetensors")
    cr.OrderlessNADE(3, epochs=1).fit(x).save(folder / "any.safetensors")
    attentive = cr.AttentionRNN(3, steps=1, context=4).fit("to be or not")
    attentive.save(folder / "attentive.safetensors")
    grey = rng.integers(0, 9, (12, 4, 4), dtype=np.uint8)
    np.save(folder / "grey.npy", grey)
    labels = np.arange(12) % 2
    cr.Classifier(hidden=(3,), epochs=1).fit(grey / 255, labels).save(folder / "c.safetensors")
    cr.PixelCNN(1, 2, first_size=3, epochs=1).fit(grey).save(folder / "images.safetensors")
    return folder


def usual(verb, folder, out):
    """Return arguments with which a verb works."""
    rows = folder / "rows.safetensors"
    return {
        "demo": (),
        "train": ("fvsbn", "--data", folder / "x.npy", "--epochs", 1, "--out", out / "run"),
        "score": (rows, folder / "x.npy"),
        "detect": (rows, folder / "x.npy", "--clean", folder / "x.npy", "--false-alarm", 0.1),
        "sample": (rows, "-n", 2, "--out", out / "s.npy"),
        "attention": (folder / "attentive.safetensors", "--prompt", "to", "--out", out / "a.png"),
        "complete": (rows, folder / "x.npy", "--observed", "prefix:2", "--out", out / "c.npy"),
        "impute": (folder / "any.safetensors", folder / "x.npy", "--out", out / "f.npy"),
        "conditionals": (rows, folder / "x.npy", "--out", out / "p.npy"),
        "attack": (folder / "c.safetensors", folder / "grey.npy", "--out", out / "a.npy"),
        "purify": (folder / "images.safetensors", folder / "grey.npy", "--out", out / "u.npy"),
        "info": (rows,),
        "gradcheck": ("fvsbn",),
        "compile": ("fvsbn",),
        "exercise": ("--folder", out / "exercises"),
    }[verb]


@pytest.fixture
def unhurried(monkeypatch):
    """Let nothing be said because it takes long, as compiling does where nothing is compiled."""
    monkeypatch.setattr(progress, "EVERY", float("inf"))
    monkeypatch.setattr(progress, "compiling", lambda: False)


UNUSED = {
    "score": {"seed"},
    "detect": {"seed"},
    "attention": {"seed"},
    "conditionals": {"seed"},
    "purify": {"seed"},
    "info": {"threads", "backend", "seed"},
    "compile": {"backend", "seed"},
    "exercise": {"threads", "backend", "seed"},
}
VERBS = [name.callback.__name__ for name in verbs.app.registered_commands]


@pytest.mark.parametrize("option", VALUES)
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "demo"])
def test_common_options_are_obeyed_or_refused(verb, option, folder, call, tmp_path, unhurried):
    arguments = usual(verb, folder, tmp_path)
    given = f"--{option}", VALUES[option]
    for line in ((*given, verb, *arguments), (verb, *arguments, *given)):
        status, out, err = call(*line, *(("--force",) if verb == "train" else ()))
        if option in UNUSED.get(verb, ()) and line[0] == verb:
            expected = f"chainrule: {verb} has no use for --{option}; leave it out\n"
            assert (status, out, err) == (2, "", expected)
        else:
            assert (status, err) == (0, ""), err


@pytest.mark.parametrize(
    "verb", [v for v in VERBS if v not in ("demo", "info", "compile", "exercise")]
)
def test_a_backend_that_does_not_exist_is_refused_everywhere(verb, folder, call, tmp_path):
    status, out, err = call(verb, *usual(verb, folder, tmp_path), "--backend", "tpu")
    assert (status, out, err.count("\n")) == (2, "", 1) and "backend must be one of" in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("sample", "rows", "--columns", 3, "--out", "s.npy"), "--columns are of pictures"),
        (("sample", "text", "--columns", 3), "--columns are of pictures"),
        (("sample", "rows", "--prompt", "0 1"), "--prompt is for models of sequences"),
        (("train", "rnn", "--data", "x.npy", "--valid", 0.2, "--out", "r"), "--valid is for texts"),
        (("train", "rnn", "--data", "x.npy", "--bytes", "--out", "r"), "--bytes is for texts"),
        (("train", "nade", "--data", "x.npy", "--bytes", "--out", "r"), "--bytes is for models"),
        (("train", "rnn", "--data", "t.txt", "--labels", "--out", "r"), "--labels"),
    ],
    ids=str,
)
def test_what_a_verb_cannot_obey_is_refused(arguments, word, folder, call, monkeypatch):
    monkeypatch.chdir(folder)
    names = {"rows": "rows.safetensors", "text": "text.safetensors"}
    status, out, err = call(*(names.get(a, a) for a in arguments))
    assert (status, out, err.count("\n")) == (2, "", 1) and word in err, err
    assert not (folder / "r").exists()


# --- help, version


def test_the_defaults_in_the_help_are_the_estimators():
    """What is read from their sources is what they are, without importing any of them."""
    for name, cls in zip(registry.HOMES, registry.ESTIMATORS.values(), strict=True):
        settings = fields.of_model(name)
        params = {k: v for k, v in cls().get_params().items() if k not in LOCAL}
        assert {k: one.default for k, one in settings.items()} == params, name
        for one in settings.values():
            kinds = (one.kind, int) if one.kind is float else (one.kind, type(None))
            assert isinstance(one.default, kinds) or one.default is None, one
            assert len(one.meaning) > 9 and one.meaning.endswith("."), one
    assert set(fields.ELSEWHERE) == LOCAL


def test_every_setting_with_an_option_is_one_of_a_model():
    known = set().union(*(fields.of_model(name) for name in registry.HOMES))
    assert set(fields.named()) == set(fields.NAMED) <= known


def test_the_help_of_one_model_says_what_its_settings_mean(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = " ".join(call("train", "nade", "--help")[1].split())
    for words in ("n_hidden=500: H, hidden units", "ordering=none: The order of the chain rule"):
        assert words in shown
    assert "n_embd" not in shown


def test_help_imports_no_estimator():
    command = [sys.executable, "-X", "importtime", "-m", "chainrule", "train", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    heavy = {"numpy", "numba", "sklearn", "chainrule.estimators", "chainrule.engine"}
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "chainrule.registry" in loaded and not loaded & heavy


def test_the_help_shows_the_defaults_of_every_model(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    status, out, err = call("train", "-h")
    assert (status, err) == (0, "")
    shown = " ".join(out.split())
    for words in ("nade: n_hidden=500, tied=true", "transformer: n_layers=4", "binarize=none"):
        assert words in shown


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_h_is_help(verb, call):
    assert call(*[verb] * bool(verb), "-h") == call(*[verb] * bool(verb), "--help")


def test_the_version_is_said(call):
    assert call("--version") == (0, f"chainrule {cr.__version__}\n", "")


def test_python_m_is_the_command_line():
    command = [sys.executable, "-P", "-m", "chainrule"]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"chainrule {cr.__version__}\n")
    done = subprocess.run([*command, "dance"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("chainrule: No such command 'dance'")


def test_the_shell_completes_verbs_and_models(call, monkeypatch):
    for words, completed in (("chainrule con", "conditionals"), ("chainrule train na", "nade")):
        monkeypatch.setenv("_CHAINRULE_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
        status, out, _ = call()
        assert status == 0 and out.split() == [completed]
    monkeypatch.delenv("_CHAINRULE_COMPLETE")
    assert cli.app.info.name == "chainrule"


def test_a_seed_of_0_is_one(call, tmp_path, X):
    """Before the verb and behind it, where nothing stands for none."""
    cr.FVSBN(epochs=1).fit(X).save(tmp_path / "f.safetensors")
    drawn = []
    for k, (before, behind) in enumerate((((), ()), (("--seed", 0), ()), ((), ("--seed", 0)))):
        out = tmp_path / f"{k}.npy"
        ask = (*before, "sample", tmp_path / "f.safetensors", "-n", 60, "--out", out, *behind)
        assert call(*ask)[0] == 0
        drawn.append(np.load(out))
    assert (drawn[1] == drawn[2]).all() and (drawn[0] != drawn[1]).any()
