"""Run benchmarks: `python -m bench --list` shows what there is."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bench import (
    absence,
    cases,
    caveats,
    harness,
    isa,
    machine,
    outputs,
    peaks,
    peers,
    report,
    showing,
    worker,
)
from bench.cases import Workload, ours
from bench.showing import err, out

INTERRUPTED = 130  # the exit status, as shells give it
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    cases_: Annotated[
        str, typer.Option("--cases", help="Patterns of workloads, as in nade/*,fvsbn/grad.")
    ] = "*",
    sizes: Annotated[
        str, typer.Option(help="Patterns of sizes, as in mnist,n*,t*; none: the main comparison.")
    ] = "",
    backends: Annotated[str, typer.Option(help="Our backends.")] = ",".join(ours.BACKENDS),
    peers_: Annotated[
        str, typer.Option("--peers", help="Other frameworks; '' for none.")
    ] = ",".join(peers.PEERS),
    threads: Annotated[int, typer.Option(min=1, help="Threads for everybody.")] = machine.cores(),
    isa_: Annotated[
        str, typer.Option("--isa", help="Vector instructions for everybody: native or avx2.")
    ] = "native",
    seconds: Annotated[float, typer.Option(min=0, help="Timing of each rival.")] = 2.0,
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds a rival may take to set up and compile.")
    ] = 120.0,
    json: Annotated[Path | None, typer.Option(help="Write all numbers here.")] = None,
    chart_: Annotated[Path | None, typer.Option("--chart", help="Draw a bar chart here.")] = None,
    curve: Annotated[
        Path | None, typer.Option(help="Draw here how speed changes with size, as in t* or h*.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Say what there is, and stop.")] = False,
) -> None:
    """Compare chainrule's backends with each other and with other frameworks."""
    if list_:
        return show_list()
    if isa_ not in isa.CHOICES:
        raise typer.BadParameter(f"--isa is one of {', '.join(isa.CHOICES)}, not {isa_}")
    names = [*pick(backends, ours.BACKENDS, "backend"), *pick(peers_, peers.PEERS, "peer")]
    if not names:
        raise typer.BadParameter("nobody takes part; name some of --backends or --peers")
    chosen, memory = choose(cases_, sizes)
    if threads > machine.cores():
        raise typer.BadParameter(f"there are {machine.cores()} cores, so at most as many threads")
    try:
        outputs.check(json, {"--chart": chart_, "--curve": curve}, chosen)
        isa.hold_to(isa_)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    settings = {"threads": threads, "seconds": seconds, "patience_s": patience, "isa": isa_}
    run = report.Run(json, len(chosen) + len(memory))
    try:
        measure(run, names, chosen, memory, settings)
    except KeyboardInterrupt:
        run.interrupted = True
    finally:
        showing.show(run, chart_, curve)
    if run.interrupted:
        raise typer.Exit(INTERRUPTED)
    if not run.any_measured():
        raise typer.Exit(1)


def measure(
    run: report.Run,
    names: Sequence[str],
    chosen: Sequence[Workload],
    memory: Sequence[tuple[Workload, Workload]],
    settings: dict[str, Any],
) -> None:
    """Time everything and measure memory; keep each workload in `run` as soon as it is done."""
    threads, about = settings["threads"], run.about
    about |= describe(settings, names)
    about["vectors"] = vectors(names, threads)
    about["data"] = cases.sources([*chosen, *(w for pair in memory for w in pair)])
    out.print(f"data: {about['data']}")
    for done in time_all(chosen, names, settings):
        run.results += done
        run.save()  # a long run that is cut short keeps what it had
    about["peak_memory"] = []
    for row in peaks.measure(memory, names, threads, settings["patience_s"], err.status):
        about["peak_memory"].append(row)
        run.save()
    run.save()
    run.finished = True


def pick(patterns: str, known: Sequence[str] | dict[str, Any], what: str) -> list[str]:
    """Return the known names that a comma-separated list of patterns matches, in our order."""
    wanted = [p.strip() for p in patterns.split(",") if p.strip()]
    for pattern in wanted:
        if not any(fnmatch(name, pattern) for name in known):
            raise typer.BadParameter(f"no {what} matches {pattern!r}; there are {', '.join(known)}")
    return [name for name in known if any(fnmatch(name, p) for p in wanted)]


