"""Refuse to time a rival that computes something else.

The expected numbers come from our reference backend in float64. A rival computes in float32, so
each array may differ by `TOLERANCE` of its largest entry.

Gradients of networks over images may differ by `OF_TIES`. A ReLU whose input is nearer to 0 than
float32 rounds is on or off as the rounding goes, and a unit's gradient has one pixel more or less
of some 10,000. Of their millions of inputs one or two are such: 6.5e-5 was seen.
"""

from typing import Any

import numpy as np

from bench.cases import Problem, Workload, home, images, ours
from chainrule.engine.event import Columns, Image
from chainrule.kernels import use_backend

TOLERANCE = 2e-5
OF_TIES = 2e-4
TIE = 1e-5  # a uniform this close to a boundary may fall on either side in float32


class MismatchError(Exception):
    """A rival's numbers are not the reference's."""


def of_bits(workload: Workload) -> bool:
    """Return whether what a model draws are bits."""
    event = home(workload).engine(workload)[1].event
    return isinstance(event, Columns) or (isinstance(event, Image) and event.levels == 2)


def expected(problem: Problem) -> dict[str, Any]:
    """Return what a rival's answer has to be, float64; nothing for sampling, see `verify`.

    For a step it is the gradient that the step follows.
    """
    w = problem.workload
    if w.operation == "sample":
        return {}
    if w.operation == "step":
        problem = problem._replace(workload=w._replace(operation="grad"))
    return ours.prepare(problem, "reference", threads=1, dtype=np.float64).answer()


def verify(problem: Problem, answer: dict[str, Any], truth: dict[str, Any]) -> float:
    """Return the largest relative error of an answer, or raise MismatchError.

    truth: `expected(problem)`.
    """
    w = problem.workload
    if w.operation == "sample":
        return (_verify_bits if of_bits(w) else _verify_symbols)(problem, answer["x"])
    if w.operation == "step":
        return _verify_step(problem, answer, truth)
    worst = 0.0
    for name, want in truth.items():
        if want.size == 0:  # of what a model can have and this one has not
            continue
        error = float(np.abs(answer[name] - want).max() / np.abs(want).max())
        allowed = OF_TIES if name in problem.theta and w.model in images.MODELS else TOLERANCE
        _require(error <= allowed, f"{name} differs from the reference by {error:.1e}")
        worst = max(worst, error)
    return worst


def _verify_step(problem: Problem, answer: dict[str, Any], truth: dict[str, Any]) -> float:
    """Check one Adam step from zero moments: θ moves by -lr (g / (|g| + ε) + λ θ).

    The first term is lr·sign(g), so only entries whose gradient float32 resolves have a known
    sign; it moves no entry further than lr. λ is 0 but for the model's WEIGHTS.
    """
    case = home(problem.workload)
    settings, worst = case.OPTIMIZER, 0.0
    lr, decay = settings["lr"], settings.get("weight_decay", 0.0)
    decayed = case.engine(problem.workload)[0].WEIGHTS
    for name, start in problem.theta.items():
        g = truth[name]
        moved = (answer[name].astype(np.float64) - start) / lr
        moved += start * (decay if name in decayed else 0.0)
        error = np.abs(moved + g / (np.abs(g) + settings["eps"]))
        rounding = 1e-6 * np.abs(start) / lr  # of θ itself, in units of lr
        clear = np.abs(g) > 1e-3 * np.abs(g).max()
        bad = float(np.max(error[clear] - rounding[clear]))
        _require(bad <= 2e-3, f"the step of {name} differs by {bad:.1e} of lr")
        _require(bool((np.abs(moved) <= 1.002 + rounding).all()), f"{name} moved further than lr")
        worst = max(worst, bad)
    return worst


def _verify_bits(problem: Problem, x: Any) -> float:
    """Check every draw against the exact probability given the draws before it.

    Comparing with another sampler's rows would not do: where a uniform ties with a probability
    in float32, two correct samplers may part, and differ from there on.

    Where there are fewer uniforms than variables the first ones alone were drawn, and those after
    them, which no probability before them hears of, are put as 0.
    """
    u = problem.u.reshape(len(problem.u), -1)
    x, whole = np.ascontiguousarray(x, np.uint8).reshape(u.shape), np.zeros_like(problem.x)
    whole.reshape(len(x), -1)[:, : u.shape[1]] = x
    p = _conditionals(problem, whole).reshape(len(x), -1)[:, : u.shape[1]]
    wrong = (x != (u < p)) & (np.abs(u - p) > TIE)
    _require(not wrong.any(), f"{int(wrong.sum())} of {x.size} draws are wrong")
    return 0.0


def _verify_symbols(problem: Problem, x: Any) -> float:
    """Check likewise that each uniform lies in the drawn symbol's part of [0, 1).

    The symbols' parts lie in the order of their ids: kernels/categorical, D5.
    """
    x = np.ascontiguousarray(x, np.int32)
    _require(x.shape == problem.u.shape, f"{x.shape} symbols were drawn")
    p = _conditionals(problem, np.maximum(x, 0))
    _require(bool(((x >= 0) & (x < p.shape[2])).all()), "symbols outside the alphabet were drawn")
    upper = np.cumsum(p, axis=2)
    upper /= upper[:, :, -1:]
    top = np.take_along_axis(upper, x[:, :, None], axis=2)[:, :, 0]
    bottom = top - np.take_along_axis(p, x[:, :, None], axis=2)[:, :, 0]
    wrong = (problem.u < bottom - TIE) | (problem.u > top + TIE)
    _require(not wrong.any(), f"{int(wrong.sum())} of {x.size} draws are wrong")
    return 0.0


def _conditionals(problem: Problem, x: Any) -> Any:
    model, config, params = ours.engine_side(problem, np.float64)
    with use_backend("reference"):
        return model.conditionals(config, params, x)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise MismatchError(otherwise)
