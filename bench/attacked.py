"""Who is attacked, how, and what it is measured by: the parts of `bench.attacks`.

What takes long is kept in a folder, where one is given: models, each training at rest until it is
done, and attacked images with the seconds that they took. So a run that was stopped goes on by the
same command. After a change of an attack or a setting delete its files, or name another folder.
"""

import time
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from chainrule import detection
from chainrule.detection import pixels
from chainrule.engine.storage.files import replacing

EPS, PURIFY_EPS, LENGTH = 25 / 255, 32 / 255, 2.0  # of attacks, of purification, of 2-norms
LARGE = 50 / 255  # of attacks that go farther than purification goes back
STEPS, KNOWING_STEPS, ODD = 20, 50, 0.05
RATES = (0.01, 0.05, 0.1)  # of false alarms, that are counted
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


class Kept(NamedTuple):
    """A folder of models and attacked images that are there already; None: nothing is kept."""

    folder: Path | None

    def model(self, name: str, model: Any, *data: Any) -> Any:
        """Return a model, fitted now or kept; of one that was stopped the training goes on."""
        if self.folder is None:
            return model.fit(*data)
        self.folder.mkdir(parents=True, exist_ok=True)
        path, state = (self.folder / f"{name}.{end}" for end in ("safetensors", "state"))
        if not path.exists():
            model.fit(*data, checkpoint=state).save(path)
            state.unlink(missing_ok=True)
        return cr.load(path)

    def images(self, name: str, make: Callable[[], Any]) -> tuple[Any, float]:
        """Return attacked images and the seconds that they took, made now or kept."""
        path = None if self.folder is None else self.folder / f"{name}.npz"
        if path is not None and path.exists():
            with np.load(path) as file:
                return file["moved"], float(file["seconds"])
        began = time.perf_counter()
        moved = make()
        seconds = time.perf_counter() - began
        if path is not None:
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez(file, moved=moved, seconds=seconds)
            print(f"  {name}: {seconds:.0f} s", flush=True)
        return moved, seconds


class Density(NamedTuple):
    """A density of clean images, and log p of clean images it has not seen, sorted.

    apart: log p of clean test images, none of which is attacked.
    """

    model: Any
    ranks: Any
    apart: Any

    def log_p(self, x: Any) -> Any:
        """Return log p of floats, (N,)."""
        return self.model.log_prob(pixels.to_pixels(self.model, x))

    def p_values(self, x: Any) -> Any:
        """Return the rank of each image among clean ones, as a share."""
        return self.of_log_p(self.log_p(x))

    def of_log_p(self, log_p: Any) -> Any:
        """Return the same of images whose log p is there."""
        return (1 + np.searchsorted(self.ranks, log_p, side="right")) / (1 + len(self.ranks))

    def false_alarms(self) -> Any:
        """Return by rate how many clean test images are odd, with an interval of 95% (Wilson's)."""
        p, n, z = self.of_log_p(self.apart), len(self.apart), 1.96
        found = {}
        for rate in RATES:
            share, of_z = float((p <= rate).mean()), z * z / n
            middle = (share + of_z / 2) / (1 + of_z)
            spread = z * sqrt(share * (1 - share) / n + of_z / (4 * n)) / (1 + of_z)
            found[f"{rate:g}"] = {"value": share, "low": middle - spread, "high": middle + spread}
        return {"images": n, "odd_at_rate": found}


def floats(x: Any) -> Any:
    """Return levels as what a classifier reads."""
    return (x / 255).astype(np.float32)


def attacked(
    model: Any, density: Density, x: Any, y: Any, seed: int, kept: Kept, name: str
) -> tuple[dict[str, Any], dict[str, Any]]:
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
    through = {"purify_eps": PURIFY_EPS}
    both = {**through, "weights": WEIGHTS, "steps": KNOWING_STEPS}
    adaptive: dict[str, Callable[[], Any]] = {
        "likely_bpda": lambda: a.likely_bpda(model, of, x, y, EPS, **both),
        "likely_bpda, large": lambda: a.likely_bpda(model, of, x, y, LARGE, **both),
        "likely_pgd": lambda: likely(model, density, x, y, EPS),
        "likely_pgd, large": lambda: likely(model, density, x, y, LARGE),
        "bpda": lambda: a.bpda(model, of, x, y, EPS, restarts=2, **through, **long),
        "bpda, large": lambda: a.bpda(model, of, x, y, LARGE, restarts=2, **through, **long),
    }
    made = [
        {attack: kept.images(f"{name}_{attack}", make) for attack, make in kind.items()}
        for kind in (plain, adaptive)
    ]
    return made[0], made[1]


def likely(model: Any, density: Density, x: Any, y: Any, eps: float) -> Any:
    """Return images after `likely_pgd` with each of WEIGHTS, of each image what serves it best.

    That is the first that the classifier errs at and that is not odd; else one that it errs at.
    """
    best, served = x.copy(), np.zeros(len(x), int)  # 2: errs and is not odd, 1: errs
    for weight in WEIGHTS:
        left = np.flatnonzero(served < 2)
        if not len(left):
            break
        of = {"weight": weight, "steps": KNOWING_STEPS}
        moved = cr.attacks.likely_pgd(model, density.model, x[left], y[left], eps, **of)
        wrong, seen = model.predict(moved) != y[left], density.p_values(moved) <= ODD
        serves = np.where(wrong, np.where(seen, 1, 2), 0)
        better = serves > served[left]
        best[left[better]], served[left[better]] = moved[better], serves[better]
    return best


def judged(model: Any, density: Density, x: Any, y: Any, moved: Any, took: float) -> Any:
    """Return accuracies, how many are odd, and sizes, of images after an attack.

    auc: of images that the attack changed, against clean test images that are none of these.
    """
    clean = cr.purify(density.model, moved, PURIFY_EPS)
    log_p = density.log_p(moved)
    odd = density.of_log_p(log_p) <= ODD
    d = np.abs(moved - x).reshape(len(x), -1)
    changed = d.any(axis=1)
    wrong, still = (model.predict(images) != y for images in (moved, clean))
    area = detection.auc(density.apart, log_p[changed])._asdict() if changed.any() else {}
    return {
        "accuracy": float(1 - wrong.mean()),
        "purified": float(1 - still.mean()),
        "purified_where_odd": float(1 - np.where(odd, still, wrong).mean()),
        "odd": float(odd.mean()),
        "wrong_and_not_odd": float((wrong & ~odd).mean()),
        "wrong_purified_and_not_odd": float((still & ~odd).mean()),
        "auc": {"images": int(changed.sum()), **area},
        "mean_log_p": float(log_p.mean()),
        "median_2_norm": float(np.median(np.sqrt((d**2).sum(axis=1)))),
        "median_inf_norm": float(np.median(d.max(axis=1))),
        "seconds": took,
    }
