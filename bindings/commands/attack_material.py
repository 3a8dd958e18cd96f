"""What `chainrule attack` and `purify` work on: images, a classifier, a defence, on one scale."""

from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule import datasets
from chainrule.commands import calibrated, inputs, labels, runs, shares
from chainrule.commands.common import Common
from chainrule.commands.requests import LabelRequest
from chainrule.commands.standard_input import as_file
from chainrule.datasets import named, rowfiles
from chainrule.detection import pixels
from chainrule.detection.detector import Detector
from chainrule.estimators.images import ImageDensity
from chainrule.suggestions import near

FALSE_ALARM = 0.01  # at which a run's density looks for what was attacked


class Found(NamedTuple):
    """Images, floats from 0 to 1, and their labels if the file or data set has them.

    white: the largest of the whole numbers that they were, other than bits; None: they were none.
    """

    x: Any
    y: Any
    white: int | None = None


class Defender(NamedTuple):
    """A density that purifies, and a detector by it where its run or file keeps clean rows."""

    density: Any
    detector: Detector | None

    def odd(self, x: Any) -> NDArray[np.bool_]:
        """Return which images, floats from 0 to 1, the detector finds odd, at its highest rate."""
        assert self.detector is not None
        seen = pixels.to_pixels(self.density, in_form(x, form(self.density), "the density is of"))
        said = np.reshape(self.detector.predict(seen), (len(x), -1))
        return np.asarray((said < 0).any(axis=1))


def classifier(run: Path) -> Any:
    """Return the classifier of a run or a file."""
    model = runs.open_model(run)
    if not inputs.of_classes(model):
        raise ValueError(
            f"{run} holds a {type(model).__name__}, and a classifier is wanted; train one: "
            "chainrule train classifier"
        )
    return model


def density(run: Path) -> Any:
    """Return the density of images of a run, a file, or a detector's file."""
    return _of_images(runs.open_model(run), run)


def _of_images(model: Any, run: Path) -> Any:
    """Return a model if it is a density of images."""
    if not isinstance(model, ImageDensity):
        raise ValueError(
            f"{run} holds a {type(model).__name__}, and images are purified by a density of images;"
            " name a run of pixel_cnn or pixel_rnn"
        )
    return model


def defence(common: Common, run: Path) -> Defender:
    """Return the density of a run or a file, and a detector if clean rows are kept there."""
    kept = runs.open_kept(run)
    if isinstance(kept, Detector):
        return Defender(common.show(_of_images(kept.model_, run)), kept)
    model = common.show(_of_images(kept, run))
    detector = calibrated.at_least(model, run, FALSE_ALARM)
    if detector is None and not common.quiet:
        common.warn(
            f"{run} keeps no validation rows, so nothing is said of what is odd; name a finished "
            "run, or a Detector's file"
        )
    return Defender(model, detector)


def white(run: Path, x: Path) -> int:
    """Return the whole number that a classifier's run reads as white: of a file 255."""
    known = runs.read_summary(run).get("white") if run.is_dir() else None
    if type(known) is int and known > 0:
        return known
    return named.white(str(x)) if inputs.is_set(x) else shares.TOP


def top(model: Any, run: Path | None) -> int:
    """Return the largest of the whole numbers that a density reads as white.

    Raises:
        ValueError: its bits are by a threshold that no float from 0 to 1 is above.
    """
    encoder = model.encoder_
    if (threshold := encoder.settings.binarize) is not None and threshold >= 1:
        raise ValueError(
            f"{run} makes bits by the threshold {threshold:g}, and images are floats from 0 to 1 "
            "here; train a density of such floats, with a threshold below 1"
        )
    return shares.TOP if encoder.shares or encoder.of == 2 else int(encoder.of) - 1


def read(common: Common, x: Path, model: Any, asked: LabelRequest | None, of: int) -> Found:
    """Return the images in a file or folder, or the test images of a data set by name.

    asked: of which labels are taken, None: of none; a table's column of them goes out. of:
    white, of whole numbers; those of tables of text are read as they are, as training reads them.
    """
    if inputs.is_set(x):
        data = datasets.load(str(x), raw=True)
        if not common.quiet:
            common.warn(f"the {len(data.test.x):,} test images of {x}, which no training has seen")
        rows, y, origin = data.test.x, data.test.y, labels.NOWHERE
    else:
        with as_file(x, text=False) as path:
            if not path.exists():
                raise FileNotFoundError(
                    f"{path} does not exist; check its name and folder{near(str(x), named.NAMES)}"
                )
            with inputs.said_warnings(not common.quiet):
                source = None if asked is None else asked.source
                types = labels.with_types("continuous", source, None if asked is None else model)
                rows, y, origin = rowfiles.read(path, column_types=types, colour=path.is_dir())
    if asked is not None:
        rows, y = _labelled(model, asked, rows, y, origin)
    given = np.asarray(rows)
    whole = given.dtype.kind in "biu" and given.size > 0 and given.max() > 1
    return Found(_checked(x, shares.of(given, of)), y, of if whole else None)


def _labelled(model: Any, asked: LabelRequest, rows: Any, y: Any, origin: Any) -> tuple[Any, Any]:
    """Return rows, and true labels: those asked for or the file's own; None: nobody knows them."""
    found = labels.given(model, asked, rows, origin)
    if found.y is not None:
        return found.x, np.broadcast_to(found.y, len(found.x))
    if y is not None and np.isin(y, model.classes_).all():
        return rows, np.asarray(y)
    return rows, None


def _checked(x: Path, images: Any) -> Any:
    """Return images if they are shares from 0 to 1; what else may be wrong is seen later."""
    if images.dtype.kind == "f" and len(far := np.argwhere((images < 0) | (images > 1))):
        place = tuple(far[0])
        raise ValueError(
            f"{x} holds {images[place]:g} at {[int(i) for i in place]}, and images are shares from "
            "0 to 1 here; divide them by what is white"
        )
    return images


def shaped(x: Any, model: Any) -> Any:
    """Return images in the form of those that a classifier was fitted to."""
    return in_form(x, model.encoder_.form, "the classifier reads")


def in_form(x: Any, form: tuple[int, ...], whose: str) -> Any:
    """Return images, (N, *form)."""
    size, n = prod(form), prod(x.shape[1:])
    if n != size:
        raise ValueError(f"the images have {n} numbers each, and {whose} {size}; give it such")
    return x.reshape(-1, *form)


def form(model: Any) -> tuple[int, ...]:
    """Return the shape of a density's images as users have them."""
    R, S, C = model.encoder_.shape
    return (R, S) if C == 1 else (R, S, C)
