"""Run benchmarks: `python -m bench --list` shows what there is."""

import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench import cases, chart, harness, machine, peers, report, worker
from bench.cases import Workload, data, ours

WIDTH = 150  # of the table where the output is no terminal
out = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, markup=False)
err = Console(stderr=True)
MEMORY = "nade/memory"  # a case of its own: megabytes, not seconds

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    cases_: Annotated[
        str, typer.Option("--cases", help="Patterns of workloads, as in nade/*,fvsbn/grad.")
    ] = "*",
    sizes: Annotated[str, typer.Option(help="Patterns of sizes, as in mnist,n*,h*.")] = "mnist",
    backends: Annotated[str, typer.Option(help="Our backends.")] = ",".join(ours.BACKENDS),
    peers_: Annotated[
        str, typer.Option("--peers", help="Other frameworks; '' for none.")
    ] = ",".join(peers.PEERS),
    threads: Annotated[int, typer.Option(min=1, help="Threads for everybody.")] = machine.cores(),
    seconds: Annotated[float, typer.Option(min=0, help="Timing of each rival.")] = 2.0,
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds a rival may take to set up and compile.")
    ] = 120.0,
    json: Annotated[Path | None, typer.Option(help="Write all numbers here.")] = None,
    chart_: Annotated[Path | None, typer.Option("--chart", help="Draw a bar chart here.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Say what there is, and stop.")] = False,
) -> None:
    """Compare chainrule's backends with each other and with other frameworks."""
    if list_:
        return show_list()
    names = [*pick(backends, ours.BACKENDS, "backend"), *pick(peers_, peers.PEERS, "peer")]
    chosen, memory = choose(cases_, sizes)
    if threads > machine.cores():
        raise typer.BadParameter(f"there are {machine.cores()} cores, so at most as many threads")
    about = describe(threads, seconds, patience, names)
    results: list[harness.Result] = []

    def save() -> None:
        if json:
            report.write_json(json, report.document(results, about))

    try:
        for done in time_all(chosen, names, about["settings"]):
            results += done
            save()  # a long run that is cut short keeps what it had
        about["peak_memory"] = measure_memory(names, threads, patience) if memory else []
        save()
    finally:
        show(results, about, json, chart_)
    return None


def show(
    results: list[harness.Result], about: dict[str, Any], json: Path | None, chart_: Path | None
) -> None:
    """Print the table, draw the chart, and say where the files are."""
    if not results:
        return
    out.print(report.table(results, about["ceilings"]))
    for name, why in report.absent(results).items():
        out.print(f"{name}: {why}")
    out.print(FOOTNOTE)
    if json:
        out.print(f"numbers: {json}")
    if chart_ and any(r.ok for r in results):
        chart.draw(chart_, results, caption(about))
        out.print(f"chart: {chart_}")


FOOTNOTE = (
    "÷ peer: the peer's median over this one's, so 2.0x is twice as fast. GFLOP/s count the "
    "useful work alone, the\nsame for every rival (bench/cases). of sgemm, of copy: share of the "
    "ceilings above."
)


def pick(patterns: str, known: Sequence[str] | dict[str, Any], what: str) -> list[str]:
    """Return the known names that a comma-separated list of patterns matches, in our order."""
    wanted = [p.strip() for p in patterns.split(",") if p.strip()]
    for pattern in wanted:
        if not any(fnmatch(name, pattern) for name in known):
            raise typer.BadParameter(f"no {what} matches {pattern!r}; there are {', '.join(known)}")
    return [name for name in known if any(fnmatch(name, p) for p in wanted)]


def choose(case_patterns: str, size_patterns: str) -> tuple[list[Workload], bool]:
    """Return the workloads asked for, and whether peak memory was."""
    every = cases.workloads()
    names = pick(case_patterns, [*dict.fromkeys(w.name for w in every), MEMORY], "case")
    sizes = pick(size_patterns, cases.SIZES, "size")
    chosen = [w for w in every if w.name in names and w.size_name in sizes]
    if not chosen and MEMORY not in names:
        raise typer.BadParameter("FVSBN has no hidden units, so no h* sizes; see --list")
    return chosen, MEMORY in names


def describe(threads: int, seconds: float, patience: float, names: list[str]) -> dict[str, Any]:
    """Measure the ceilings; return and print where and how this run is made."""
    about: dict[str, Any] = {
        "machine": machine.describe(),
        "versions": machine.versions(),
        "settings": {"threads": threads, "seconds": seconds, "patience_s": patience},
        "data": data.source(),
        "ceilings": {},
    }
    with err.status("measuring this machine's ceilings"):
        about["ceilings"] = measure_ceilings(names, threads)
    where = about["machine"]
    out.print(f"{where['cpu']}, {where['cores']} cores; {threads} threads for everybody")
    out.print(", ".join(f"{name} {v}" for name, v in about["versions"].items()))
    for side, best in about["ceilings"].items():
        out.print(
            f"{side} ceilings: sgemm {best['sgemm_gflops']:,.1f} GFLOP/s, "
            f"copy {best['copy_gb_s']:.1f} GB/s (read and written)"
        )
    blas = where["openblas_variables"]
    out.print("OPENBLAS_* in the environment: " + (str(blas) if blas else "none"))
    out.print(f"load average at the start: {where['load_average']}")
    out.print(f"rows: {about['data']}")
    return about


