"""Attacks, purification, and attacks by who knows of it: accuracies and times on real images.

    CHAINRULE_DATA=<folder> python -m bench.attacks mnist fashion_mnist

Of each data set a perceptron and a small convolutional network are fitted, and a PixelCNN of clean
images. For test images, clean and under each attack, the result says how often a classifier is
right, before and after purification, how many of them the density finds odd, and how well it tells
them from clean ones: p-values are ranks of log p(x) among clean images that it has not seen, and
odd is one of at most 0.05. Adaptive attacks come first, and first of them the one on detector and
purifier at once. Times are of one run, ours and then those of the Adversarial Robustness Toolbox,
on the same network, threads and images, where it is installed; recomputing the network at each
pixel is one pass, timed, and counted once for each.

`--full` takes all training images and 200 test images, `--attacked` fewer; without it the sizes are
those of SMALL, and the file says so. `--keep FOLDER` keeps what is finished there, so that a run
that was stopped goes on. It writes bench/results/attacks_<data>.json after each network.
"""

import argparse
import json
import time
from functools import partial
from math import log, prod
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from bench import machine
from bench.attacked import (
    DENSITY,
    EPS,
    LARGE,
    LENGTH,
    NETWORKS,
    PURIFY_EPS,
    STEPS,
    Density,
    Kept,
    Sizes,
    attacked,
    floats,
    judged,
)  # fmt: skip
from chainrule.detection import pixels
from chainrule.engine.storage.files import replacing
from chainrule.plots import faces, panels

RESULTS = Path(__file__).parent / "results"
DATA = ("mnist", "fashion_mnist")
FIGURES = (
    "accuracy", "purified", "purified_where_odd", "odd", "wrong_and_not_odd",
    "wrong_purified_and_not_odd",
)  # fmt: skip
SMALL = Sizes(10_000, 3000, 500, 40, 8, 8, 10)
FULL = Sizes(50_000, 10_000, 2000, 200, 8, 8, 50)
NEAREST = {"rounds": 6, "steps": 50, "rate": 0.1, "first": 1.0}  # of Carlini and Wagner, beside ART
DRAWN = ("noise", "fgsm", "pgd", "carlini_wagner", "likely_bpda", "likely_pgd", "bpda")
HISTOGRAMS = ("noise", "pgd", "carlini_wagner", "likely_pgd", "likely_bpda")  # a colour each


def run(name: str, sizes: Sizes, seed: int, kept: Kept, write: Any) -> None:
    """Hand the results on one data set to `write`, after each network, and draw some of them."""
    data = cr.datasets.load(name, raw=True)
    x, x_valid, x_test = (
        part.x.reshape(-1, 28, 28) for part in (data.train, data.valid, data.test)
    )
    y, y_test = data.train.y[: sizes.train], data.test.y[: sizes.test].astype(np.int64)
    model = cr.PixelCNN(**DENSITY, epochs=sizes.passes, seed=seed)  # type: ignore[arg-type]
    model = kept.model("density", model, x[-sizes.density :])
    apart = model.log_prob(x_test[sizes.test : sizes.test + sizes.clean])
    density = Density(model, np.sort(model.log_prob(x_valid[: sizes.clean])), apart)
    few = floats(x_test[: sizes.test])
    result: dict[str, Any] = {
        "clean_test": density.false_alarms(),
        "purification": _purification(density, few[: sizes.timed]),
    }
    print(name, result, flush=True)
    for kind, how in NETWORKS.items():
        classifier = cr.Classifier(**how, epochs=sizes.epochs, seed=seed)
        classifier = kept.model(kind, classifier, floats(x[: sizes.train]), y)
        made = attacked(classifier, density, few, y_test, seed, kept, kind)
        of = classifier, density, few, y_test
        result[kind] = {
            "adaptive": {attack: judged(*of, *found) for attack, found in made[1].items()},
            "plain": {attack: judged(*of, *found) for attack, found in made[0].items()},
            "beside_art": _beside_art(classifier, few[: sizes.timed], y_test[: sizes.timed]),
        }
        print(_table(name, kind, result[kind]), flush=True)
        shown = {"clean": few, **{k: v[0] for k, v in {**made[0], **made[1]}.items()}}
        write(result, _picture(classifier, density, shown, y_test), _sets(density, shown))


def _purification(density: Density, x: Any) -> dict[str, float]:
    """Return the seconds of a purification, and of the same by a whole pass for each pixel."""
    cr.purify(density.model, x[:2], PURIFY_EPS)  # compiles
    levels = pixels.to_pixels(density.model, x)
    density.model.conditionals(levels[:2])
    began = time.perf_counter()
    cr.purify(density.model, x, PURIFY_EPS)
    ours = time.perf_counter() - began
    began = time.perf_counter()
    density.model.conditionals(levels)
    one = time.perf_counter() - began
    n = prod(x.shape[1:])
    return {"images": len(x), "seconds": ours, "by_a_pass_each_seconds": one * n} | {
        "times_faster": one * n / ours
    }


