"""The house rules that a machine can check: who imports whom, and what no source contains."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import chainrule
import chainrule.engine
import chainrule.kernels

MAY_IMPORT = {  # of our own packages; the rest of the world is its own business
    "kernels": ("chainrule.kernels",),
    "engine": ("chainrule.kernels", "chainrule.engine"),
    "bindings": ("chainrule",),
}
HOMES = {  # of the sources or of the installed wheel, where bindings' folder holds the others
    "kernels": Path(chainrule.kernels.__file__).parent,
    "engine": Path(chainrule.engine.__file__).parent,
    "bindings": Path(chainrule.__file__).parent,
}
LAYERS = {path: layer for layer in reversed(HOMES) for path in sorted(HOMES[layer].rglob("*.py"))}
every_source = pytest.mark.parametrize(
    ("path", "layer"),
    LAYERS.items(),
    ids=[f"{layer}/{path.relative_to(HOMES[layer]).as_posix()}" for path, layer in LAYERS.items()],
)


def imported(tree):
    """Return every dotted name that the module imports, at the top or inside a function."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import breaks where folders are mapped"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def within(name, packages):
    return any(name == package or name.startswith(package + ".") for package in packages)


def test_there_are_sources():
    for layer, least in {"kernels": 20, "engine": 10, "bindings": 15}.items():
        assert list(LAYERS.values()).count(layer) > least


@every_source
def test_imports_point_down_only(path, layer):
    names = imported(ast.parse(path.read_text(encoding="utf-8")))
    for name in names:
        assert not within(name, MAY_IMPORT), f"{name}: write chainrule.{name}"
        if within(name, ("chainrule",)):
            assert within(name, MAY_IMPORT[layer]), f"{layer} must not import {name}"


@every_source
def test_no_source_can_be_made_to_run_data(path, layer):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for name in imported(tree):
        assert not within(name, ("pickle", "marshal", "shelve", "joblib", "dill")), name
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile"), f"line {node.lineno}"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False


@every_source
def test_everything_public_says_what_it_is(path, layer):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"

    def check(node, inside=""):
        for child in node.body:
            if isinstance(child, ast.FunctionDef | ast.ClassDef) and child.name[0] != "_":
                assert ast.get_docstring(child), f"{inside}{child.name} has no docstring"
                if isinstance(child, ast.ClassDef):
                    check(child, f"{child.name}.")

    check(tree)


BARE = """
    import sys

    ALLOWED = set(sys.stdlib_module_names) | {"numpy", "numba", "llvmlite", "chainrule"}

    class OnlyTheseExist:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] not in ALLOWED and not name.startswith("__editable__"):
                raise ModuleNotFoundError(f"no module named {name!r} here", name=name)

    sys.meta_path.insert(0, OnlyTheseExist())
"""

ENGINE = """
    import importlib, pkgutil
    import numpy as np
    import chainrule.engine, chainrule.kernels
    from chainrule.engine import gradcheck, models, ordering
    from chainrule.engine.event import Columns
    from chainrule.engine.training import train
    from chainrule.engine.training.recipe import Recipe
    from chainrule.kernels import use_threads

    for module in pkgutil.walk_packages(chainrule.engine.__path__, "chainrule.engine."):
        if module.name.rpartition(".")[2] not in ("checkpoint", "container", "description"):
            importlib.import_module(module.name)

    X = np.random.default_rng(0).integers(0, 2, (40, 5), np.uint8)
    recipe = Recipe(epochs=1, batch_size=16)
    with use_threads(2):
        for name, model in models.of(Columns).items():
            sizes = {"n_visible": 5, "values": (2,) * 5, "n_hidden": 3}
            names = model.Config.__dataclass_fields__
            config = model.Config(**{k: size for k, size in sizes.items() if k in names})
            state = train.start(model, config, recipe)
            for progress in train.run(model, config, recipe, state, X, X):
                pass
            assert np.isfinite(progress.loss)
    print("trained")
"""


def test_engine_and_kernels_need_numpy_and_numba_alone():
    program = textwrap.dedent(BARE) + textwrap.dedent(ENGINE)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "trained\n", done.stderr[-2000:]


def test_the_bare_world_is_bare():
    """The test above must not pass because its finder lets everything through."""
    program = textwrap.dedent(BARE) + "import sklearn"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1 and "no module named 'sklearn' here" in done.stderr