def measure_ceilings(names: Sequence[str], threads: int) -> dict[str, dict[str, float]]:
    """Return the host's ceilings, and the device's if it takes part."""
    sides = {"host": "cpu"}
    if "cuda" in names and not worker.missing("cuda"):
        sides["device"] = "cuda"
    found = {}
    for side, backend in sides.items():
        with harness.rivals([backend], threads) as (rival,):
            found[side] = rival.ask("ceilings")
    return found


def time_all(
    chosen: Sequence[Workload], names: Sequence[str], settings: dict[str, Any]
) -> Iterator[list[harness.Result]]:
    """Yield every rival's results on one workload after the other."""
    late: dict[tuple[str, Workload], str] = {}
    with (
        harness.rivals(names, settings["threads"]) as contestants,
        err.status("starting", refresh_per_second=2) as bar,
    ):
        for workload in chosen:
            results = harness.compare(
                workload,
                contestants,
                settings["seconds"],
                settings["patience_s"],
                known=hopeless(late, workload),
                progress=bar.update,
            )
            late |= {(r.rival, workload): r.status for r in results if r.late}
            yield results


def hopeless(late: dict[tuple[str, Workload], str], workload: Workload) -> dict[str, str]:
    """Return whose gradient did not compile in time: a step contains it, so spare the wait."""
    if workload.operation != "step":
        return {}
    gradient = workload._replace(operation="grad")
    return {
        rival: f"{status} (the gradient alone)"
        for (rival, done), status in late.items()
        if done == gradient
    }


def measure_memory(names: Sequence[str], threads: int, patience: float) -> list[dict[str, Any]]:
    """Print and return the peak memory of NADE's training step on 1000 rows, for each rival."""
    every = {w.size_name: w for w in cases.workloads() if w.name == "nade/step"}
    found: list[dict[str, Any]] = []
    for name in (n for n in names if not n.startswith("torch.compile")):  # the compiler's own
        with err.status(f"peak memory: {name}"), harness.rivals([name], threads) as (rival,):
            try:
                why = rival.ask("missing")
                used = (
                    {"status": f"skipped: {why}"}
                    if why
                    else {"status": "ok"}
                    | rival.ask("peak_memory", every["small"], every["n1000"], timeout=patience)
                )
            except harness.RivalError as error:
                used = {"status": str(error)}
        found.append({"workload": "nade/step", "size": "n1000", "backend": name, **used})
    out.print(memory_table(found))
    return found


def memory_table(found: Sequence[dict[str, Any]]) -> Table:
    """Return the table of peak memory."""
    table = Table("backend", title="Peak memory of NADE's training step, N=1000 D=784 H=500, MB")
    for name in ("before (imports, data, parameters)", "peak of the process", "growth"):
        table.add_column(name, justify="right")
    for row in found:
        numbers = [row.get(key) for key in ("before_mb", "peak_mb", "growth_mb")]
        cells = [row["status"]] if numbers[0] is None else [f"{n:,.0f}" for n in numbers]
        table.add_row(row["backend"], *cells)
    return table


def caption(about: dict[str, Any]) -> str:
    """Return the chart's small print."""
    v, s = about["versions"], about["settings"]
    who = ", ".join(f"{name} {v[name]}" for name in ("numpy", "numba", "torch", "jax") if name in v)
    return (
        f"{about['machine']['cpu']}, {s['threads']} threads each; {who}. Float32, medians of "
        f"interleaved runs; dark line: p20 to p80. Rows: {about['data']}."
    )


def show_list() -> None:
    """Print the cases, the sizes, and who can run here."""
    listing = Table.grid(padding=(0, 3))
    for model in cases.MODELS:
        for operation, words in cases.OPERATIONS.items():
            listing.add_row(f"{model}/{operation}", words)
    listing.add_row(MEMORY, "peak memory of a training step on 1000 rows, each in a new process")
    listing.add_row()
    for name, size in cases.SIZES.items():
        shape = " ".join(f"{k}={v}" for k, v in size._asdict().items() if v is not None)
        words = [w for k, w in cases.SIZES_IN_WORDS.items() if _covers(k, name)]
        listing.add_row(name, f"{shape}   {words[0] if words else ''}")
    listing.add_row()
    for name in (*ours.BACKENDS, *peers.PEERS):
        why = worker.missing(name)
        words = peers.PEERS[name].description if name in peers.PEERS else "chainrule"
        listing.add_row(name, words + (f" (cannot run: {why})" if why else ""))
    out.print(listing)


def _covers(patterns: str, name: str) -> bool:
    return any(fnmatch(name, p.strip()) for p in patterns.split(","))


if __name__ == "__main__":
    app(prog_name="python -m bench")
