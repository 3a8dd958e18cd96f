"""Exercises: broken they fail as they say, mended they pass; and the command line of them."""

import json
import runpy
from pathlib import Path

import pytest

from chainrule.exercises import EXERCISES, HIDDEN, cases, judging
from chainrule.kernels import nade

DOCS = Path(__file__).parents[2] / "docs"
every = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=list(EXERCISES))


@every
def test_broken_it_fails_where_it_says_and_mended_it_passes(exercise, tmp_path):
    path = judging.begin(exercise, tmp_path)
    verdict = judging.judge(exercise, path)
    assert not verdict.fault and not verdict.solved
    assert verdict.failing == exercise.fails
    broken = path.read_text("utf-8")
    wrong = exercise.wrong or HIDDEN.format(label=exercise.label)
    begin = broken.index(exercise.start_of_backward())
    at = broken.index(wrong, begin)
    mended = broken[:at] + exercise.right + broken[at + len(wrong) :]
    assert mended == judging.source(exercise.operation)
    path.write_text(mended, "utf-8")
    assert judging.judge(exercise, path).solved


@every
def test_its_step_is_one_of_the_derivation(exercise):
    from importlib import import_module

    derivation = import_module(f"chainrule.kernels.{exercise.operation}").__doc__
    assert all(f"({label})" in derivation for label in exercise.labels)
    assert exercise.operation in cases.CASES


def test_every_operation_has_both_tasks():
    tasks = {(e.operation, e.wrong is None or "write" in e.wrong) for e in EXERCISES.values()}
    assert tasks == {(name, kind) for name in cases.CASES for kind in (True, False)}


def test_a_file_that_does_not_run_is_told_and_not_raised(tmp_path):
    exercise = EXERCISES["nade-1"]
    path = judging.begin(exercise, tmp_path)
    path.write_text("def backward(:", "utf-8")
    verdict = judging.judge(exercise, path)
    assert "SyntaxError" in verdict.fault and not verdict.solved
    path.write_text("x = 1", "utf-8")
    assert "backward" in judging.judge(exercise, path).fault


def test_a_backward_that_writes_nothing_or_no_numbers_fails(tmp_path):
    exercise = EXERCISES["nade-1"]
    path = judging.begin(exercise, tmp_path)
    path.write_text("def backward(*arrays):\n    pass\n", "utf-8")
    assert judging.judge(exercise, path).failing == {"W", "V", "b", "c"}
    path.write_text("def backward(*arrays):\n    arrays[-1][...] = float('nan')\n", "utf-8")
    assert "c" in judging.judge(exercise, path).failing


def test_a_line_that_is_gone_is_told():
    exercise = EXERCISES["nade-1"]
    with pytest.raises(ValueError, match="no line"):
        exercise.broken("def backward():\n    pass\n")
    assert nade.__doc__


def test_the_command_lists_begins_judges_and_remembers(call, tmp_path):
    folder = ("--folder", str(tmp_path / "mine"))
    status, out, _ = call("exercise", *folder)
    assert status == 0 and all(name in out for name in EXERCISES) and "0 of" in out
    status, out, _ = call("exercise", "nade-3", *folder)
    assert status == 1 and out.count("FAIL") == 2 and "nade_3.py" in out
    assert call("exercise", "nade-3", "--label", "B1", *folder)[0] == 1
    assert call("exercise", "nade-3", "--label", "b5", *folder)[0] == 0
    assert "found" in call("exercise", *folder)[1]
    path = tmp_path / "mine" / "nade_3.py"
    path.write_text(judging.source("nade"), "utf-8")
    status, out, _ = call("exercise", "nade-3", *folder)
    assert status == 0 and "solved" in out
    assert "1 of" in call("exercise", *folder)[1]
    assert call("exercise", "nade-3", "--again", *folder)[0] == 1
    assert path.read_text("utf-8") != judging.source("nade")
    known = json.loads((tmp_path / "mine" / judging.PROGRESS).read_text("utf-8"))
    assert known == {"nade-3": "solved"}
    assert EXERCISES["nade-3"].right in call("exercise", "nade-3", "--solution", *folder)[1]


def test_the_command_says_what_is_wrong(call, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert judging.folder() == tmp_path / "chainrule" / "exercises"
    status, _, err = call("exercise", "nade-33")
    assert status == 2 and "did you mean nade-3?" in err
    (judging.folder()).mkdir(parents=True)
    (judging.folder() / judging.PROGRESS).write_text("{", "utf-8")
    status, _, err = call("exercise")
    assert status == 2 and "delete it" in err


@pytest.mark.parametrize("notebook", sorted(path.name for path in DOCS.glob("notebooks/*.py")))
def test_a_notebook_runs(notebook):
    text = (DOCS / "notebooks" / notebook).read_text("utf-8")
    assert "format_name: percent" in text and text.count("# %%") > 4
    runpy.run_path(str(DOCS / "notebooks" / notebook))
