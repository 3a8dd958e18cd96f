"""PyTorch with torch.compile.

`whole` compiles the loss, or the sampler, as one function, the way the manual shows first. For
NADE the compiler unrolls the loop over D: 784 steps and their backward make a graph whose
compilation takes many minutes, so it runs under a time limit and the table says when the limit
was hit. `body` compiles the body of the loop alone, which Python then calls D times: what one
does when the first will not finish. The scan operator that would avoid unrolling is private to
PyTorch and failed to compile here, so it is not used.
"""

from typing import Any

from bench.cases import Problem
from bench.cases.ours import Run
from bench.peers import torch_eager


def prepare(problem: Problem, threads: int, variant: str) -> Run:
    """Return the workload set up with torch.compile; compilation happens at the first call."""
    import torch

    torch.set_num_threads(threads)
    side = torch_eager.Side(problem, "tuned")
    if variant == "whole":
        side.logits = torch.compile(side.logits)
        side.sample = torch.compile(side.sample)
    elif problem.workload.model == "nade":
        side.logits, side.sample = _logits_by_body(), _sample_by_body()
    else:
        raise NotImplementedError("there is no loop over variables; see torch.compile")
    return torch_eager.run(side)


def _logits_by_body() -> Any:
    import torch

    @torch.compile
    def body(a: Any, x_d: Any, W_d: Any, V_d: Any) -> Any:
        return torch.addr(a, x_d, W_d), torch.sigmoid(a) @ V_d

    def logits(x: Any, W: Any, V: Any, b: Any, c: Any) -> Any:
        a, out = c.repeat(len(x), 1), []
        columns = x.t().contiguous()  # one stride for every column, or each would recompile
        for x_d, W_d, V_d in zip(columns.unbind(0), W.unbind(0), V.unbind(0), strict=True):
            a, s_d = body(a, x_d, W_d, V_d)
            out.append(s_d)
        return torch.stack(out, 1) + b

    return logits


def _sample_by_body() -> Any:
    import torch

    @torch.compile
    def body(a: Any, u_d: Any, W_d: Any, V_d: Any, b_d: Any) -> Any:
        x_d = (u_d < torch.sigmoid(torch.sigmoid(a) @ V_d + b_d)).to(a.dtype)
        return torch.addr(a, x_d, W_d), x_d

    def sample(u: Any, W: Any, V: Any, b: Any, c: Any) -> Any:
        a, out = c.repeat(len(u), 1), []
        rows = (u.t().contiguous(), W, V, b)
        for u_d, W_d, V_d, b_d in zip(*(r.unbind(0) for r in rows), strict=True):
            a, x_d = body(a, u_d, W_d, V_d, b_d)
            out.append(x_d)
        return torch.stack(out, 1)

    return sample
