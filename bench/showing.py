"""What a run says in the end: its tables, what keeps numbers from counting, where the files are."""

import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import absence, caveats, chart, curves, peaks, report

WIDTH = 150  # of the table where the output is no terminal
out = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, markup=False)
err = Console(stderr=True)

FOOTNOTE = (
    "÷ peer: the peer's median over this one's, so 2.0x is twice as fast. GFLOP/s count the "
    "useful work alone, the\nsame for every rival (bench/cases). of sgemm, of copy: share of the "
    "ceilings above."
)


def show(run: report.Run, bars: Path | None, curve: Path | None) -> None:
    """Print the tables, draw the pictures, and say where the files are and what is missing."""
    if run.about.get("peak_memory"):
        out.print(peaks.table(run.about["peak_memory"]))
    if run.written:
        out.print(f"numbers: {run.json}")
    if run.results:
        _timings(run)
        for path, draw in ((bars, chart.draw), (curve, curves.draw)):
            if path and any(r.ok for r in run.results):
                _picture(run, path, draw)
    if run.interrupted:
        out.print(f"interrupted; {run.n_done()} of {run.n_workloads} workloads were measured")
    elif run.finished and not run.any_measured():
        out.print("nothing was measured: every rival was skipped or failed, for the reasons above")


def _timings(run: report.Run) -> None:
    out.print(report.table(run.results, run.about["ceilings"]))
    for line in absence.sentences(run.results):
        out.print(line)
    out.print(FOOTNOTE)
    if noise := caveats.of_noise(run.results):
        out.print(noise)


def _picture(run: report.Run, path: Path, draw: Any) -> None:
    try:
        draw(path, run.results, caption(run.about))
    except ValueError as error:  # too little was timed for it
        out.print(f"no picture: {error}")
    else:
        out.print(f"picture: {path}")


def caption(about: dict[str, Any]) -> str:
    """Return the chart's small print."""
    v, s = about["versions"], about["settings"]
    who = ", ".join(f"{name} {v[name]}" for name in ("numpy", "numba", "torch", "jax") if name in v)
    where = f"{about['machine']['cpu']}, {count(s['threads'], 'thread')} each"
    if "device" in about["ceilings"]:
        where = f"{about['machine']['device']} beside {where}"
    if s["isa"] != "native":
        where += f", everybody held to {s['isa'].upper()}"
    return (
        f"{where}; {who}. Float32, medians of "
        f"interleaved runs; dark line or band: p20 to p80. Data: {about['data']}."
    )


def count(n: int, word: str) -> str:
    """Return a number with its word, as in 1 thread, 2 threads."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
