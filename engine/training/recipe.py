"""How to optimise: the settings of a training, and its learning rate step by step.

The update itself is one fused pass over the flat parameters: `chainrule.kernels.adam`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, isfinite, pi

SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training besides the model and the data.

    Args:
        epochs: passes over rows, at most.
        steps: minibatches of a training on symbols, where passes are too long to be counted.
        batch_size: rows a minibatch; the last one of an epoch may be smaller.
        accumulation: parts in which a minibatch is worked through, one after another, adding up
            their gradients: the memory of one part, and the same result up to rounding.
        learning_rate: Adam's, after the warm-up.
        schedule: "constant", or "cosine": from learning_rate down to 0 over all steps.
        warmup: share of all steps over which the learning rate first rises from 0, in [0, 1).
        weight_decay: λ of decoupled decay, on the model's WEIGHTS only.
        l1: μ of decoupled sparsity, on the same arrays; see A8 in `chainrule.kernels.adam`.
        clip_norm: longest gradient let through, as a 2-norm; 0 turns clipping off.
        beta1, beta2, eps: Adam's.
        average: a of the exponential mean of the parameters that is kept (`averaging`); 0 keeps
            the parameters themselves.
        patience: records without a better validation likelihood before stopping; 0 is never. A
            record is made after every epoch, or every eval_every steps.
        eval_every: steps between two records; 0 is an epoch of rows, or a tenth of all steps of a
            training on symbols.
        eval_symbols: about how many symbols such a record is validated on, and of rows 256 rows
            at least; 0 is all there are.
        seed: of the initial parameters, of every epoch's shuffle, of windows and of dropout.

    Raises:
        ValueError: a setting outside its range.
    """

    epochs: int = 50
    steps: int = 0
    batch_size: int = 100
    accumulation: int = 1
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warmup: float = 0.0
    weight_decay: float = 0.0
    l1: float = 0.0
    clip_norm: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    average: float = 0.0
    patience: int = 0
    eval_every: int = 0
    eval_symbols: int = 1 << 14
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no training could use."""
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {SCHEDULES}, got {self.schedule!r}")
        for name, (allowed, words) in RANGES.items():
            value = getattr(self, name)
            if not (isfinite(value) and allowed(value)):
                raise ValueError(f"{name} must be {words}, got {value}")


RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    **dict.fromkeys(("epochs", "batch_size", "accumulation"), (lambda n: n >= 1, "at least 1")),
    **dict.fromkeys(("learning_rate", "eps"), (lambda r: r > 0, "above 0")),
    **dict.fromkeys(("warmup", "beta1", "beta2", "average"), (lambda r: 0 <= r < 1, "in [0, 1)")),
    **dict.fromkeys(("weight_decay", "l1", "clip_norm"), (lambda r: r >= 0, "0 or more")),
    **dict.fromkeys(
        ("steps", "patience", "eval_every", "eval_symbols", "seed"),
        (lambda n: n >= 0, "0 or more"),
    ),
}


def learning_rate(recipe: Recipe, step: int, n_steps: int) -> float:
    """Return the learning rate of minibatch `step`, counted from 0, out of n_steps.

    Warm-up     lr · (step + 1) / w    over the first w = warmup · n_steps steps
    Cosine      lr · ½ (1 + cos πr)    with r in [0, 1) the share done of the steps after them
    """
    n_warm = round(recipe.warmup * n_steps)
    if step < n_warm:
        return recipe.learning_rate * (step + 1) / n_warm
    if recipe.schedule == "constant":
        return recipe.learning_rate
    done = (step - n_warm) / (n_steps - n_warm)
    return recipe.learning_rate * 0.5 * (1 + cos(pi * done))
