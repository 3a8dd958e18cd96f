"""Directives of the study pages: a derivation, the lines that take its steps, checks and speeds."""

import re
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from study import checks, derivations, speeds
from study.derivations import Derivation, Line
from study.lines import Piece, paragraphs
from study.places import docname_of, source_page

MODULE = re.compile(r"chainrule\.(?:kernels|engine)(?:\.\w+)+|`kernels\.\w+`")
ALLOWED = 1e-6  # relative error of a gradient that is right


def derivation_of(name: str) -> Derivation:
    """Return a derivation by the name that pages use: "kernels/nade", "engine/models/rnn"."""
    part, _, inside = name.partition("/")
    is_kernel = part == "kernels" and inside in derivations.kernels()
    return derivations.kernel(inside) if is_kernel else derivations.engine_file(f"{name}.py")


class OfDerivation(SphinxDirective):
    """What the directives have in common: one argument, the derivation's name."""

    required_arguments = 1

    @property
    def derivation(self) -> Derivation:
        """The one that is named."""
        return derivation_of(self.arguments[0])

    def link_to(self, line: Line) -> nodes.reference:
        """Return a link to a line of code, in the page of its file."""
        up = "../" * self.env.docname.count("/")
        uri = f"{up}{source_page(line.path)}.html#L{line.number}"
        text = f"{line.path.name}:{line.number}"
        return nodes.reference(text, text, refuri=uri, internal=True, classes=["line"])


class DerivationText(OfDerivation):
    """The docstring as it stands, monospaced, its labels and the modules that it names linked.

    Cut into paragraphs and pieces, by `lines`, for screens that are too narrow for its lines.
    """

    def run(self) -> list[nodes.Node]:
        """Return the block."""
        made = self.derivation
        text = made.text.strip("\n")
        text = text.partition("\n")[2].strip("\n")  # the first line is the page's title
        block = nodes.literal_block("derivation", "", classes=["derivation"])
        links = self._links(text, made)
        for pieces in paragraphs(text):
            if pieces:
                paragraph = nodes.inline(classes=["paragraph"])
                for piece in pieces:
                    paragraph += _linked(piece, text, links)
                block += paragraph
        return [block]

    def _links(self, text: str, made: Derivation) -> list[tuple[int, int, nodes.Node]]:
        found: list[tuple[int, int, nodes.Node]] = []
        for match in derivations.STEP.finditer(text):
            label, start, stop = match[1], *match.span(1)
            link = nodes.reference(label, label, refid=f"step-{label}", internal=True)
            link["ids"] = [f"at-{label}"]
            found.append((start, stop, link))
        taken = [(start, stop) for start, stop, _ in found]
        for match in MODULE.finditer(text):
            target = docname_of(match[0].strip("`"))
            free = all(match.end() <= a or match.start() >= b for a, b in taken)
            if target and free and target != self.env.docname:
                found.append((*match.span(), _to_page(match[0], target)))
        return sorted(found, key=lambda piece: piece[0])


def _linked(piece: Piece, text: str, links: list[tuple[int, int, nodes.Node]]) -> nodes.inline:
    """Return a piece of a text with the links that lie in it."""
    made, at = nodes.inline(classes=[piece.kind]), piece.start
    for start, stop, node in links:
        if piece.start <= start and stop <= piece.stop:
            made += [nodes.Text(text[at:start]), node]
            at = stop
    made += nodes.Text(text[at : piece.stop])
    return made


def _to_page(text: str, docname: str) -> nodes.Node:
    """Return a link to a page of ours, that the builder resolves."""
    link = addnodes.pending_xref(
        "", refdomain="std", reftype="doc", reftarget=f"/{docname}", refexplicit=True, refwarn=True
    )
    link += nodes.inline(text, text)
    return link


