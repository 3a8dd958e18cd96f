"""PyTorch, eager: any-order NADE's network as three linear layers, and its weighted loss.

What is observed is handed to it: it draws nothing.
"""

from typing import Any

from bench.cases import Problem, orderless
from bench.cases.ours import Run
from bench.peers import torch_eager

TRANSPOSED = ("W", "W2")  # `functional.linear` has outputs in front


class Side(torch_eager.Side):
    """A problem's tensors and its loss."""

    def __init__(self, problem: Problem) -> None:
        """Copy the problem into tensors."""
        import torch

        self.problem = problem
        seen, weights = orderless.observed(problem)
        self.theta = {
            k: torch.tensor(v.T.copy() if k in TRANSPOSED else v, requires_grad=True)
            for k, v in problem.theta.items()
        }
        self.x = torch.tensor(problem.x, dtype=torch.float32)
        self.seen = torch.tensor(seen, dtype=torch.float32)
        self.weights = torch.tensor(weights)

    def loss(self, x: Any, **theta: Any) -> Any:
        """Return the mean over rows of the weighted loss of what is not observed, in nats."""
        import torch
        from torch.nn import functional

        u = torch.cat([x * self.seen, self.seen], 1)
        h = functional.relu(functional.linear(u, theta["W"], theta["c"]))
        h = functional.relu(functional.linear(h, theta["W2"], theta["c2"]))
        s = functional.linear(h, theta["V"], theta["b"])
        nll = functional.binary_cross_entropy_with_logits(s, x, self.weights, reduction="sum")
        return nll / len(x)

    def arrays(self, gradients: bool) -> dict[str, Any]:
        """Return the parameters or their gradients, laid out as the engine does."""
        found = super().arrays(gradients)
        return {k: v.T if k in TRANSPOSED else v for k, v in found.items()}


def prepare(problem: Problem, threads: int, variant: str) -> Run:
    """Return the workload set up in PyTorch."""
    import torch

    torch.set_num_threads(threads)
    return torch_eager.run(Side(problem))
