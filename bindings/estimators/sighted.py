"""What a model of images sees: its first layer's window, and a pixel's measured receptive field."""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from chainrule.engine import receptive
from chainrule.engine.event import Image
from chainrule.estimators import runtime
from chainrule.estimators.fixed_density import writeable
from chainrule.estimators.images import ImageDensity, odd

DRAWN = 16  # images that are looked at where none are given
PIXELS_AT_ONCE = 1 << 13  # in one pass: a gradient keeps all that it went through


class Sighted(ImageDensity):
    """Adds to a density of images what its outputs see of an image."""

    def receptive_field(self, pixel: Any, X: Any = None, y: Any = None) -> NDArray[np.float64]:
        """Return how far the outputs of a pixel move with each value of the image.

        Outputs s_t are what p(x_t | x_<t) is made of; in x, as if levels were real, the gradient
        is worked out by hand as all are. `plots.receptive_field` draws it.

        Args:
            pixel: t, (row, column) or (row, column, channel); without a channel the first.
            X: images as for `fit`, a few; None: 16 that the model draws. y: their labels, (N,) or
                one for all, of a model that was fitted with labels; None: all labels in turn.

        Returns:
            (R, S, C) float64: |∂s_t / ∂x| of each value, a mean over images, x in the model's
            levels; of several outputs of t (logits, or a mixture's numbers) that of a sum in which
            each counts otherwise. Exactly 0 where t sees nothing: in what comes after it, at t
            itself, but for channels before its own, and in a blind spot; also where the parameters'
            dtype cannot hold it, below 1e-38 in single precision.

        Raises:
            NotFittedError: before `fit`.
            ValueError, TypeError: a pixel outside the image; images or labels that cannot be used.

        Cost:
            A training step's forward and backward of the images.

        Example:
            >>> import numpy as np
            >>> from chainrule import PixelCNN
            >>> X = np.random.default_rng(0).integers(0, 2, (40, 4, 4))
            >>> model = PixelCNN(2, 8, first_size=3, epochs=1, seed=0).fit(X)
            >>> (model.receptive_field((2, 1), X)[..., 0] > 0).astype(int)  # with a blind spot
            array([[1, 1, 1, 1],
                   [1, 1, 1, 0],
                   [1, 0, 0, 0],
                   [0, 0, 0, 0]])
        """
        check_is_fitted(self, "params_")
        at = receptive.place(pixel, self._columns.shape)
        x, numbers = self._looked_at(X, y)
        step = max(1, PIXELS_AT_ONCE // prod(x.shape[1:3]))
        with self._evaluating() as params:
            xp = runtime.array_module(self.backend)

            def dx_of(images: Any, at: receptive.Place) -> Any:
                dx = np.empty(images.shape)
                for some in (slice(lo, lo + step) for lo in range(0, len(images), step)):
                    its = None if numbers is None else xp.asarray(numbers[some])
                    asked = self.config_, params, xp.asarray(images[some]), at, its
                    dx[some] = runtime.to_host(self._engine().input_gradient(*asked))
                return dx

            return receptive.measure(dx_of, x, at)

    def _looked_at(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return images as the model has them, and the number of each one's class, if any."""
        data = None if X is None else self._read(X)
        n = DRAWN if data is None else self._size(data)
        numbers = self._labels(y, n)
        if numbers is None and self.classes_ is not None:
            numbers = np.arange(n, dtype=np.int32) % len(self.classes_)
        if data is not None:
            return writeable(self._columns.encode(data)), numbers
        labels = None if numbers is None or self.classes_ is None else self.classes_[numbers]
        return self._whole(self._draw(n, 0, None, None, labels)), numbers


def first_size(value: Any, event: Image, rows_alone: bool = False) -> int:
    """Return the first layer's rows and columns, checked for images of an event.

    1 will do for colours: channels of the own pixel before the own one are seen then, and of other
    pixels' what later layers see of those. It will not where a stack sees the rows above alone.
    Before there are images all is asked for one of a single value; what is true of colours too
    may be said then, and nothing else: it sees nothing, whatever the size, and 3 stands for 1.
    """
    size = odd("first_size", value, 1)
    if size >= 3:
        return size
    if rows_alone:
        raise ValueError("first_size must be at least 3 of gated layers, to see a row above, got 1")
    if event.channels == 1 and event.height * event.width > 1:
        raise ValueError(
            "first_size must be at least 3 to see a pixel of images in grey, got 1; in colour it "
            "would see the pixel's earlier channels"
        )
    return 3 if event.channels == 1 else size
