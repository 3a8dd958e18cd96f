"""Images before and after an attack, and after purification, with what they are taken for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from chainrule.plots.palette import GREYS
from chainrule.plots.panels import Panel, draw


def attacked(
    stages: Mapping[str, Any], verdicts: Mapping[str, Sequence[Any]], truth: Any = None
) -> Figure:
    """Draw images stage by stage, a row each, and in front of it the verdicts in turn.

    Args:
        stages: by name, such as "clean", "pgd", "purified": images in [0, 1], (N, R, S) or
            (N, R, S, C), N the same everywhere.
        verdicts: by the same names, what a classifier takes each image for, (N,); may be empty.
        truth: the true labels, (N,), which are named before the verdicts; None if nobody knows.

    Example:
        >>> import numpy as np
        >>> from chainrule.plots import attacked
        >>> x = np.random.default_rng(0).random((2, 4, 4))
        >>> type(attacked({"clean": x, "pgd": 1 - x}, {"clean": [1, 2], "pgd": [3, 2]})).__name__
        'Picture'

    Raises:
        ValueError: images of several shapes, or verdicts or labels that are not one an image.
    """
    shapes = {np.shape(x) for x in stages.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) not in (3, 4):
        raise ValueError(
            "stages are images of one shape, (N, R, S) or (N, R, S, C), got "
            + ", ".join(map(str, sorted(shapes)))
        )
    (shape,) = shapes
    if (*shape, 1)[3] not in (1, 3):
        raise ValueError(f"stages must have 1 or 3 channels to be drawn, got {shape[3]}")
    if any(len(said) != shape[0] for said in verdicts.values()) or verdicts.keys() - stages.keys():
        raise ValueError(f"verdicts are of the {shape[0]} images of a stage, one each")
    chains = zip(*(verdicts[name] for name in stages if name in verdicts), strict=True)
    names = [" → ".join(map(str, chain)) for chain in chains]
    if truth is not None:
        if len(truth) != shape[0]:
            raise ValueError(f"truth is of the {shape[0]} images of a stage, got {len(truth)}")
        known = [f"true {label}" for label in truth]
        names = [": ".join(both) for both in zip(known, names, strict=True)] if names else known
    panels: list[Panel] = []
    for name, x in stages.items():
        images = np.asarray(x, np.float64).reshape(*shape[:3], -1)
        tiles = np.clip(images if images.shape[3] == 3 else images[..., 0], 0, 1)
        panels.append(Panel(name, tiles, 1, GREYS, names=() if panels else names))
    return draw(panels)
