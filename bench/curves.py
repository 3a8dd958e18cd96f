"""How speed changes with one size: a line a rival, a panel a workload and size, log by log."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.cases import Workload, home
from bench.cases.ours import BACKENDS
from bench.chart import INK, LABELS, OURS, OURS_PLAIN, QUIET, finish
from bench.harness import Result

TOO_FEW = "a curve needs one workload at two sizes, as in --sizes 't*'"
AXES = {
    "t": "T, context length",
    "w": "C, width",
    "n": "N, rows",
    "d": "D, variables",
    "h": "H, hidden units",
    "b": "B, rows",
    "r": "R, an image's side",
    "c": "C, features",
    "f": "F, features",
    "p": "pixels drawn of each image",
}
SPAN = 4  # of an axis of speeds, its top over its bottom at least: what hardly changes looks so
PEERS = ("#c2553a", "#6a5fb0", "#b8902f", "#5b8fc7", "#8a8f98")


def draw(path: Path, results: Sequence[Result], caption: str) -> None:
    """Draw the results at sizes such as t64, t128, … to a picture file.

    Raises:
        ValueError: no workload was timed at two such sizes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = _panels(results)
    if not panels:
        raise ValueError(TOO_FEW)
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    width, height = 6.5 * columns, 3.7 * rows + 0.9
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (letter, group) in zip(grid, panels.values(), strict=False):
        _panel(axis, letter, group)
    for axis in grid[len(panels) :]:
        axis.set_axis_off()
    finish(figure, path, "How speed changes with size: higher is faster", caption)


def drawable(chosen: Sequence[Workload]) -> bool:
    """Return whether these workloads, if all are timed, make a curve."""
    return bool(_panels([Result(w, "cpu", "ok", {}) for w in chosen]))


def _panels(results: Sequence[Result]) -> dict[tuple[str, str], tuple[str, list[Result]]]:
    """Return the timed results by workload and by the letter of their sizes, with two at least."""
    found: dict[tuple[str, str], tuple[str, list[Result]]] = {}
    for result in results:
        match = re.fullmatch(r"([a-z])(\d+)", result.workload.size_name)
        if match and result.ok:
            key = result.workload.name, match[1]
            found.setdefault(key, (match[1], []))[1].append(result)
    return {k: v for k, v in found.items() if len({r.workload.size_name for r in v[1]}) > 1}


def _panel(axis: Any, letter: str, group: Sequence[Result]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    peers = iter(PEERS)
    for rival in dict.fromkeys(r.rival for r in group):
        line = sorted((r for r in group if r.rival == rival), key=_size)
        n_items = [home(r.workload).items(r.workload)[0] for r in line]
        at = [_size(r) for r in line]
        style = {"color": OURS if rival != "reference" else OURS_PLAIN, "linewidth": 2.2}
        if rival not in BACKENDS:
            style = {"color": next(peers, QUIET), "linewidth": 1.4}
        rates = [n / r.median for n, r in zip(n_items, line, strict=True)]
        low = [n / r.p80 for n, r in zip(n_items, line, strict=True)]
        high = [n / r.p20 for n, r in zip(n_items, line, strict=True)]
        axis.fill_between(at, low, high, color=style["color"], alpha=0.13, linewidth=0)
        axis.plot(at, rates, marker="o", markersize=3.5, label=LABELS.get(rival, rival), **style)
    w = group[0].workload
    axis.set(xscale="log", yscale="log", xlabel=AXES.get(letter, letter))
    axis.set_ylabel(f"{home(w).items(w)[1]} a second")
    low, high = axis.get_ylim()
    room = max(1, SPAN * low / high) ** 0.5
    axis.set_ylim(low / room, high * room)
    ticks = sorted({_size(r) for r in group})
    axis.set_xticks(ticks, [str(t) for t in ticks])
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:,.0f}"))
    axis.minorticks_off()
    axis.set_title(home(w).title(w), loc="left", fontsize=10, weight="bold", color=INK)
    axis.grid(axis="y", which="both", color="#e6e8ec", linewidth=0.6)
    axis.legend(frameon=False, fontsize=8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _size(result: Result) -> int:
    return int(result.workload.size_name[1:])
