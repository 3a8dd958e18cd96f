"""How models of images are trained unless they are told: by how many images there are.

A convolution sees every pixel of an image, so that a minibatch of 32 images is one of thousands of
pixels; and still forty images make two such an epoch, and after fifty epochs a hundred steps of
0.001, which is hardly anything: 40 discs of 12 × 12 pixels in colour then cost 806 nats (gated) and
338 (residual), which minibatches of 4 and a rate of 0.01 bring to 72 and 35 in as many epochs. More
images overfit sooner: 1,437 digits of 8 × 8 after 11 epochs of the residual network, 19 of the
gated one, and from there on get worse fast (residual: 82 nats at its best, 100 after fifty epochs).
Only images to validate on tell when; so where there are none the training of few ends there. Of
5,000 digits of 28 × 28 pixels, after four epochs, the residual network has 75.6 nats at a rate of
0.001, 73.3 at 0.002 and 72.7 at 0.003, the gated one after three 77.4 and 74.6; trainings on ten
times as many were tried at 0.002.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from chainrule.estimators.by_rows import ByRows

USUAL = {"epochs": 50, "batch_size": 32, "learning_rate": 2e-3}
FEWEST = 500  # images below which the learning rate is higher still
STEPS = 400  # minibatches at least, of so few images that nothing validates
VALIDATED = 1000  # and where something does, to stop them


@dataclass(kw_only=True, eq=False, repr=False)
class FewImages(ByRows):
    """Base class: a training whose length, minibatches and learning rate go by the images.

    Args:
        epochs: passes over the data, at most; None is 50, or of fewer than 5,000 images without
            X_valid 20, as nothing would tell when they overfit; and of very few as many as make
            400 minibatches, with X_valid 1,000.
        batch_size: images a minibatch; None is 32, or of fewer than 1,600 a fiftieth of them, 4 at
            least.
        learning_rate: of Adam, after the warm-up; None is 0.002, or of fewer than 5,000 images
            0.003 and of fewer than 500 0.01.
    """

    _usual: ClassVar[dict[str, Any]] = USUAL
    _one = "images"

    def _of_few(self, n: int) -> dict[str, Any]:
        batch = min(USUAL["batch_size"], max(4, n // 50))
        epochs, steps = (USUAL["epochs"], VALIDATED) if self._validated else (20, STEPS)
        return {
            "epochs": max(epochs, -(-steps // -(-n // batch))),
            "batch_size": batch,
            "learning_rate": 1e-2 if n < FEWEST else 3e-3,
        }
