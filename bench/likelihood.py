"""Test likelihoods beside the published ones: fit by a named protocol, keep the result.

    CHAINRULE_DATA=<folder> python -m bench.likelihood mnist_fvsbn mnist_nade tables

Every protocol states its settings here, chooses epoch and settings on validation data alone,
and writes bench/results/likelihood_<protocol>.json with the machine and the wall time.
"""

import argparse
import json
import math
import time
from itertools import product
from pathlib import Path
from typing import Any

from sklearn.base import clone

import chainrule as cr
from bench import machine
from chainrule.engine.storage.files import replacing

RESULTS = Path(__file__).parent / "results"

MNIST = {
    "mnist_fvsbn": cr.FVSBN(epochs=30, learning_rate=1e-2, l1=0.03, seed=0),
    "mnist_nade": cr.NADE(n_hidden=500, epochs=100, learning_rate=2e-3, l1=0.02, seed=0),
}
PUBLISHED_MNIST = {"mnist_fvsbn": 97.45, "mnist_nade": 88.33}

# One protocol for all tables: so many minibatches, every learning rate with every penalty, and of
# these the pair, and its epoch, that is best on valid.
TABLES = ("nltcs", "adult", "mushrooms", "nips", "dna")
TABLE_MODELS = {"FVSBN": cr.FVSBN(batch_size=20), "NADE": cr.NADE(n_hidden=500, batch_size=20)}
MINIBATCHES = {"FVSBN": 15_000, "NADE": 5000}
RATES = (2e-3, 1e-2)
PENALTIES = ({}, {"l1": 0.03}, {"weight_decay": 0.1}, {"l1": 0.1, "weight_decay": 1.0})
PUBLISHED_TABLES = {
    "adult": {"FVSBN": 13.17, "NADE": 13.19},
    "mushrooms": {"FVSBN": 10.27, "NADE": 9.81},
    "nips": {"FVSBN": 276.88, "NADE": 273.08},
    "dna": {"FVSBN": 83.64, "NADE": 84.81},
}


def fit(model: Any, data: Any) -> dict[str, Any]:
    """Fit `model`, best epoch by validation, and return its likelihoods, in nats, and time."""
    start = time.perf_counter()
    model.fit(data.train.x, X_valid=data.valid.x)
    seconds = time.perf_counter() - start
    nll = {split: -model.score(getattr(data, split).x) for split in ("train", "valid", "test")}
    test = model.log_prob(data.test.x)
    return {
        "data": data.name,
        "estimator": type(model).__name__,
        "hyperparameters": model.get_params(),
        "nll_nats": nll,
        "test_standard_error": float(test.std(ddof=1) / math.sqrt(len(test))),
        "test_bits_per_dim": nll["test"] / (model.n_features_in_ * math.log(2)),
        "n_parameters": int(model.params_.size),
        "best_epoch": model.best_epoch_,
        "fit_seconds": seconds,
    }


def mnist(protocol: str) -> list[dict[str, Any]]:
    """Fit the protocol's model to the fixed binarized MNIST, raster order."""
    data = cr.datasets.load("binarized_mnist")
    result = fit(clone(MNIST[protocol]).set_params(verbose=True), data)
    return [result | {"published_nats": PUBLISHED_MNIST[protocol]}]


def tables(protocol: str) -> list[dict[str, Any]]:
    """Fit both models to every table with every setting; return the best on valid of each."""
    results = []
    for table, (name, model) in product(TABLES, TABLE_MODELS.items()):
        data = cr.datasets.load(table)
        tried = []
        epochs = math.ceil(MINIBATCHES[name] * model.batch_size / len(data.train.x))
        for rate, penalty in product(RATES, PENALTIES):
            one = clone(model).set_params(epochs=epochs, learning_rate=rate, **penalty)
            tried.append(fit(one, data))
        best = min(tried, key=lambda result: result["nll_nats"]["valid"])
        published = PUBLISHED_TABLES.get(table, {}).get(name)
        results.append(best | {"published_nats": published, "settings_tried": len(tried)})
        print(row(results[-1]), flush=True)
    return results


def row(result: dict[str, Any]) -> str:
    """Return one line about a result."""
    nll, published = result["nll_nats"], result["published_nats"]
    return (
        f"{result['data']:16} {result['estimator']:6} train {nll['train']:8.2f}  valid "
        f"{nll['valid']:8.2f}  test {nll['test']:8.2f} ± {result['test_standard_error']:.2f} nats"
        f"  published {published or '-'}  epoch {result['best_epoch']}"
        f"  {result['fit_seconds']:.0f} s"
    )


PROTOCOLS = {**dict.fromkeys(MNIST, mnist), "tables": tables}


def write(protocol: str, results: list[dict[str, Any]]) -> Path:
    """Write the results with the command, the machine and the versions; return the file."""
    path = RESULTS / f"likelihood_{protocol}.json"
    record = {
        "command": f"python -m bench.likelihood {protocol}",
        "machine": machine.describe(),
        "versions": machine.versions(),
        "results": results,
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")
    return path


def main() -> None:
    """Run the protocols named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocols", nargs="+", choices=PROTOCOLS)
    for protocol in parser.parse_args().protocols:
        results = PROTOCOLS[protocol](protocol)
        print(*map(row, results), sep="\n")
        print(f"written: {write(protocol, results)}")


if __name__ == "__main__":
    main()
