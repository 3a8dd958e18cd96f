"""PyTorch: categories by cross_entropy, mixtures by logsumexp, with autograd's gradient."""

import math
from typing import Any

import torch
from torch.nn import functional

from bench.cases import Problem
from bench.cases.columns import LEVELS
from bench.cases.ours import Run
from chainrule.kernels.logistics import least_log_scale
from chainrule.kernels.mixture import SIGMA_MIN


def prepare(problem: Problem, threads: int, variant: str) -> Run:
    """Return the workload set up in PyTorch; torch.compile compiles at the first call."""
    torch.set_num_threads(threads)
    w = problem.workload
    nll_of = {"categories": _categories, "mixtures": _mixtures, "levels": _levels}[w.model]
    if variant == "compiled":
        nll_of = torch.compile(nll_of)
    N, D, K = w.size
    s = torch.tensor(problem.theta["s"]).view(N, D, -1, K).requires_grad_(True)
    x = torch.tensor(problem.x)
    if w.model == "categories":
        x = x.long()

    def call() -> Any:
        nll = nll_of(s, x)
        return nll, *torch.autograd.grad(nll.sum(), s)

    def answer() -> dict[str, Any]:
        nll, ds = call()
        return {"nll": nll.numpy(force=True), "ds": ds.view(N, -1).numpy(force=True)}

    return Run(call, answer)


def _categories(s: Any, x: Any) -> Any:
    nll = functional.cross_entropy(s.flatten(0, 2), x.flatten(), reduction="none")
    return nll.view(x.shape).sum(1)


def _mixtures(s: Any, x: Any) -> Any:
    mu, t = s.unbind(2)
    sigma = SIGMA_MIN + torch.exp(t)
    z = (x.unsqueeze(2) - mu) / sigma
    log_p = torch.logsumexp(-0.5 * z * z - torch.log(sigma), 2)
    return (math.log(s.shape[3]) + 0.5 * math.log(2 * math.pi) - log_p).sum(1)


def _levels(s: Any, x: Any) -> Any:
    """As PixelCNN++'s public code, with the exact mass where that has a density's."""
    mu, t, a = s.unbind(2)
    n, v = LEVELS - 1, x.unsqueeze(2)
    k = torch.exp(-torch.clamp(t, min=least_log_scale(LEVELS))) / n
    z = ((2 * v - n) - n * mu) * k
    low, high = functional.logsigmoid(z + k), functional.logsigmoid(k - z)
    inner = low + high + torch.log(-torch.expm1(-2 * k))
    log_m = torch.where(v == 0, low, torch.where(v == n, high, inner))
    return -torch.logsumexp(log_m + functional.log_softmax(a, 2), 2).sum(1)
