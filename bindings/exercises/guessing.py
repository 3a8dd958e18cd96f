"""Guesses of the step that is wrong: what a bug in the guessed one would spoil, beside what is.

A guess costs one: it is kept in the progress, and the step found at the third guess is found at the
third. What a wrong guess earns is the pattern of gradients that a bug there would leave.
"""

import ast
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from chainrule.exercises import Exercise, both_directions
from chainrule.exercises.judging import judge, source

OFF = 1.5  # times what is right: a bug that no gradient behind it survives


def steps(exercise: Exercise) -> list[str]:
    """Return the labels of the backward's steps, as the reference's comments name them."""
    text = both_directions(source(exercise.operation))
    back = text[text.find(exercise.start_of_backward()) :]
    found = {label for comment in re.findall(r"#.*", back) for label in _labels(comment)}
    return sorted(found, key=lambda label: int(label[1:]))


def spoilt_by(exercise: Exercise, label: str) -> set[str]:
    """Return whose gradients are wrong where each value that a step of the reference assigns is.

    Raises:
        ValueError: the exercise's backward, which may take fewer steps than the derivation has,
            does not take it.
    """
    known = steps(exercise)
    if label not in known:
        raise ValueError(
            f"the backward of {exercise.name} takes no step {label}; its steps are "
            f"{known[0]} to {known[-1]}"
        )
    text = both_directions(source(exercise.operation))
    tree = _Spoiler(text.splitlines(), label).visit(ast.parse(text))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "spoilt.py"
        path.write_text(ast.unparse(ast.fix_missing_locations(tree)), "utf-8")
        return judge(exercise, path).failing


def hint(exercise: Exercise, label: str) -> str:
    """Return what tells the guessed step from the one that is wrong, or that the pattern does not.

    Raises:
        ValueError: see `spoilt_by`.
    """
    spoilt = spoilt_by(exercise, label)
    said = f"a wrong {label} makes {_listed(spoilt)} fail"
    if spoilt == exercise.fails:
        return f"{said}, as here; another step does so too"
    return f"{said}, and what fails here is {_listed(exercise.fails)}"


class _Spoiler(ast.NodeTransformer):
    """Multiplies what the statements assign whose last line names the label."""

    def __init__(self, lines: list[str], label: str) -> None:
        self.lines, self.label = lines, label

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Spoil an assignment of the step; look into everything else."""
        if not isinstance(node, ast.Assign | ast.AugAssign):
            return super().generic_visit(node)
        comment = self.lines[(node.end_lineno or 0) - 1].partition("#")[2]
        if self.label in _labels(comment):
            node.value = _off(node.value)
        return node


def _off(value: ast.expr) -> ast.expr:
    if isinstance(value, ast.Tuple):
        return ast.Tuple([_off(each) for each in value.elts], value.ctx)
    return ast.BinOp(ast.Constant(OFF), ast.Mult(), value)


def _labels(comment: str) -> set[str]:
    return set(re.findall(r"\bB\d+\b", comment))


def _listed(names: set[str] | frozenset[str]) -> str:
    *most, last = [f"d{name}" for name in sorted(names)]
    return f"{', '.join(most)} and {last}" if most else last
