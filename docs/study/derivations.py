"""Derivations as they stand in the sources: their text, their steps, and the lines that take them.

A derivation is the docstring of a kernel's contract or of an engine file. Where a step is defined
it stands in brackets at the start of a line, and a comment of the code names it where it is taken.
"""

import ast
import io
import re
import tokenize
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path

STEP = re.compile(r"^ *(?:[A-Z][a-z][\w ]*?  +)?\(([A-Z]\d{1,2})\)", re.M)  # where it is defined
SECTION = re.compile(r"^(?:Forward|Backward)\b", re.M)
NAMED = re.compile(r"\b([A-Z])(\d{1,2})(?:[-–]\1(\d{1,2}))?\b")  # F3, or F1-F4
LEFT = re.compile(r"chainrule[.\w]+")  # the module that a step is left to
# The head of a block, in Python or CUDA, and where a function or a record of CUDA begins.
HEAD = re.compile(r"((?:\} )?(?:for|while|if|elif|else|with)\b.*[:{])\s*(?:#.*|//.*)?$")
BARE = re.compile(r"(?:for|while|if|else if) \(.*\)$|else$")  # a head of CUDA without a bracket
FUNCTION = re.compile(r'(?:extern "C"|template|struct|__device__|__global__)')

HOMES = {
    part: Path(import_module(f"chainrule.{part}").__file__ or "").parent
    for part in ("kernels", "engine")
}


def labels(text: str) -> set[str]:
    """Return the labels named in a text, ranges spelt out."""
    found = NAMED.findall(text)
    return {f"{k}{n}" for k, lo, hi in found for n in range(int(lo), int(hi or lo) + 1)}


@cache
def comments_by_line(path: Path) -> dict[int, str]:
    """Return a file's comments by their line, counted from 1; of Python or of CUDA."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        lines = enumerate(text.splitlines(), 1)
        return {n: line.partition("//")[2] for n, line in lines if "//" in line}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def comments(path: Path) -> str:
    """Return the text of a file's comments."""
    return "\n".join(comments_by_line(path).values())


def docstring(path: Path) -> str:
    """Return a Python file's docstring as it stands, or nothing."""
    return ast.get_docstring(ast.parse(path.read_text("utf-8")), clean=False) or ""


def is_derivation(path: Path) -> bool:
    """Return whether a file's docstring works something out: whether it has steps, or should.

    Beside a kernel's contract, its twins say no more than what is special to their way.
    """
    is_twin = path.is_relative_to(HOMES["kernels"]) and path.name != "__init__.py"
    text = docstring(path)
    return bool(STEP.search(text) or (SECTION.search(text) and not is_twin))


@cache
def kernels() -> list[str]:
    """Return the folders of kernels whose contract is a derivation, relative to kernels/."""
    found = HOMES["kernels"].glob("**/*/__init__.py")
    paths = [path.parent.relative_to(HOMES["kernels"]) for path in found if is_derivation(path)]
    return sorted(path.as_posix() for path in paths)


@cache
def files() -> list[str]:
    """Return all other files that are derivations, as "engine/…" or "kernels/…"."""
    return sorted(
        f"{part}/{path.relative_to(home).as_posix()}"
        for part, home in HOMES.items()
        for path in home.rglob("*.py")
        if is_derivation(path) and (part == "engine" or path.name != "__init__.py")
    )


@dataclass(frozen=True)
class Line:
    """A line of code that takes a step: in which file, where, and what stands there."""

    path: Path
    number: int
    text: str


