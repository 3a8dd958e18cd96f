"""Derivation and code name the same steps: no step without its line, no label without its step."""

import ast
import io
import re
import tokenize
from importlib import import_module
from pathlib import Path

import pytest

HOMES = {
    part: Path(import_module(f"chainrule.{part}").__file__).parent for part in ("kernels", "engine")
}
STEP = re.compile(
    r"^ *(?:[A-Z][a-z][\w ]*?  +)?\(([A-Z]\d)\)  ", re.MULTILINE
)  # where it is defined
NAMED = re.compile(r"\b([A-Z])(\d)(?:-\1(\d))?\b")  # F3, or F1-F4


def labels(text):
    """Return the labels named in a text, ranges spelt out."""
    found = NAMED.findall(text)
    return {f"{k}{n}" for k, lo, hi in found for n in range(int(lo), int(hi or lo) + 1)}


def comments(path):
    """Return the text of a file's comments, of Python or of CUDA."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        return "\n".join(line.partition("//")[2] for line in text.splitlines())
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join(token.string for token in tokens if token.type == tokenize.COMMENT)


def docstring(path):
    return ast.get_docstring(ast.parse(path.read_text("utf-8")), clean=False) or ""


KERNELS = sorted(
    path.parent.relative_to(HOMES["kernels"]).as_posix()
    for path in HOMES["kernels"].glob("**/*/__init__.py")
    if STEP.search(docstring(path))
)
FILES = sorted(
    str(path.relative_to(HOMES["engine"]))
    for path in HOMES["engine"].rglob("*.py")
    if STEP.search(docstring(path))
)


def steps_of(path):
    """Return the steps that a derivation defines, but for those it leaves to another module."""
    text = docstring(path)
    lines = {line.partition("(")[2][:2]: line for line in text.splitlines() if STEP.match(line)}
    return {step for step, line in lines.items() if "chainrule." not in line}, set(lines)


# Not the reference's way, but another one to the same numbers: the file that goes it.
TWINS = {"nade": ({"S1", "S2", "S3"}, "sweeps.py")}


@pytest.mark.parametrize("op", KERNELS)
def test_a_kernel_and_its_derivation_name_the_same_steps(op):
    folder = HOMES["kernels"] / op
    steps, defined = steps_of(folder / "__init__.py")
    named = {path.name: labels(comments(path)) for path in folder.iterdir() if path.is_file()}
    of_twin, twin = TWINS.get(op, (set(), "reference.py"))
    assert steps - of_twin <= named["reference.py"] | named["__init__.py"]
    assert of_twin <= named[twin]
    for name, found in named.items():
        assert found <= defined, f"{name} names a step that the derivation lacks"


@pytest.mark.parametrize("name", FILES)
def test_a_file_and_its_derivation_name_the_same_steps(name):
    path = HOMES["engine"] / name
    steps, defined = steps_of(path)
    assert steps <= labels(comments(path)) <= defined


def test_there_are_derivations():
    assert len(KERNELS) > 15 and len(FILES) > 6
