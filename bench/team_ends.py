"""Kills ranks of a training, again and again: is anything lost, and how long do the others wait?

    python -m bench.team_ends --times 20 --json FILE
    MPI4PY_LIBMPI=libmpi.so.40 python -m bench.team_ends --launcher mpiexec.openmpi …

One training on two ranks, of NADE on the digits, which saves after every epoch, is struck at a
random minibatch or saving, and gone on with, until each kind of end has struck `times` times:

    training    kill -9 of a rank at its minibatch
    sum         kill -9 of a rank inside a sum, with the others
    saving      kill -9 of a rank while rank 0 saves: before, inside a file, or between two files
    fault       a rank raises an error
    full        rank 0's disk is full as it saves

After each the launcher must have ended within PATIENCE seconds, with a status that is not 0, and
the checkpoint must be whole and no older than the last saving that was done. In the end the
training goes on undisturbed, and must be that of one process, to the bit: parameters, best, moments
and history.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from bench import machine
from chainrule.engine.storage import checkpoint

RANKS, EPOCH = 2, 15  # EPOCH: minibatches of the digits' training rows
PATIENCE = 10.0
KINDS = {"training": RANKS, "sum": RANKS, "saving": RANKS, "fault": RANKS, "full": 1}  # by ranks
# Of Open MPI: as root, with no rank tied to a core, and as many as we like.
FREE = {f"OMPI_ALLOW_RUN_AS_ROOT{end}": "1" for end in ("", "_CONFIRM")}
FREE |= {"OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none"}

# The command line, of which one rank is struck: argv is kind, rank, when, folder, and its own.
STRUCK = """
import errno, os, signal, sys, threading, time
kind, rank, when, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
from chainrule import cli
from chainrule.commands import runs
from chainrule.engine.storage import files
from chainrule.engine.team import joining, shared
from chainrule.engine.training import summing
from chainrule.estimators import resuming

resuming.AT_LEAST = 0.0
struck, saved = os.path.join(folder, "struck"), os.path.join(folder, "saved")
gradient, save, fold, replace = summing.gradient, runs.save, shared.fold, os.replace
steps = savings = replaced = 0

def mark():
    open(struck, "w").close()

def die():
    mark()
    os.kill(os.getpid(), signal.SIGKILL)

def counted(*arguments):
    global steps
    steps += 1
    if joining.joined().rank == rank and steps == when:
        if kind == "training":
            die()
        if kind == "fault":
            mark()
            raise ValueError("the fault")
    return gradient(*arguments)

def folded(*arguments):
    if kind == "sum" and joining.joined().rank == rank and steps == when:
        die()
    fold(*arguments)

def renamed(*arguments):
    global replaced
    replaced += 1
    if kind == "saving" and savings == when and replaced == when % 4:
        strike()
    replace(*arguments)

def strike():  # rank 0, which alone saves, tells the other when
    if rank == 0:
        die()
    mark()
    time.sleep(0.3)

def watch():
    while not os.path.exists(struck):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

def saving(*arguments):
    global savings, replaced
    savings, replaced = savings + 1, 0
    if kind == "saving" and savings == when and when % 4 == 0:
        strike()
    if kind == "full" and savings == when:
        mark()
        raise OSError(errno.ENOSPC, "No space left on device", "run")
    save(*arguments)
    with open(saved, "w") as file:
        file.write(str(arguments[3].step))

summing.gradient, runs.save, shared.fold, files.os.replace = counted, saving, folded, renamed
from chainrule.engine.team import launched
if kind == "saving" and rank > 0 and launched.rank() == rank:
    threading.Thread(target=watch, daemon=True).start()
