"""Densities of images: what knows sizes, levels and pixels that are given."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from chainrule.encoders import doubts, validation
from chainrule.encoders.images import Images, as_images
from chainrule.encoders.levels import MOST
from chainrule.encoders.pixels import Settings
from chainrule.engine.event import Image
from chainrule.engine.greys import Chance
from chainrule.engine.training.pixels import ImageSource
from chainrule.engine.training.sources import Source
from chainrule.estimators.few_images import FewImages
from chainrule.estimators.fixed_density import writeable
from chainrule.estimators.resizing import resized

SMALL = 7  # rows and columns of a window that images of any size may have
LIKELIHOODS = ("softmax", "logistics")


@dataclass(kw_only=True, eq=False, repr=False)
class ImageDensity(FewImages):
    """Base class: a model of p(x), or of p(x | label), over images.

    X is (N, R, S), in colour (N, R, S, C), or rows (N, D) of pixels, row by row of the image.

    Args:
        levels: of a pixel, 2 to 256, whole numbers from 0 on. None: 2 if all of X are 0 and 1, else
            256.
        image_shape: (R, S) or (R, S, C) of rows; None: a square where D is one, else one row of D,
            with a DataWarning.
        binarize: None if pixels are levels, else the threshold t of x > t, which makes bits.
        reduce_from: of how many levels the pixels are, to be reduced to `levels` by equal bins;
            None: of `levels`. What is drawn comes back spread over all of them.
        dynamic_binarization: whether each epoch draws bits anew, greys being the probabilities of a
            one: of 0 … 255, of 0 … reduce_from - 1, or shares from 0 to 1. Elsewhere an image is
            always drawn alike. The likelihoods are not those of a fixed binarization.
        likelihood: of a pixel's levels, "softmax", a probability for each, or "logistics", a
            discretised mixture of n_logistics logistic distributions; bits have one probability.
            It is PixelCNN++'s, but that each channel has a mixture of its own, given those before.
        n_logistics: components of the mixture.
        horizontal_flips: whether each epoch mirrors about half of the images, left to right.
    """

    likelihood: str = "softmax"
    n_logistics: int = 10
    levels: int | None = None
    image_shape: tuple[int, ...] | None = None
    binarize: float | None = None
    reduce_from: int | None = None
    dynamic_binarization: bool = False
    horizontal_flips: bool = False

    def _image_config(self, event: Image, n_classes: int) -> Any:
        """Return the model's Config for such images, of so many classes."""
        raise NotImplementedError

    def _of_images(self, event: Image, n_classes: int) -> dict[str, int]:
        """Return what the Configs of all models of images are told."""
        return {
            "height": event.height,
            "width": event.width,
            "channels": event.channels,
            "levels": event.levels,
            "n_logistics": self._components(event.levels),
            "n_classes": n_classes,
        }

    def _components(self, levels: int) -> int:
        """Return how many logistics there are, 0 for a softmax."""
        n = validation.integer("n_logistics", self.n_logistics, 1)
        kind = validation.choice("likelihood", self.likelihood, LIKELIHOODS)
        if kind == "logistics" and levels == 2:
            raise ValueError(
                "likelihood='logistics' is of more than 2 levels, and bits have one probability; "
                "leave it out, or give levels"
            )
        return n if kind == "logistics" else 0

    def _fitted_config(self) -> Any:
        event: Any = self.encoder_.event
        return self._image_config(event, self._n_classes)

    @property
    def _settings(self) -> Settings:
        shape = self.image_shape
        if shape is not None:
            shape = validation.integers("image_shape", shape, 1)
        drawn = validation.flag("dynamic_binarization", self.dynamic_binarization)
        return Settings(self.levels, shape, self.binarize, self.reduce_from, drawn)

    def _check_hyperparameters(self) -> None:
        super()._check_hyperparameters()
        self._settings.check()
        self._image_config(Image(1, 1, 1, self.levels or MOST), 1)

    @classmethod
    def _of_json(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return hyper-parameters as they were: JSON makes a tuple a list."""
        of_all = super()._of_json(settings)
        shape = of_all.get("image_shape")
        return of_all | ({"image_shape": tuple(shape)} if isinstance(shape, list) else {})

    # What comes in

    def _learn(self, X: Any, X_valid: Any, start: Any) -> tuple[Any, Any]:
        data, valid = as_images(X), None
        self.encoder_ = Images(self._settings).learn(data)
        self._image_config(self._columns.event, 1)
        self._check_windows()
        self.n_features_in_ = self._columns.dims
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if data.ndim == 2:
            validate_data(self, X, skip_check_array=True)  # sets feature_names_in_
        self._name_columns(getattr(self, "feature_names_in_", None))
        if start is not None:
            self._check_start(start)
        rows = self._seen(data)
        if self.binarize is not None:
            doubts.check_threshold(rows, self.binarize)
        if X_valid is not None:
            valid = writeable(self._columns.encode(self._checked(X_valid, "X_valid"), "X_valid"))
        self._columns.fitted = True
        return rows, valid

    def _check_windows(self) -> None:
        """Raise ValueError for a window that reaches past the whole image from any pixel."""
        R, S, _ = self._columns.shape
        most = max(2 * max(R, S) - 1, SMALL)
        for name in ("kernel_size", "first_size"):
            if (size := getattr(self, name, 1)) > most:
                raise ValueError(
                    f"{name}={size} reaches past images of {R}×{S} pixels; give {most} at most"
                )

    def _seen(self, data: Any) -> NDArray[Any]:
        """Return images as a training has them: levels, or greys of which it draws bits."""
        encoder = self._columns
        rows: NDArray[Any] = encoder.encode(data) if encoder.top is None else encoder.greys(data)
        return rows

    def _source(self, data: Any, y: Any, valid: Any, y_valid: Any) -> Source:
        chance = Chance(
            self._columns.top, validation.flag("horizontal_flips", self.horizontal_flips)
        )
        source = ImageSource(data, y, None if valid is None else (valid, y_valid), chance)
        return self._noted(source, y)

    def _check_start(self, start: Any) -> None:
        """Raise ValueError if the model to start from has images of another kind."""
        mine, its = self._columns.as_json(), start._columns.as_json()
        same = ("shape", "levels", "of", "shares")
        if any(mine["images"][name] != its["images"][name] for name in same):
            raise ValueError(
                f"start was fitted on {start._columns.describe()}, and X holds "
                f"{self._columns.describe()}; give it images of one size and kind"
            )
        if mine["feature_names"] != its["feature_names"]:
            raise ValueError("start was fitted on columns of other names; give X with the same")

    def _restore_encoder(self, values: dict[str, Any], config: Any) -> None:
        self.encoder_ = encoder = Images(self._settings).of_json(values, config.event)
        self.n_features_in_ = encoder.dims
        self._name_columns(encoder.names)

    def _checked(self, X: Any, name: str = "X") -> Any:
        """Return X as images like those of the fit, not yet encoded."""
        data = as_images(X, name)
        if data.ndim == 2:
            if isinstance(X, np.ndarray):
                self._refuse_one_alone(data, name)
            named = X if hasattr(X, "columns") else data
            owner, known = type(self).__name__, self._columns.names
            validation.check_width(named, self.n_features_in_, owner, name, known)
            if name == "X":
                validate_data(self, X, reset=False, skip_check_array=True)  # feature names
            else:
                self._check_names(X, name)
        return self._columns.read(data, name)

    def _refuse_one_alone(self, data: Any, name: str) -> None:
        """Raise ValueError for one image that is not in an array of several."""
        R, S, C = self._columns.shape
        if data.shape == (R, S) and C == 1 and self.n_features_in_ != S:
            raise ValueError(
                f"{name} has the shape of one image, {R}×{S}, and is to hold several; "
                f"of one give {name}[None]"
            )

    def _read(self, X: Any) -> Any:
        check_is_fitted(self, "params_")
        data = self._checked(X)
        self._columns.check(data)  # now, not after minutes of work
        return data

    def _mask(self, observed: Any, n: int | None = None) -> NDArray[np.bool_]:
        marks = self._columns.mask(observed, n)
        shaped = np.ndim(marks) == 1 or np.shape(marks) == (n, self._columns.dims)
        kind, named = np.asarray(marks).dtype.kind, self._columns.names is not None
        if shaped and (kind not in "iuf" or (named and kind != "f")):
            return super()._mask(marks, n)
        R, S, C = self._columns.shape
        raise ValueError(
            f"observed must be a bool array of shape ({R}, {S}) or ({R}, {S}, {C}), or {n} of "
            f"them, True where a pixel is given; got {np.asarray(observed).dtype} of shape "
            f"{np.shape(observed)}"
        )

    def resized(self, rows: int, columns: int) -> Self:
        """Return this fitted model over images of another size; both share their parameters.

        It draws, completes and scores such images; one fitted with `positions` has no other size.
        What it learnt of edges and shapes is of its own size: larger images go on with textures.
        """
        return resized(self, rows, columns)  # type: ignore[no-any-return]

    # What goes out

    def _like(self, part: Any, data: Any) -> Any:
        return self._columns.undo(part, data.shape[1:])

    def log_prob_terms(self, X: Any, y: Any = None) -> Any:
        """Return log p of every channel of every pixel given those before it, in nats.

        Their sum over an image is `log_prob`. X, y: as there. Shaped like X.
        """
        return super().log_prob_terms(X, y)

    def conditionals(self, X: Any, y: Any = None) -> Any:
        """Return the distribution of every channel of every pixel given those before it.

        X, y: as in `log_prob`.

        Returns:
            Of bits p(x_i = 1 | x_<i), shaped like X; of more levels the probability of each, with
            one axis more, (…, levels). Pixels come in raster order, the channels of one after the
            other.
        """
        return super().conditionals(X, y)

    def sample(
        self,
        n: int = 1,
        seed: Any = None,
        given: Any = None,
        observed: Any = None,
        y: Any = None,
    ) -> Any:
        """Draw n images; pixels marked as observed keep their given values.

        Pixels are drawn in raster order, the channels of one after the other, each from its
        distribution given all before it, drawn or observed. So if what is observed comes first in
        that order, such as the upper rows, the images are exact samples of p(free | observed). For
        any other pattern they are not, and a UserWarning says so: a free pixel heeds the observed
        ones before it and never those after it.

        Args:
            n: how many images, at least 1.
            seed: of numpy.random.default_rng; None draws fresh entropy.
            given: n images, or one for all, in any form that X may have. Only what is observed is
                read.
            observed: bool, True where `given` counts: (R, S), (R, S, C), (D,), or n of them, of
                each image its own. Both or neither.
            y: labels, (n,) or one for all, of a model that was fitted with labels; without them
                an image's is drawn first, by what is given of the first pixels.

        Returns:
            n images in the form and dtype of those that were fitted; where `binarize` is set, uint8
            0 and 1. Of reduced levels, and of greys that were drawn as bits, what stands for a
            level among those of the data: so of bits by greys 0 … 255, 0 and 255. The same seed and
            backend give the same images.

        Raises:
            NotFittedError: before `fit`.
            ValueError, TypeError: n, given, observed or y that cannot be used.
        """
        drawn = self._draw(n, seed, given, observed, y)
        return self._columns.decode(self._whole(drawn))


def odd(name: str, value: Any, minimum: int) -> int:
    """Return a hyper-parameter that must be an odd number of at least `minimum`."""
    size = validation.integer(name, value, minimum)
    if size % 2 == 0:
        raise ValueError(f"{name} must be odd, so that there is a middle, got {size}")
    return size
