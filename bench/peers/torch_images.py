"""PyTorch: masked convolutions, dense kernels times a mask at each call, and PixelCNN of them.

Both of PyTorch's memory layouts are tried when a workload is set up, and the faster one runs.
Sampling takes a pass for each pixel. All of them run once, for the check; one is timed.
`compiled` passes the whole function, or the sampler's pass, through torch.compile.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from bench.cases import Problem, home
from bench.cases.convolution import dense, mask, taps, window
from bench.cases.images import EVEN, Part
from bench.cases.ours import Run
from bench.peers import torch_device, torch_eager
from chainrule.engine.models import pixel_cnn
from chainrule.kernels.masked_conv import Window

LAYOUTS = (torch.contiguous_format, torch.channels_last)


def prepare(problem: Problem, threads: int, variant: str) -> Run:
    """Return the workload set up in PyTorch; torch.compile compiles at the first call."""
    torch.set_num_threads(threads)
    if isinstance(problem.workload.size, Part):
        raise NotImplementedError(EVEN)
    if problem.workload.model.endswith("_lstm"):
        from bench.peers import torch_grid  # which needs this file's tools

        return torch_grid.prepare(problem, variant)
    if variant == "body":
        raise NotImplementedError("a PixelCNN has no loop whose body could be compiled")
    wrap: Callable[[Any], Any] = _compiled if variant == "compiled" else lambda f: f
    w = problem.workload
    run = _convolution if w.model == "masked_conv" else _network
    trial = problem
    if w.operation == "sample":  # of many passes: one tells
        trial = problem._replace(workload=w._replace(operation="log_prob"))
    layout = min(LAYOUTS, key=lambda layout: _seconds(run(trial, layout, wrap).call))
    return run(problem, layout, wrap)


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    torch_device.forget()  # each layout is tried as if it were the only one
    wrapped: Callable[..., Any] = torch.compile(function)
    return wrapped


def _seconds(call: Callable[[], object]) -> float:
    """Return the median of a few calls after the first two."""
    times = []
    for _ in range(9):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times[2:]))


def kernel(W: Any, see: Window, layout: Any) -> Any:
    """Return our W, (T, C, O), as a convolution's kernel, (O, C, h, w), a leaf."""
    whole = torch.tensor(dense(W, see).transpose(3, 2, 0, 1).copy())
    return whole.contiguous(memory_format=layout).requires_grad_()


def ours(kernel: Any, see: Window) -> Any:
    """Return such a kernel, or its gradient, as ours."""
    return taps(kernel.numpy(force=True).transpose(2, 3, 1, 0), see)


def shown(see: Window) -> Any:
    """Return a mask for such kernels, (h, w); None where all is visible."""
    seen = mask(see)[:, :, 0, 0]
    return None if seen.all() else torch.tensor(seen)


