"""What is shown and kept of a run: the table, the JSON file, the chart."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from bench.cases import home
from bench.cases.ours import BACKENDS
from bench.caveats import noisy
from bench.harness import Result
from bench.peers import PEERS
from bench.worker import SKIPPED

FORMAT = 1  # of the JSON file


def on_gpu(rival: str) -> bool:
    """Return whether a rival, a backend of ours or a peer, works on the GPU."""
    return rival == "cuda" or (rival in PEERS and PEERS[rival].device == "cuda")


def heading(result: Result) -> str:
    """Return a workload in words, as in `nade/grad mnist (N=100 D=784 H=500, 13% ones)`."""
    w = result.workload
    return f"{w.name} {w.size_name} ({home(w).shape(w, result.details)})"


def groups(results: Sequence[Result]) -> Iterator[list[Result]]:
    """Split results into one list a workload."""
    for _, group in groupby(results, key=lambda r: r.workload):
        yield list(group)


def ratios(result: Result, group: Sequence[Result]) -> dict[str, float]:
    """Return how many times faster a result is than each peer of its group."""
    peers = [r for r in group if r.ok and r.rival not in BACKENDS and r is not result]
    return {peer.rival: peer.median / result.median for peer in peers if result.ok}


def record(result: Result, group: Sequence[Result], ceilings: dict[str, Any]) -> dict[str, Any]:
    """Return a result as it stands in the JSON file."""
    w = result.workload
    common = {
        "workload": w.name, "size": w.size_name, **w.size._asdict(),
        "backend": result.rival, "status": result.status, **result.details,
    }  # fmt: skip
    if not result.ok:
        return common
    count, word = home(w).items(w)
    rate, flow = result.flops / result.median / 1e9, result.bytes / result.median / 1e9
    best = ceilings.get("device" if on_gpu(result.rival) else "host", {})
    return common | {
        "median_s": result.median, "p20_s": result.p20, "p80_s": result.p80,
        "calls": result.calls, **({"noisy": True} if noisy(result) else {}),
        f"{word}_per_s": count / result.median,
        "gflop_per_s": rate,
        "share_of_sgemm": rate / best["sgemm_gflops"] if best else None,
        "share_of_copy": flow / best["copy_gb_s"] if best else None,
        "times_faster_than": ratios(result, group),
        "max_relative_error": result.error,
        "prepared_in_s": result.prepared_in,
    }  # fmt: skip


def table(results: Sequence[Result], ceilings: dict[str, Any]) -> Table:
    """Return the one table of a run; rivals that were skipped are left to `absence`."""
    peers = list(dict.fromkeys(r.rival for r in results if r.rival not in BACKENDS and r.ok))
    out = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    out.add_column("workload\n  backend", no_wrap=True)
    for name in ("median ms", "p20", "p80", "a second", "GFLOP/s", "of\nsgemm", "of\ncopy"):
        out.add_column(name, justify="right", no_wrap=True)
    for peer in peers:
        out.add_column(f"÷ {peer}".replace(".", ".\n"), justify="right", no_wrap=True)
    for group in groups(results):
        out.add_row(Text(heading(group[0]), style="bold"))
        for result in group:
            if not result.status.startswith(SKIPPED):
                style = "green" if result.rival == "cpu" else None
                out.add_row(*_cells(result, group, peers, ceilings), style=style)
        out.add_section()
    return out


def _cells(
    result: Result, group: Sequence[Result], peers: Sequence[str], ceilings: dict[str, Any]
) -> list[Text | str]:
    if not result.ok:
        return [Text(f"  {result.rival}: {result.status}", style="dim")]
    r, word = record(result, group, ceilings), home(result.workload).items(result.workload)[1]
    faster = r["times_faster_than"]
    return [
        f"  {result.rival}",
        *(milliseconds(r[key]) for key in ("median_s", "p20_s", "p80_s")),
        f"{r[f'{word}_per_s']:,.0f} {word}",
        f"{r['gflop_per_s']:.3g}",
        _percent(r["share_of_sgemm"]),
        _percent(r["share_of_copy"]),
        *(times(faster[peer]) if peer in faster else "" for peer in peers),
    ]


def milliseconds(seconds: float) -> str:
    """Return seconds as milliseconds with three digits."""
    ms = seconds * 1e3
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:#.3g}"


def times(ratio: float) -> str:
    """Return a ratio as in 47x, 2.1x or 0.43x."""
    digits = 0 if ratio >= 20 else 1 if ratio >= 1 else 2
    return f"{ratio:,.{digits}f}x"


def _percent(share: float | None) -> str:
    if share is None:
        return ""
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}"


class Run:
    """A run as far as it has come.

    Attributes: results; about (machine, versions, settings, …); n_workloads, how many were asked
    for; json, where they are kept, and written, whether they are by now; how it ended:
    interrupted, or finished.
    """

    def __init__(self, json: Path | None, n_workloads: int) -> None:
        """Begin with nothing measured."""
        self.json, self.n_workloads = json, n_workloads
        self.results: list[Result] = []
        self.about: dict[str, Any] = {}
        self.written = self.interrupted = self.finished = False

    def save(self) -> None:
        """Write what there is, where a file was asked for."""
        if self.json:
            write_json(self.json, document(self.results, self.about))
            self.written = True

    def n_done(self) -> int:
        """Return how many workloads were timed, or their memory measured, by all rivals."""
        peaks = self.about.get("peak_memory", [])
        return len({r.workload for r in self.results}) + len(
            {(row["workload"], row["size"]) for row in peaks}
        )

    def any_measured(self) -> bool:
        """Return whether anything has numbers."""
        peaks = self.about.get("peak_memory", [])
        return any(r.ok for r in self.results) or any(row["status"] == "ok" for row in peaks)


def document(results: Sequence[Result], about: dict[str, Any]) -> dict[str, Any]:
    """Return everything of a run, for the JSON file; `about` has the machine and settings."""
    return {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **about,
        "results": [record(r, g, about["ceilings"]) for g in groups(results) for r in g],
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write `content` so that a reader finds the old file or the whole new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(content, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp makes files private
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
