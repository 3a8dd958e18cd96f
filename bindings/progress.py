"""Progress on stderr: a bar for whatever takes over two seconds; lines in notebooks and files.

`training` and `track` wrap an iterable and pass its items on unchanged. Where `show` is true and
stderr is a terminal they draw a bar, and clear it in the end. Where it is none, they print plain
lines if `lines` is true, as for `verbose=True`, else nothing, as for the command line.

A library that nobody asked to be verbose is silent, but for one thing: where someone is watching,
on a terminal or in a notebook, and kernels are compiled for long, a single line says so.
"""

import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from chainrule.engine.training import train
from chainrule.kernels.compiled import compiling

T = TypeVar("T")

DELAY = 2.0  # seconds before a bar appears
COMPILING = "compiling kernels (once a machine)"
EVERY = 10.0  # seconds between two plain lines, besides those of records
PATIENCE = 3.0  # seconds of compiling of which nothing is said to those who asked for nothing
POLL = 0.2  # seconds between two looks at whether there is something to say


def watched() -> bool:
    """Return whether stderr is a terminal, on which something can be drawn."""
    return Console(stderr=True).is_terminal


def attended() -> bool:
    """Return whether someone sees what is printed to stderr: on a terminal or in a notebook."""
    return watched() or Console(stderr=True).is_jupyter


def training(
    steps: Iterable[train.Progress], show: bool = True, lines: bool = False
) -> Generator[train.Progress, None, None]:
    """Pass on a training's steps under a bar: epoch or step, losses in nats, time to go.

    lines: where stderr is no terminal, print a line a record, and one at least every EVERY seconds.
    """
    valid = ""

    def describe(step: train.Progress) -> str:
        nonlocal valid
        digits = 2 if step.per == "row" else 3
        if step.record is not None and step.record["valid"] is not None:
            valid = f"  valid {step.record['valid']:.{digits}f}"
        if step.per == "symbol":
            return f"loss {step.loss:.3f}{valid} nats a symbol"
        return f"epoch {step.stretch}/{step.stretches}  loss {step.loss:.2f}{valid} nats"

    if show and lines and not watched():
        return _printed(iter(steps), lambda step, _: _line(step), lambda step: step.record)

    def position(step: train.Progress) -> tuple[int, int]:
        return step.step, step.n_steps

    return track(steps, "training", show, describe, position, lines=lines)


def _line(step: train.Progress) -> str:
    """Return where a training is: a record's losses and seconds, or the last minibatch's loss."""
    digits, unit = (2, "nats") if step.per == "row" else (3, "nats a symbol")
    place, record = f"step {step.step}/{step.n_steps}", step.record
    if step.per == "row":
        place = f"epoch {step.stretch}/{step.stretches}{'' if record else f'  {place}'}"
    if record is None:
        return f"{place}  loss {step.loss:.{digits}f} {unit}"
    known = ((name, record[name]) for name in ("train", "valid") if record[name] is not None)
    losses = "  ".join(f"{name} {nll:.{digits}f}" for name, nll in known)
    return f"{place}  {losses} {unit}  {record['seconds']:.1f} s"


def track(
    items: Iterable[T],
    title: str,
    show: bool = True,
    describe: Callable[[T], str] | None = None,
    position: Callable[[T], tuple[int, int]] | None = None,
    total: int | None = None,
    lines: bool = False,
) -> Generator[T, None, None]:
    """Pass on `items` under a bar, which appears once DELAY seconds have passed.

    title: what the bar says, until describe(item) says more.
    position: (done, of how many) from an item; by default they are counted, up to `total`.
    lines: where stderr is no terminal, print how many are done every EVERY seconds; and where
        nothing is to be shown, say that kernels are being compiled.
    """
    console = Console(stderr=True)
    if show and lines and not console.is_terminal:
        of_all = "" if total is None else f" of {total}"
        yield from _printed(iter(items), lambda _, count: f"{title}  {count}{of_all}")
        return
    if not show and lines and attended():
        with waiting(COMPILING, True, None, PATIENCE, compiling, lines=True, plain=True):
            yield from items
        return
    if not (show and console.is_terminal):
        yield from items
        return
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task, began = bar.add_task(title, total=total), time.monotonic()
    try:
        for count, item in enumerate(_first_slowly(iter(items), console), start=1):
            done, of = position(item) if position else (count, total)
            bar.update(task, completed=done, total=of)
            if describe is not None:
                bar.update(task, description=describe(item))
            if time.monotonic() - began > DELAY:
                bar.start()
            yield item
    finally:
        bar.stop()


def _printed(
    items: Iterator[T], line: Callable[[T, int], str], news: Callable[[T], Any] = lambda _: None
) -> Generator[T, None, None]:
    """Pass on `items`; print a line about one that is news, or EVERY seconds after the last."""
    said = time.monotonic()
    for count, item in enumerate(_first_slowly(items, None), start=1):
        if news(item) is not None or time.monotonic() - said > EVERY:
            print(line(item, count), file=sys.stderr, flush=True)
            said = time.monotonic()
        yield item


def _first_slowly(items: Iterator[T], console: Console | None) -> Iterator[T]:
    """Pass on `items`; say that kernels are being compiled if the first waits for that.

    console: where a spinner is to turn; None prints a plain line.
    """
    with compilation(console=console, lines=console is None):
        first = next(items, None)
    if first is not None:
        yield first
        yield from items


def compilation(
    show: bool = True, console: Console | None = None, lines: bool = False
) -> AbstractContextManager[None]:
    """Say, while the block runs, that kernels are being compiled: only if they are."""
    return waiting(COMPILING, show, console, when=compiling, lines=lines)


@contextmanager
def waiting(
    message: str,
    show: bool = True,
    console: Console | None = None,
    delay: float = 1.0,
    when: Callable[[], bool] = lambda: True,
    lines: bool = False,
    plain: bool = False,
) -> Iterator[None]:
    """Show `message` with a spinner while the block runs, from `delay` seconds on.

    when: whether there is something to wait for; until then nothing is shown.
    lines: print the message once where stderr is no terminal. plain: also where it is one.
    """
    console = console or Console(stderr=True)
    if not (show and (lines or console.is_terminal)):
        yield
        return
    status, ended = console.status(message), threading.Event()

    def speak() -> None:
        pause = delay
        while not ended.wait(pause):
            if when():
                spins = console.is_terminal and not plain
                status.start() if spins else print(message, file=sys.stderr, flush=True)
                return
            pause = POLL

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        ended.set()
        speaker.join()
        status.stop()