def choose(
    case_patterns: str, size_patterns: str
) -> tuple[list[Workload], list[tuple[Workload, Workload]]]:
    """Return the workloads asked for, and those whose peak memory was, each after a small one."""
    every = cases.workloads()
    peaks_of = (f"{model}/memory" for model in cases.MEMORY)
    names = pick(case_patterns, [*dict.fromkeys(w.name for w in every), *peaks_of], "case")
    chosen, sizes = [w for w in every if w.name in names], None
    if size_patterns:
        sizes = pick(size_patterns, [*dict.fromkeys(w.size_name for w in every)], "size")
        chosen = [w for w in chosen if w.size_name in sizes]
    else:
        chosen = [w for w in chosen if cases.is_main(w)]
    memory = cases.peaks(names, sizes)
    if not chosen and not memory:
        raise typer.BadParameter("these cases have no such sizes; see --list")
    return chosen, memory


def describe(settings: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Measure the ceilings; return and print where and how this run is made."""
    about: dict[str, Any] = {
        "machine": machine.describe(),
        "versions": machine.versions(),
        "settings": settings,
        "data": "",
        "ceilings": {},
    }
    with err.status("measuring this machine's ceilings"):
        about["ceilings"] = measure_ceilings(names, settings["threads"])
    where = about["machine"]
    n_cores, n_threads = where["cores"], settings["threads"]
    out.print(
        f"{where['cpu']}, {showing.count(n_cores, 'core')}; "
        f"{showing.count(n_threads, 'thread')} for everybody"
    )
    out.print(", ".join(f"{name} {v}" for name, v in about["versions"].items()))
    for side, best in about["ceilings"].items():
        out.print(
            f"{side} ceilings: sgemm {best['sgemm_gflops']:,.1f} GFLOP/s, "
            f"copy {best['copy_gb_s']:.1f} GB/s (read and written)"
        )
    blas = where["openblas_variables"]
    out.print("OPENBLAS_* in the environment: " + (str(blas) if blas else "none"))
    out.print(f"load average at the start: {where['load_average']}")
    for caveat in (
        caveats.of_load(where["load_average"], n_cores),
        caveats.of_environment(isa.variables(settings["isa"])),
    ):
        if caveat:
            out.print(caveat)
    return about


def vectors(names: Sequence[str], threads: int) -> dict[str, str]:
    """Return and print which vector instructions each rival that is here uses."""
    found = {}
    for name in names:
        if not worker.missing(name):
            with harness.rivals([name], threads) as (rival,):
                found[name] = rival.ask("vectors")
    out.print("vectors: " + ", ".join(f"{name} {which}" for name, which in found.items()))
    return found


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
                known=hopeless(late, workload) | absence.unwritten(names, workload),
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


def show_list() -> None:
    """Print the cases, the sizes, and who can run here."""
    for family in dict.fromkeys(cases.HOMES.values()):
        listing = Table.grid(padding=(0, 3))
        every = [w for w in cases.workloads() if cases.home(w) is family]
        for name, operation in dict.fromkeys((w.name, w.operation) for w in every):
            listing.add_row(name, family.OPERATIONS[operation])
        for model, (operation, _) in cases.MEMORY.items():
            if cases.HOMES[model] is family:
                what = family.OPERATIONS[operation].partition(":")[0]
                listing.add_row(f"{model}/memory", f"peak memory, in a new process: {what}")
        listing.add_row()
        for name, size in dict.fromkeys((w.size_name, w.size) for w in every):
            shape = " ".join(f"{k}={v}" for k, v in size._asdict().items() if v is not None)
            words = [w for k, w in family.SIZES_IN_WORDS.items() if _covers(k, name)]
            listing.add_row(f"  {name}", f"{shape}   {words[0] if words else ''}")
        out.print(listing)
        out.print()
    who = Table.grid(padding=(0, 3))
    for name in (*ours.BACKENDS, *peers.PEERS):
        why = worker.missing(name)
        what = peers.PEERS[name].description if name in peers.PEERS else "chainrule"
        who.add_row(name, what + (f" (cannot run: {why})" if why else ""))
    out.print(who)


def _covers(patterns: str, name: str) -> bool:
    return any(fnmatch(name, p.strip()) for p in patterns.split(","))


if __name__ == "__main__":
    app(prog_name="python -m bench")
