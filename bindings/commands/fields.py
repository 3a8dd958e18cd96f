"""Every model's settings, read from the sources of its estimator: names, defaults and meanings.

The estimators themselves take a second or two to import, with scikit-learn and Numba, and --help is
to be there at once. So their fields are read as they are written, class by class along the bases,
and what a field means from the docstring of the class that has it. A test holds this against
`get_params` of the real ones.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import chainrule
from chainrule import registry
from chainrule.docstrings import described

ELSEWHERE = {"verbose": "--quiet", "n_threads": "--threads", "backend": "--backend"}
NAMED = (  # those with an option of their own in `chainrule train`; the others take --set
    *("epochs", "steps", "batch_size", "learning_rate", "schedule", "warmup", "weight_decay"),
    *("l1", "clip_norm", "patience", "ordering", "binarize", "column_types", "dtype"),
)
BY_ROWS = ("epochs", "batch_size", "learning_rate")
MORE = {
    "ordering": "On the command line also a .npy of them.",
    "column_types": "On the command line name:type, with commas between, range(17), or JSON.",
}
KINDS = {"int": int, "float": float, "bool": bool, "int | Sequence[int]": tuple}
KINDS["tuple[int, ...]"] = tuple


class Setting(NamedTuple):
    """A setting of a model: its default, its type (str where it may be many), what it means."""

    name: str
    default: Any
    kind: type
    meaning: str


@cache
def of_model(spelt: str) -> dict[str, Setting]:
    """Return the settings of a model by name, its own before those it shares with others."""
    return {
        setting.name: setting
        for setting in _of_class(*registry.HOMES[spelt])
        if setting.name not in ELSEWHERE
    }


def kinds(cls: type) -> dict[str, type]:
    """Return the types of a class's settings, None apart; str of what may be many."""
    return {setting.name: setting.kind for setting in _of_class(cls.__module__, cls.__name__)}


def named() -> dict[str, Setting]:
    """Return the settings that have an option, as the first model that has them describes them.

    Those that go by the rows in many models, by each its way, are in the fewest words of any.
    """
    known: dict[str, Setting] = {}
    for spelt in registry.HOMES:
        for name, setting in of_model(spelt).items():
            before = known.setdefault(name, setting)
            if name in BY_ROWS and len(setting.meaning) < len(before.meaning):
                known[name] = setting
    return {name: known[name] for name in NAMED if name in known}


def in_words(models: list[str]) -> str:
    """Return a paragraph a setting of one model, or of several a paragraph a model."""
    if len(models) == 1:
        lines = [f"The settings of {models[0]}; those without an option take --set name=value:"]
        for settings in _alike(list(of_model(models[0]).values())):
            pairs = ", ".join(f"{one.name}={spelt(one.default)}" for one in settings)
            lines.append(f"{pairs}: {settings[0].meaning}")
        return "\n\n".join(lines)
    lines = ["Settings that are not given, of each model; those without an option take --set:"]
    for model in models:
        pairs = ", ".join(f"{one.name}={spelt(one.default)}" for one in of_model(model).values())
        lines.append(f"{model}: {pairs}")
    lines.append(f"What they mean: chainrule train {models[0]} --help, and so on.")
    return "\n\n".join(lines)


def spelt(value: Any) -> str:
    """Return a value as --set takes it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(spelt, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _alike(settings: list[Setting]) -> list[list[Setting]]:
    """Return settings in groups, those together that are described together."""
    groups: dict[str, list[Setting]] = {}
    for setting in settings:
        groups.setdefault(setting.meaning or setting.name, []).append(setting)
    return list(groups.values())


def _of_class(module: str, name: str) -> list[Setting]:
    """Return the settings of a class and its bases; the nearest default and meaning count."""
    fields: dict[str, tuple[Any, type]] = {}
    meanings: dict[str, str] = {}
    for cls in _along_the_bases(module, name):
        for names, text in described(ast.get_docstring(cls, clean=False)).items():
            meanings = {one: _sentence(text) for one in names.split(", ")} | meanings
        for line in cls.body:
            if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)):
                continue
            if line.value and not line.target.id.startswith("_"):
                fields.setdefault(line.target.id, (_default(line.value), _kind(line.annotation)))
    return [
        Setting(one, *field, " ".join([meanings.get(one, ""), MORE.get(one, "")]).strip())
        for one, field in fields.items()
    ]


def _along_the_bases(module: str, name: str) -> Iterator[ast.ClassDef]:
    """Yield the definitions of a class and of those of its bases that are ours."""
    tree = _tree(module)
    known = {line.name: line for line in tree.body if isinstance(line, ast.ClassDef)}
    if name not in known:
        return
    yield known[name]
    homes = {
        alias.asname or alias.name: (line.module or "", alias.name)
        for line in tree.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }
    for base in known[name].bases:
        if isinstance(base, ast.Name):
            home = homes.get(base.id, (module, base.id))
            if home[0] == module or home[0].startswith("chainrule."):
                yield from _along_the_bases(*home)


@cache
def _tree(module: str) -> ast.Module:
    """Return a module's source, parsed; neither the module nor its package is imported."""
    package, _, inner = module.partition(".")
    if package == "chainrule":
        path = Path(chainrule.__path__[0], *inner.split(".")).with_suffix(".py")
    elif module in sys.modules:
        path = Path(str(sys.modules[module].__file__))
    else:
        path = Path(str(getattr(find_spec(module), "origin", "")))
    return ast.parse(path.read_text(encoding="utf-8"))


def _default(value: ast.expr) -> Any:
    """Return a field's default: a literal, alone or in `field(default=…)`."""
    if isinstance(value, ast.Call):
        value = next(one.value for one in value.keywords if one.arg == "default")
    return ast.literal_eval(value)


def _kind(annotation: ast.expr) -> type:
    """Return the type that a field's annotation names, None apart; str for what may be many."""
    return KINDS.get(ast.unparse(annotation).removesuffix(" | None"), str)


def _sentence(text: str) -> str:
    """Return the first sentence of a description, in the words of the command line."""
    first = text.replace("X_valid", "validation").partition(". ")[0].rstrip(".")
    return f"{first[:1].upper()}{first[1:]}."
