"""A horizontal bar chart of a run: one panel a workload, one bar a rival, longer is faster."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.cases import home
from bench.cases.ours import BACKENDS
from bench.harness import Result
from bench.report import groups, milliseconds, times
from bench.worker import SKIPPED

OURS, OURS_PLAIN, PEER, INK, QUIET = "#0b7a75", "#8fc1bd", "#b9bec6", "#1f2933", "#6b7684"
BAR = 0.30  # inches of height a bar
LABELS = {
    "cpu": "chainrule, cpu",
    "cuda": "chainrule, cuda",
    "reference": "chainrule, reference",
    "torch": "PyTorch eager",
    "torch-plain": "PyTorch eager, plain loop",
    "torch.compile": "torch.compile",
    "torch.compile-body": "torch.compile, loop body",
    "jax": "JAX jit",
    "torch-cuda": "PyTorch eager, GPU",
    "jax-cuda": "JAX jit, GPU",
}


def draw(path: Path, results: Sequence[Result], caption: str) -> None:
    """Draw the timed results to a picture file; `caption` says where they were measured."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [_fastest_first(group) for group in groups(results) if any(r.ok for r in group)]
    if not panels:
        raise ValueError("nothing was timed, so there is nothing to draw")
    columns = 2 if len(panels) > 2 else 1
    width = 7.6 if columns == 1 else 13.0
    pairs = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [max(len(group) for group in pair) * BAR + 0.62 for pair in pairs]
    figure = Figure(figsize=(width, sum(heights) + 1.1), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(
        len(pairs), columns, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axis, group in zip(grid.ravel(), panels, strict=False):
        _panel(axis, group)
    for axis in grid.ravel()[len(panels) :]:
        axis.set_axis_off()
    finish(figure, path, _headline(panels), caption)


def finish(figure: Any, path: Path, headline: str, caption: str) -> None:
    """Write the headline above the panels and the small print below, and save the picture."""
    width, height = figure.get_size_inches()
    figure.suptitle(headline, x=0.012, ha="left", fontsize=14, weight="bold", color=INK)
    small = textwrap.fill(caption, int(14.5 * width))
    figure.text(0.012, 0.008, small, fontsize=7.5, color=QUIET, ha="left", va="bottom")
    bottom = (0.2 + 0.13 * len(small.splitlines())) / height
    figure.tight_layout(rect=(0, bottom, 1, 1 - 0.12 / height), h_pad=1.4, w_pad=2.2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _fastest_first(group: Sequence[Result]) -> list[Result]:
    """Leave out what was skipped; what failed stays, last, and says why."""
    shown = [r for r in group if not r.status.startswith(SKIPPED)]
    return sorted(shown, key=lambda r: r.median if r.ok else float("inf"))


def _panel(axis: Any, group: Sequence[Result]) -> None:
    w = group[0].workload
    n_items, _ = home(w).items(w)
    rates = [n_items / r.median if r.ok else 0.0 for r in group]
    top = max(rates)
    axis.barh(range(len(group)), rates, height=0.72, color=[_colour(r) for r in group])
    for i, (result, rate) in enumerate(zip(group, rates, strict=True)):
        if result.ok:
            ends = [n_items / result.p80, n_items / result.p20]
            axis.plot(ends, [i, i], color=INK, linewidth=1, alpha=0.55, solid_capstyle="butt")
            rate = max(ends)
        axis.text(
            rate + 0.012 * top, i, _label(result, group), va="center", fontsize=8,
            color=INK if result.ok else QUIET, style="normal" if result.ok else "italic",
        )  # fmt: skip
    axis.set_yticks(range(len(group)), [LABELS.get(r.rival, r.rival) for r in group], fontsize=8.5)
    for tick, result in zip(axis.get_yticklabels(), group, strict=True):
        tick.set(color=INK, weight="bold" if result.rival == "cpu" else "normal")
    axis.set_title(_title(group[0]), loc="left", fontsize=8.8, weight="bold", color=INK, pad=5)
    axis.set(xlim=(0, top * 1.5), ylim=(len(group) - 0.4, -0.6), xticks=[])
    axis.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        axis.spines[side].set_visible(False)
    axis.spines["left"].set_color(PEER)


def _colour(result: Result) -> str:
    if result.rival not in BACKENDS:
        return PEER
    return OURS_PLAIN if result.rival == "reference" else OURS


def _label(result: Result, group: Sequence[Result]) -> str:
    """Return a bar's text: rows or tokens a second, time a call, how our best compares."""
    if not result.ok:
        return result.status
    n_items, _ = home(result.workload).items(result.workload)
    text = f"{n_items / result.median:,.0f}/s   {milliseconds(result.median)} ms"
    ours = [r for r in group if r.ok and r.rival in ("cpu", "cuda")]
    if ours and result.rival not in ("cpu", "cuda"):
        text += f"   {times(result.median / min(r.median for r in ours))} the time"
    return text


def _title(result: Result) -> str:
    w = result.workload
    return f"{home(w).title(w)}   {home(w).shape(w, result.details)}"


def _headline(panels: Sequence[Sequence[Result]]) -> str:
    words = dict.fromkeys(home(p[0].workload).items(p[0].workload)[1] for p in panels)
    return f"{' or '.join(words).capitalize()} a second: longer is faster"
