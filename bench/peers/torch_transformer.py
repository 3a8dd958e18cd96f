"""PyTorch: the Transformer from torch.nn's parts, its fused AdamW, a loop with a key-value cache.

`eager` runs them as they are. `compiled` passes the training's and the likelihood's model through
torch.compile, and for sampling the step from one symbol to the next: there positions past the
present are masked rather than cut off, so that all steps have one shape and it compiles once.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bench.cases import Problem, home
from bench.cases.ours import Run

# Our parameters of a block, stacked over layers, and where they live in `Block`; matrices are
# (inputs, outputs) here and (outputs, inputs) there.
NAMES = {
    "ln1_g": "ln1.weight", "ln1_b": "ln1.bias", "ln2_g": "ln2.weight", "ln2_b": "ln2.bias",
    "W_qkv": "qkv.weight", "b_qkv": "qkv.bias", "W_o": "out.weight", "b_o": "out.bias",
    "W_1": "up.weight", "b_1": "up.bias", "W_2": "down.weight", "b_2": "down.bias",
}  # fmt: skip
ENDS = {"E": "symbols.weight", "E_pos": "positions", "ln_g": "ln.weight", "ln_b": "ln.bias"}


class Block(nn.Module):
    """x += attention(LN x); x += MLP(LN x)."""

    def __init__(self, C: int, n: int) -> None:
        """Make the parts of a block C wide, with n heads."""
        super().__init__()
        self.n = n
        self.ln1, self.ln2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.qkv, self.out = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.up, self.down = nn.Linear(C, 4 * C), nn.Linear(4 * C, C)

    def heads(self, x: Any) -> Any:
        """Return q, k, v of x, (B, T, C): (B, n, T, d) each."""
        B, T, C = x.shape
        return self.qkv(self.ln1(x)).view(B, T, 3, self.n, C // self.n).permute(2, 0, 3, 1, 4)

    def rest(self, x: Any, a: Any) -> Any:
        """Return the block's output, given x and what its heads read, (B, n, T, d)."""
        x = x + self.out(a.transpose(1, 2).reshape(x.shape))
        return x + self.down(functional.gelu(self.up(self.ln2(x)), approximate="tanh"))

    def forward(self, x: Any) -> Any:
        """Return the block's output for x, (B, T, C)."""
        q, k, v = self.heads(x)
        return self.rest(x, functional.scaled_dot_product_attention(q, k, v, is_causal=True))


class Transformer(nn.Module):
    """The model of chainrule.engine.models.transformer, tied, learned positions."""

    def __init__(self, size: Any) -> None:
        """Make the parts of a model of this size."""
        super().__init__()
        _, T, L, n, C, V = size
        self.V = V
        self.symbols = nn.Embedding(V + 1, C)
        self.positions = nn.Parameter(torch.zeros(T, C))
        self.blocks = nn.ModuleList(Block(C, n) for _ in range(L))
        self.ln = nn.LayerNorm(C)

    def forward(self, tokens: Any) -> Any:
        """Return logits, (B, T, V)."""
        x = self.symbols(tokens) + self.positions[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.logits(x)

    def logits(self, x: Any) -> Any:
        """Return the logits of the residual stream after the last block."""
        return functional.linear(self.ln(x), self.symbols.weight[: self.V])


def prepare(problem: Problem, threads: int, variant: str) -> Run:
    """Return the workload set up in PyTorch; torch.compile compiles at the first call."""
    torch.set_num_threads(threads)
    model = Transformer(problem.workload.size)
    with torch.no_grad():
        for name, layer, array in _matched(problem.theta):
            _slot(model, name, layer).copy_(torch.tensor(array))
    wrap: Callable[[Any], Any] = torch.compile if variant == "compiled" else lambda f: f
    operation = problem.workload.operation
    if operation == "sample":
        from bench.peers.torch_sampling import transformer

        return transformer(problem, model, variant)
    if operation == "log_prob":
        return _log_prob(problem, model, wrap)
    return _training(problem, model, wrap, step=operation == "step")


def _tokens(problem: Problem) -> tuple[Any, Any]:
    """Return what is read, [start token, x_1 …], and what is predicted, x: (B, T) each."""
    targets = torch.tensor(problem.x, dtype=torch.long)
    start = torch.full_like(targets[:, :1], problem.workload.size.V)
    return torch.cat([start, targets[:, :-1]], 1), targets


def _training(problem: Problem, model: Any, wrap: Callable[[Any], Any], step: bool) -> Run:
    tokens, targets = _tokens(problem)
    s = home(problem.workload).OPTIMIZER
    groups: dict[bool, list[Any]] = {True: [], False: []}
    for parameter in model.parameters():
        groups[parameter.dim() > 1].append(parameter)
    optimizer = torch.optim.AdamW(
        [
            {"params": groups[True], "weight_decay": s["weight_decay"]},
            {"params": groups[False], "weight_decay": 0.0},
        ],
        lr=s["lr"], betas=(s["beta1"], s["beta2"]), eps=s["eps"], fused=True,
    )  # fmt: skip

    @wrap
    def loss_of(tokens: Any, targets: Any) -> Any:
        return functional.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())

    def call() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(tokens, targets)
        loss.backward()
        if step:
            optimizer.step()
        return loss

    def answer() -> dict[str, Any]:
        loss = call()
        return {"loss": np.float64(loss.item()), **_arrays(problem, model, gradients=not step)}

    return Run(call, answer)


def _log_prob(problem: Problem, model: Any, wrap: Callable[[Any], Any]) -> Run:
    tokens, targets = _tokens(problem)

    @wrap
    def log_prob(tokens: Any, targets: Any) -> Any:
        s = model(tokens).transpose(1, 2)
        return -functional.cross_entropy(s, targets, reduction="none").sum(1)

    def call() -> Any:
        with torch.inference_mode():
            return log_prob(tokens, targets)

    return Run(call, lambda: {"log_prob": call().numpy(force=True)})


def _matched(theta: dict[str, Any]) -> list[tuple[str, int | None, Any]]:
    """Return (our name, layer, array in PyTorch's layout) of every parameter."""
    found: list[tuple[str, int | None, Any]] = [(name, None, theta[name]) for name in ENDS]
    for name in NAMES:
        found += [(name, l, array.T) for l, array in enumerate(theta[name])]
    return found


def _slot(model: Any, name: str, layer: int | None) -> Any:
    if layer is None:
        return model.get_parameter(ENDS[name])
    return model.blocks[layer].get_parameter(NAMES[name])


def _arrays(problem: Problem, model: Any, gradients: bool) -> dict[str, Any]:
    """Return the parameters or their gradients, laid out as the engine does."""
    found = {name: np.empty_like(array) for name, array in problem.theta.items()}
    for name, layer, target in _matched(found):
        parameter = _slot(model, name, layer)
        target[...] = (parameter.grad if gradients else parameter).numpy(force=True)
    return found
