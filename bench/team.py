"""Training on several machines: what a sum costs, what it leaves of a step, and a cost model.

    mpiexec -n 2 python -m bench.team          measured: sums by size, a step of NADE, and its
                                               training by ranks and by as many threads, in turn
    python -m bench.team --step 0.016          predicted, to 64 nodes, of a step that takes so long

Model       A sum of n bytes over R ranks is two rounds of R - 1 messages of n / R bytes, each on
            its way for a latency α and then n / (R B) at bandwidth B, and R - 1 additions of n / R
            bytes at memory speed M:

                t(R) = 2 (R - 1) (α + n / (R B)) + (R - 1) n / (R M)

    That is a ring's all-reduce, which moves as much. With as many rows a node as before,
            a step of s seconds keeps s / (s + t(R)) of its speed. Overlaps are not counted, nor
            networks that many nodes fill, nor nodes that are slower than others: a prediction.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from bench import machine
from chainrule.engine import models
from chainrule.engine.team import ALONE, Team, mpi
from chainrule.engine.team.joining import join, working
from chainrule.engine.training import summing, train
from chainrule.engine.training.recipe import Recipe
from chainrule.engine.training.sources import RowSource
from chainrule.kernels import use_threads

NODES = (2, 4, 8, 16, 32, 64)
SIZES = (1_000, 10_000, 100_000, 785_284, 3_000_000)  # numbers; the fourth: NADE's of MNIST
BATCHES = (100, 200, 400)  # rows of a minibatch, of all ranks
ROUNDS = 15


class Network(NamedTuple):
    """What the model assumes of a network.

    latency: seconds of a message. bandwidth, adding: bytes a second, each way, and of the sums.
    """

    latency: float
    bandwidth: float
    adding: float


NETWORKS = {
    "10 Gb/s": Network(20e-6, 10e9 / 8, 8e9),
    "100 Gb/s": Network(2e-6, 100e9 / 8, 8e9),
    "NVLink": Network(5e-6, 450e9, 1000e9),
}


def seconds(n_bytes: float, ranks: int, network: Network) -> float:
    """Return what a sum over so many ranks takes by the model."""
    chunk, others = n_bytes / ranks, ranks - 1
    wire = 2 * others * (network.latency + chunk / network.bandwidth)
    return wire + others * chunk / network.adding


def efficiency(step: float, n_bytes: float, ranks: int, network: Network) -> float:
    """Return which share of its speed a step of so many seconds keeps, in (0, 1]."""
    return step / (step + seconds(n_bytes, ranks, network))


def main(
    step: Annotated[float, typer.Option(help="Seconds of a node's step, alone.")] = 0.016,
    numbers: Annotated[int, typer.Option(help="Parameters.")] = SIZES[3],
    json_: Annotated[Path | None, typer.Option("--json", help="Write it here.")] = None,
    chart: Annotated[Path | None, typer.Option(help="Draw the prediction here.")] = None,
) -> None:
    """Measure where there are several ranks; predict where there is one."""
    team = join()
    with working(team):
        found = measured(team) if team.size > 1 else predicted(step, 4 * numbers)
    if team.rank == 0:
        print(json.dumps(found, indent=2))
        if json_ is not None:
            json_.write_text(json.dumps(found, indent=2) + "\n")
        if chart is not None:
            draw(step, 4 * numbers, chart)
    team.leave()


def predicted(step: float, n_bytes: int) -> dict[str, Any]:
    """Return the share of speed kept, by network and number of nodes."""
    kept = {
        name: {str(n): round(efficiency(step, n_bytes, n, network), 3) for n in NODES}
        for name, network in NETWORKS.items()
    }
    return {"predicted": kept, "step_seconds": step, "bytes": n_bytes}


def measured(team: Any) -> dict[str, Any]:
    """Return medians of sums, in ms, and the share of its speed that a step of NADE keeps."""
    sums = {}
    for n in SIZES:
        array = np.zeros(n, np.float32)
        times = [_time(team, lambda array=array: team.sum(array)) for _ in range(ROUNDS)]
        sums[str(4 * n)] = round(1e3 * statistics.median(times), 3)
    found = {"machine": machine.describe(), "library": mpi.library_of(team._mpi)}
    found |= {"ranks": team.size, "sum_ms_by_bytes": sums, "nade_step": _step(team)}
    return found | {"nade_training": {str(n): _training(team, n) for n in BATCHES}}


def _training(team: Team, rows: int, steps: int = 12) -> dict[str, float]:
    """Time a training's step in turn: of these ranks, a thread each, and of rank 0's threads.

    Of so many threads as there are ranks, while the others sleep.
    """
    model, rng = models.get("nade"), np.random.default_rng(0)
    config, recipe = model.Config(n_visible=784, n_hidden=500), Recipe(batch_size=rows, epochs=1)
    x = (rng.random((rows * steps, 784)) < 0.2).astype(np.uint8)
    times: dict[str, list[float]] = {"threads": [], "ranks": []}
    for way in ("threads", "ranks") * ROUNDS:
        state = train.start(model, config, recipe)
        _asleep(team)
        if way == "ranks" or team.rank == 0:
            one, threads = (team, 1) if way == "ranks" else (ALONE, team.size)
            with use_threads(threads):
                began = []
                for _ in train.run(model, config, recipe, state, RowSource(x), team=one):
                    began.append(time.perf_counter())
            times[way] += np.diff(began)[:-1].tolist()  # the last also makes a record
        _asleep(team)
    if team.rank > 0:
        return {}
    of_threads, of_ranks = (1e3 * statistics.median(times[way]) for way in times)
    return {"threads_ms": of_threads, "ranks_ms": of_ranks, "kept": of_threads / of_ranks}


def _asleep(team: Any) -> None:
    """Wait for all, without a core of one's own."""
    team._exchange(np.zeros(2), float("inf"))


