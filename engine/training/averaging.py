"""An exponential mean of the parameters over a training, validated and kept in their place.

After step t, counted from 1, with decay a of the recipe, the mean θ̄ of the parameters θ is

    (F1)  a_t = min(a, (1 + t) / (10 + t))
    (F2)  θ̄ ← a_t θ̄ + (1 - a_t) θ

so that it forgets the initial ones soon, however near a is to 1: after a thousand steps it is a
mean over about the last 1 / (1 - a). What the steps scatter by is averaged out, as by a learning
rate that falls, and the steps themselves are as they were: nothing of it flows back.

Source      Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging", SIAM
            Journal on Control and Optimization 30(4); the ramp: TensorFlow's
            ExponentialMovingAverage.
"""

from typing import Any

from chainrule.engine.params import Params
from chainrule.engine.training.recipe import Recipe
from chainrule.kernels.types import Array


def begin(recipe: Recipe, params: Params) -> Array | None:
    """Return the mean before the first step, (P,), laid out like `params.flat`; None without."""
    return params.flat.copy() if recipe.average else None


def update(recipe: Recipe, mean: Array | None, params: Params, t: int) -> None:
    """Take in the parameters after step t."""
    if mean is not None:
        a = min(recipe.average, (1 + t) / (10 + t))  # F1
        mean += mean.dtype.type(1 - a) * (params.flat - mean)  # F2


def kept(mean: Array | None, params: Params) -> Params:
    """Return what is validated and kept: the mean, where there is one."""
    return params if mean is None else Params(params.shapes, mean)


def moved(mean: Any, move: Any) -> Any:
    """Return the mean on another side, by the function that moves arrays there."""
    return None if mean is None else move(mean)
