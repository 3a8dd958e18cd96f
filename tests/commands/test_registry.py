"""A model arrives at the command line by one line of the registry; old runs go on."""

import sys
from types import ModuleType

import numpy as np
import pytest

import chainrule as cr
from chainrule import registry
from chainrule.commands import fields, runs
from chainrule.engine.storage import checkpoint

TOY = '''
from dataclasses import dataclass

from chainrule.estimators.rows import NADE


@dataclass(kw_only=True, eq=False, repr=False)
class ToyNet(NADE):
    """A small NADE.

    Args:
        grain: of nothing, a number that nobody reads.
    """

    grain: float = 0.5
    epochs: int = 3
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Register an estimator that lives outside the project, in a module of its own."""
    path = tmp_path / "toy_estimators.py"
    path.write_text(TOY)
    module = ModuleType("toy_estimators")
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "toy_estimators", module)
    exec(compile(TOY, path, "exec"), module.__dict__)
    monkeypatch.setitem(registry.HOMES, "toy_net", ("toy_estimators", "ToyNet"))
    yield module.ToyNet
    fields.of_model.cache_clear()


def test_every_model_is_known_by_its_spelling_and_public():
    for spelt, (_, name) in registry.HOMES.items():
        cls = registry.ESTIMATORS[name]
        assert registry.spelling(cls) == spelt
        assert registry.estimator_class(name) is cls is getattr(cr, name)
        assert name in cr.__all__
    assert registry.estimator_class("AttentionRNN") is registry.estimator_class("attentionrnn")
    with pytest.raises(ValueError, match=r"unknown model 'nad' \(did you mean nade\?\)"):
        registry.estimator_class("nad")
    assert "nothing" not in registry.ESTIMATORS


def test_a_new_model_is_one_line(toy, call, tmp_path):
    shown = " ".join(call("train", "toy_net", "--help")[1].split())
    for words in ("grain=0.5: Of nothing", "epochs=3: Passes", "n_hidden=500: H, hidden units"):
        assert words in shown
    x = np.random.default_rng(0).integers(0, 2, (40, 9), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    run = tmp_path / "run"
    begin = ("train", "toy_net", "--data", tmp_path / "x.npy", "--out", run, "--set", "grain=0.25")
    assert call(*begin, "--set", "n_hidden=4")[0] == 0
    model = cr.load(run)
    assert type(model) is toy and (model.grain, len(model.history_)) == (0.25, 3)
    assert "grain=0.25" in call("info", run)[1]
    assert call("score", run, tmp_path / "x.npy", "--out", tmp_path / "p.npy")[0] == 0
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), model.log_prob(x), rtol=1e-6)
    assert call("sample", run, "-n", 3, "--out", tmp_path / "s.npy")[0] == 0
    assert call("gradcheck", "toynet")[0] == 0
    assert call("train", "toy_net", "--out", run, "--resume", "--epochs", 4)[0] == 0


def test_a_run_of_an_older_chainrule_goes_on_and_says_what_it_cannot_check(call, tmp_path):
    (tmp_path / "t.txt").write_text("to be or not to be " * 30)
    run = tmp_path / "run"
    begin = ("train", "rnn", "--data", tmp_path / "t.txt", "--out", run, "--quiet")
    assert call(*begin, "--steps", 2, "--set", "n_hidden=3", "--set", "context=8")[0] == 0
    saved = checkpoint.load_state(run / runs.STATE)
    saved.metadata["fingerprint"] = "5e" * 32
    checkpoint.save_state(run / runs.STATE, *saved)
    resume = ("train", "rnn", "--out", run, "--resume", "--quiet")
    status, out, err = call(*resume, "--steps", 3)
    assert (status, out, err.count("\n")) == (0, "", 1) and "by an older chainrule" in err
    assert call(*resume, "--steps", 4) == (0, "", "")  # now it can be checked
