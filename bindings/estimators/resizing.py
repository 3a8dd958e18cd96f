"""A fitted model of images at another size: windows have no size of their own, biases of pixels do.

Every pixel's outputs are one function of the pixels around it and of where the image ends, whose
parameters are the windows'. So a network over R×S pixels is one over any others, with the same
parameters. It learnt what its own images are like, though, edges among it: larger ones go on with
textures, and are no larger drawings of the same things.
"""

from copy import copy
from dataclasses import replace
from math import prod
from typing import Any

from sklearn.utils.validation import check_is_fitted

from chainrule.encoders import validation


def resized(model: Any, rows: Any, columns: Any) -> Any:
    """Return a fitted `ImageDensity` at so many rows and columns; both share their parameters.

    Raises:
        NotFittedError: before `fit`. ValueError, TypeError: a size that no image has, or a network
        that knows each pixel's place.
    """
    check_is_fitted(model, "params_")
    size = validation.integer("rows", rows, 1), validation.integer("columns", columns, 1)
    R, S, C = model.encoder_.shape
    if model.config_.positions and size != (R, S):
        raise ValueError(
            f"positions=True gave each of {R}×{S} pixels biases of its own, and other sizes have "
            "other pixels; fit without"
        )
    other, encoder = copy(model), copy(model.encoder_)
    other.config_ = replace(model.config_, height=size[0], width=size[1])
    encoder.shape = (*size, C)
    encoder.form = encoder.shape[: len(encoder.form)] if len(encoder.form) > 1 else (encoder.dims,)
    if size != (R, S):
        encoder.names = None  # those of pixels that are no longer the same
        vars(other).pop("feature_names_in_", None)
    other.encoder_, other.n_features_in_ = encoder, prod(encoder.shape)
    if model.image_shape is not None or len(encoder.form) == 1:  # what a fit would read rows by
        other.image_shape = encoder.shape if C > 1 else size
    return other
