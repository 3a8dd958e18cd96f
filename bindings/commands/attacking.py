"""`chainrule attack` and `chainrule purify`: images that a classifier errs at, and moved back."""

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule import datasets
from chainrule.commands import calibrated, inputs, labels, runs, shares
from chainrule.commands.common import PICTURES, Common, check_output, picture, write_rows
from chainrule.commands.requests import AttackRequest, LabelRequest
from chainrule.commands.standard_input import as_file
from chainrule.datasets import named, rowfiles
from chainrule.detection import attacks, pixels, purifying
from chainrule.estimators.images import ImageDensity
from chainrule.suggestions import near

PICTURED = 10  # images drawn at most
FALSE_ALARM = 0.01  # at which what was attacked is looked for
ITS = "the density is of"
KNOWING = ("likely_pgd", "bpda", "likely_bpda")
OF_BALL = ("pgd", "noise", *KNOWING)  # which --norm is for
OF_STEPS = ("bim", "pgd", "deepfool", "carlini_wagner", *KNOWING)  # which --steps is for
OF_EPS = ("fgsm", "bim", *OF_BALL)  # which --eps is for: the others take the nearest they find
OF_SEED = ("pgd", "noise", "bpda")  # which draw something
METHODS = ("fgsm", "bim", "pgd", "deepfool", "carlini_wagner", "noise", *KNOWING)


class Found(NamedTuple):
    """Images, floats from 0 to 1, and their labels if the file or data set has them.

    white: the largest of the whole numbers that they were, other than bits; None: they were none.
    """

    x: Any
    y: Any
    white: int | None = None


def attack(common: Common, run: Path, x: Path, how: AttackRequest, asked: LabelRequest) -> None:
    """Write attacked images, or draw them beside the clean ones; say how often it is right."""
    check_output(how.out, *PICTURES, ".npy")
    if how.method not in METHODS:
        raise ValueError(
            f"--method takes {', '.join(METHODS)}, got {how.method!r}{near(how.method, METHODS)}"
        )
    _check_options(how, common.seed)
    model = common.show(_classifier(run))
    density = None if how.density is None else common.show(_density(how.density))
    images = _read(common, x, model, _white(x))
    top = shares.TOP if density is None else _top(density, how.density)
    if images.white is not None and top not in (images.white, shares.TOP):
        raise ValueError(
            f"{how.density} is of pixels from 0 to {top}, and a classifier reads whole numbers as "
            f"shares of {images.white}; give images as floats from 0 to 1, or another density"
        )
    images = images._replace(x=_shaped(images.x, model))
    truth = _labels(model, images, asked)
    images = images._replace(y=model.predict(images.x) if truth is None else truth)
    if how.out.suffix.lower() in PICTURES:
        images = Found(images.x[:PICTURED], images.y[:PICTURED])
    moved = _attacked(model, density, images, how, common.seed or 0)
    stages = {"clean": images.x, how.method: moved}
    if density is not None:
        stages["purified"] = purifying.purify(density, moved, how.reach)
    verdicts = {name: model.predict(stage) for name, stage in stages.items()}
    _write(how.out, stages, verdicts, moved, truth)
    right = (f"{name} {(said == images.y).mean():.1%}" for name, said in verdicts.items())
    noticed = ""
    if density is not None:
        noticed = _noticed(density, how, stages, verdicts["purified"] != images.y)
    far = np.abs(moved - images.x).reshape(len(moved), -1)
    norms = f"{np.median(far.max(axis=1)):.3g} and {np.median(np.sqrt((far**2).sum(axis=1))):.3g}"
    word = "taken as before, of images without labels" if truth is None else "right"
    common.say(
        f"{word}: {', '.join(right)}{noticed}; median change of {len(moved):,} images {norms}, in "
        f"the ∞- and the 2-norm; {how.out}"
    )


def purify(
    common: Common, run: Path, x: Path, out: Path, eps: float, classifier: Path | None
) -> None:
    """Write purified images, or draw them beside what they were."""
    check_output(out, *PICTURES, ".npy")
    density = common.show(_density(run))
    model = None if classifier is None else common.show(_classifier(classifier))
    top = _top(density, run)
    found = _read(common, x, density, top)
    scale = np.float32(1)
    if found.white is not None:  # as the classifier reads them
        scale = np.float32(found.white / _white(x))
    images = _in_form(found.x, _form(density), ITS)
    if out.suffix.lower() in PICTURES:
        images = images[:PICTURED]
    clean = purifying.purify(density, images, eps)
    stages: dict[str, Any] = {"as given": images, "purified": clean}
    verdicts: dict[str, Any] = {}
    if model is not None:
        verdicts = {name: model.predict(_shaped(a * scale, model)) for name, a in stages.items()}
    _write(out, stages, verdicts, clean)
    moved = np.abs(clean - images).max()
    other = ""
    if verdicts:
        before, after = verdicts.values()
        other = f", {(before != after).sum():,} of another verdict"
    common.say(f"{len(clean):,} images moved by up to {moved:.3g}{other}; {out}")


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


