"""Refuse to time a rival that computes something else.

The expected numbers come from the engine's reference backend in float64. A rival computes in
float32, so each array may differ by `TOLERANCE` of its largest entry.
"""

from typing import Any

import numpy as np

from bench.cases import ADAM, Problem, ours
from chainrule.kernels import use_backend

TOLERANCE = 2e-5
TIE = 1e-5  # a uniform this close to the probability may fall on either side in float32


class MismatchError(Exception):
    """A rival's numbers are not the reference's."""


def expected(problem: Problem) -> dict[str, Any]:
    """Return what a rival's answer has to be, float64; nothing for sampling, see `verify`."""
    model, config, params = ours.engine_side(problem, np.float64)
    operation = problem.workload.operation
    with use_backend("reference"):
        if operation == "log_prob":
            return {"log_prob": model.log_prob(config, params, problem.x)}
        if operation == "sample":
            return {}
        grad = params.like()
        loss = model.loss_and_grad(config, params, problem.x, grad)
    return {"loss": np.float64(loss), **grad}


def verify(problem: Problem, answer: dict[str, Any], truth: dict[str, Any]) -> float:
    """Return the largest relative error of an answer, or raise MismatchError.

    truth: `expected(problem)`.
    """
    operation = problem.workload.operation
    if operation == "sample":
        return _verify_sample(problem, answer["x"])
    if operation == "step":
        return _verify_step(problem, answer, truth)
    worst = 0.0
    for name, want in truth.items():
        error = float(np.abs(answer[name] - want).max() / np.abs(want).max())
        _require(error <= TOLERANCE, f"{name} differs from the reference by {error:.1e}")
        worst = max(worst, error)
    return worst


def _verify_step(problem: Problem, answer: dict[str, Any], truth: dict[str, Any]) -> float:
    """Check one Adam step from zero moments, which moves θ by -lr g / (|g| + ε).

    That is lr·sign(g), so only entries whose gradient float32 resolves have a known sign; no
    entry may move further than lr.
    """
    lr, worst = ADAM["lr"], 0.0
    for name, start in problem.theta.items():
        g = truth[name]
        moved = (answer[name].astype(np.float64) - start) / lr
        error = np.abs(moved + g / (np.abs(g) + ADAM["eps"]))
        rounding = 1e-6 * np.abs(start) / lr  # of θ itself, in units of lr
        clear = np.abs(g) > 1e-3 * np.abs(g).max()
        bad = float(np.max(error[clear] - rounding[clear]))
        _require(bad <= 2e-3, f"the step of {name} differs by {bad:.1e} of lr")
        _require(bool((np.abs(moved) <= 1.002 + rounding).all()), f"{name} moved further than lr")
        worst = max(worst, bad)
    return worst


def _verify_sample(problem: Problem, x: Any) -> float:
    """Check every draw against the exact probability given the draws before it.

    Comparing with another sampler's rows would not do: where a uniform ties with a probability
    in float32, two correct samplers may part, and differ from there on.
    """
    model, config, params = ours.engine_side(problem, np.float64)
    x = np.ascontiguousarray(x, np.uint8)
    with use_backend("reference"):
        p = model.conditionals(config, params, x)
    wrong = (x != (problem.u < p)) & (np.abs(problem.u - p) > TIE)
    _require(not wrong.any(), f"{int(wrong.sum())} of {x.size} draws are wrong")
    return 0.0


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise MismatchError(otherwise)