def _step(team: Team, rows: int = 100) -> dict[str, float]:
    """Time a minibatch's gradient in turn: of a rank's own rows alone, and of all rows together."""
    model, rng = models.get("nade"), np.random.default_rng(0)
    config = model.Config(n_visible=784, n_hidden=500)
    x = (rng.random((rows * team.size, 784)) < 0.2).astype(np.uint8)
    times: dict[bool, list[float]] = {False: [], True: []}
    for together in (False, True) * (ROUNDS + 1):
        recipe = Recipe(batch_size=rows * team.size if together else rows)
        state = train.start(model, config, recipe)
        grads = summing.buffers(recipe, state.params, team)
        batch = RowSource(x[: recipe.batch_size]).batch(model, config, recipe, 0, state)
        one = team if together else ALONE
        times[together].append(
            _time(team, lambda: summing.gradient(recipe, state.params, batch, grads, one))  # noqa: B023
        )
    alone, shared = (statistics.median(times[together][1:]) for together in (False, True))
    return {"alone_ms": 1e3 * alone, "together_ms": 1e3 * shared, "kept": alone / shared}


def _time(team: Team, call: Any) -> float:
    """Return the seconds until all ranks, who begin at once, are done: the slowest's."""
    team.total(0.0)
    began = time.perf_counter()
    call()
    team.total(0.0)
    return time.perf_counter() - began


def draw(step: float, n_bytes: int, path: Path) -> None:
    """Draw the prediction, a line a network."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, network in NETWORKS.items():
        kept = [100 * efficiency(step, n_bytes, n, network) for n in (1, *NODES)]
        axes.plot((1, *NODES), kept, marker="o", label=name)
    axes.set(
        xscale="log",
        xlabel="nodes, with as many rows each",
        ylabel="speed kept, % (predicted)",
        ylim=(0, 103),
        title=f"{n_bytes / 1e6:.1f} MB of gradient, {1e3 * step:g} ms a step",
    )
    axes.set_xticks((1, *NODES), [str(n) for n in (1, *NODES)])
    axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    typer.run(main)
