"""Test likelihoods beside the published ones: fit by a named protocol, keep the result.

    CHAINRULE_DATA=<folder> python -m bench.likelihood mnist_nade mnist_made tables red_wine mixed

Every protocol states its settings here (red wine in `bench.wine`, mixed columns in `bench.mixed`,
what defaults give in `bench.defaults`, images of several levels in `bench.colour`) and chooses on
validation data alone. It writes into bench/results likelihood_<protocol>.json with the machine and
the wall times, .csv with the learning curves of what was chosen, and pictures. Until then trainings
lie in runs/likelihood: a protocol that was stopped, by Ctrl-C or kill -9, goes on by the same
command, to the same bits (`bench.trials`).
"""

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import chainrule as cr
from bench import colour, defaults, drawn, machine, mixed, trials, wine
from bench.trials import Record
from chainrule import plots
from chainrule.engine.storage.files import replacing

RESULTS = Path(__file__).parent / "results"


class Images(NamedTuple):
    """A protocol on the fixed binarized MNIST: raster order, the best of some settings on valid.

    estimator, settings: of all trials; grid: what they differ in. published: test nats, and whose.
    scoring: settings that scores of the chosen one are made with, where they may change after fit;
    splits: what is scored with them. then: settings of a second training, from the parameters that
    the chosen one kept and with a learning rate that falls anew: a warm restart (Loshchilov and
    Hutter 2017); empty for none.
    """

    estimator: str
    settings: Mapping[str, Any]
    grid: Sequence[Mapping[str, Any]]
    published: Mapping[str, float]
    scoring: Mapping[str, Any] = {}
    splits: Sequence[str] = trials.SPLITS
    then: Mapping[str, Any] = {}


# What models would choose by the number of rows, or have as None, is said here: names go by it.
USUAL = {"batch_size": 100, "learning_rate": 1e-3}
# The density of a MADE with several masks is the mean of theirs, each a pass over the rows: it is
# validated once in five epochs, and its training rows are not scored.
# Direct connections count under every mask, where a hidden unit sees and feeds others with each.
MASKS = {**USUAL, "epochs": 60, "n_masks": 32, "direct": True, "eval_every": 2500}
# Networks over images: the mean of the last thousand steps or so is validated and kept.
PIXELS = {"batch_size": 16, "learning_rate": 2e-3, "average": 0.9995, "clip_norm": 50.0}
# Convolutions of digits that lie alike: biases tell where a pixel is, and a first kernel as large
# as the image shows each pixel all that came before. By itself a layer looks one row further up.
PLACED = {**PIXELS, "positions": True, "first_size": 55}
# So many weights overfit within ten epochs. L1 takes from each what its gradient's mean does not
# hold against its noise, for which a minibatch of 16 of 50,000 wants about √(16 / 50,000).
SPARED = {**PLACED, "l1": 0.015}
# What falls with train and valid together when the training ends is worth going on with; the first
# steps are small, since Adam's moments begin anew.
AGAIN = {"warmup": 0.02}
SPARSE = ({"l1": 0.03}, {"l1": 0.06})
MNIST = {
    "mnist_fvsbn": Images(
        "FVSBN",
        {"batch_size": 100, "epochs": 30, "learning_rate": 1e-2, "l1": 0.03},
        ({},),
        {"FVSBN": 97.45},
    ),
    "mnist_nade": Images(
        "NADE",
        {"batch_size": 100, "n_hidden": 1000, "epochs": 120, "learning_rate": 2e-3},
        ({"l1": 0.04}, {"l1": 0.06}, {"l1": 0.04, "n_hidden": 2000}),
        {"NADE, 500 hidden units": 88.33},
    ),
    "mnist_made": Images(
        "MADE",
        {**USUAL, "hidden": (2000,), "epochs": 100},
        (*SPARSE, {"l1": 0.03, "hidden": (4000,)}),
        {"MADE, 1 layer, 1 mask": 88.40},
    ),
    "mnist_made_masks": Images(
        "MADE",
        {"hidden": (4000,), **MASKS},
        ({"l1": 0.01},),
        {"MADE, 1 layer, 32 masks": 88.04},
        splits=("valid", "test"),
    ),
    "mnist_made_deep": Images(
        "MADE",
        {"hidden": (2000, 2000), **MASKS},
        ({"l1": 0.01},),
        {"MADE, 2 layers, 32 masks": 86.64},
        splits=("valid", "test"),
    ),
    "mnist_orderless": Images(
        "OrderlessNADE",
        {**USUAL, "hidden": (1000, 1000), "epochs": 300, "ordering": "random", "l1": 0.02},
        ({},),
        {"EoNADE, 2 layers, 128 orderings": 85.10, "the same, later": 84.68},
        {"n_orderings": 32},
        ("test",),
    ),
    "mnist_pixel_cnn": Images(
        "PixelCNN",
        {**PLACED, "n_features": 32, "n_layers": 8, "epochs": 12},
        ({},),
        {"PixelCNN": 81.30},
    ),
    "mnist_pixel_cnn_gated": Images(
        "PixelCNN",
        {**SPARED, "gated": True, "n_features": 32, "n_layers": 6, "epochs": 11},
        ({},),
        {"Gated PixelCNN": 80.10},
        then={**AGAIN, "l1": 0.012, "epochs": 12},
    ),
    "mnist_row_lstm": Images(
        "PixelRNN",
        {**SPARED, "cell": "row", "n_layers": 3, "n_hidden": 24, "epochs": 20},
        ({},),
        {"Row LSTM": 80.54},
        then={**AGAIN, "l1": 0.01, "epochs": 20},
    ),
    "mnist_diagonal_lstm": Images(
        "PixelRNN",
        {**PIXELS, "cell": "diagonal", "n_layers": 1, "n_hidden": 32, "epochs": 60},
        ({},),
        {"Diagonal BiLSTM, 1 layer": 80.75, "Diagonal BiLSTM, 7 layers": 79.20},
    ),
}

