"""Our side of every workload, on one of our backends."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from bench.cases import Problem, home, orderless
from bench.cases.images import Part
from chainrule.engine import noise
from chainrule.engine.event import Columns
from chainrule.engine.params import Params
from chainrule.kernels import adam, use_backend, use_threads
from chainrule.kernels.dispatch import on_device
from chainrule.kernels.target import VECTOR_BYTES
from chainrule.kernels.threads import map_rows, sum_rows

BACKENDS = ("reference", "cpu", "cuda")


class Run(NamedTuple):
    """A prepared workload.

    call: what is timed; returns only when the work is done.
    answer: the numbers of one call from the starting point, by name, as NumPy arrays.
    times: how many calls the workload takes, where one of them alone is timed.
    """

    call: Callable[[], object]
    answer: Callable[[], dict[str, Any]]
    times: int = 1


def vectors(backend: str) -> str:
    """Return how wide a backend's vectors are."""
    if backend == "cpu":
        return f"{VECTOR_BYTES} bytes"
    return "the GPU's" if backend == "cuda" else "NumPy's"


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


def prepare(problem: Problem, backend: str, threads: int, dtype: Any = np.float32) -> Run:
    """Return a workload set up on a backend: arrays in place, buffers made."""
    from bench.cases import ours_layers  # which needs this file's tools

    w = problem.workload
    threadpool_limits(threads, user_api="blas")  # whatever the problem before this one set
    place = Place(backend, threads)
    if (w.model, w.operation) in ours_layers.RUNS:
        return ours_layers.RUNS[w.model, w.operation](problem, place, dtype)
    model, config, params = engine_side(problem, dtype)
    params = Params(params.shapes, place.put(params.flat))
    x, u = place.put(problem.x), place.put(problem.u)
    return _OPERATIONS[w.operation](_Side(problem, model, config, params, x, u, place))


def engine_side(problem: Problem, dtype: Any) -> tuple[Any, Any, Params]:
    """Return the engine's model module, its config and the problem's parameters."""
    model, config = home(problem.workload).engine(problem.workload)
    params = Params(model.shapes(config), dtype=dtype)
    for name, value in problem.theta.items():
        params[name][...] = value
    return model, config, params


class Place(NamedTuple):
    """Where the work is done: a backend and a number of threads."""

    backend: str
    threads: int

    def put(self, array: Any) -> Any:
        """Return an array on this side, copied only if it has to cross over."""
        if self.backend != "cuda" or array is None:
            return array
        import cupy

        return cupy.asarray(array)

    def slices(self, n_rows: int) -> int:
        """Return how many threads share the rows, and give each of them one thread of BLAS.

        As training does it, also where there is one row and hence one thread; but the limit, which
        takes milliseconds to set, stays here until the next problem is prepared.
        """
        if self.backend == "cuda":
            return 1
        threadpool_limits(1, user_api="blas")
        return min(self.threads, n_rows)

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


class _Side(NamedTuple):
    problem: Problem
    model: Any
    config: Any
    params: Params
    x: Any
    u: Any
    place: Place

    @property
    def splits_itself(self) -> bool:
        """Whether the model's kernels split a minibatch over threads; else training does."""
        return self.model.EVENT is Columns or on_device(self.params.flat)


def _gradient(side: _Side) -> tuple[Callable[[], float], Params]:
    """Return what computes the loss and its gradient, and where it leaves the gradient."""
    _, model, config, params, x, _, place = side
    if side.splits_itself:
        grad = params.like()
        place.slices(len(x))
        more: dict[str, Any] = {"noise": orderless.NOISE} if noise.wanted(model, config) else {}
        if model.EVENT is not Columns:
            more["total"] = _total(config, x)
        return lambda: model.loss_and_grad(config, params, x, grad, **more), grad
    grads = [params.like() for _ in range(place.slices(len(x)))]

    def one_slice(lo: int, hi: int, flat: Any) -> float:
        mine = Params(params.shapes, flat)
        loss: float = model.loss_and_grad(config, params, x[lo:hi], mine, total=_total(config, x))
        return loss

    shares = [(grad.flat,) for grad in grads]
    return lambda: sum(sum_rows(one_slice, len(x), shares)), grads[0]


def _total(config: Any, x: Any) -> int:
    """Return by how many the summed loss is divided: symbols, or rows."""
    return int(x.size) if config.event.per == "symbol" else len(x)


def _grad(side: _Side) -> Run:
    work, grad = _gradient(side)
    call = side.place.bind(work)
    return Run(call, lambda: {"loss": np.float64(call()), **_host(grad)})


def _step(side: _Side) -> Run:
    params = side.params
    m, v = params.like(), params.like()
    gradient, grad = _gradient(side)
    clock = iter(range(1, 2**62))
    settings = {"weight_decay": 0.0, **home(side.problem.workload).OPTIMIZER}
    n_decay = params.leading(side.model.WEIGHTS)

    def work() -> None:
        gradient()
        adam.step(
            params.flat, grad.flat, m.flat, v.flat, next(clock), **settings,
            l1=0.0, n_decay=n_decay, max_norm=0.0,
        )  # fmt: skip

    call = side.place.bind(work)

    def answer() -> dict[str, Any]:
        start = params.copy()
        call()
        moved = _host(params)
        params.flat[...] = start.flat
        return moved

    return Run(call, answer)


def _log_prob(side: _Side) -> Run:
    _, model, config, params, x, _, place = side

    def work() -> Any:
        if side.splits_itself:
            return model.log_prob(config, params, x)
        parts = map_rows(lambda lo, hi: model.log_prob(config, params, x[lo:hi]), len(x))
        return np.concatenate(parts)

    if not side.splits_itself:
        place.slices(len(x))
    call = place.bind(work)
    return Run(call, lambda: {"log_prob": to_host(call())})


def _sample(side: _Side) -> Run:
    _, model, config, params, _, u, place = side
    call = place.bind(lambda: model.sample(config, params, u))
    if isinstance(side.problem.workload.size, Part):
        call = place.bind(lambda: model.start(config, params, len(u)).extend(u))
    return Run(call, lambda: {"x": to_host(call())})


_OPERATIONS = {"grad": _grad, "step": _step, "log_prob": _log_prob, "sample": _sample}


def to_host(array: Any) -> Any:
    """Return a NumPy array of the same values."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def _host(params: Params) -> dict[str, Any]:
    return {name: to_host(value).copy() for name, value in params.items() if value.size}