def convolve(x: Any, W: Any, seen: Any, b: Any = None) -> Any:
    """Return a masked convolution of x, (N, C, R, S)."""
    W = W if seen is None else W * seen
    return functional.conv2d(x, W, b, padding=(W.shape[2] // 2, W.shape[3] // 2))


def _convolution(problem: Problem, layout: Any, wrap: Callable[[Any], Any]) -> Run:
    w, see = problem.workload, window(problem.workload.size)
    x, dy = (
        torch.tensor(a).permute(0, 3, 1, 2).contiguous(memory_format=layout)
        for a in (problem.x, problem.dy)
    )
    W, b = kernel(problem.theta["W"], see, layout), torch.tensor(problem.theta["b"])
    seen, function = shown(see), wrap(convolve)
    names, leaves = ["dW", "db"], [W, b.requires_grad_()]
    if w.size.kind != "A":
        names, leaves = [*names, "dx"], [*leaves, x.requires_grad_()]

    def call() -> Any:
        if w.operation == "forward":
            with torch.inference_mode():
                return function(x, W, seen, b), ()
        y = function(x, W, seen, b)
        return y, torch.autograd.grad(y, leaves, dy)

    def answer() -> dict[str, Any]:
        y, gradients = call()
        found = dict(zip(names, gradients, strict=False)) | {"y": y}
        arrays = {"dW": lambda a: ours(a, see), "db": lambda a: a.numpy(force=True)}
        images = lambda a: a.permute(0, 2, 3, 1).numpy(force=True)  # noqa: E731
        return {name: arrays.get(name, images)(a) for name, a in found.items()}

    return Run(call, answer)


def _network(problem: Problem, layout: Any, wrap: Callable[[Any], Any]) -> Run:
    return of_side(Side(problem, layout, wrap))


def of_side(side: Any) -> Run:
    """Return the workload of a `torch_eager.Side`; of sampling one pass for all pixels is timed."""
    run = torch_eager.run(side)
    if side.problem.workload.operation != "sample":
        return run
    theta = {name: t.detach() for name, t in side.theta.items()}

    def one_pass() -> Any:
        with torch.inference_mode():
            return side.logits(side.x, **theta)

    return run._replace(call=one_pass, times=side.x.shape[1])


class Side(torch_eager.Side):
    """A PixelCNN's tensors, a parameter a layer, and its functions, of rows of pixels."""

    def __init__(self, problem: Problem, layout: Any, wrap: Callable[[Any], Any]) -> None:
        """Copy the problem into tensors."""
        self.problem = problem
        self.config = home(problem.workload).engine(problem.workload)[1]
        self.windows = pixel_cnn.windows(self.config)
        self.seen = {name: shown(see) for name, see in self.windows.items()}
        self.theta = {}
        for name, value in problem.theta.items():
            for key, one in self._layers(name, value):
                see = self.windows.get(name)
                self.theta[key] = (
                    kernel(one, see, layout) if see else torch.tensor(one, requires_grad=True)
                )
        N = problem.workload.size.N
        self.layout = layout
        self.x = torch.tensor(problem.x.reshape(N, -1), dtype=torch.float32)
        self.u = torch.tensor(problem.u.reshape(N, -1))
        self.logits = wrap(self._logits)
        self.sample = self._sample

    def _layers(self, name: str, value: Any) -> list[tuple[str, Any]]:
        """Return a parameter layer by layer, as in `W_i.0`, or whole."""
        deep = value.ndim == (4 if name in self.windows else 2)
        return [(f"{name}.{l}", a) for l, a in enumerate(value)] if deep else [(name, value)]

    def _logits(self, x: Any, **theta: Any) -> Any:
        """Return logits, (N, R²), of rows, (N, R²)."""
        side = self.problem.workload.size.R
        z = (2 * x - 1).view(len(x), 1, side, side).contiguous(memory_format=self.layout)

        def see(h: Any, W: str, b: str = "") -> Any:
            return convolve(h, theta[W], self.seen[W.partition(".")[0]], theta[b] if b else None)

        h = (_gated if self.config.gated else _plain)(z, see, self.config.n_layers)
        t = functional.relu(see(functional.relu(h), "W_t", "b_t"))
        return see(t, "W_s", "b_s").flatten(1)

    def _sample(self, u: Any, **theta: Any) -> Any:
        """Return samples, (N, R²): a whole pass for each pixel."""
        x = torch.zeros_like(u)
        for d in range(u.shape[1]):
            x[:, d] = u[:, d] < torch.sigmoid(self.logits(x, **theta)[:, d])
        return x

    def arrays(self, gradients: bool) -> dict[str, Any]:
        """Return the parameters or their gradients, laid out as the engine does."""
        found: dict[str, list[Any]] = {}
        deep: set[str] = set()
        for key, t in self.theta.items():
            name, _, layer = key.partition(".")
            array = t.grad if gradients else t
            see = self.windows.get(name)
            one = ours(array, see) if see else array.numpy(force=True).copy()
            found.setdefault(name, []).append(one)
            deep |= {name} if layer else set()
        return {k: np.stack(a) if k in deep else a[0] for k, a in found.items()}


def _plain(z: Any, see: Callable[..., Any], L: int) -> Any:
    h = see(z, "W_x", "b_x")
    for l in range(L):
        a = functional.relu(see(functional.relu(h), f"W_i.{l}", f"b_i.{l}"))
        h = h + see(functional.relu(see(a, f"W_m.{l}", f"b_m.{l}")), f"W_o.{l}")
    return h


def _gated(z: Any, see: Callable[..., Any], L: int) -> Any:
    v = h = z
    for l in range(L + 1):
        W_v, W_h = (f"W_v.{l - 1}", f"W_h.{l - 1}") if l else ("W_xv", "W_xh")
        p = see(v, W_v, f"b_v.{l}")
        g = _gate(see(h, W_h, f"b_h.{l}") + see(p, f"W_vh.{l}"))
        out = see(g, f"W_o.{l}")
        h = h + out if l else out
        v = _gate(p) if l < L else v
    return h


def _gate(a: Any) -> Any:
    p, q = a.chunk(2, 1)
    return torch.tanh(p) * torch.sigmoid(q)
