"""The rooms of the house: who stands on whom, no circle, no file too long, no name twice.

`test_layout` has the layers, kernels < engine < bindings. Here are the floors inside each. What
does not hold yet is listed by name, and a list that names more than there is fails too: so it can
only shrink.
"""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import chainrule
import chainrule.engine
import chainrule.kernels

HOMES = {  # inner packages first: of the wheel, bindings' folder holds the others
    "chainrule.kernels": Path(chainrule.kernels.__file__).parent,
    "chainrule.engine": Path(chainrule.engine.__file__).parent,
    "chainrule": Path(chainrule.__file__).parent,
}

# Files and folders by floor, from the ground up. Each may import those of the floors below it, and
# what is in the same room; not its neighbours on the same floor.
FLOORS = {
    "chainrule.engine": (
        {"arena", "event", "greys", "noise", "ordering", "params", "team"}
        | {"ragged", "receptive", "windows"},
        {"averages", "bounds", "classes", "distributions", "labels", "subsets"},
        {"layers"},
        {"image_sampling", "purification", "reading", "sampling", "stepping"},
        {"image_density"},
        {"classifiers", "models"},
        {"attacks", "density"},
        {"gradcheck"},
        {"training"},
        {"storage"},
    ),
    "chainrule": (
        {"docstrings", "exercises", "plots", "progress", "suggestions", "uses"},
        {"registry"},
        {"encoders"},
        {"datasets"},
        {"estimators"},
        {"compilation", "detection"},
        {"commands"},
        {"cli"},
        {"__main__"},
    ),
}
LONGEST = 300  # lines of a file

# What does not hold yet.
TOO_LONG = {
    "chainrule.engine.models.rnn",
    "chainrule.engine.models.transformer",
}
FROM_SAMPLERS: set[str] = set()
TWICE: set[str] = set()

# Every model has the first and every sampler the others, and says whose: `transformer.Config`.
BY_CONTRACT = {"Config", "Weights", "Sizes", "Memory", "Scratch"}


def _modules():
    found = {}
    for package, home in HOMES.items():
        for path in sorted(home.rglob("*.py")):
            parts = path.relative_to(home).with_suffix("").parts
            name = ".".join((package, *(part for part in parts if part != "__init__")))
            if path not in found.values():
                found[name] = path
    return found


MODULES = _modules()
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}


def imports(body, inside=False):
    """Yield the modules of ours that statements import, when they run: not for the type checker.

    inside: also those that functions import when they are called.
    """
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in MODULES or node.module in MODULES:
                    yield whole if whole in MODULES else node.module
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from imports(node.orelse, inside)
        elif inside or not isinstance(node, ast.FunctionDef):
            for part in ("body", "orelse", "handlers", "finalbody"):
                yield from imports(getattr(node, part, ()), inside)


def place(name):
    """Return a module's package, its room in there and the number of its floor; None: the door."""
    for package, floors in FLOORS.items():
        if name.startswith(package + ".") and not name.startswith("chainrule.kernels"):
            room = name.removeprefix(package + ".").partition(".")[0]
            if package == "chainrule" and room == "engine":
                return None  # the door of the engine itself
            numbers = [k for k, rooms in enumerate(floors) if room in rooms]
            return package, room, numbers[0] if numbers else None
    return None


PLACED = {name: where for name in MODULES if (where := place(name))}


def test_every_room_has_its_floor():
    for package, room, floor in PLACED.values():
        assert floor is not None, f"say in FLOORS on what {room} stands in {package}"


@pytest.mark.parametrize("name", PLACED)
def test_a_room_stands_on_the_floors_below(name):
    package, room, floor = PLACED[name]
    for other in imports(TREES[name].body, inside=True):
        there = PLACED.get(other)
        if there and there[0] == package and there[1] != room:
            assert there[2] < floor, f"{other} is not below"


def test_operations_know_nothing_of_samplers():
    knowing = {
        name
        for name, tree in TREES.items()
        if name.startswith("chainrule.kernels.") and ".samplers" not in name
        if any(".samplers" in other for other in imports(tree.body, inside=True))
    }
    assert knowing == FROM_SAMPLERS


def circle(graph):
    """Return the names along a circle of a graph, {name: names}, or None."""
    done, path = set(), []

    def walk(name):
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return None
        path.append(name)
        found = next((c for other in sorted(graph[name]) if (c := walk(other))), None)
        done.add(path.pop())
        return found

    return next((c for name in graph if (c := walk(name))), None)


def test_no_modules_import_each_other_in_a_circle():
    graph = {name: set(imports(tree.body)) - {name} for name, tree in TREES.items()}
    assert sum(map(len, graph.values())) > 200
    assert circle(graph) is None
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]


def test_no_file_is_too_long():
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name for name, count in lines.items() if count >= LONGEST} == TOO_LONG


def test_no_two_public_classes_have_one_name():
    homes = defaultdict(list)
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name)
    twice = {name: where for name, where in homes.items() if len(where) > 1}
    assert twice.keys() - BY_CONTRACT == TWICE, twice
