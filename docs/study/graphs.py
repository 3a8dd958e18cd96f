"""Graphs as SVG: boxes, and arrows that carry a value forward and a gradient back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDE, TALL, PAD = 64, 34, 24  # of a box, and around the picture
LETTER, ASIDE = 7.2, 6  # how wide a digit is, and how far from a line numbers stand beside it


@dataclass(frozen=True)
class Box:
    """A quantity: where it stands, in pixels, and what it is called.

    label: what is written in it, its name if nothing else is given.
    """

    x: float
    y: float
    name: str
    label: str = ""


@dataclass(frozen=True)
class Arrow:
    """From one box to another: the value that goes forward, the gradient that comes back.

    Numbers stand above and below an arrow, beside one that goes straight up or down.
    shift: where along the arrow the numbers stand, 0 … 1.
    """

    start: str
    end: str
    value: Any
    gradient: Any
    shift: float = 0.5


def numbers(a: Any, digits: int = 3) -> str:
    """Return a number, or those of an array, as text."""
    flat = np.atleast_1d(np.asarray(a, float)).reshape(-1)
    return " ".join(
        f"{x + 0.0:.{digits}f}".replace("-0." + "0" * digits, "0." + "0" * digits) for x in flat
    )


def svg(boxes: Sequence[Box], arrows: Sequence[Arrow], title: str) -> str:
    """Return the picture, in colours of the page that it stands in."""
    places = {box.name: box for box in boxes}
    beside = [_reach(places[arrow.start], places[arrow.end], arrow) for arrow in arrows]
    width = max(*(box.x + WIDE for box in boxes), *beside) + 2 * PAD
    height = max(box.y for box in boxes) + TALL + 2 * PAD
    parts = [
        f'<svg class="graph" role="img" aria-label="{title}" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        'xmlns="http://www.w3.org/2000/svg">',
        f"<title>{title}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" class="tip"/></marker></defs>',
    ]
    parts += [_arrow(places[a.start], places[a.end], a) for a in arrows]
    parts += [_box(box) for box in boxes]
    return "\n".join([*parts, "</svg>"])


def _box(box: Box) -> str:
    x, y = box.x + PAD, box.y + PAD
    middle = f'x="{x + WIDE / 2:.0f}" y="{y + TALL / 2 + 5:.0f}"'
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{WIDE}" height="{TALL}" rx="6" class="box"/>'
        f'<text {middle} text-anchor="middle" class="name">{box.label or box.name}</text>'
    )


def _arrow(a: Box, b: Box, arrow: Arrow) -> str:
    (x1, y1), (x2, y2) = _ends(a, b)
    at_x, at_y = x1 + (x2 - x1) * arrow.shift, y1 + (y2 - y1) * arrow.shift
    line = f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" class="edge" marker-end="url(#tip)"/>'
    said = (("value", -4, numbers(arrow.value)), ("gradient", 12, numbers(arrow.gradient)))
    return line + "".join(
        f'<text x="{at_x + _aside(x2 - x1, text):.0f}" y="{at_y + up:.0f}" text-anchor="middle" '
        f'class="{kind}">{text}</text>'
        for kind, up, text in said
    )


def _reach(a: Box, b: Box, arrow: Arrow) -> float:
    """Return how far right numbers go that stand beside an arrow."""
    widest = max(len(numbers(number)) for number in (arrow.value, arrow.gradient))
    return 0 if a.x != b.x else a.x + WIDE / 2 + ASIDE + LETTER * widest


def _aside(across: float, text: str) -> float:
    """Return how far right of an arrow the middle of its number stands."""
    return 0 if across else ASIDE + LETTER * len(text) / 2


def _ends(a: Box, b: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where an arrow leaves one box and meets the other: on the sides that face."""
    ax, ay, bx, by = (
        v + PAD for v in (a.x + WIDE / 2, a.y + TALL / 2, b.x + WIDE / 2, b.y + TALL / 2)
    )
    dx, dy = bx - ax, by - ay
    reach = min(WIDE / 2 / abs(dx) if dx else 9e9, TALL / 2 / abs(dy) if dy else 9e9)
    return (ax + dx * reach, ay + dy * reach), (bx - dx * reach, by - dy * reach)


ADDED = "Those of all arrows that leave a box add up to the box's own."


def figure(boxes: Sequence[Box], arrows: Sequence[Arrow], title: str, told: str = ADDED) -> str:
    """Return the picture as a block of a page in Markdown; told: what its caption ends with."""
    key = (
        "On each arrow the value of where it starts, and below it the gradient that comes back to "
        "there."
    )
    caption = f"<figcaption>{title}. {key} {told}</figcaption>"
    body = f'<figure class="graph">{svg(boxes, arrows, title)}{caption}</figure>'
    return f"```{{raw}} html\n{body}\n```"


def table(*named: tuple[str, Any], digits: int = 4) -> str:
    """Return arrows' numbers, or any arrays, as one fixed-width block."""
    lines = []
    for name, a in named:
        rows = np.atleast_2d(np.asarray(a, float))
        for i, row in enumerate(rows.reshape(-1, rows.shape[-1])):
            cells = " ".join(f"{number + 0.0:{digits + 5}.{digits}f}" for number in row)
            lines.append(f"{name if i == 0 else '':>10} {cells}".rstrip())
    block = "\n".join(lines).replace("-0.0000 ", " 0.0000 ")
    return f"```text\n{block}\n```"