cli.main(sys.argv[5:])
"""


class End(NamedTuple):
    """How a training ended: the kind and the rank that was struck, and seconds until all had."""

    kind: str
    rank: int
    seconds: float
    status: int
    step: int
    saved: int


def main(
    times: Annotated[int, typer.Option(min=1, help="Of each kind and rank.")] = 20,
    launcher: Annotated[str, typer.Option(help="An mpiexec; of the library's MPI.")] = "mpiexec",
    kinds: Annotated[str, typer.Option(help="Some of them.")] = ",".join(KINDS),
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
    json_: Annotated[Path | None, typer.Option("--json", help="Write it here.")] = None,
) -> None:
    """Strike a training, and say what came of it; status 1 where anything was lost."""
    beside = Path(sys.executable).with_name(launcher)
    found = struck(times, str(beside) if beside.exists() else launcher, kinds.split(","), seed)
    print(json.dumps(found, indent=2))
    if json_ is not None:
        json_.write_text(json.dumps(found, indent=2) + "\n")
    raise typer.Exit(0 if not found["wrong"] and found["same_bits"] else 1)


def struck(times: int, launcher: str, kinds: list[str], seed: int) -> dict[str, Any]:
    """Return what came of so many ends of each kind, on each rank."""
    rng, ends = np.random.default_rng(seed), []
    with tempfile.TemporaryDirectory() as folder:
        run, one = Path(folder) / "run", Path(folder) / "one"
        asked = [(kind, rank) for kind in kinds for rank in range(KINDS[kind])]
        for kind, rank in (pair for _, pair in product(range(times), asked)):
            end = strike(launcher, kind, rank, rng, Path(folder))
            ends.append(end)
            print(end, file=sys.stderr, flush=True)
        epochs = checkpoint.load_state(run / "state.safetensors").state.step // EPOCH + 2
        go_on = _train(run, epochs, "--resume")
        subprocess.run([launcher, "-n", str(RANKS), *go_on], check=True, env=os.environ | FREE)
        subprocess.run(_train(one, epochs, "--set", f"accumulation={RANKS}"), check=True)
        same = alike(run / "state.safetensors", one / "state.safetensors")
    longest = {
        kind: round(max(end.seconds for end in ends if end.kind == kind), 1) for kind in kinds
    }
    wrong = [end._asdict() for end in ends if not well(end)]
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine.describe(),
        "launcher": _version(launcher),
        "ranks": RANKS,
        "struck": {kind: times * KINDS[kind] for kind in kinds},
        "longest_seconds": longest,
        "wrong": wrong,
        "minibatches": epochs * EPOCH,
        "same_bits": same,
    }


def strike(launcher: str, kind: str, rank: int, rng: np.random.Generator, folder: Path) -> End:
    """Go on with the training in a folder, or begin it, until it is struck."""
    run, mark, saved = folder / "run", folder / "struck", folder / "saved"
    began = (run / "state.safetensors").exists()
    # At a later saving than that of the first epoch's end: so it gets on, however often.
    by_step = kind in ("training", "sum", "fault")
    when = int(rng.integers(EPOCH + 2, 4 * EPOCH) if by_step else rng.integers(4, 8))
    command = [sys.executable, "-c", STRUCK, kind, str(rank), str(when), str(folder)]
    more = ("--resume",) if began else ()
    mark.unlink(missing_ok=True)
    process = subprocess.Popen(
        [launcher, "-n", str(RANKS), *command, *_train(run, 100_000, *more)[3:]],
        env=os.environ | FREE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, said = process.communicate(timeout=300)
        ended = time.time()
    except subprocess.TimeoutExpired:
        process.kill()
        said, ended = "it hung", float("inf")
    if not mark.exists():
        raise RuntimeError(f"{kind} did not strike: {said}")
    state = checkpoint.load_state(run / "state.safetensors").state  # refuses what is not whole
    last = int(saved.read_text())
    return End(kind, rank, ended - mark.stat().st_mtime, process.returncode, state.step, last)


def well(end: End) -> bool:
    """Return whether all ended in time, said that it failed, and nothing that was saved is lost."""
    return end.seconds < PATIENCE and end.status != 0 and end.step >= end.saved


def alike(one: Path, other: Path) -> bool:
    """Return whether two trainings are the same to the bit, but for the time that they took."""
    a, b = (checkpoint.load_state(path).state for path in (one, other))
    flat = [(x.params.flat, x.best.flat, x.m, x.v) for x in (a, b)]
    history = [[record["train"] for record in x.history] for x in (a, b)]
    same = all(np.array_equal(x, y) for x, y in zip(*flat, strict=True))
    return same and a.step == b.step and history[0] == history[1]


def _train(run: Path, epochs: int, *more: str) -> list[str]:
    """Return the command of the training: a constant rate, so that its length decides nothing."""
    shape = ("--set", "n_hidden=20", "--set", "batch_size=100", "--set", "schedule=constant")
    options = ("--epochs", str(epochs), "--threads", "1", *shape, *more)
    command = ("-m", "chainrule", "-q", "train", "nade", "--data", "digits", "--out", str(run))
    return [sys.executable, *command, *options]


def _version(launcher: str) -> str:
    """Return what a launcher calls itself."""
    path = shutil.which(launcher) or launcher
    said = subprocess.run([path, "--version"], capture_output=True, text=True, env=os.environ)
    lines = [line.strip() for line in said.stdout.splitlines() if "ersion" in line or "(" in line]
    return f"{Path(launcher).name}, {' '.join(lines[0].split()) if lines else ''}"


if __name__ == "__main__":
    typer.run(main)
