"""A derivation's text cut into paragraphs and pieces, so that a narrow screen can lay it out anew.

On a wide screen the pieces stand one after the other and are the text as it is, column by column.
On a narrow one margins and gaps are left out, prose flows, and what stands at the right, "undoes
F3", goes to a line of its own: static/study.css.
"""

import re
from dataclasses import dataclass

MARGIN = 12  # columns, of the sections' names: Shapes, Forward …
FILLED = 76  # columns from which a line of prose may be taken for one that goes on
FAR = 40  # columns of indentation from which a line belongs to what stands at the right
NAME = re.compile(r"[A-Z][\w, ]*?(?= {2,}\S|$)")
NOTE = re.compile(r"(?<=\S)(?: {8,}| {2,}(?=undoes|from [A-Z]\d|chainrule\.|kernels\.))")
COLUMNS = re.compile(r"\S {2,}\S")
STEP = re.compile(r"\([A-Z]\d+\)")


@dataclass(frozen=True)
class Piece:
    """A part of the text, from start to stop, and what it is, which is its class on the page.

    kind: "margin" or "gap", spaces; "name" of a section; "note", at the right; "soft", the end of a
    line in a paragraph; "hard", that of the paragraph; "text", the rest.
    """

    kind: str
    start: int
    stop: int


def paragraphs(text: str) -> list[list[Piece]]:
    """Return the pieces of each paragraph; all of them together are the text, nothing left out."""
    found: list[list[Piece]] = [[]]
    lines, at = text.split("\n"), 0
    for k, line in enumerate(lines):
        goes_on = bool(found[-1])
        found[-1] += _pieces(line, at, goes_on)
        at += len(line)
        if k + 1 < len(lines):
            soft = _flows(line, lines[k + 1])
            found[-1].append(Piece("soft" if soft else "hard", at, at + 1))
            at += 1
            if not soft:
                found.append([])
    return found


def _pieces(line: str, at: int, goes_on: bool) -> list[Piece]:
    """Return those of a line that begins at a place; goes_on: within a paragraph."""
    indent = len(line) - len(line.lstrip())
    cuts: list[tuple[str, int]] = []  # of each piece its kind and end, in the line
    name = NAME.match(line) if indent == 0 else None
    if name:
        gap = len(line[name.end() :]) - len(line[name.end() :].lstrip())
        cuts = [("name", name.end()), ("gap", name.end() + gap)]
    elif indent:
        far = goes_on or indent >= FAR
        cuts = [("margin", indent if far else min(indent, MARGIN))]
    begun = cuts[-1][1] if cuts else 0
    note = None if indent >= FAR else NOTE.search(line, begun)
    if indent >= FAR:
        cuts.append(("note", len(line)))
    elif note:
        cuts += [("text", note.start()), ("gap", note.end()), ("note", len(line))]
    else:
        cuts.append(("text", len(line)))
    ends = [0, *(end for _, end in cuts)]
    pairs = zip(cuts, ends[:-1], strict=True)
    return [Piece(kind, at + start, at + end) for (kind, end), start in pairs if end > start]


def _flows(line: str, following: str) -> bool:
    """Return whether two lines are prose of one paragraph: filled, alike and without columns."""
    begin, indent = _prose(line), len(following) - len(following.lstrip())
    return (
        len(line) >= FILLED
        and bool(following.strip())
        and begin == indent
        and not COLUMNS.search(line[begin:])
        and not COLUMNS.search(following.strip())
        and not STEP.match(following.strip())
    )


def _prose(line: str) -> int:
    """Return the column in which a line's own text begins, behind a section's name or a step's."""
    lead = re.match(r"(?:[A-Z][\w, ]*? {2,}| +)?(?:\([A-Z]\d+\) +)?", line)
    return lead.end() if lead else 0
