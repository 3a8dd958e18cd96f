"""Our side of every workload, on one of our backends."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np

from bench.cases import ADAM, Problem
from chainrule.engine import models
from chainrule.engine.params import Params
from chainrule.kernels import adam, use_backend, use_threads

BACKENDS = ("reference", "cpu", "cuda")


class Run(NamedTuple):
    """A prepared workload.

    call: what is timed; returns only when the work is done.
    answer: the numbers of one call from the starting point, by name, as NumPy arrays.
    """

    call: Callable[[], object]
    answer: Callable[[], dict[str, Any]]


def missing(backend: str) -> str | None:
    """Return why a backend cannot run here, or None."""
    if backend != "cuda":
        return None
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except ImportError:
        return "CuPy is not installed"
    except Exception as error:  # the driver's own error classes differ between versions
        return f"no CUDA device ({type(error).__name__})"
    return None if count else "no CUDA device"


def prepare(problem: Problem, backend: str, threads: int) -> Run:
    """Return a workload set up on a backend: arrays in place, buffers made."""
    model, config, params = engine_side(problem, np.float32)
    x, u = problem.x, problem.u
    if backend == "cuda":
        import cupy

        x, u = cupy.asarray(x), cupy.asarray(u)
        params = Params(params.shapes, cupy.asarray(params.flat))
    return _OPERATIONS[problem.workload.operation](
        _Side(model, config, params, x, u, backend, threads)
    )


def engine_side(problem: Problem, dtype: Any) -> tuple[Any, Any, Params]:
    """Return the engine's model module, its config and the problem's parameters."""
    model = models.get(problem.workload.model)
    size = problem.workload.size
    sizes = {"n_visible": size.D, "n_hidden": size.H}
    config = model.Config(**{k: v for k, v in sizes.items() if k in model.Config.__annotations__})
    params = Params(model.shapes(config), dtype=dtype)
    for name, value in problem.theta.items():
        params[name][...] = value
    return model, config, params


class _Side(NamedTuple):
    model: Any
    config: Any
    params: Params
    x: Any
    u: Any
    backend: str
    threads: int

    def bind(self, work: Callable[[], Any]) -> Callable[[], Any]:
        """Return `work` run on this backend and thread count, to its end."""

        def call() -> Any:
            with ExitStack() as stack:
                stack.enter_context(use_threads(self.threads))
                if self.backend != "cuda":
                    stack.enter_context(use_backend(self.backend))
                result = work()
            if self.backend == "cuda":
                import cupy

                cupy.cuda.get_current_stream().synchronize()
            return result

        return call


def _grad(side: _Side) -> Run:
    model, config, params, x = side[:4]
    grad = params.like()
    call = side.bind(lambda: model.loss_and_grad(config, params, x, grad))
    return Run(call, lambda: {"loss": np.float64(call()), **_host(grad)})


def _step(side: _Side) -> Run:
    model, config, params, x = side[:4]
    start, grad, m, v = params.copy(), params.like(), params.like(), params.like()
    clock = iter(range(1, 2**62))

    def work() -> None:
        model.loss_and_grad(config, params, x, grad)
        adam.step(
            params.flat, grad.flat, m.flat, v.flat, next(clock), **ADAM,
            weight_decay=0.0, l1=0.0, n_decay=0, max_norm=0.0,
        )  # fmt: skip

    call = side.bind(work)

    def answer() -> dict[str, Any]:
        call()
        moved = _host(params)
        params.flat[...] = start.flat
        return moved

    return Run(call, answer)


def _log_prob(side: _Side) -> Run:
    model, config, params, x = side[:4]
    call = side.bind(lambda: model.log_prob(config, params, x))
    return Run(call, lambda: {"log_prob": to_host(call())})


def _sample(side: _Side) -> Run:
    call = side.bind(lambda: side.model.sample(side.config, side.params, side.u))
    return Run(call, lambda: {"x": to_host(call())})


_OPERATIONS = {"grad": _grad, "step": _step, "log_prob": _log_prob, "sample": _sample}


def to_host(array: Any) -> Any:
    """Return a NumPy array of the same values."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def _host(params: Params) -> dict[str, Any]:
    return {name: to_host(value).copy() for name, value in params.items()}