# One protocol for all tables: so many minibatches of 20 rows a model, every learning rate with
# every penalty, and of these the pair, and its epoch, that is best on valid; then the model that
# is best on valid.
TABLES = ("nltcs", "adult", "mushrooms", "nips", "dna")
BATCH = 20
MINIBATCHES = {"FVSBN": 15_000, "NADE": 5000, "MADE": 5000, "OrderlessNADE": 10_000}
TABLE_MODELS: dict[str, dict[str, Any]] = {
    "FVSBN": {},
    "NADE": {"n_hidden": 500},
    "MADE": {"hidden": (500,), "direct": True},
    "OrderlessNADE": {"hidden": (500, 500)},
}
MORE = {"MADE": ({"n_masks": 1}, {"n_masks": 32})}  # each tried with all of the grid
SCORING = {"OrderlessNADE": {"n_orderings": 16}}  # as `Images.scoring`
RATES = (2e-3, 1e-2)
PENALTIES = (
    {}, {"l1": 0.03}, {"l1": 0.06}, {"l1": 0.1}, {"weight_decay": 0.1},
    {"l1": 0.1, "weight_decay": 1.0},
)  # fmt: skip
PUBLISHED_TABLES = {
    "adult": {"FVSBN": 13.17, "NADE": 13.19, "MADE": 13.12, "best": 13.10},
    "mushrooms": {"FVSBN": 10.27, "NADE": 9.81, "MADE": 9.68, "best": 9.55},
    "nips": {"FVSBN": 276.88, "NADE": 273.08, "MADE": 277.28, "best": 272.39},
    "dna": {"FVSBN": 83.64, "NADE": 84.81, "MADE": 79.66, "best": 79.05},
    "nltcs": {"best": 5.99},
}


def mnist(protocol: str, folder: Path, out: Path) -> list[Record]:
    """Fit the protocol's model to the fixed binarized MNIST with each of its settings."""
    asked, data = MNIST[protocol], cr.datasets.load("binarized_mnist")
    model = getattr(cr, asked.estimator)(**asked.settings, seed=0, verbose=True)
    chosen, tried = trials.search(trials.settings_tried(model, asked.grid), data, folder)
    if asked.then:
        model.set_params(**{**chosen["hyperparameters"], **asked.then})
        later = trials.run(model, data, folder, start=chosen)
        print(f"  {trials.line(later)}", flush=True)
        tried.append(trials.summary(later))
        chosen = trials.best([later, chosen])
    fitted = trials.load(chosen, folder).set_params(**asked.scoring, verbose=False)
    with_ = "".join(f"-{name}={value}" for name, value in asked.scoring.items())
    log_p = {
        split: trials.kept_log_prob(
            fitted, getattr(data, split).x, folder / f"{chosen['trial']}{with_}.{split}.npy"
        )
        for split in asked.splits
    }
    scores = trials.nats_by_split(log_p, fitted.n_features_in_) | {"scored_with": asked.scoring}
    if asked.estimator in ("PixelCNN", "PixelRNN"):
        drawn.draw(fitted, data.test.x, out / f"likelihood_{protocol}_samples.png")
    return [chosen | scores | {"published_nats": dict(asked.published), "tried": tried}]


