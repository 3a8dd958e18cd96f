"""Fashion-MNIST against MNIST by each method, and what is odd in other ways, to choose on.

Nothing is chosen on MNIST. Of several backgrounds of the likelihood ratio the one is taken that
best tells clean images from letters that are drawn here, in the fonts that come with matplotlib.
Clean images upside down and on their side are measured, too, and nothing is chosen by them.

A `local` background sees, of 5 × 5 pixels, those before the one that it predicts. It learns from
clean images as they are, or, as a background of images in general, from clean images turned by
quarters and mirrored at random (`turned`), and scaled, too (`scaled`).
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from chainrule import detection

Images = NDArray[np.uint8]

# 16 levels, so that a small network can learn them in minutes; one thread.
SIZES = {"train": 15_000, "clean": 1000, "test": 2000, "odd": 2000, "choosing": 1000}
LEVELS: dict[str, Any] = {"levels": 16, "reduce_from": 256}
TRAINING: dict[str, Any] = {
    "batch_size": 16, "learning_rate": 3e-3, "average": 0.99, "n_threads": 1, "seed": 0,
}  # fmt: skip
MODEL: dict[str, Any] = {"n_layers": 4, "n_features": 24, "epochs": 4} | TRAINING | LEVELS
LOCAL: dict[str, Any] = {
    "n_layers": 2, "n_features": 24, "kernel_size": 1, "first_size": 5, "epochs": 2,
} | TRAINING | LEVELS  # fmt: skip
BACKGROUNDS = ("perturbed", "local", "local, turned", "local, scaled")
METHODS = ("likelihood", "bits", "typicality", "complexity")
RATE = 0.1  # of replacement, of the perturbed background
SCALED = (12, 36)  # rows and columns of an image of 28 after scaling, at least and at most

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "cmr10", "cmb10", "cmss10", "cmtt10")
STYLES = ("", "-Bold", "-Oblique", "-BoldOblique", "-Italic", "-BoldItalic")


def run() -> dict[str, Any]:
    """Return areas by each method, and which background is chosen; ten minutes on a shared core."""
    fashion = cr.datasets.load("fashion_mnist", raw=True)
    train = _images(fashion.train.x, 0, SIZES["train"])
    clean = _images(fashion.train.x, SIZES["train"], SIZES["clean"])
    test = _images(fashion.test.x, 0, SIZES["test"])
    digits = cr.datasets.load("mnist", raw=True)
    sets = {"test": test, "mnist": _images(digits.test.x, 0, SIZES["odd"])}
    sets |= choosing(fashion.valid.x, SIZES["choosing"])
    start = time.perf_counter()
    model = cr.PixelCNN(**MODEL, verbose=True).fit(train)
    found: dict[str, Any] = {"fit_seconds": time.perf_counter() - start}
    found["bits_per_dim"] = {name: model.bits_per_dim(x) for name, x in sets.items()}
    for method in METHODS:
        found[method] = _measured(cr.Detector(model, method=method), train, clean, sets)
    for name in BACKGROUNDS:
        start = time.perf_counter()
        background = None if name == "perturbed" else _local(name, train)
        detector = cr.Detector(model, method="ratio", mutation=RATE, background=background)
        found[f"ratio, {name}"] = _measured(detector, train, clean, sets)
        found[f"ratio, {name}"]["seconds"] = time.perf_counter() - start
    ratios = [name for name in found if name.startswith("ratio")]
    chosen = max(ratios, key=lambda name: found[name]["choosing"]["letters"])
    settings = {"model": MODEL, "local": LOCAL, "mutation": RATE, "scaled": SCALED}
    return {**found, "chosen": chosen, "sizes": SIZES, "settings": settings, "seeds": [0]}


def _local(name: str, train: Images) -> Any:
    """Return the background of a name, fitted to clean images or to changed ones."""
    if name != "local":
        train = general(train, np.random.default_rng(0), scale=name == "local, scaled")
    return cr.PixelCNN(**LOCAL, verbose=True).fit(train)


def choosing(x: Any, n: int) -> dict[str, Images]:
    """Return clean images that nothing learns from, and three sets that are odd beside them."""
    clean, more = (_images(x, k * n, n) for k in range(2))
    return {
        "unseen": clean,
        "letters": letters(n, np.random.default_rng(0)),
        "upside down": more[:, ::-1].copy(),
        "on their side": np.rot90(more, axes=(1, 2)).copy(),
    }


def general(x: Images, rng: np.random.Generator, scale: bool) -> Images:
    """Return images turned by quarters and mirrored at random, and scaled, if that is asked for."""
    turned = [np.rot90(one.T if rng.random() < 0.5 else one, rng.integers(4)) for one in x]
    return np.stack([_scaled(one, rng) if scale else one for one in turned])


def letters(n: int, rng: np.random.Generator) -> Images:
    """Return n letters, 28 × 28, white on black: in some font, sheared, scaled, in the middle."""
    from PIL import Image, ImageDraw, ImageFont

    fonts = [ImageFont.truetype(str(path), 64) for path in _fonts()]
    found = np.zeros((n, 28, 28), np.uint8)
    for one in found:
        font, letter = fonts[rng.integers(len(fonts))], LETTERS[rng.integers(len(LETTERS))]
        large = Image.new("L", (128, 128))
        left, top, right, bottom = ImageDraw.Draw(large).textbbox((0, 0), letter, font=font)
        at = (64 - (left + right) / 2, 64 - (top + bottom) / 2)
        ImageDraw.Draw(large).text(at, letter, 255, font)
        a, b, c, d = np.eye(2).ravel() + rng.normal(0, 0.12, 4)
        map_ = (a, b, 64 * (1 - a - b), c, d, 64 * (1 - c - d))
        large = large.transform(large.size, Image.Transform.AFFINE, map_, Image.Resampling.BILINEAR)
        cut = large.crop(large.getbbox())
        factor = rng.uniform(18, 26) / max(cut.size)
        width, height = (max(1, round(side * factor)) for side in cut.size)
        small = np.asarray(cut.resize((width, height), Image.Resampling.LANCZOS))
        row, column = (28 - height) // 2, (28 - width) // 2
        one[row : row + height, column : column + width] = small
    return found


def _fonts() -> list[Path]:
    """Return the fonts that letters are drawn in, of those that come with matplotlib."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    paths = [folder / f"{font}{style}.ttf" for font in FONTS for style in STYLES]
    return [path for path in paths if path.exists()]