def _noticed(density: Any, how: AttackRequest, stages: Any, wrong: NDArray[np.bool_]) -> str:
    """Return how many images the density's run finds odd, and what passes both defences, in words.

    wrong: of purified images. Nothing is said of a density that keeps no validation rows.
    """
    run = how.density
    detector = None if run is None else calibrated.at_least(density, run, FALSE_ALARM)
    if detector is None:
        return ""
    odd = {
        name: detector.predict(pixels.to_pixels(density, _in_form(x, _form(density), ITS))) < 0
        for name, x in stages.items()
        if name != "purified"
    }
    counts = ", ".join(f"{name} {which.mean():.1%}" for name, which in odd.items())
    passed = (wrong & ~odd[how.method]).mean()
    return (
        f"; odd at a false-alarm rate of {detector.false_alarm:.3g}: {counts}; "
        f"wrong once purified and not odd: {passed:.1%}"
    )


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


def _classifier(run: Path) -> Any:
    model = runs.open_model(run)
    if not inputs.of_classes(model):
        raise ValueError(
            f"attacks are made on classifiers, and {run} holds a {type(model).__name__}; train one:"
            " chainrule train classifier"
        )
    return model


def _density(run: Path) -> Any:
    model = runs.open_model(run)
    if not isinstance(model, ImageDensity):
        raise ValueError(
            f"{run} holds a {type(model).__name__}, and images are purified by a density of images;"
            " name a run of pixel_cnn or pixel_rnn"
        )
    return model


def _white(x: Path) -> int:
    """Return the whole number that a classifier reads as white: 255, or that of a data set."""
    return named.white(str(x)) if _is_named(x) else shares.TOP


def _is_named(x: Path) -> bool:
    return str(x) in named.NAMES and not x.exists()


def _read(common: Common, x: Path, model: Any, top: int) -> Found:
    """Return the images in a file or folder, or the test images of a data set by name.

    top: white, of whole numbers.
    """
    if _is_named(x):
        data = datasets.load(str(x), raw=True)
        if not common.quiet:
            common.warn(f"the {len(data.test.x):,} test images of {x}, which no training has seen")
        return _found(data.test.x, data.test.y, top)
    with as_file(x, text=False) as path:
        if not path.exists():
            raise FileNotFoundError(
                f"{path} does not exist; check its name and folder{near(str(x), named.NAMES)}"
            )
        with inputs.said_warnings(not common.quiet):
            rows, y, _ = rowfiles.read(path, colour=path.is_dir())
    return _found(rows, y, top)


def _found(x: Any, y: Any, top: int) -> Found:
    """Return images as shares of `top`."""
    pixels = np.asarray(x)
    whole = pixels.dtype.kind in "biu" and pixels.size > 0 and pixels.max() > 1
    return Found(shares.of(pixels, top), y, top if whole else None)


def _top(density: Any, run: Path | None) -> int:
    """Return the largest of the whole numbers that a density reads as white.

    Raises:
        ValueError: its bits are by a threshold that no float from 0 to 1 is above.
    """
    encoder = density.encoder_
    if (threshold := encoder.settings.binarize) is not None and threshold >= 1:
        raise ValueError(
            f"{run} makes bits by the threshold {threshold:g}, and images are floats from 0 to 1 "
            "here; train a density of such floats, with a threshold below 1"
        )
    return shares.TOP if encoder.shares or encoder.of == 2 else int(encoder.of) - 1


def _labels(model: Any, images: Found, asked: LabelRequest) -> Any:
    """Return the true labels: those asked for, or the file's own; None where nobody knows them."""
    given = labels.given(model, asked, images.x).y
    if given is None and images.y is not None and np.isin(images.y, model.classes_).all():
        return np.asarray(images.y)
    return None if given is None else np.broadcast_to(given, len(images.x))


def _shaped(x: Any, model: Any) -> Any:
    """Return images in the form of those that a classifier was fitted to."""
    return _in_form(x, model.encoder_.form, "the classifier reads")


def _in_form(x: Any, form: tuple[int, ...], whose: str) -> Any:
    """Return images, (N, *form)."""
    size, n = prod(form), prod(x.shape[1:])
    if n != size:
        raise ValueError(f"the images have {n} numbers each, and {whose} {size}; give it such")
    return x.reshape(-1, *form)


def _form(density: Any) -> tuple[int, ...]:
    """Return the shape of a density's images as users have them."""
    R, S, C = density.encoder_.shape
    return (R, S) if C == 1 else (R, S, C)


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
    known = None if truth is None else truth[: len(result)]  # a picture is of the first few
    picture(out, "attacked", pictured, verdicts, known)
