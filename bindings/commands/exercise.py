"""`chainrule exercise`: a backward with one line wrong or missing, judged by the gradient check."""

from pathlib import Path
from typing import Any

from chainrule.commands.common import Common, console, table
from chainrule.exercises import EXERCISES, Exercise, guessing, judging
from chainrule.suggestions import near


def run(
    common: Common,
    name: str | None,
    label: str | None,
    folder: Path | None,
    again: bool,
    solution: bool,
) -> int:
    """List all, or begin one, or judge the copy of one that was begun; 1 where it is not right."""
    where = folder or judging.folder()
    if name is None:
        if label is not None:
            raise ValueError(
                "--label asks about one exercise; name it too, as in: exercise nade-3 --label B5"
            )
        _list(where)
        return 0
    exercise = _named(name)
    path = judging.copy_of(exercise, where)
    if again or not path.exists():
        path = judging.begin(exercise, where)
        judging.note(where, exercise, "begun")
    if label is not None:
        return _answer(exercise, label.upper(), where)
    if solution:
        judging.note(where, exercise, "begun", seen=True)
        console().print(f"{exercise.label}: {exercise.right}", f"{exercise.why}", sep="\n")
        return 0
    return _judged(common, exercise, path, where)


def _named(name: str) -> Exercise:
    if name not in EXERCISES:
        raise ValueError(
            f"unknown exercise {name!r}{near(name, EXERCISES)}; see the list: exercise"
        )
    return EXERCISES[name]


def _list(where: Path) -> None:
    known = judging.progress(where)
    grid = table("exercise", "operation", "task", "", words=4)
    for exercise in EXERCISES.values():
        state = known.get(exercise.name, judging.Known())
        grid.add_row(exercise.name, exercise.operation, exercise.task, str(state))
    console().print(grid)
    solved = {name for name, each in known.items() if each.state == "solved"}
    left = [name for name in EXERCISES if name not in solved]
    word = "go on" if len(left) < len(EXERCISES) else "begin"
    then = f"; {word} with: chainrule exercise {left[0]}" if left else ""
    console().print(f"{len(EXERCISES) - len(left)} of {len(EXERCISES)} solved{then}")


def _answer(exercise: Exercise, label: str, where: Path) -> int:
    """Say whether the step is the one, and else what tells it from the one; each guess counts."""
    if exercise.missing:
        raise ValueError(
            f"{exercise.name} hides a line and not its step, {exercise.label}: "
            "write the line, and leave --label out"
        )
    hint = guessing.hint(exercise, label)
    if label not in exercise.labels:
        known = judging.note(where, exercise, "begun", wrong=label)
        count = judging.ordinal(max(1, len(known.wrong)))
        console().print(f"{label} is not it (the {count} wrong guess): {hint}", soft_wrap=True)
        return 1
    known = judging.note(where, exercise, "found")
    console().print(f"{label} it is, {known}: now mend its line")
    return 0


def _judged(common: Common, exercise: Exercise, path: Path, where: Path) -> int:
    verdict = judging.judge(exercise, path)
    console().print(f"{exercise.name}: {exercise.task}", str(path), "", sep="\n")
    if verdict.fault:
        console().print(f"the file does not run: {verdict.fault}")
        return 1
    grid: Any = table("gradient", "yours", "numeric", "error", "", words=1)
    for key, error in verdict.errors.items():
        said = "FAIL" if key in verdict.failing else "pass"
        values = f"{error.ours:.6f}", f"{error.numeric:.6f}", f"{float(error):.1e}"
        grid.add_row(f"d{key}", *values, said)
    console().print(grid)
    if verdict.solved:
        judging.note(where, exercise, "solved")
        console().print(f"solved: {exercise.why}")
        return 0
    for key in sorted(verdict.untouched):
        common.say(
            f"d{key} was not written to: outputs are filled in place, d{key}[...] = …, "
            f"for d{key} = … only gives another array its name"
        )
    common.say(
        "edit the file and run this again; the derivation: "
        f"python -c \"help('chainrule.kernels.{exercise.operation}')\""
    )
    return 1
