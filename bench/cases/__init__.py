"""The workloads: a model or a kernel, an operation on it, and a size.

A case file says which sizes there are, draws the numbers and counts the work; `ours` runs it on
one of our backends; the peers take the same `Problem`. It has

    MODELS                      the names that it is responsible for
    OPERATIONS                  operation to a line of description
    SIZES_IN_WORDS              patterns of size names to a line of description
    OPTIMIZER                   Adam's settings in a training step
    sizes(model, operation)     name to size
    main(model, operation)      names of the sizes of the main comparison
    build(workload)             the Problem: always the same numbers for the same workload
    items(workload)             how many of what one call handles, as in (100, "rows")
    flops(problem)              useful floating-point operations of one call
    traffic(problem)            bytes that one call must move, each once
    details(problem, answer)    what else is kept of a result, measured
    shape(workload, details)    the size in words
    title(workload)             the operation in words, for a chart
    source()                    where the rows or symbols come from, in words
    engine(workload)            the engine's model module and its config, where a model is run
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from bench.cases import (
    attention,
    binary,
    columns,
    convolution,
    fvsbn,
    images,
    made,
    nade,
    orderless,
    recurrent,
    tables,
    transformer,
)
from bench.cases.problem import Problem, Workload

__all__ = ["ADAM", "Problem", "Workload", "fvsbn", "made", "nade", "orderless"]

ADAM = binary.OPTIMIZER
_FILES = (
    binary,
    orderless,
    tables,
    transformer,
    attention,
    recurrent,
    columns,
    convolution,
    images,
)
HOMES: dict[str, ModuleType] = {model: home for home in _FILES for model in home.MODELS}


def home(workload: Workload) -> Any:
    """Return the case file of a workload."""
    return HOMES[workload.model]


def workloads() -> list[Workload]:
    """Return every workload there is."""
    return [
        Workload(model, operation, name, size)
        for model, home in HOMES.items()
        for operation in home.OPERATIONS
        for name, size in home.sizes(model, operation).items()
    ]


def find(name: str, size_name: str) -> Workload:
    """Return the workload as in `nade/step`, `n1000`."""
    return next(w for w in workloads() if (w.name, w.size_name) == (name, size_name))


def is_main(workload: Workload) -> bool:
    """Return whether a workload is in the main comparison."""
    return workload.size_name in home(workload).main(workload.model, workload.operation)


def build(workload: Workload) -> Problem:
    """Return the problem of a workload; always the same numbers for the same workload."""
    problem: Problem = home(workload).build(workload)
    return problem


def sources(chosen: Sequence[Workload]) -> str:
    """Return in words which rows and symbols these workloads run on."""
    return "; ".join(dict.fromkeys(home(w).source() for w in chosen))


# Peak memory of a training step: a small one first, which loads and compiles code, then this.
MEMORY = {
    "nade/memory": [("nade/step", "small", "n1000")],
    "transformer/memory": [
        ("transformer/step", "small", "chars"),
        ("transformer/step", "small", "t1024"),
    ],
    "pixel_cnn/memory": [
        ("pixel_cnn/step", "small", "mnist"),
        ("pixel_cnn/step", "small", "r64"),
        ("gated_pixel_cnn/step", "small", "mnist"),
    ],
}
