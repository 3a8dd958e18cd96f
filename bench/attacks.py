"""Attacks, purification, and attacks by who knows of it: accuracies and times on real images.

    CHAINRULE_DATA=<folder> python -m bench.attacks mnist fashion_mnist

Of each data set a perceptron and a small convolutional network are fitted, and a PixelCNN of clean
images. For test images, clean and under each attack, the result says how often a classifier is
right, before and after purification, and how many of them the density finds odd: p-values are
ranks of log p(x) among clean images that it has not seen, and odd is below 0.05. Adaptive attacks
come first. Times are of one run, ours and then those of the Adversarial Robustness Toolbox, on the
same network, threads and images, where it is installed; recomputing the network at each pixel is
one pass, timed, and counted once for each.

`--full` takes all training images and 200 test images, within an hour of one core each; without it
the sizes are those of SMALL, and the file says so. It writes bench/results/attacks_<data>.json.
"""

import argparse
import json
import time
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from bench import machine
from chainrule.detection import pixels
from chainrule.engine.storage.files import replacing
from chainrule.plots import faces, panels

RESULTS = Path(__file__).parent / "results"
DATA = ("mnist", "fashion_mnist")
EPS, PURIFY_EPS, LENGTH = 25 / 255, 32 / 255, 2.0  # of attacks, of purification, of 2-norms
LARGE = 50 / 255  # of attacks that go farther than purification goes back
STEPS, ODD = 20, 0.05
FIGURES = ("accuracy", "purified", "purified_where_odd", "odd", "wrong_and_not_odd")
WEIGHTS = (1e-4, 1e-3, 3e-3)  # of log p, that an attack tries
NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {"network": "mlp", "hidden": (256, 128)},
    "cnn": {"network": "cnn", "channels": (16, 32)},
}
DENSITY = {
    "gated": True, "n_layers": 4, "n_features": 16, "likelihood": "logistics", "n_logistics": 5,
    "levels": 256, "learning_rate": 3e-3, "batch_size": 16, "clip_norm": 100.0,
}  # fmt: skip


class Sizes(NamedTuple):
    """How many images: the classifiers', the density's, clean ones to rank among, and attacked.

    epochs, passes: of the classifiers and of the density. timed: images that attacks are timed on.
    """

    train: int
    density: int
    clean: int
    test: int
    epochs: int
    passes: int
    timed: int


SMALL = Sizes(10_000, 3000, 500, 40, 8, 8, 10)
FULL = Sizes(50_000, 10_000, 2000, 200, 8, 8, 50)


class Density(NamedTuple):
    """A density of clean images, and log p of clean images it has not seen, sorted."""

    model: Any
    ranks: Any

    def log_p(self, x: Any) -> Any:
        """Return log p of floats, (N,)."""
        return self.model.log_prob(pixels.to_pixels(self.model, x))

    def p_values(self, x: Any) -> Any:
        """Return the rank of each image among clean ones, as a share."""
        below = np.searchsorted(self.ranks, self.log_p(x), side="right")
        return (1 + below) / (1 + len(self.ranks))


def run(name: str, sizes: Sizes, seed: int, out: Path) -> dict[str, Any]:
    """Return the results on one data set, and draw a picture of some."""
    data = cr.datasets.load(name, raw=True)
    x, x_test = (part.x.reshape(-1, 28, 28) for part in (data.train, data.test))
    y, y_test = data.train.y[: sizes.train], data.test.y[: sizes.test].astype(np.int64)
    density = _density(x[-sizes.density :], data.valid.x.reshape(-1, 28, 28), sizes, seed)
    few = _floats(x_test[: sizes.test])
    result: dict[str, Any] = {"purification": _purification(density, few[: sizes.timed])}
    for kind, how in NETWORKS.items():
        model = cr.Classifier(**how, epochs=sizes.epochs, seed=seed)
        model.fit(_floats(x[: sizes.train]), y)
        made = _attacked(model, density, few, y_test, seed)
        result[kind] = {
            "adaptive": {k: _judged(model, density, few, y_test, *v) for k, v in made[1].items()},
            "plain": {k: _judged(model, density, few, y_test, *v) for k, v in made[0].items()},
            "beside_art": _beside_art(model, few[: sizes.timed], y_test[: sizes.timed]),
        }
        print(_table(name, kind, result[kind]), flush=True)
        if kind == "cnn":
            shown = {"clean": few, **{k: v[0] for k, v in {**made[0], **made[1]}.items()}}
            _picture(model, density, shown, y_test, out / f"attacks_{name}.png")
    return result


def _density(x: Any, valid: Any, sizes: Sizes, seed: int) -> Density:
    model = cr.PixelCNN(**DENSITY, epochs=sizes.passes, seed=seed).fit(x)
    return Density(model, np.sort(model.log_prob(valid[: sizes.clean])))


def _floats(x: Any) -> Any:
    return (x / 255).astype(np.float32)


def _attacked(model: Any, density: Density, x: Any, y: Any, seed: int) -> tuple[Any, Any]:
    """Return attacked images, and the seconds that they took, by name: plain and adaptive ones."""
    a, of = cr.attacks, density.model
    long = {"steps": STEPS, "seed": seed}
    plain: dict[str, Callable[[], Any]] = {
        "none": lambda: x,
        "noise": lambda: a.noise(x, EPS, seed=seed),
        "fgsm": lambda: a.fgsm(model, x, y, EPS),
        "bim": lambda: a.bim(model, x, y, EPS, steps=STEPS),
        "pgd": lambda: a.pgd(model, x, y, EPS, **long),
        "pgd, large": lambda: a.pgd(model, x, y, LARGE, **long),
        "pgd, 2-norm": lambda: a.pgd(model, x, y, LENGTH, norm="2", **long),
        "deepfool": lambda: a.deepfool(model, x, y),
        "carlini_wagner": lambda: a.carlini_wagner(model, x, y),
    }
    knows = {"purify_eps": PURIFY_EPS, "restarts": 2, **long}
    adaptive: dict[str, Callable[[], Any]] = {
        "bpda": lambda: a.bpda(model, of, x, y, EPS, **knows),
        "bpda, large": lambda: a.bpda(model, of, x, y, LARGE, **knows),
        "likely_pgd": lambda: _likely(model, density, x, y, EPS),
        "likely_pgd, large": lambda: _likely(model, density, x, y, LARGE),
    }
    return _timed(plain), _timed(adaptive)


