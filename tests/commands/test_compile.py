"""`chainrule compile` and `compile_kernels`: all that users need, once, and in words."""

import os
import subprocess
import sys
from itertools import pairwise

import pytest

import chainrule as cr
from chainrule import compilation
from chainrule.kernels import compiled
from chainrule.registry import HOMES

AFTERWARDS = """
import numpy as np, chainrule as cr
from chainrule.kernels.compiled import n_compiled
X = np.random.default_rng(1).integers(0, 2, (90, 11), np.uint8)
m = cr.FVSBN(epochs=2, batch_size=7, n_threads=2).fit(X, X_valid=X)
m.score(X), m.conditionals(X), m.sample(5), m.sample(5, 0, X[:5], np.arange(11) < 4)
print(n_compiled())
"""


def run(folder, *arguments):
    """Run Python with an empty cache of its own in `folder`, or what is in it by now."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA")}
    env["XDG_CACHE_HOME"] = str(folder / "cache")
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=folder, timeout=300)
    return done.returncode, done.stdout, done.stderr


def test_afterwards_a_fit_compiles_nothing_and_a_second_time_all_is_there(tmp_path):
    verb = ("-m", "chainrule", "compile", "fvsbn")
    code, out, err = run(tmp_path, *verb)
    assert code == 0, err
    assert "kernels of FVSBN for float32 …" in out and "functions compiled in" in out
    assert run(tmp_path, "-c", AFTERWARDS) == (0, "0\n", "")
    code, out, _ = run(tmp_path, *verb)
    assert code == 0 and "all there" in out


def test_every_estimator_has_its_jobs_and_neighbours_are_of_different_models():
    todo = compilation.tasks()
    assert {task.model for task in todo} == set(compilation.ESTIMATORS)
    assert {task.act for task in todo if task.how == {}} == {"train", "use"}
    assert all(a.model != b.model for a, b in pairwise(todo))
    assert "RNN, cell=gru: train" in map(str, todo)
    assert {task.model for task in compilation.tasks(("Attention_RNN",))} == {"AttentionRNN"}


def test_a_job_in_this_process():
    for act in ("train", "use"):
        assert compilation.run(compilation.Task("NADE", act, {"tied": False}), "float64") >= 0


def test_what_is_wrong_is_said_in_a_sentence(call, monkeypatch):
    assert call("compile", "nad") == (
        2,
        "",
        f"chainrule: unknown model 'nad' (did you mean nade?); there are {', '.join(HOMES)}\n",
    )
    with pytest.raises(ValueError, match=r"unknown model 'nad' \(did you mean NADE\?\)"):
        cr.compile_kernels("nad")
    with pytest.raises(ValueError, match="dtype must be float32 or float64, got 'half'"):
        cr.compile_kernels("nade", dtype="half")
    monkeypatch.setattr(compiled, "folder", lambda: None)
    with pytest.raises(RuntimeError, match="cannot be kept; set XDG_CACHE_HOME"):
        cr.compile_kernels("nade")


def test_a_worker_that_fails_says_why_and_none_is_left(monkeypatch):
    started = []

    class Recorded(compilation._Worker):
        def __init__(self, dtype):
            super().__init__(dtype)
            started.append(self.process)

    monkeypatch.setattr(compilation, "_Worker", Recorded)
    wrong = compilation.Task("FVSBN", "train", {"epochs": -1, "batch_size": -1, "nonsense": 3})
    with pytest.raises(RuntimeError, match=r"FVSBN, .*: train failed: TypeError: .*nonsense"):
        list(compilation._by_workers([wrong] * 3, "float32", 2))
    assert len(started) == 2 and all(process.poll() is not None for process in started)