def _beside_art(model: Any, x: Any, y: Any) -> Any:
    """Return seconds and median 2-norms of ours and theirs, of images that are right."""
    try:
        from bench.peers import art_attacks
    except ImportError:
        return "the Adversarial Robustness Toolbox is not installed"
    right = model.predict(x) == y
    x, y, out = x[right], y[right], {}
    ours = {
        "fgsm": lambda x, y: cr.attacks.fgsm(model, x, y, EPS),
        "bim": lambda x, y: cr.attacks.bim(model, x, y, EPS, steps=STEPS),
        "deepfool": lambda x, y: cr.attacks.deepfool(model, x, y),
        "carlini_wagner": lambda x, y: cr.attacks.carlini_wagner(model, x, y, **NEAREST),
    }
    theirs = art_attacks.attacks(model, EPS, STEPS, NEAREST)
    for name in ours:
        out[name] = {}
        for side, attack in (("ours", ours[name]), ("art", theirs[name])):
            attack(x[:1], y[:1])  # what is made or compiled once is no part of an attack
            began = time.perf_counter()
            moved = attack(x, y)
            took = time.perf_counter() - began
            far = float(np.median(np.linalg.norm((moved - x).reshape(len(x), -1), axis=1)))
            accuracy = model.score(moved, y)
            out[name][side] = {"seconds": took, "accuracy": accuracy, "median_2_norm": far}
    return {"images": len(x), **out}


def _table(name: str, kind: str, of: dict[str, Any]) -> str:
    """Return the accuracies in words, a line an attack."""
    lines = [f"{name}, {kind}", f"{'':20}  right purified where odd     odd  unseen  both  area"]
    for attack, one in {**of["adaptive"], **of["plain"]}.items():
        figures = "  ".join(f"{one[key]:7.1%}" for key in FIGURES)
        area = one["auc"].get("value", float("nan"))
        lines.append(f"{attack:20}{figures}  {area:.3f}  {one['mean_log_p']:9.0f}")
    return "\n".join(lines)


def _picture(model: Any, density: Density, shown: dict[str, Any], y: Any) -> Any:
    """Return one image in each row after each attack, and purified, with what it is taken for."""
    names = ["clean", *DRAWN, "likely_bpda, large", "likely_pgd, large", "bpda, large"]
    k = int(np.flatnonzero(model.predict(shown["clean"]) == y)[0])
    tiles, words = [], []
    for name in names:
        moved = shown[name][k : k + 1]
        both = np.concatenate([moved, cr.purify(density.model, moved, PURIFY_EPS)])
        tiles.extend(both)
        words.append(f"{name}: {' → '.join(map(str, model.predict(both)))}")
    whole = faces.faces((np.stack(tiles)[..., None] * 255).round(), 256)
    panel = panels.Panel("attacked, and purified", whole.tiles, 2, whole.colours, names=words)
    return panels.draw([panel])


def _sets(density: Density, shown: dict[str, Any]) -> Any:
    """Return histograms of bits per dimension, clean and after some attacks."""
    scale = -prod(shown["clean"].shape[1:]) * log(2)
    of = {name: density.log_p(shown[name]) / scale for name in HISTOGRAMS}
    return cr.plots.sets({"clean": density.apart / scale, **of})


def _write(out: Path, name: str, record: Any, result: Any, tiles: Any, sets: Any) -> None:
    """Write results, with how they came about, and the pictures."""
    path = out / f"attacks_{name}.json"
    with replacing(path) as temporary:
        text = json.dumps({**record, "results": result}, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", "utf-8")
    cr.plots.save(tiles, out / f"attacks_{name}.png")
    cr.plots.save(sets, out / f"attacks_{name}_bits.png")
    print(f"written: {path}", flush=True)


def main() -> None:
    """Run the data sets named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", choices=DATA)
    parser.add_argument("--full", action="store_true", help="all images, not a reduced number")
    parser.add_argument("--attacked", type=int, help="test images that are attacked")
    parser.add_argument("--keep", type=Path, help="folder of what is finished")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    sizes = FULL if asked.full else SMALL
    sizes = sizes if asked.attacked is None else sizes._replace(test=asked.attacked)
    for name in asked.data:
        folder = "_".join(map(str, (name, *sizes, asked.seed)))
        kept = Kept(None if asked.keep is None else asked.keep / folder)
        record = {
            "command": f"python -m bench.attacks {name}{' --full' * asked.full}"
            + ("" if asked.attacked is None else f" --attacked {asked.attacked}"),
            "reduced": not asked.full,
            "sizes": sizes._asdict()
            | {"eps": EPS, "large": LARGE, "purify_eps": PURIFY_EPS, "length": LENGTH},
            "nearest": NEAREST,
            "seed": asked.seed,
            "machine": machine.describe(),
            "versions": machine.versions(),
        }

        write = partial(_write, asked.out, name, record)
        run(name, sizes, asked.seed, kept, write)


if __name__ == "__main__":
    main()
