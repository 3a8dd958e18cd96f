"""PyTorch, eager: NADE as a loop over the variables, FVSBN and MADE as masked linear layers.

NADE is written twice. `torch-plain` is the loop as most people would write it; the backward of
its `W[d]` fills a (D, H) gradient of zeros for every d, O(D²·H) in all. `torch` walks
`W.unbind(0)`, whose backward gathers all rows at once, and updates a in one operation, in place
where no gradient is wanted: the fairest eager rival we found. (One (N, D, H) cumulative sum in
place of the loop was several times slower than either.) All else is the same in both.

Training masks the weights at each call; log p and samples have theirs masked before the timing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.cases import ADAM, Problem, fvsbn, made
from bench.cases.ours import Run


def nade_logits(x: Any, W: Any, V: Any, b: Any, c: Any) -> Any:
    """Return NADE's logits, (N, D): the hidden pre-activation a grows by x_d W_d at each d."""
    import torch

    a = c.expand(len(x), -1)
    logits = []
    for x_d, W_d, V_d in zip(x.unbind(1), W.unbind(0), V.unbind(0), strict=True):
        logits.append(torch.sigmoid(a) @ V_d)
        a = torch.addr(a, x_d, W_d)
    return torch.stack(logits, 1) + b


def nade_logits_plain(x: Any, W: Any, V: Any, b: Any, c: Any) -> Any:
    """Return the same from the loop as one writes it down first."""
    import torch

    a = c.expand(len(x), -1)
    logits = []
    for d in range(x.shape[1]):
        logits.append(torch.sigmoid(a) @ V[d])
        a = a + x[:, d : d + 1] * W[d]
    return torch.stack(logits, 1) + b


def nade_sample(u: Any, W: Any, V: Any, b: Any, c: Any) -> Any:
    """Return samples, (N, D), the hidden state updated in place: no gradient is needed."""
    import torch

    a, x = c.repeat(len(u), 1), torch.empty_like(u)
    for d in range(u.shape[1]):
        x[:, d] = u[:, d] < torch.sigmoid(torch.sigmoid(a) @ V[d] + b[d])
        a.addr_(x[:, d], W[d])
    return x


def nade_sample_plain(u: Any, W: Any, V: Any, b: Any, c: Any) -> Any:
    """Return the same from the loop as one writes it down first."""
    import torch

    a, x = c.expand(len(u), -1), torch.empty_like(u)
    for d in range(u.shape[1]):
        x[:, d] = (u[:, d] < torch.sigmoid(torch.sigmoid(a) @ V[d] + b[d])).float()
        a = a + x[:, d : d + 1] * W[d]
    return x


def fvsbn_logits(x: Any, weight: Any, b: Any) -> Any:
    """Return FVSBN's logits, (N, D): a linear layer of strictly lower triangular weights."""
    from torch.nn import functional

    return functional.linear(x, weight, b)


def fvsbn_sample(u: Any, weight: Any, b: Any) -> Any:
    """Return samples, (N, D); variable d reads the d rows already drawn, which lie together."""
    import torch

    u, x = u.t().contiguous(), torch.empty_like(u.t())
    for d in range(len(u)):
        x[d] = u[d] < torch.sigmoid(weight[d, :d] @ x[:d] + b[d])
    return x.t()


def made_logits(x: Any, W: Any, V: Any, c: Any, b: Any) -> Any:
    """Return MADE's logits, (N, D): two linear layers of masked weights."""
    from torch.nn import functional

    return functional.linear(functional.relu(functional.linear(x, W, c)), V, b)


def made_sample(u: Any, W: Any, V: Any, c: Any, b: Any) -> Any:
    """Return samples, (N, D): the hidden pre-activation a grows by x_d W_d, as NADE's does.

    W, V: (D, H), so that the row of a variable lies together in both.
    """
    import torch

    a, x = c.repeat(len(u), 1), []
    rows = (u.t().contiguous(), W, V, b)
    for u_d, W_d, V_d, b_d in zip(*(r.unbind(0) for r in rows), strict=True):
        x_d = (u_d < torch.sigmoid(torch.relu(a) @ V_d + b_d)).to(a.dtype)
        a.addr_(x_d, W_d)
        x.append(x_d)
    return torch.stack(x, 1)


FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "nade": (nade_logits, nade_sample),
    "fvsbn": (fvsbn_logits, fvsbn_sample),
    "made": (made_logits, made_sample),
}


