"""Exercises: broken they fail as they say, mended they pass; and the command line of them."""

import ast
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.exercises import EXERCISES, WRITE, both_directions, cases, guessing, judging
from chainrule.kernels import nade
from study import notebooks
from study.derivations import labels

DOCS = Path(__file__).parents[2] / "docs"
every = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=list(EXERCISES))


@every
def test_broken_it_fails_where_it_says_and_mended_it_passes(exercise, tmp_path):
    path = judging.begin(exercise, tmp_path)
    verdict = judging.judge(exercise, path)
    assert not verdict.fault and not verdict.solved
    assert verdict.failing == exercise.fails
    broken = path.read_text("utf-8").splitlines()
    right = both_directions(judging.source(exercise.operation)).splitlines()
    (at,) = [k for k, (a, b) in enumerate(zip(broken, right, strict=True)) if a != b]
    assert exercise.right in right[at]
    broken[at] = " " * (len(right[at]) - len(right[at].lstrip())) + right[at].strip()
    path.write_text("\n".join(broken), "utf-8")
    assert judging.judge(exercise, path).solved


@every
def test_its_copy_does_not_tell_the_line_and_takes_the_step_in_one_function(exercise):
    copy = exercise.broken(judging.source(exercise.operation))
    assert exercise.right not in copy
    named = [
        {
            name
            for line in copy.splitlines()[f.lineno - 1 : f.end_lineno]
            if "#" in line
            for name in labels(line.partition("#")[2])
        }
        for f in ast.parse(copy).body
        if isinstance(f, ast.FunctionDef)
    ]
    assert all(sum(label in found for found in named) == 1 for label in exercise.labels)


@every
def test_a_missing_line_is_asked_for_once(exercise):
    copy = exercise.broken(judging.source(exercise.operation))
    asking = [line for line in copy.splitlines() if WRITE in line]
    assert len(asking) == exercise.missing and all(line.count("#") == 1 for line in asking)
    assert exercise.task.startswith("write" if exercise.missing else "find")


def test_the_mask_s_line_says_what_is_wanted():
    assert "hidden entries" in EXERCISES["conv-3"].task


@every
def test_its_step_is_one_of_the_derivation(exercise):
    from importlib import import_module

    derivation = import_module(f"chainrule.kernels.{exercise.operation}").__doc__
    assert all(f"({label})" in derivation for label in exercise.labels)
    assert exercise.operation in cases.CASES


def test_every_operation_has_both_tasks():
    tasks = {(e.operation, e.missing) for e in EXERCISES.values()}
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


@pytest.mark.parametrize(("line", "left"), [("dh0 = from_next", {"h0"}), ("dh0[...] = 0", set())])
def test_an_output_that_is_not_written_in_place_is_told(line, left, call, tmp_path):
    exercise = EXERCISES["rnn-3"]
    path = judging.begin(exercise, tmp_path)
    text = path.read_text("utf-8")
    path.write_text(text.replace("pass  # B4: write this line", line), "utf-8")
    verdict = judging.judge(exercise, path)
    assert verdict.untouched == left and verdict.failing == {"h0"}
    status, out, err = call("exercise", "rnn-3", "--folder", str(tmp_path))
    assert status == 1 and ("dh0[...] = …" in out + err) == bool(left)


def test_the_help_that_is_pointed_to_is_there(call, tmp_path):
    """In a fresh interpreter, as the reader types it; and so from the notebooks."""
    _, out, err = call("exercise", "conv-1", "--folder", str(tmp_path))
    (code,) = re.findall(r'python -c "(.+?)"', " ".join((out + err).split()))
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "(B3)" in said.stdout
    for path in DOCS.glob("notebooks/*.py"):
        assert re.search(r'`help\("chainrule\.kernels\.\w+"\)`', path.read_text("utf-8"))


def test_a_label_without_an_exercise_is_an_error(call, tmp_path):
    status, _, err = call("exercise", "--label", "B4", "--folder", str(tmp_path))
    assert status == 2 and "name it too" in err


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
    assert "found at the 2nd guess" in " ".join(call("exercise", *folder)[1].split())
    path = tmp_path / "mine" / "nade_3.py"
    path.write_text(judging.source("nade"), "utf-8")
    status, out, _ = call("exercise", "nade-3", *folder)
    assert status == 0 and "solved" in out
    out = call("exercise", *folder)[1]
    assert "1 of" in out and "go on with: chainrule exercise nade-1" in out
    assert call("exercise", "nade-3", "--again", *folder)[0] == 1
    assert path.read_text("utf-8") != judging.source("nade")
    kept = tmp_path / "mine" / judging.PROGRESS
    solved = {"state": "solved", "wrong": ["B1"]}
    assert json.loads(kept.read_text("utf-8")) == {"nade-3": solved}
    kept.write_text(json.dumps({"nade-1": solved}), "utf-8")
    assert "chainrule exercise nade-2" in call("exercise", *folder)[1]
    kept.write_text(json.dumps(dict.fromkeys(EXERCISES, solved)), "utf-8")
    assert "with:" not in call("exercise", *folder)[1]


