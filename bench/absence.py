"""Who has no place in a comparison, and why."""

from collections.abc import Iterable, Sequence

from bench import worker
from bench.cases import Workload, home
from bench.harness import Result
from bench.peers import NOBODY_WROTE_IT, PEERS

NO_SUCH_PEER = f"{worker.SKIPPED}{NOBODY_WROTE_IT}"


def unwritten(names: Iterable[str], workload: Workload) -> dict[str, str]:
    """Return the peers that nobody wrote for a workload, with the status that says so.

    A framework that is not installed is left out: that is said of it instead.
    """
    case = home(workload).__name__.rpartition(".")[2]
    lacking = (name for name in names if name in PEERS and case not in PEERS[name].homes)
    return {name: NO_SUCH_PEER for name in lacking if not worker.missing(name)}


def sentences(results: Sequence[Result]) -> list[str]:
    """Return a line for each rival and reason, with the workloads where it was timed in others."""
    found: dict[tuple[str, str], list[str]] = {}
    for result in results:
        if result.status.startswith(worker.SKIPPED):
            found.setdefault((result.rival, result.status), []).append(result.workload.name)
    there = {(r.rival, r.workload) for r in results if not r.status.startswith(worker.SKIPPED)}
    partly = {rival for rival, _ in there}
    return [
        f"{rival}: {status}" + (f" ({', '.join(dict.fromkeys(where))})" if rival in partly else "")
        for (rival, status), where in found.items()
    ]
