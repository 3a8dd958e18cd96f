"""PyTorch: PixelRNN, as a competent user would write it.

Row LSTM reads the row above by one convolution a row. Diagonal BiLSTM skews both directions' maps,
of which the second is mirrored, and walks over columns, both directions in one batched product.
Sampling takes a pass for each pixel, of which one is timed.

`compiled` passes a layer through torch.compile, its loop unrolled, which compiles it once for all
layers; `body` passes one step of the loop, which Python then calls for each row or diagonal.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from bench.cases import Problem, home
from bench.cases.ours import Run
from bench.peers import torch_eager
from bench.peers.torch_images import convolve, kernel, of_side, ours, shown

Step = Callable[[Any, Any, Any, Any], tuple[Any, Any]]  # a, h, c, W to h, c


def prepare(problem: Problem, variant: str) -> Run:
    """Return the workload set up in PyTorch; torch.compile compiles at the first call."""
    return of_side(Side(problem, variant))


class Side(torch_eager.Side):
    """A PixelRNN's tensors and its functions, of rows of pixels."""

    def __init__(self, problem: Problem, variant: str) -> None:
        """Copy the problem into tensors."""
        self.problem = problem
        self.config = home(problem.workload).engine(problem.workload)[1]
        self.theta = {
            name: torch.tensor(value, requires_grad=True) for name, value in problem.theta.items()
        }
        self.layer = _layer(self.config.cell, variant)
        self.seen = shown(self.config.first)
        W_x = kernel(problem.theta["W_x"], self.config.first, torch.contiguous_format)
        self.theta["W_x"] = W_x
        self.x = torch.tensor(problem.x.reshape(len(problem.x), -1), dtype=torch.float32)
        self.u = torch.tensor(problem.u.reshape(len(problem.x), -1))

    def logits(self, x: Any, **t: Any) -> Any:
        """Return logits, (N, R²), of rows, (N, R²)."""
        side = self.config.height
        z = (2 * x - 1).view(len(x), 1, side, side)
        h = convolve(z, t["W_x"], self.seen, t["b_x"])
        h = h.permute(0, 2, 3, 1).contiguous()
        for W_i, W_h, W_o, b_i in zip(t["W_i"], t["W_h"], t["W_o"], t["b_i"], strict=True):
            h = h + self.layer(h, W_i, b_i, W_h) @ W_o[0]
        top = functional.relu(functional.relu(h) @ t["W_t"][0] + t["b_t"])
        return (top @ t["W_s"][0] + t["b_s"]).flatten(1)

    def sample(self, u: Any, **theta: Any) -> Any:
        """Return samples, (N, R²): a whole pass for each pixel."""
        x = torch.zeros_like(u)
        for d in range(u.shape[1]):
            x[:, d] = u[:, d] < torch.sigmoid(self.logits(x, **theta)[:, d])
        return x

    def arrays(self, gradients: bool) -> dict[str, Any]:
        """Return the parameters or their gradients, laid out as the engine does."""
        found = super().arrays(gradients)
        W_x = self.theta["W_x"]
        found["W_x"] = ours(W_x.grad if gradients else W_x, self.config.first)
        return found


def _layer(cell: str, variant: str) -> Callable[..., Any]:
    """Return a layer's function."""
    layer, step = (_row, _row_step) if cell == "row" else (_diagonal, _diagonal_step)
    if variant == "body":
        return partial(layer, step=torch.compile(step))
    return torch.compile(layer) if variant == "compiled" else layer


def _cell(a: Any, c: Any) -> tuple[Any, Any]:
    """Return h and c of cells, given the gates' inputs, (…, 4H), and the c before."""
    i, f, g, o = a.chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _row_step(a: Any, h: Any, c: Any, W: Any) -> tuple[Any, Any]:
    """Return a row's h and c, (N, S, H), given its part a, (N, S, 4H), and those above."""
    above = functional.conv1d(h.transpose(1, 2), W, padding=1).transpose(1, 2)
    return _cell(a + above, c)


def _row(x: Any, W_i: Any, b_i: Any, W_h: Any, step: Step = _row_step) -> Any:
    """Return Row LSTM's states, (N, R, S, H), of x, (N, R, S, F)."""
    N, _, S, _ = x.shape
    left = functional.pad(x, (0, 0, 1, 0))[:, :, :-1]
    a = torch.cat((left, x), -1) @ W_i[0].flatten(0, 1) + b_i[0]
    three = W_h[0].permute(2, 1, 0).contiguous()  # (4H, H, 3): the row above as a convolution
    H = three.shape[1]
    h, c, out = x.new_zeros(N, S, H), x.new_zeros(N, S, H), []
    for a_r in a.unbind(1):
        h, c = step(a_r, h, c, three)
        out.append(h)
    return torch.stack(out, 1)


def _diagonal_step(a: Any, h: Any, c: Any, W: Any) -> tuple[Any, Any]:
    """Return a diagonal's h and c, (2, N, R, H), given its part a, (2, N, R, 4H), and the last."""
    (_, N, R, H), above = h.shape, functional.pad(h[:, :, :-1], (0, 0, 1, 0))
    seen = torch.cat((above, h), -1).view(2, N * R, 2 * H)
    z = torch.baddbmm(a.reshape(2, N * R, 4 * H), seen, W)
    return _cell(z.view(2, N, R, 4 * H), c)


def _diagonal(x: Any, W_i: Any, b_i: Any, W_h: Any, step: Step = _diagonal_step) -> Any:
    """Return both directions' states, (N, R, S, H), the second one's a row lower, added."""
    N, R, S, F = x.shape
    H = W_h.shape[2]
    both = torch.stack((x, x.flip(2))).view(2, -1, F)
    a = torch.baddbmm(b_i[:, None], both, W_i[:, 0]).view(2, N, R, S, 4 * H)
    W = W_h.flatten(1, 2)  # above, then to the left
    h, c, out = x.new_zeros(2, N, R, H), x.new_zeros(2, N, R, H), []
    for a_d in _skewed(a).unbind(3):
        h, c = step(a_d, h, c, W)
        out.append(h)
    states = _straight(torch.stack(out, 3), S)
    second = functional.pad(states[1].flip(2)[:, :-1], (0, 0, 0, 0, 1, 0))
    return states[0] + second


def _skewed(a: Any) -> Any:
    """Return a, (D, N, R, S, K), each row moved right by its number: (D, N, R, S + R - 1, K)."""
    D, N, R, S, K = a.shape
    wide = functional.pad(a, (0, 0, 0, R)).reshape(D, N, R * (S + R), K)
    return wide[:, :, : R * (S + R - 1)].view(D, N, R, S + R - 1, K)


def _straight(h: Any, S: int) -> Any:
    """Undo `_skewed`."""
    D, N, R, wide, K = h.shape
    flat = functional.pad(h.reshape(D, N, R * wide, K), (0, 0, 0, R))
    return flat.view(D, N, R, S + R, K)[:, :, :, :S]