def _scaled(image: Images, rng: np.random.Generator) -> Images:
    """Return an image as one of another size, on black or cut, at some place."""
    from PIL import Image

    n, size = len(image), int(rng.integers(SCALED[0], SCALED[1] + 1))
    picture = Image.fromarray(np.ascontiguousarray(image))
    there = np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC))
    row, column = rng.integers(0, abs(n - size) + 1, 2)
    if size >= n:
        return there[row : row + n, column : column + n]
    found = np.zeros_like(image)
    found[row : row + size, column : column + size] = there
    return found


def _measured(
    detector: Any, train: Images, clean: Images, sets: dict[str, Images]
) -> dict[str, Any]:
    """Return areas, and what is found at a false-alarm rate of 1%, of a detector that is fitted."""
    start = time.perf_counter()
    detector.fit(train, X_clean=clean)
    scores = {name: detector.score_samples(x) for name, x in sets.items()}
    found = {name: float((s < detector.offset_).mean()) for name, s in scores.items()}
    result = {
        **detection.auc(scores["test"], scores["mnist"])._asdict(),
        "odd_found": found["mnist"],
        "false_alarms": found["test"],
        "choosing": {
            name: detection.auc(scores["unseen"], s).value
            for name, s in scores.items()
            if name not in ("test", "mnist", "unseen")
        },
        "seconds": time.perf_counter() - start,
    }
    print(detector.method, result, flush=True)
    return result


def _images(x: Any, first: int, n: int) -> Images:
    found: Images = x[first : first + n].reshape(-1, 28, 28)
    return found
