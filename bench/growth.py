"""Draw how time and memory grow with size, from kept runs: `python -m bench.growth FILE… PNG`.

Log by log, so that a power of the size is a straight line. Of each workload and letter of sizes,
as in r16, r28, …, there is the time of a call, and what the process took at its peak above data
and parameters; or one of them, where no other was kept. Beside each rival stands the power that
fits its points best, and a dashed line is what the counts of work and of features grow by.
"""

import json
import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from bench import curves, showing
from bench.cases import HOMES, Workload, home
from bench.cases.ours import BACKENDS
from bench.chart import INK, LABELS, OURS, OURS_PLAIN, QUIET, finish

TIME, MEMORY = "median_s", "growth_mb"
KEYS = {TIME: "results", MEMORY: "peak_memory"}
WORDS = {TIME: "milliseconds a call", MEMORY: "peak memory, MB"}
SMALL = "Memory: the peak of a process of its own above its data and parameters."
SCALE = {TIME: 1e3, MEMORY: 1.0}
EXPECTED = {  # of networks over images: pixels, and inputs times outputs of each
    ("r", TIME): 2,
    ("r", MEMORY): 2,
    ("c", TIME): 2,
    ("c", MEMORY): 1,
    ("f", TIME): 2,
    ("f", MEMORY): 1,
}
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Point(NamedTuple):
    """What a rival took of TIME or MEMORY at one size, as in 64 of r64."""

    workload: str
    letter: str
    what: str
    rival: str
    size: int
    value: float


@app.command()
def main(
    files: Annotated[list[Path], typer.Argument(help="Runs that `python -m bench --json` kept.")],
    picture: Annotated[Path, typer.Argument(help="Draw here.")],
) -> None:
    """Draw how time and memory grow with size, from kept runs."""
    runs = [json.loads(path.read_text()) for path in files]
    captions = dict.fromkeys(showing.caption(run) for run in runs)
    try:
        draw(picture, points(runs), " ".join(captions))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def points(runs: Sequence[dict[str, Any]]) -> list[Point]:
    """Return what was measured at sizes such as r16, in documents of `report`, or measured last."""
    rows = [(what, row) for run in runs for what, key in KEYS.items() for row in run[key]]
    found = {}
    for what, row in rows:
        match = re.fullmatch(r"([a-z])(\d+)", row["size"])
        if match and row.get(what, 0) > 0:
            size, value = int(match[2]), SCALE[what] * row[what]
            of = row["workload"], match[1], what, row["backend"], size
            found[of] = Point(*of, value)
    return list(found.values())


def power(line: Sequence[Point]) -> float:
    """Return the p for which c · size^p fits best, by least squares of logarithms."""
    sizes, values = (np.log([getattr(p, name) for p in line]) for name in ("size", "value"))
    return float(np.polyfit(sizes, values, 1)[0])


def draw(path: Path, found: Sequence[Point], caption: str) -> None:
    """Draw the points to a picture file.

    Raises:
        ValueError: nothing was measured at two such sizes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(found)
    if not panels:
        raise ValueError(curves.TOO_FEW)
    whats = [what for what in WORDS if any(what in panel for panel in panels.values())]
    cells = [(name, panel.get(what, [])) for (name, _), panel in panels.items() for what in whats]
    columns = min(2, len(cells))
    rows = -(-len(cells) // columns)
    figure = Figure(figsize=(6.5 * columns, 3.3 * rows + 0.9), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (name, group) in zip_longest(grid, cells, fillvalue=("", [])):
        _panel(axis, group, _title(name)) if group else axis.set_axis_off()
    finish(figure, path, "How time and memory grow: lower is better", f"{caption} {SMALL}")


def _panels(found: Sequence[Point]) -> dict[tuple[str, str], dict[str, list[Point]]]:
    """Return the points by workload and letter, then by what they are of, with two sizes each."""
    groups: dict[tuple[str, str, str], list[Point]] = {}
    for point in found:
        groups.setdefault((point.workload, point.letter, point.what), []).append(point)
    panels: dict[tuple[str, str], dict[str, list[Point]]] = {}
    for (workload, letter, what), group in groups.items():
        if len({p.size for p in group}) > 1:
            panels.setdefault((workload, letter), {})[what] = group
    return panels


def _title(name: str) -> str:
    model, _, operation = name.partition("/")
    size = next(iter(HOMES[model].sizes(model, operation).values()))
    workload = Workload(model, operation, "", size)
    return str(home(workload).title(workload))


def _panel(axis: Any, group: Sequence[Point], title: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    letter, what = group[0].letter, group[0].what
    peers = iter(curves.PEERS)
    for rival in dict.fromkeys(p.rival for p in group):
        line = sorted((p for p in group if p.rival == rival), key=lambda p: p.size)
        style = {"color": OURS if rival != "reference" else OURS_PLAIN, "linewidth": 2.2}
        if rival not in BACKENDS:
            style = {"color": next(peers, QUIET), "linewidth": 1.4}
        label = LABELS.get(rival, rival)
        if len(line) > 1:
            label += f": ${letter.upper()}^{{{power(line):.2f}}}$"
        sizes, values = [p.size for p in line], [p.value for p in line]
        axis.plot(sizes, values, marker="o", markersize=3.5, label=label, **style)
    if (letter, what) in EXPECTED:
        _guide(axis, group, EXPECTED[letter, what])
    axis.set(xscale="log", yscale="log", xlabel=curves.AXES.get(letter, letter), ylabel=WORDS[what])
    ticks = sorted({p.size for p in group})
    axis.set_xticks(ticks, [str(t) for t in ticks])
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
    axis.minorticks_off()
    axis.set_title(title, loc="left", fontsize=10, weight="bold", color=INK)
    axis.grid(axis="y", which="both", color="#e6e8ec", linewidth=0.6)
    axis.legend(frameon=False, fontsize=8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _guide(axis: Any, group: Sequence[Point], expected: int) -> None:
    """Draw a power of the size below all lines, dashed; it meets one of them where it is lowest."""
    sizes = np.array(sorted({p.size for p in group}), float)
    c = min(p.value / p.size**expected for p in group)
    name = f"${group[0].letter.upper()}" + (f"^{expected}$" if expected > 1 else "$")
    line = {"color": QUIET, "linewidth": 1.0, "linestyle": (0, (4, 3))}
    axis.plot(sizes, c * sizes**expected, label=name, zorder=1, **line)


if __name__ == "__main__":
    app(prog_name="python -m bench.growth")