def layers(problem: Problem) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return parameters and the masks of some, matrices with outputs in front as PyTorch's are."""
    theta, size = dict(problem.theta), problem.workload.size
    if problem.workload.model == "fvsbn":
        theta = {"weight": fvsbn.unpack(theta.pop("alpha"), size.D), **theta}
        return theta, {"weight": np.tril(np.ones_like(theta["weight"]), -1)}
    if problem.workload.model == "made":
        masks = dict(zip("WV", made.masks(size), strict=True))
        return theta | {k: theta[k].T for k in masks}, {k: mask.T for k, mask in masks.items()}
    return theta, {}


def masked(logits: Callable[..., Any], masks: dict[str, Any]) -> Callable[..., Any]:
    """Return `logits` of weights that are masked at each call, as training has to."""

    def of(x: Any, **theta: Any) -> Any:
        return logits(x, **{**theta, **{k: theta[k] * mask for k, mask in masks.items()}})

    return of if masks else logits


class Side:
    """A problem's tensors and functions, for `run` here and for torch_compile."""

    def __init__(self, problem: Problem, variant: str) -> None:
        """Copy the problem into tensors."""
        import torch

        self.problem = problem
        model, operation = problem.workload.model, problem.workload.operation
        theta, masks = layers(problem)
        self.logits, self.sample = FUNCTIONS[model]
        if variant == "plain":
            self.logits, self.sample = nade_logits_plain, nade_sample_plain
        if operation in ("grad", "step"):
            self.logits = masked(self.logits, {k: _tensor(mask) for k, mask in masks.items()})
        else:  # weights that stay are masked once
            theta |= {k: theta[k] * mask for k, mask in masks.items()}
        if (model, operation) == ("made", "sample"):
            theta["W"] = theta["W"].T
        self.theta = {k: _tensor(v).requires_grad_() for k, v in theta.items()}
        self.x = torch.tensor(problem.x, dtype=torch.float32)
        self.u = torch.tensor(problem.u)

    def loss(self, x: Any, **theta: Any) -> Any:
        """Return the mean negative log-likelihood of a row, in nats."""
        from torch.nn import functional

        nll = functional.binary_cross_entropy_with_logits(
            self.logits(x, **theta), x, reduction="sum"
        )
        return nll / len(x)

    def log_prob(self, x: Any, **theta: Any) -> Any:
        """Return log p(x) of each row, (N,)."""
        from torch.nn import functional

        nll = functional.binary_cross_entropy_with_logits(
            self.logits(x, **theta), x, reduction="none"
        )
        return -nll.sum(1)

    def arrays(self, gradients: bool) -> dict[str, Any]:
        """Return the parameters or their gradients, laid out as the engine does."""
        found = {
            k: (t.grad if gradients else t).numpy(force=True).copy() for k, t in self.theta.items()
        }
        if "weight" in found:
            found["alpha"] = fvsbn.pack(found.pop("weight"))
        if self.problem.workload.model == "made":
            found |= {name: found[name].T for name in "WV"}
        return found


def _tensor(array: Any) -> Any:
    """Return a tensor of an array, its last axis contiguous."""
    import torch

    return torch.tensor(np.ascontiguousarray(array))


def prepare(problem: Problem, threads: int, variant: str) -> Run:
    """Return the workload set up in PyTorch."""
    import torch

    w = problem.workload
    if variant == "plain" and w.model != "nade":
        raise NotImplementedError("FVSBN and MADE are written in one way alone; see torch")
    torch.set_num_threads(threads)
    return run(Side(problem, variant))


def run(side: Side) -> Run:
    """Return the workload of `side`, whose functions may have been compiled."""
    operation = side.problem.workload.operation
    if operation in ("grad", "step"):
        return _training(side, step=operation == "step")
    return _without_gradient(side, operation)


def _training(side: Side, step: bool) -> Run:
    import torch

    leaves = list(side.theta.values())
    optimizer = torch.optim.Adam(
        leaves, ADAM["lr"], (ADAM["beta1"], ADAM["beta2"]), ADAM["eps"], fused=True
    )

    def call() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = side.loss(side.x, **side.theta)
        loss.backward()
        if step:
            optimizer.step()
        return loss

    def answer() -> dict[str, Any]:
        loss = call()
        return {"loss": np.float64(loss.item()), **side.arrays(gradients=not step)}

    return Run(call, answer)


def _without_gradient(side: Side, operation: str) -> Run:
    import torch

    theta = {k: t.detach() for k, t in side.theta.items()}

    def call() -> Any:
        with torch.inference_mode():
            if operation == "sample":
                return side.sample(side.u, **theta)
            return side.log_prob(side.x, **theta)

    key = "x" if operation == "sample" else "log_prob"
    return Run(call, lambda: {key: call().numpy(force=True)})
