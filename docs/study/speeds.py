"""Measured speeds, from the files in bench/results that exist: nothing is measured here."""

import json
from functools import cache
from typing import Any

from study.places import ROOT

FILES = ("speed", "tables", "sequences", "images", "gpu_binary", "gpu_sequences")
NAMED = {  # a page's name where the bench has another
    "triangular": "fvsbn",
    "attention_rnn": "",
    "pixel_cnn": "pixel_cnn|gated_pixel_cnn",
    "table_nade": "rnade|categorical_nade",
    "nade_columns": "rnade|categorical_nade",
    "masked_bits": "made",
}
OURS = ("cpu", "cuda")


@cache
def _read() -> list[tuple[str, Any]]:
    found = []
    for name in FILES:
        path = ROOT / "bench" / "results" / f"{name}.json"
        if path.exists():
            found.append((name, json.loads(path.read_text("utf-8"))))
    return found


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"


def _machine(report: Any) -> str:
    machine = report["machine"]
    vectors = report.get("vectors", {}).get("cpu", "")
    where = machine["device"] or f"{machine['cpu']}, {report['settings']['threads']} threads"
    return f"{where}, vectors of {vectors}" if vectors and not machine["device"] else where


def measured(name: str) -> list[list[str]]:
    """Return rows of what was measured: workload, size, backend, median, PyTorch's, machine."""
    wanted = NAMED.get(name, name).split("|")
    rows = []
    for _, report in _read():
        results = [r for r in report["results"] if r.get("status") == "ok"]
        for r in results:
            if r["workload"].split("/")[0] in wanted and r["backend"] in OURS:
                peer = _peer(results, r)
                here = [r["workload"], r["size"], r["backend"], _time(r["median_s"])]
                rows.append([*here, _time(peer) if peer else "–", _machine(report)])
    return rows


def _peer(results: list[Any], ours: Any) -> float | None:
    """Return PyTorch's median of the same workload and size, on the same kind of device."""
    wanted = "torch-cuda" if ours["backend"] == "cuda" else "torch"
    times = [
        r["median_s"]
        for r in results
        if (r["workload"], r["size"]) == (ours["workload"], ours["size"]) and r["backend"] == wanted
    ]
    return times[0] if times else None
