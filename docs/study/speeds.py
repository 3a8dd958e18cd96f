"""Measured speeds, from the files in bench/results that exist: nothing is measured here."""

import json
from functools import cache
from typing import Any

from study.places import ROOT

FILES = (
    *("speed", "tables", "sequences"),
    *("images", "images_sample", "images_peers", "images_sample_rnn"),
    *("gpu_binary", "gpu_sequences"),
)
KERNELS = "gpu_kernels"  # operations alone, on a GPU; in microseconds
NAMED = {  # a page's name where the bench has another
    "triangular": "fvsbn",
    "attention_rnn": "",
    "pixel_cnn": "pixel_cnn|gated_pixel_cnn",
    "table_nade": "rnade|categorical_nade",
    "nade_columns": "rnade|categorical_nade",
    "masked_bits": "made",
    "pixel_rnn": "row_lstm|diagonal_lstm",
    "samplers/recurrent": "lstm/sample",
    "samplers/transformer": "transformer/sample",
    "samplers/pixel_cnn": "pixel_cnn/sample|gated_pixel_cnn/sample",
    "samplers/pixel_rnn": "row_lstm/sample|diagonal_lstm/sample",
}
WITHIN = {  # what was measured with much else around it, and with what
    "activation": "made/grad",
    "adam": "nade/step",
    "any_order": "orderless_nade",
    "bernoulli": "nade/grad",
    "categorical": "transformer/sample|lstm/sample",
    "columns": "rnade|categorical_nade",
    "dense": "orderless_nade",
    "embedding": "transformer/grad",
    "gate": "gated_pixel_cnn/step",
    "gated_pixels": "gated_pixel_cnn",
    "gelu": "transformer/grad",
    "grid_lstm": "row_lstm|diagonal_lstm",
    "layer_norm": "transformer/grad",
    "linear": "transformer/grad|made/grad",
    "masked_linear": "made",
    "masked_network": "made",
    "mixture": "rnade",
    "pixels": "pixel_cnn/step|gated_pixel_cnn/step",
    "recurrent": "lstm/sample",
    "residual_pixels": "pixel_cnn",
    "softmax_cross_entropy": "transformer/grad",
    "tied_output": "transformer/grad",
    "transformer_block": "transformer",
}
NOT_MEASURED = {"attention_rnn", "autoencoder", "dropout", "logistics", "nade_untied"}
OURS = ("cpu", "cuda")
ESTIMATED = {  # PyTorch's are of one pass, counted for each pixel
    *("pixel_cnn/sample", "gated_pixel_cnn/sample", "row_lstm/sample", "diagonal_lstm/sample")
}


@cache
def _read() -> list[Any]:
    found = []
    for name in FILES:
        path = ROOT / "bench" / "results" / f"{name}.json"
        if path.exists():
            found.append(json.loads(path.read_text("utf-8")))
    return found


def _time(seconds: float) -> str:
    if seconds < 1e-4:
        return f"{seconds * 1e6:.3g} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _machine(report: Any) -> str:
    machine = report["machine"]
    vectors = report.get("vectors", {}).get("cpu", "")
    where = machine["device"] or f"{machine['cpu']}, {report['settings']['threads']} threads"
    return f"{where}, vectors of {vectors}" if vectors and not machine["device"] else where


def measured(name: str) -> list[list[str]]:
    """Return rows of what was measured: workload, size, backend, median, PyTorch's, machine."""
    return _rows(NAMED.get(name, name).split("|")) + _alone(name)


def measured_within(name: str) -> list[list[str]]:
    """Return rows, as `measured`, of the workloads that an operation or a layer is a part of."""
    return _rows(WITHIN[name].split("|")) if name in WITHIN else []


def _alone(name: str) -> list[list[str]]:
    """Return rows of an operation's own kernels on a GPU."""
    path = ROOT / "bench" / "results" / f"{KERNELS}.json"
    report = json.loads(path.read_text("utf-8")) if path.exists() else {"microseconds": []}
    device = report.get("machine", {}).get("device", "")
    return [
        [r["operation"], r["size"], "cuda", _time(r["median"] * 1e-6), "–", device]
        for r in report["microseconds"]
        if r["operation"].split(".")[0] == name
    ]


def _rows(wanted: list[str]) -> list[list[str]]:
    """Return rows of workloads, named whole, "nade/step", or by their model alone."""
    rows = []
    for report in _read():
        results = [r for r in report["results"] if r.get("status") == "ok"]
        for r in results:
            passes = ", one pass counted for each pixel" if r["workload"] in ESTIMATED else ""
            names = {r["workload"], r["workload"].split("/")[0]}
            if names & set(wanted) and r["backend"] in OURS:
                peer = _peer(results, r)
                here = [r["workload"], r["size"], r["backend"], _time(r["median_s"])]
                theirs = f"{_time(peer)}{passes}" if peer else "–"
                rows.append([*here, theirs, _machine(report)])
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
