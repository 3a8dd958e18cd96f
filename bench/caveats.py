"""What keeps a run's numbers from counting: other work on the machine, settings left behind.

Each function returns a sentence to print, or None where all is well.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench import isa
from bench.harness import Result

SPREAD = 1.5  # p80 over p20: calls of an undisturbed machine take more alike than that
BUSY = 0.5  # load average a core
NARROWING = (  # beside those of `isa`: older names, and other libraries' own
    "BLIS_ARCH_TYPE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "NPY_DISABLE_CPU_FEATURES",
    "OPENBLAS_L2_SIZE",
)


def noisy(result: Result) -> bool:
    """Return whether a result's calls differ so much that something else was at work."""
    return result.ok and result.p80 > SPREAD * result.p20


def of_noise(results: Iterable[Result]) -> str | None:
    """Return which rows do not count, since their calls differ too much."""
    found = [f"{r.workload.name} {r.workload.size_name} {r.rival}" for r in results if noisy(r)]
    if not found:
        return None
    return (
        f"noisy: {', '.join(found)}: p80 is more than {SPREAD} times p20, so the machine was at "
        "work with something else, and these rows and the ratios to them do not count."
    )


def of_load(load: Sequence[float] | None, cores: int) -> str | None:
    """Return that the machine is at work as the run begins."""
    if not load or load[0] <= BUSY * cores:
        return None
    return (
        f"the load average is {load[0]:.1f} on {cores} {'core' if cores == 1 else 'cores'}: "
        "something else is at work, which numbers will show; wait until it has ended."
    )


def of_environment(held: Mapping[str, str]) -> str | None:
    """Return which variables hold libraries to lesser instructions; `held` are those of --isa."""
    names = sorted({*isa.OF_NUMBA, *isa.OF_OTHERS, *NARROWING})
    values = {name: os.environ[name] for name in names if os.environ.get(name)}
    if "max_isa" not in values.get("XLA_FLAGS", ""):
        values.pop("XLA_FLAGS", None)
    left: dict[str, Any] = {k: v for k, v in values.items() if held.get(k) != v}
    if not left:
        return None
    which = ", ".join(f"{name}={value}" for name, value in left.items())
    return (
        f"set in the environment: {which}. Such variables choose how a library computes, often "
        "slower than it could, and hold the sgemm ceiling down (shares above 100%); unset them."
    )
