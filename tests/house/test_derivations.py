"""Derivation and code name the same steps: no step without its line, no label without its step."""

import re
from importlib import import_module

import pytest

from study import derivations
from study.derivations import HOMES, STEP, comments, docstring, labels

MENTIONED = re.compile(r"\(([A-Z]\d{1,2})\)")
KERNELS, FILES = derivations.kernels(), derivations.files()


def steps_of(path):
    """Return the steps that are the code's to take, and all that the derivation defines.

    A step may be left to another module, which its line names and which has a derivation.
    """
    text = docstring(path)
    defined = [(match[1], line) for line in text.splitlines() if (match := STEP.match(line))]
    names = [name for name, _ in defined]
    assert names, "a derivation without numbered steps"
    assert len(names) == len(set(names)), f"a step is defined twice: {names}"
    assert set(MENTIONED.findall(text)) <= set(names), "it speaks of a step that it does not define"
    left = {
        name: found[0] for name, line in defined if (found := re.findall(r"chainrule[.\w]+", line))
    }
    for module in left.values():
        assert STEP.search(import_module(module).__doc__), f"{module} derives nothing"
    return set(names) - left.keys(), set(names)


# Not the reference's way, but another one to the same numbers: the file that goes it.
TWINS = {
    "nade": ({"S1", "S2", "S3"}, "sweeps.py"),
    "nade_columns": ({"S1", "S2", "S3", "S4"}, "sweeps.py"),
}


@pytest.mark.parametrize("op", KERNELS)
def test_a_kernel_and_its_derivation_name_the_same_steps(op):
    folder = HOMES["kernels"] / op
    steps, defined = steps_of(folder / "__init__.py")
    named = {path.name: labels(comments(path)) for path in folder.iterdir() if path.is_file()}
    of_twin, twin = TWINS.get(op, (set(), "reference.py"))
    assert steps - of_twin <= named["reference.py"], "the reference lacks a step"
    assert of_twin <= named[twin]
    for name, found in named.items():
        assert found <= defined, f"{name} names a step that the derivation lacks"


@pytest.mark.parametrize("name", FILES)
def test_a_file_and_its_derivation_name_the_same_steps(name):
    part, _, inside = name.partition("/")
    steps, defined = steps_of(HOMES[part] / inside)
    found = labels(comments(HOMES[part] / inside))
    assert steps <= found, "the code lacks a step"
    assert found <= defined, "the code names a step that the derivation lacks"


def test_no_label_stands_where_nothing_is_derived():
    derived = {HOMES["kernels"] / op for op in KERNELS} | {
        HOMES[name.partition("/")[0]] / name.partition("/")[2] for name in FILES
    }
    for home in HOMES.values():
        for path in home.rglob("*.py"):
            if not derived & {path, path.parent}:
                assert not labels(comments(path)), path


def test_there_are_derivations():
    assert len(KERNELS) > 15 and len(FILES) > 6
    assert all(
        set(steps) and (HOMES["kernels"] / op / file).exists()
        for op, (steps, file) in TWINS.items()
    )