def test_the_list_says_that_a_solution_was_seen_before_it_was_solved(call, tmp_path):
    folder = ("--folder", str(tmp_path))
    call("exercise", "nade-3", *folder)
    assert "seen" not in call("exercise", *folder)[1]
    assert EXERCISES["nade-3"].right in call("exercise", "nade-3", "--solution", *folder)[1]
    assert "begun, solution seen" in " ".join(call("exercise", *folder)[1].split())
    (tmp_path / "nade_3.py").write_text(judging.source("nade"), "utf-8")
    assert call("exercise", "nade-3", *folder)[0] == 0
    assert str(judging.progress(tmp_path)["nade-3"]) == "solved, solution seen"
    (tmp_path / judging.PROGRESS).write_text('{"nade-3": {"state": "solved", "wrong": []}}')
    call("exercise", "nade-3", "--solution", *folder)  # to compare, after it was solved
    assert str(judging.progress(tmp_path)["nade-3"]) == "solved"


def test_a_step_of_the_derivation_that_an_exercise_does_not_take_is_told(call, tmp_path):
    assert "(B7)" in nade.__doc__
    status, _, err = call("exercise", "nade-1", "--label", "B7", "--folder", str(tmp_path))
    said = " ".join(err.split())
    assert status == 2 and "the backward of nade-1 takes no step B7; its steps are B1 to B6" in said


def test_guesses_cost_and_a_wrong_one_is_told_from_the_right_one(call, tmp_path):
    def ask(label):
        status, out, err = call("exercise", "nade-3", "--label", label, "--folder", str(tmp_path))
        return status, " ".join((out + err).split())

    status, said = ask("B1")
    assert status == 1 and "the 1st wrong guess" in said
    assert "a wrong B1 makes dW fail, and what fails here is dW and dc" in said
    assert "2nd wrong guess" in ask("B3")[1]
    assert "2nd wrong guess" in ask("b3")[1]  # asked again, it does not count again
    assert ask("B9")[0] == 2 and "its steps are B1 to B6" in ask("B9")[1]
    status, said = ask("B4")
    assert status == 0 and "found at the 3rd guess" in said
    ask("B1")
    known = judging.progress(tmp_path)["nade-3"]
    assert known == judging.Known("found", ("B1", "B3"))  # what is found costs no more
    status, _, err = call("exercise", "nade-5", "--label", "B4", "--folder", str(tmp_path))
    assert status == 2 and "write the line" in err


@every
def test_a_hint_tells_the_step_that_is_wrong_from_every_other_or_says_that_it_does_not(exercise):
    for label in guessing.steps(exercise):
        spoilt = guessing.spoilt_by(exercise, label)
        assert spoilt, label
        assert ("as here" in guessing.hint(exercise, label)) == (spoilt == exercise.fails)
    own = set.union(*(guessing.spoilt_by(exercise, label) for label in exercise.labels))
    assert exercise.fails <= own


def test_what_was_guessed_is_said():
    assert str(judging.Known("found", ("B1", "B2"))) == "found at the 3rd guess"
    assert str(judging.Known("begun", ("B1",))) == "begun, 1 wrong guess"
    assert str(judging.Known("solved", ("B1", "B2"))) == "solved, 2 wrong guesses"
    assert str(judging.Known("solved")) == "solved" and not str(judging.Known())
    assert [judging.ordinal(n) for n in (1, 2, 11, 22)] == ["1st", "2nd", "11th", "22nd"]


def test_the_command_says_what_is_wrong(call, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert judging.folder() == tmp_path / "chainrule" / "exercises"
    status, _, err = call("exercise", "nade-33")
    assert status == 2 and "did you mean nade-3?" in err
    (judging.folder()).mkdir(parents=True)
    (judging.folder() / judging.PROGRESS).write_text("{", "utf-8")
    status, _, err = call("exercise")
    assert status == 2 and "delete it" in err
    (judging.folder() / judging.PROGRESS).write_text('{"nade-1": "solved"}', "utf-8")
    assert call("exercise")[0] == 2


@pytest.mark.parametrize("notebook", sorted(path.name for path in DOCS.glob("notebooks/*.py")))
def test_a_notebook_leaves_lines_to_write_and_runs_without_them_and_with_the_solution(
    notebook, capsys, tmp_path
):
    path = DOCS / "notebooks" / notebook
    text = path.read_text("utf-8")
    assert "format_name: percent" in text and text.count("# %%") > 4
    (left,) = [body for kind, body in notebooks.cells(path) if "todo" in kind]
    assert re.search(r"^ +\.\.\.  # TODO: .*B\d", left, re.M)
    assert not set(re.findall(r"\w.*  # B\d.*", left)) - {"dh0[:], dc0[:] = delta, eps  # B6"}
    runpy.run_path(str(path))
    said = capsys.readouterr().out
    assert "not yet" in said.splitlines() and "right" not in said.splitlines()
    page = notebooks.page(path)
    assert f"```text\n{said.splitlines()[0]}" in page and "<details>" in page
    assert notebooks.solution(path).splitlines()[-1] in page
    whole = tmp_path / notebook
    whole.write_text(notebooks.solved(path), "utf-8")
    runpy.run_path(str(whole))
    found = capsys.readouterr().out.splitlines()
    assert "right" in found and "not yet" not in found and "e-" in found[0]
    assert found[2:] == said.splitlines()[2:]  # what the rest shows needs no solution
