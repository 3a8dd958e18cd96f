"""How well odd observations are found, by named protocols beside other detectors.

    CHAINRULE_DATA=<folder> python -m bench.detection tables binary images text

`tables` and `binary` are of rows: `bench.odd_tables` says how each task is made, and five seeds cut
it. `images` is Fashion-MNIST, on which a small PixelCNN is fitted, against MNIST. `text` finds odd
lines in a log that `bench.odd_lines` makes. What counts is the area under the ROC curve; no choice
is made on odd data anywhere. Each writes bench/results/detection_<protocol>.json with the command,
the seeds and the machine.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from bench import machine, odd_images, odd_lines, odd_tables
from chainrule import detection
from chainrule.detection import ranks
from chainrule.engine.storage.files import replacing
from chainrule.kernels import use_threads

RESULTS = Path(__file__).parent / "results"
SEEDS = range(5)

# Text: as many characters a model sees are the same for both, and n-grams see all lines.
LINES: dict[str, int] = {"train": 4000, "clean": 1000, "test": 1000, "odd": 200}
BUDGET: dict[str, Any] = {
    "context": 128, "batch_size": 16, "learning_rate": 3e-3, "n_threads": 1, "seed": 0,
}  # fmt: skip


def rows(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the areas of all detectors on some tasks, (seeds,) each, their means and ranks."""
    areas: dict[str, dict[str, list[float]]] = {}
    for name in names:
        areas[name] = {detector: [] for detector in odd_tables.DETECTORS}
        for seed in SEEDS:
            cuts = list(odd_tables.tasks(name, seed))
            for detector, scores in odd_tables.DETECTORS.items():
                found = [detection.auc(*scores(cut, seed)).value for cut in cuts]
                areas[name][detector].append(float(np.mean(found)))
        means = {d: float(np.mean(a)) for d, a in areas[name].items()}
        print(name, "  ".join(f"{d} {a:.3f}" for d, a in means.items()), flush=True)
    return {"areas": areas, **_ranked(areas), "seeds": list(SEEDS)}


def _ranked(areas: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Return each detector's mean area, and its mean rank over tasks and seeds; ties share one."""
    table = np.array([list(of.values()) for of in areas.values()])  # (tasks, detectors, seeds)
    above = (table[:, None] > table[:, :, None]).sum(axis=2)
    tied = (table[:, None] == table[:, :, None]).sum(axis=2) - 1
    ranks = (1 + above + tied / 2).mean(axis=(0, 2))
    names = list(odd_tables.DETECTORS)
    return {
        "mean_area": dict(zip(names, table.mean(axis=(0, 2)).tolist(), strict=True)),
        "mean_rank": dict(zip(names, ranks.tolist(), strict=True)),
    }


def text() -> dict[str, Any]:
    """Return areas of each kind of odd lines, and what is found at a false-alarm rate of 1%."""
    rng = np.random.default_rng(0)
    train, clean, test = (odd_lines.normal(LINES[part], rng) for part in ("train", "clean", "test"))
    odd = {kind: odd_lines.odd(kind, LINES["odd"], rng) for kind in odd_lines.ODD}
    models = {
        "Transformer": cr.Transformer(2, 4, 64, ends=True, steps=3000, **BUDGET),
        "LSTM": cr.RNN(128, cell="lstm", ends=True, steps=3000, **BUDGET),
    }
    found: dict[str, Any] = {"examples": {k: lines[:2] for k, lines in odd.items()}}
    found["examples"]["normal"] = test[:4]
    for name, model in models.items():
        start = time.perf_counter()
        model.set_params(verbose=True).fit(train)
        found[name] = {"fit_seconds": time.perf_counter() - start}
        for method in ("likelihood", "bits"):
            detector = cr.Detector(model, method=method).fit(clean)
            of = {k: detector.score_samples(lines) for k, lines in odd.items()}
            own = detector.score_samples(test)
            found[name][method] = _lines(detector.clean_scores_, own, of)
            print(name, method, found[name][method], flush=True)
    for order in (3, 5):
        counts = odd_lines.NGram(order).fit(train)
        found[f"{order}-gram"] = {}
        for method in ("likelihood", "bits"):

            def score(lines: list[str], a_symbol: bool = method == "bits") -> Any:
                sizes = np.array([len(line) + 1 for line in lines]) if a_symbol else 1
                return counts.log_prob(lines) / sizes  # noqa: B023

            of = {k: score(lines) for k, lines in odd.items()}
            found[f"{order}-gram"][method] = _lines(np.sort(score(clean)), score(test), of)
        print(order, found[f"{order}-gram"], flush=True)
    return {**found, "sizes": LINES, "seeds": [0]}


def _lines(clean: Any, own: Any, odd: dict[str, Any]) -> dict[str, Any]:
    """Return areas a kind, all kinds together, and shares found at a false-alarm rate of 1%."""
    limit = ranks.threshold(clean, ranks.rates(0.01, len(clean))[0])
    together = np.concatenate(list(odd.values()))
    return {
        "all": detection.auc(own, together)._asdict(),
        **{kind: detection.auc(own, s).value for kind, s in odd.items()},
        "found": {kind: float((s < limit).mean()) for kind, s in odd.items()},
        "false_alarms": float((own < limit).mean()),
    }


PROTOCOLS = {
    "tables": lambda: rows(odd_tables.EMBEDDED),
    "binary": lambda: rows(odd_tables.BINARY),
    "images": odd_images.run,
    "text": text,
}


def write(folder: Path, protocol: str, result: dict[str, Any], seconds: float) -> None:
    """Write a result with its command, the machine and the versions."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "command": f"python -m bench.detection {protocol}",
        "seconds": seconds,
        "machine": machine.describe(),
        "versions": machine.versions(),
        "result": result,
    }
    with replacing(folder / f"detection_{protocol}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    """Run the protocols named on the command line, on one thread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocols", nargs="+", choices=PROTOCOLS)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    for protocol in asked.protocols:
        start = time.perf_counter()
        with use_threads(1):
            result = PROTOCOLS[protocol]()
        write(asked.out, protocol, result, time.perf_counter() - start)


if __name__ == "__main__":
    main()
