"""What a fitted model of images draws: samples, and test images completed from their upper half."""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule import plots

SAMPLES = 36
COMPLETED, TIMES = 4, 5  # test images, and how often each is completed


def draw(model: Any, x: np.ndarray, path: Path) -> None:
    """Write `path`, samples of a PixelCNN or PixelRNN, and beside it `…_completed`.

    `x` are test images as the model's methods take them, flat or not; seeds 1 and 2. The latter
    shows each image whole, what of it was seen, and how it was completed.
    """
    shape = model.encoder_.shape
    drawn = np.asarray(model.sample(SAMPLES, seed=1)).reshape(SAMPLES, *shape)
    plots.save(plots.sample_grid(drawn, title="samples"), path)
    chosen = x[:: len(x) // COMPLETED][:COMPLETED]  # some lie sorted by class
    given = np.repeat(chosen, TIMES, axis=0)
    seen = np.zeros(shape, bool)
    seen[: shape[0] // 2] = True
    observed = seen.reshape(given.shape[1:])
    done = np.asarray(model.sample(len(given), seed=2, given=given, observed=observed))
    ways = done.reshape(COMPLETED, TIMES, *given.shape[1:]).swapaxes(0, 1)
    figure = plots.completions(
        chosen, observed, ways, title="completed from upper halves", model=model
    )
    plots.save(figure, path.with_stem(f"{path.stem}_completed"))