def tables(protocol: str, folder: Path, out: Path) -> list[Record]:
    """Fit every model to every table with every setting; return the best on valid of each."""
    return [result for table in TABLES for result in table_results(table, folder)]


def table_results(table: str, folder: Path) -> Iterator[Record]:
    """Yield the results of each model on one table, and say which is best on valid."""
    data, published, results = cr.datasets.load(table), PUBLISHED_TABLES[table], []
    for name, settings in TABLE_MODELS.items():
        epochs = math.ceil(MINIBATCHES[name] * BATCH / len(data.train.x))
        model = getattr(cr, name)(**settings, batch_size=BATCH, epochs=epochs, seed=0)
        chosen, tried = trials.search(trials.settings_tried(model, table_grid(name)), data, folder)
        scoring = SCORING.get(name, {})
        scores = trials.evaluation(trials.load(chosen, folder).set_params(**scoring), data)
        result = chosen | scores | {"scored_with": scoring, "tried": tried}
        result["valid_nats"] = scores["nll_nats"]["valid"]
        result["published_nats"] = {k: published[k] for k in (name, "best") if k in published}
        results.append(result)
        print(row(result), flush=True)
    winner = trials.best(results)
    for result in results:
        yield result | {"chosen_on_valid": result is winner}


def table_grid(name: str) -> list[dict[str, Any]]:
    """Return the settings that a model is tried with on each table."""
    more: Sequence[dict[str, int]] = MORE.get(name, ({},))
    of_all = [{"learning_rate": rate, **penalty} for rate in RATES for penalty in PENALTIES]
    return [own | setting for own in more for setting in of_all]


def row(result: Record) -> str:
    """Return one line about a result."""
    nll, published = result["nll_nats"], result["published_nats"]
    parts = "  ".join(f"{split} {nats:8.2f}" for split, nats in nll.items())
    known = ", ".join(f"{whose} {nats:g}" for whose, nats in published.items())
    return (
        f"{result['data']:16} {result['estimator']:13} {parts} ± "
        f"{result['test_standard_error']:.2f} nats  published: {known or 'nothing'}"
        f"{'  best on valid' if result.get('chosen_on_valid') else ''}"
    )


PROTOCOLS = {
    **dict.fromkeys(MNIST, mnist),
    "tables": tables,
    "red_wine": wine.run,
    "mixed": mixed.run,
    "defaults": defaults.run,
    "colour": colour.run,
}


def write(out: Path, protocol: str, results: list[Record]) -> Path:
    """Write the results with the command, the machine and the versions; return the file.

    Learning curves are in a file of their own, and of a single one there is a picture.
    """
    path = out / f"likelihood_{protocol}.json"
    record = {
        "command": f"python -m bench.likelihood {protocol}",
        "machine": machine.describe(),
        "versions": machine.versions(),
        "results": [trials.without_curves(result) for result in results],
    }
    if (curves := trials.curves(results)).count("\n") > 1:  # some lines below the names
        with replacing(path.with_suffix(".csv")) as temporary:
            temporary.write_text(curves)
    if len(results) == 1 and results[0].get("history"):
        title = f"{protocol}: {results[0]['estimator']}, nats a row"
        plots.save(plots.training_curve(results[0]["history"], title), path.with_suffix(".png"))
    trials.write(path, record)
    return path


def main() -> None:
    """Run the protocols named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocols", nargs="+", choices=PROTOCOLS)
    parser.add_argument("--runs", type=Path, default=trials.FOLDER, help="folder of trainings")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of results")
    asked = parser.parse_args()
    for protocol in asked.protocols:
        asked.out.mkdir(parents=True, exist_ok=True)
        results = PROTOCOLS[protocol](protocol, asked.runs, asked.out)
        print(*map(row, results), sep="\n")
        print(f"written: {write(asked.out, protocol, results)}")


if __name__ == "__main__":
    main()
