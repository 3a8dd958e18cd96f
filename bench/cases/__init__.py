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

from collections.abc import Collection, Sequence
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


# Peak memory: of which operation, and at which sizes where none are asked for.
MEMORY = {
    "nade": ("step", ("n1000",)),
    "transformer": ("step", ("chars", "t1024")),
    "pixel_cnn": ("step", ("mnist", "r64")),
    "gated_pixel_cnn": ("step", ("mnist",)),
    "row_lstm": ("step", ("mnist",)),
    "diagonal_lstm": ("step", ("mnist",)),
    "masked_conv": ("grad", ("3x3",)),
}


def peaks(names: Collection[str], sizes: Collection[str] | None) -> list[tuple[Workload, Workload]]:
    """Return whose peak memory is asked for by names such as `nade/memory`.

    sizes: names of sizes; None: those of MEMORY. Each workload comes after a small one, which
    loads and compiles code.
    """
    return [
        (find(f"{model}/{operation}", "small"), Workload(model, operation, name, size))
        for model, (operation, main) in MEMORY.items()
        if f"{model}/memory" in names
        for name, size in HOMES[model].sizes(model, operation).items()
        if name in (main if sizes is None else sizes)
    ]