@dataclass(frozen=True)
class Derivation:
    """One derivation: its name, the file that it stands in, its text, and the code beside it.

    sides: files by what they are, "reference", "CPU", "CUDA", or "code" of an engine file.
    """

    name: str
    path: Path
    text: str
    sides: dict[str, list[Path]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The docstring's first line, without its full stop."""
        return self.text.strip().splitlines()[0].rstrip(".")

    @property
    def steps(self) -> list[str]:
        """The labels that it defines, in their order."""
        return STEP.findall(self.text)

    def lines(self, label: str) -> dict[str, list[Line]]:
        """Return the lines that take a step, by side.

        A side may leave a step to what all share, the contract's file, or to the reference, whose
        array program it runs.
        """
        found = {}
        for side, paths in self.sides.items():
            for here in (paths, [self.path] if side != "code" else [], self._borrowed(side)):
                lines = [line for path in here for line in _naming(path, label)]
                taking = [line for line in lines if not FUNCTION.match(line.text)]
                found[side] = taking or lines  # a function's head, where its comment alone says it
                if lines:
                    break
        return found

    def _borrowed(self, side: str) -> list[Path]:
        """Return the reference where a side's own files import it, else nothing."""
        theirs = f"from chainrule.kernels.{self.name.replace('/', '.')}.reference import"
        borrows = any(theirs in path.read_text("utf-8") for path in self.sides[side])
        return self.sides["reference"] if borrows else []


def _naming(path: Path, label: str) -> list[Line]:
    text = path.read_text("utf-8").splitlines()
    named = {n for n, comment in comments_by_line(path).items() if label in labels(comment)}
    taken = {_code_at(path, text, n) for n in named - _head(text)}
    return [Line(path, n, _shown(path, text, n)) for n in sorted(taken)]


def _code_at(path: Path, lines: list[str], number: int) -> int:
    """Return a line's number, or where it is a comment alone, of the code that it stands above."""
    passed = ("#",) if path.suffix == ".py" else ("//", "#pragma")
    at = number
    while at <= len(lines) and (not (line := lines[at - 1].strip()) or line.startswith(passed)):
        at += 1
    return min(at, len(lines))


def _shown(path: Path, lines: list[str], number: int) -> str:
    """Return a line; of one that its statement does not begin with, also how the statement begins.

    Of a loop's or a condition's head also what stands first under it.
    """
    line = re.sub(r" {3,}(?=//)", "  ", lines[number - 1].strip())  # comments below each other
    if HEAD.match(line):
        first = _code_at(path, lines, number + 1)
        while HEAD.match(lines[first - 1].strip()):
            first = _code_at(path, lines, first + 1)
        head = HEAD.match(line)[1].removeprefix("} ")  # type: ignore[index]
        return f"{head} … {lines[first - 1].strip()}"
    begins = _beginning(path, lines, number)
    begun = _code(path, lines[begins - 1])
    if begins == number or FUNCTION.match(begun):
        return line
    return f"{begun} {line}" if begins == number - 1 else f"{begun} … {line}"


def _code(path: Path, line: str) -> str:
    """Return a line without its comment."""
    return line.partition("#" if path.suffix == ".py" else "//")[0].strip()


def _beginning(path: Path, lines: list[str], number: int) -> int:
    """Return the line in which the statement begins that a line belongs to, the innermost one."""
    if path.suffix == ".py":
        ends = [(each.lineno, each.end_lineno or 0) for each in _statements(path)]
        return max((first for first, last in ends if first <= number <= last), default=number)
    at, closed = number, unopened(_code(path, lines[number - 1]))
    while at > 1 and (closed or not _ends(_code(path, lines[at - 2]))):
        at -= 1
        closed = unopened(_code(path, lines[at - 1]), closed)
    return at


def unopened(code: str, closed: int = 0) -> int:
    """Return how many brackets a line of code and those below it close that none of them opens.

    closed: how many those below do.
    """
    for letter in reversed(code):
        closed = closed + 1 if letter in ")]}" else max(0, closed - (letter in "([{"))
    return closed


def _ends(code: str) -> bool:
    """Return whether after a line of CUDA a statement begins: it ends one, or a head or a block."""
    return not code or code[-1] in ";{}:" or code.startswith("#") or bool(BARE.match(code))


@cache
def _statements(path: Path) -> list[ast.stmt]:
    tree = ast.parse(path.read_text("utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]


def _head(lines: list[str]) -> set[int]:
    """Return the lines of the comment that a file of CUDA begins with: it is about all of it."""
    first = next((n for n, line in enumerate(lines) if not line.startswith("//")), 0)
    return set(range(1, first + 1))


def kernel(name: str) -> Derivation:
    """Return a kernel's derivation, with the files of its folder."""
    folder = HOMES["kernels"] / name
    here = sorted(path for path in folder.iterdir() if path.is_file())
    python = [path for path in here if path.suffix == ".py" and path.name != "__init__.py"]
    of_gpu = [path for path in here if path.suffix in (".cu", ".cuh") or path.name == "cuda.py"]
    sides = {
        "reference": [path for path in python if path.name == "reference.py"],
        "CPU": [path for path in python if path.name not in ("reference.py", "cuda.py")],
        "CUDA": of_gpu,
    }
    return Derivation(name, folder / "__init__.py", docstring(folder / "__init__.py"), sides)


def engine_file(name: str) -> Derivation:
    """Return the derivation of a file, "engine/layers/recurrent.py", whose code it explains."""
    part, _, inside = name.partition("/")
    path = HOMES[part] / inside
    return Derivation(name.removesuffix(".py"), path, docstring(path), {"code": [path]})
