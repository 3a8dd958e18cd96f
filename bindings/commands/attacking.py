"""`chainrule attack` and `chainrule purify`: images that a classifier errs at, and moved back."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.commands import attack_material as material
from chainrule.commands import shares
from chainrule.commands.attack_material import Found
from chainrule.commands.common import PICTURES, Common, check_output, picture, write_rows
from chainrule.commands.requests import AttackRequest, LabelRequest
from chainrule.detection import attacks, purifying
from chainrule.suggestions import near

Shares = Mapping[str, Any]  # by stage

PICTURED = 10  # images drawn at most
KNOWING = ("likely_pgd", "bpda", "likely_bpda")
OF_BALL = ("pgd", "noise", *KNOWING)  # which --norm is for
OF_STEPS = ("bim", "pgd", "deepfool", "carlini_wagner", *KNOWING)  # which --steps is for
OF_EPS = ("fgsm", "bim", *OF_BALL)  # which --eps is for: the others take the nearest they find
OF_SEED = ("pgd", "noise", "bpda")  # which draw something
METHODS = ("fgsm", "bim", "pgd", "deepfool", "carlini_wagner", "noise", *KNOWING)


def attack(common: Common, run: Path, x: Path, how: AttackRequest, asked: LabelRequest) -> None:
    """Write attacked images, or draw them beside the clean ones; say how often it is right."""
    check_output(how.out, *PICTURES, ".npy")
    if how.method not in METHODS:
        raise ValueError(
            f"--method takes {', '.join(METHODS)}, got {how.method!r}{near(how.method, METHODS)}"
        )
    _check_options(how, common.seed)
    model = common.show(material.classifier(run))
    defence = None if how.density is None else material.defence(common, how.density)
    images = material.read(common, x, model, asked, material.white(run, x))
    if defence is not None:
        _check_scale(defence.density, how.density, images)
    images = images._replace(x=material.shaped(images.x, model))
    truth = images.y
    images = images._replace(y=model.predict(images.x) if truth is None else truth)
    if how.out.suffix.lower() in PICTURES:
        shown = _some(len(images.x))
        images = Found(images.x[shown], images.y[shown])
        truth = None if truth is None else images.y
    density = None if defence is None else defence.density
    moved = _attacked(model, density, images, how, common.seed or 0)
    stages = {"clean": images.x, how.method: moved}
    if density is not None:
        stages["purified"] = purifying.purify(density, moved, how.reach)
    verdicts = {name: model.predict(stage) for name, stage in stages.items()}
    odd = {}
    if defence is not None and defence.detector is not None:
        odd = {name: defence.odd(stages[name]) for name in ("clean", how.method)}
    _write(how.out, stages, _marked(verdicts, odd), moved, truth)
    right = {name: (said == images.y).mean() for name, said in verdicts.items()}
    if common.quiet:
        print("\n".join(f"{name} {share:.4f}" for name, share in right.items()))
        return
    noticed = ""
    if odd and defence is not None:
        cleaned = model.predict(purifying.purify(density, images.x, how.reach))
        wrong = {"clean": cleaned != images.y, how.method: verdicts["purified"] != images.y}
        noticed = _noticed(defence.detector, odd, wrong)
    word = "taken as before, of images without labels" if truth is None else "right"
    common.say(
        f"{word}: {_percents(right)}{noticed}; median change of {len(moved):,} images "
        f"{_distances(moved, images.x)}, in the ∞- and the 2-norm; {how.out}"
    )


def purify(
    common: Common, run: Path, x: Path, out: Path, eps: float, classifier: Path | None
) -> None:
    """Write purified images, or draw them beside what they were."""
    check_output(out, *PICTURES, ".npy")
    density = common.show(material.density(run))
    model = None if classifier is None else common.show(material.classifier(classifier))
    found = material.read(common, x, density, None, material.top(density, run))
    images = material.in_form(found.x, material.form(density), "the density is of")
    if out.suffix.lower() in PICTURES:
        images = images[_some(len(images))]
    clean = purifying.purify(density, images, eps)
    stages: dict[str, Any] = {"as given": images, "purified": clean}
    verdicts: dict[str, Any] = {}
    if model is not None and classifier is not None:
        scale = np.float32(1)
        if found.white is not None:  # as the classifier reads them
            scale = np.float32(found.white / material.white(classifier, x))
        verdicts = {n: model.predict(material.shaped(a * scale, model)) for n, a in stages.items()}
    _write(out, stages, verdicts, clean)
    moved, other = np.abs(clean - images).max(), ""
    if verdicts:
        before, after = verdicts.values()
        other = f", {(before != after).sum():,} of another verdict"
    common.say(f"{len(clean):,} images moved by up to {moved:.3g}{other}; {out}")


def _some(n: int) -> NDArray[np.intp]:
    """Return which of n images are drawn: from all over, as folders of classes are sorted."""
    return np.unique(np.linspace(0, n - 1, min(n, PICTURED)).astype(np.intp))


def _check_scale(density: Any, run: Any, images: Found) -> None:
    """Raise ValueError if a classifier and a density read whole numbers on two scales."""
    top = material.top(density, run)
    if images.white is not None and top not in (images.white, shares.TOP):
        raise ValueError(
            f"{run} is of pixels from 0 to {top}, and a classifier reads whole numbers as "
            f"shares of {images.white}; give images as floats from 0 to 1, or another density"
        )


def _noticed(detector: Any, odd: Shares, wrong: Shares) -> str:
    """Return how many images are odd, and how many are wrong once purified and not, in words."""
    rate = np.max(detector.false_alarm)
    passed = {name: wrong[name] & ~odd[name] for name in odd}
    return (
        f"; odd at a false-alarm rate of {rate:.3g}: {_percents(odd)}; "
        f"wrong once purified and not odd: {_percents(passed)}"
    )


def _percents(shares: Shares) -> str:
    return ", ".join(f"{name} {np.mean(share):.1%}" for name, share in shares.items())


def _distances(moved: Any, x: Any) -> str:
    """Return the median of the ∞-norms, and of the 2-norms, of what was changed."""
    far = np.abs(moved - x).reshape(len(moved), -1)
    return f"{np.median(far.max(axis=1)):.3g} and {np.median(np.sqrt((far**2).sum(axis=1))):.3g}"


def _marked(verdicts: Shares, odd: Shares) -> dict[str, Any]:
    """Return verdicts as a picture has them: those of images that are odd say so."""
    return {
        name: [
            f"{label}{', odd' * bool(is_odd)}"
            for label, is_odd in zip(said, odd[name], strict=True)
        ]
        if name in odd
        else said
        for name, said in verdicts.items()
    }


def _attacked(
    model: Any, density: Any, images: Found, how: AttackRequest, seed: int
) -> NDArray[Any]:
    """Return images after the attack that was asked for."""
    x, y = images.x, images.y
    steps: dict[str, Any] = {} if how.steps is None else {"steps": how.steps}
    of_ball = {"norm": how.norm, **steps}
    ours, eps = (model, x, y), how.size
    knowing, through = (model, density, x, y, eps), {"purify_eps": how.reach, **of_ball}
    known: dict[str, Callable[[], Any]] = {
        "fgsm": lambda: attacks.fgsm(*ours, eps),
        "bim": lambda: attacks.bim(*ours, eps, **steps),
        "pgd": lambda: attacks.pgd(*ours, eps, seed=seed, **of_ball),
        "deepfool": lambda: attacks.deepfool(*ours, **steps),
        "carlini_wagner": lambda: attacks.carlini_wagner(*ours, **steps),
        "noise": lambda: attacks.noise(x, eps, norm=how.norm, seed=seed),
        "likely_pgd": lambda: attacks.likely_pgd(*knowing, **of_ball),
        "bpda": lambda: attacks.bpda(*knowing, seed=seed, **through),
        "likely_bpda": lambda: attacks.likely_bpda(*knowing, **through),
    }
    moved: NDArray[Any] = known[how.method]()
    return moved


def _check_options(how: AttackRequest, seed: int | None) -> None:
    """Raise ValueError for an option that the method has no use for, or lacks."""
    for option, given, methods in (
        ("--norm", how.norm != "inf", OF_BALL),
        ("--steps", how.steps is not None, OF_STEPS),
        ("--eps", how.eps is not None, OF_EPS),
        ("--seed", seed is not None, OF_SEED),
    ):
        if given and how.method not in methods:
            raise ValueError(
                f"{option} is of {', '.join(methods)}, and --method {how.method} has none; leave "
                "it out"
            )
    if how.method in KNOWING and how.density is None:
        raise ValueError(f"--method {how.method} knows of a density; name its run with --density")
    if how.purify_eps is not None and how.density is None:
        raise ValueError(
            "--purify-eps is how far a density purifies, and there is none; name its run with "
            "--density, or leave it out"
        )


def _write(out: Path, stages: Any, verdicts: Any, result: Any, truth: Any = None) -> None:
    """Write what came out, or draw all stages, with the true labels where they are known."""
    if out.suffix.lower() not in PICTURES:
        write_rows(out, result)
        return
    pictured = {}
    for name, images in stages.items():
        square = images
        if images.ndim == 2:
            from chainrule import plots

            square = images.reshape(-1, *plots.infer_shape(images.shape[1]))
        pictured[name] = square
    picture(out, "attacked", pictured, verdicts, truth)