class StepLines(OfDerivation):
    """Beside each label the lines of reference, CPU and CUDA code that carry it, linked."""

    def run(self) -> list[nodes.Node]:
        """Return one container a label."""
        made = self.derivation
        everything = nodes.container(classes=["steps"])
        for label in made.steps:
            step = nodes.container(classes=["step"], ids=[f"step-{label}"])
            back = nodes.reference(label, label, refid=f"at-{label}", internal=True)
            step += nodes.paragraph("", "", back, classes=["label"])
            sides = made.lines(label)
            for side, lines in sides.items():
                if lines:
                    step += self._side(side, lines)
            others = [side for side, lines in sides.items() if not lines]
            if 0 < len(others) < len(sides):
                note = f"{' and '.join(others)}: another way, of other steps"
                step += nodes.paragraph(note, note, classes=["left"])
            if len(step) == 1:
                note = "left to the module that the derivation names"
                step += nodes.paragraph(note, note, classes=["left"])
            everything += step
        return [everything]

    def _side(self, side: str, lines: list[Line]) -> nodes.Node:
        box = nodes.container(classes=["side"])
        box += nodes.paragraph(side, side, classes=["side-name"])
        listed = nodes.bullet_list(classes=["lines"])
        for line in lines:
            code = nodes.literal(line.text, line.text)
            listed += nodes.list_item(
                "", nodes.paragraph("", "", self.link_to(line), nodes.Text(" "), code)
            )
        box += listed
        return box


def grid(head: list[str], rows: list[list[str]]) -> nodes.table:
    """Return a plain table."""
    table = nodes.table(classes=["numbers"])
    group = nodes.tgroup(cols=len(head))
    table += group
    group += [nodes.colspec(colwidth=1) for _ in head]
    top, body = nodes.thead(), nodes.tbody()
    group += [top, body]
    for where, cells in [(top, head), *((body, row) for row in rows)]:
        line = nodes.row()
        for text in cells:
            line += nodes.entry("", nodes.paragraph(text, text))
        where += line
    return table


class GradientCheck(Directive):
    """The gradient check of an operation or a model, as it comes out of this build."""

    required_arguments = 2  # operation or model, and its name

    def run(self) -> list[nodes.Node]:
        """Return the table, or nothing where there is no gradient."""
        kind, name = self.arguments
        errors = checks.operation(name) if kind == "operation" else checks.model(name)
        if errors is None:
            return []
        wrong = [key for key, error in errors.items() if not error <= ALLOWED]
        if wrong:
            raise self.error(f"{name}: the gradient of {', '.join(wrong)} is wrong")
        rows = [
            [key, f"{e.ours:.8f}", f"{e.numeric:.8f}", f"{float(e):.1e}"]
            for key, e in errors.items()
        ]
        said = (
            "Ours and central differences at the entry where they differ most, float64, and the "
            f"largest difference over the largest entry. Seed {checks.SEED}, NumPy reference."
        )
        title = nodes.rubric("Gradient check, from this build", "Gradient check, from this build")
        table = grid(["gradient", "ours", "numeric", "error"], rows)
        return [title, nodes.paragraph(said, said), table]


class Speed(Directive):
    """What was measured of an operation, a layer or a model, from bench/results."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the tables, or what says that nothing was measured."""
        name = self.arguments[0]
        return [
            *self._table("Measured speed", speeds.measured(name)),
            *self._table("Measured speed of what it is a part of", speeds.measured_within(name)),
            *(self._none() if name in speeds.NOT_MEASURED else []),
        ]

    def _table(self, title: str, rows: list[list[str]]) -> list[nodes.Node]:
        if not rows:
            return []
        table = grid(["workload", "size", "backend", "median", "PyTorch", "machine"], rows)
        table["classes"].append("speeds")
        return [nodes.rubric(title, title), table]

    def _none(self) -> list[nodes.Node]:
        said = "No benchmark measures it, alone or with what is around it."
        return [nodes.rubric("Measured speed", "Measured speed"), nodes.paragraph(said, said)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("derivation", DerivationText)
    app.add_directive("steps", StepLines)
    app.add_directive("gradient-check", GradientCheck)
    app.add_directive("speed", Speed)
    return {"parallel_read_safe": True}
