"""The settings of a training that all estimators share, once, and the recipe they make."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chainrule.docstrings import with_settings_of
from chainrule.encoders import validation
from chainrule.engine.training.recipe import SCHEDULES, Recipe
from chainrule.estimators import runtime

COUNTS = {
    "batch_size": 1,
    "accumulation": 1,
    "patience": 0,
    "eval_every": 0,
    "seed": 0,
}  # and least
NUMBERS = ("learning_rate", "warmup", "weight_decay", "l1", "clip_norm", "beta2", "average")


@dataclass(kw_only=True, eq=False, repr=False)
class Training:
    """How any estimator is trained. Defaults differ from model to model.

    Args:
        batch_size: rows, or pieces of text, a minibatch.
        learning_rate: of Adam, after the warm-up.
        schedule: "cosine" (down to 0 over the training) or "constant".
        warmup: share of all steps over which the learning rate rises from 0, in [0, 1).
        weight_decay: decoupled decay of the weights, not of gains and a layer's biases.
        l1: decoupled sparsity of the weights: those whose mean gradient is below about l1 times
            its noise become exactly zero. Try 0.01 to 0.1.
        clip_norm: longest gradient let through, as a 2-norm; 0 turns clipping off.
        beta2: Adam's memory of squared gradients, in [0, 1).
        average: of an exponential mean of the parameters over the steps, which is validated and
            kept in their place: 0.999 is over about the last thousand; 0 keeps the last ones.
        accumulation: parts that a minibatch is worked through in, one after another: the memory
            of one, the same result up to rounding.
        eval_every: minibatches between two records of the training, each of which validates and
            keeps the best; 0 is an epoch of rows, and a tenth of the steps on symbols.
        patience: stop after so many records without a better X_valid likelihood; 0 never does.
        seed: of initial parameters, minibatches, dropout and random orderings; at least 0.
        dtype: "float32" or "float64", of parameters.
        backend: "cpu" (compiled), "reference" (NumPy) or "cuda" (CuPy); never another instead.
        n_threads: on the host; None is one for each core this process may use.
        verbose: whether to show progress on stderr: a bar on a terminal, elsewhere (notebooks,
            files) a line a record.
    """

    batch_size: int = 100
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup: float = 0.0
    weight_decay: float = 0.0
    l1: float = 0.0
    clip_norm: float = 0.0
    beta2: float = 0.999
    average: float = 0.0
    accumulation: int = 1
    eval_every: int = 0
    patience: int = 0
    seed: int = 0
    dtype: Any = "float32"
    backend: str = "cpu"
    n_threads: int | None = None
    verbose: bool = False

    def __init_subclass__(cls, **options: Any) -> None:
        """Let an estimator's help tell of all its settings, those of its bases too."""
        super().__init_subclass__(**options)
        bases = [base.__doc__ for base in cls.__mro__[1:] if issubclass(base, Training)]
        cls.__doc__ = with_settings_of(cls.__doc__, bases)

    clock: ClassVar[str]  # what records are counted by, "epoch" or "step"

    def _recipe(self) -> Recipe:
        """Return the checked settings of the training."""
        least = {f"{self.clock}s": 1, **COUNTS}
        settings: dict[str, Any] = {
            name: validation.integer(name, self._in_use(name), low) for name, low in least.items()
        }
        settings |= {name: validation.real(name, self._in_use(name)) for name in NUMBERS}
        return Recipe(schedule=validation.choice("schedule", self.schedule, SCHEDULES), **settings)

    def _in_use(self, name: str) -> Any:
        """Return a setting as it counts: what it is, or what is chosen where it is None."""
        return getattr(self, name)

    def _chosen(self) -> str | None:
        """Say which settings were chosen by the data at hand, if any were."""
        return None

    def _check_hyperparameters(self) -> None:
        """Raise ValueError for one that no training could use."""
        self._recipe()
        self._dtype()
        validation.choice("backend", self.backend, runtime.BACKENDS)
        if self.n_threads is not None:
            validation.integer("n_threads", self.n_threads, 1)

    def _dtype(self) -> np.dtype[Any]:
        """Return the dtype of the parameters."""
        return validation.float_dtype(self.dtype)
