"""PyTorch, eager: NADE of categories and RNADE as loops over the variables, as in `torch_eager`.

`torch` walks W.unbind(0) and V.unbind(0), whose backward gathers all rows at once; a variable's
outputs are one product, and a value's row of W comes as a product with one-hot rows, made before
the timing begins (looking rows up and padding them took longer). The loss is one operation over
all outputs, after the loop. `torch-plain` reads W[i] and V[i].
"""

import math
from typing import Any

import numpy as np

from bench.cases import Problem
from bench.cases.ours import Run
from bench.cases.tables import is_real
from chainrule.kernels.mixture import SIGMA_MIN

LOG_SQRT_TAU = math.log(2 * math.pi) / 2


class Side:
    """A problem's tensors and functions."""

    def __init__(self, problem: Problem, variant: str) -> None:
        """Copy the problem into tensors, W and V by variables."""
        import torch
        from torch.nn import functional

        self.real, self.plain = is_real(problem.workload), variant == "plain"
        _, D, H, self.K, _ = problem.workload.size
        shapes = {"W": (D, H) if self.real else (D, self.K - 1, H), "V": (D, -1, H), "b": (D, -1)}
        self.theta = {
            name: torch.tensor(a.reshape(shapes.get(name, a.shape)), requires_grad=True)
            for name, a in problem.theta.items()
        }
        self.x = torch.tensor(problem.x if self.real else problem.x.astype(np.int64))
        one_hot = None if self.real else functional.one_hot(self.x, self.K)[..., 1:].float()
        self.inputs = self.x if one_hot is None else one_hot

    def outputs(self, W: Any, V: Any, b: Any, c: Any, rho: Any = None) -> Any:
        """Return the outputs for every variable, (N, D, n)."""
        import torch

        add = torch.addr if self.real else torch.addmm
        a, s = c.expand(len(self.x), -1), []
        rows = range(len(b)), *(self._rows(array) for array in (W, V))
        for i, W_i, V_i in zip(*rows, strict=True):
            s.append(torch.sigmoid(a if rho is None else rho[i] * a) @ V_i.t())
            a = add(a, self.inputs[:, i], W_i)
        return torch.stack(s, 1) + b

    def _rows(self, array: Any) -> Any:
        return (array[i] for i in range(len(array))) if self.plain else array.unbind(0)

    def log_prob(self, **theta: Any) -> Any:
        """Return log p(x) of each row, (N,)."""
        from torch.nn import functional

        s = self.outputs(**theta)
        if not self.real:
            terms = functional.cross_entropy(s.flatten(0, 1), self.x.flatten(), reduction="none")
            return -terms.view_as(self.x).sum(1)
        means, scales = s[..., : self.K], SIGMA_MIN + s[..., self.K :].exp()
        of_each = -(((self.x[..., None] - means) / scales) ** 2) / 2 - scales.log()
        terms = of_each.logsumexp(2) - LOG_SQRT_TAU - math.log(self.K)
        return terms.sum(1)


def prepare(problem: Problem, threads: int, variant: str) -> Run:
    """Return the workload set up in PyTorch."""
    import torch

    torch.set_num_threads(threads)
    side = Side(problem, variant)
    return _gradient(side) if problem.workload.operation == "grad" else _log_prob(side)


def _gradient(side: Side) -> Run:
    def call() -> Any:
        for leaf in side.theta.values():
            leaf.grad = None
        loss = -side.log_prob(**side.theta).mean()
        loss.backward()
        return loss

    def answer() -> dict[str, Any]:
        loss = np.float64(call().item())
        grads = {k: t.grad.numpy(force=True).copy() for k, t in side.theta.items()}
        two = {k: grads[k].reshape(-1, grads[k].shape[-1]) for k in ("W", "V")}
        return {"loss": loss, **grads, **two, "b": grads["b"].reshape(-1)}

    return Run(call, answer)


def _log_prob(side: Side) -> Run:
    import torch

    theta = {k: t.detach() for k, t in side.theta.items()}

    def call() -> Any:
        with torch.inference_mode():
            return side.log_prob(**theta)

    return Run(call, lambda: {"log_prob": call().numpy(force=True)})