def _likely(model: Any, density: Density, x: Any, y: Any, eps: float) -> Any:
    """Return images after `likely_pgd` with each of WEIGHTS, of each image what serves it best.

    That is the first that the classifier errs at and that is not odd; else one that it errs at.
    """
    best, served = x.copy(), np.zeros(len(x), int)  # 2: errs and is not odd, 1: errs
    for weight in WEIGHTS:
        moved = cr.attacks.likely_pgd(model, density.model, x, y, eps, weight=weight, steps=50)
        wrong, seen = model.predict(moved) != y, density.p_values(moved) < ODD
        serves = np.where(wrong, np.where(seen, 1, 2), 0)
        better = serves > served
        best[better], served[better] = moved[better], serves[better]
    return best


def _timed(made: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    out = {}
    for name, make in made.items():
        began = time.perf_counter()
        out[name] = make(), time.perf_counter() - began
    return out


def _judged(model: Any, density: Density, x: Any, y: Any, moved: Any, took: float) -> Any:
    """Return accuracies, how many are odd, and sizes, of images after an attack."""
    clean = cr.purify(density.model, moved, PURIFY_EPS)
    odd = density.p_values(moved) < ODD
    adaptive = np.where(odd[:, None, None], clean, moved)
    d = np.abs(moved - x).reshape(len(x), -1)
    return {
        "accuracy": model.score(moved, y),
        "purified": model.score(clean, y),
        "purified_where_odd": model.score(adaptive, y),
        "odd": float(odd.mean()),
        "wrong_and_not_odd": float(((model.predict(moved) != y) & ~odd).mean()),
        "mean_log_p": float(density.log_p(moved).mean()),
        "median_2_norm": float(np.median(np.sqrt((d**2).sum(axis=1)))),
        "median_inf_norm": float(np.median(d.max(axis=1))),
        "seconds": took,
    }


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
        "fgsm": lambda: cr.attacks.fgsm(model, x, y, EPS),
        "bim": lambda: cr.attacks.bim(model, x, y, EPS, steps=STEPS),
        "deepfool": lambda: cr.attacks.deepfool(model, x, y),
        "carlini_wagner": lambda: cr.attacks.carlini_wagner(model, x, y),
    }
    theirs = art_attacks.attacks(model, EPS, STEPS)
    for name, make in ours.items():
        sides = {"ours": make, "art": lambda name=name: theirs[name](x, y)}
        out[name] = {}
        for side, (moved, took) in _timed(sides).items():
            d = (moved - x).reshape(len(x), -1)
            far = float(np.median(np.linalg.norm(d, axis=1)))
            accuracy = model.score(moved, y)
            out[name][side] = {"seconds": took, "accuracy": accuracy, "median_2_norm": far}
    return {"images": len(x), **out}


def _table(name: str, kind: str, of: dict[str, Any]) -> str:
    """Return the accuracies in words, a line an attack."""
    lines = [f"{name}, {kind}", f"{'':20}  right purified where odd     odd  unseen  log p"]
    for attack, one in {**of["adaptive"], **of["plain"]}.items():
        figures = "  ".join(f"{one[key]:7.1%}" for key in FIGURES)
        lines.append(f"{attack:20}{figures}  {one['mean_log_p']:9.0f}")
    return "\n".join(lines)


def _picture(model: Any, density: Density, shown: dict[str, Any], y: Any, path: Path) -> None:
    """Draw one image in each row after each attack, and purified, with what it is taken for."""
    names = [
        name
        for name in shown
        if name not in ("none", "bim", "deepfool", "pgd, 2-norm", "pgd, large")
    ]
    k = int(np.flatnonzero(model.predict(shown["clean"]) == y)[0])
    tiles, words = [], []
    for name in names:
        moved = shown[name][k : k + 1]
        both = np.concatenate([moved, cr.purify(density.model, moved, PURIFY_EPS)])
        tiles.extend(both)
        said = " → ".join(map(str, model.predict(both)))
        words.append(f"{name.partition(':')[0]}: {said}")
    whole = faces.faces(np.stack(tiles)[..., None] * 255, 256)
    panel = panels.Panel("attacked, and purified", whole.tiles, 2, whole.colours, names=words)
    cr.plots.save(panels.draw([panel]), path)


def main() -> None:
    """Run the data sets named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", choices=DATA)
    parser.add_argument("--full", action="store_true", help="all images, not a reduced number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    sizes = FULL if asked.full else SMALL
    for name in asked.data:
        record = {
            "command": f"python -m bench.attacks {name}{' --full' * asked.full}",
            "reduced": not asked.full,
            "sizes": sizes._asdict()
            | {"eps": EPS, "large": LARGE, "purify_eps": PURIFY_EPS, "length": LENGTH},
            "seed": asked.seed,
            "machine": machine.describe(),
            "versions": machine.versions(),
            "results": run(name, sizes, asked.seed, asked.out),
        }
        path = asked.out / f"attacks_{name}.json"
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(f"written: {path}", flush=True)


if __name__ == "__main__":
    main()
