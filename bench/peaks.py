"""Peak memory of training, each rival in a new process; see `memory`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from rich.table import Table

from bench import absence, harness
from bench.cases import Workload, home


def measure(
    pairs: Sequence[tuple[Workload, Workload]],
    names: Sequence[str],
    threads: int,
    patience: float,
    status: Callable[[str], AbstractContextManager[Any]],
) -> Iterator[dict[str, Any]]:
    """Yield the peak memory of each pair's second workload, for each rival.

    The first workload of a pair runs before, so that code is loaded and compiled. torch.compile
    is left out: its compiler's own memory would hide the rest. JAX compiles for the second shape,
    and what that takes is in its figure.
    """
    for small, large in pairs:
        for name in (n for n in names if not n.startswith("torch.compile")):
            with status(f"peak memory: {name}"), harness.rivals([name], threads) as (rival,):
                used = _one(rival, small, large, patience)
            yield {
                "workload": large.name, "size": large.size_name, "backend": name, **used,
                "shape": home(large).shape(large, {"share_of_ones": 0}),
            }  # fmt: skip


def _one(rival: harness.Rival, small: Workload, large: Workload, patience: float) -> dict[str, Any]:
    try:
        why = rival.ask("missing")
        if why:
            return {"status": f"skipped: {why}"}
        if nobody := absence.unwritten([rival.name], large):
            return {"status": nobody[rival.name]}
        used = rival.ask("peak_memory", small, large, timeout=patience)
    except harness.RivalError as error:
        return {"status": str(error)}
    return {"status": "ok", **used}


def table(found: Sequence[dict[str, Any]]) -> Table:
    """Return the table of peak memory."""
    table = Table("workload", "backend", title="Peak memory, MB")
    for name in ("before (imports, data, parameters)", "peak of the process", "growth"):
        table.add_column(name, justify="right")
    for row in found:
        numbers = [row.get(key) for key in ("before_mb", "peak_mb", "growth_mb")]
        cells = [row["status"]] if numbers[0] is None else [f"{n:,.0f}" for n in numbers]
        table.add_row(f"{row['workload']} {row['size']}", row["backend"], *cells)
    return table
