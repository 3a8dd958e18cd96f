"""Progress on stderr: a bar for whatever takes over two seconds, nothing where nobody watches.

Both functions wrap an iterable and pass its items on unchanged. They draw only if `show` is true
and stderr is a terminal, and clear what they drew.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from chainrule.engine import train
from chainrule.kernels.compiled import compiling

T = TypeVar("T")

DELAY = 2.0  # seconds before a bar appears
COMPILING = "compiling kernels (once a machine)"
POLL = 0.2  # seconds between two looks at whether there is something to say


def training(
    steps: Iterable[train.Progress], show: bool = True
) -> Generator[train.Progress, None, None]:
    """Pass on a training's steps under a bar: epoch or step, losses in nats, time to go."""
    valid = ""

    def describe(step: train.Progress) -> str:
        nonlocal valid
        digits = 2 if step.per == "row" else 3
        if step.record is not None and step.record["valid"] is not None:
            valid = f"  valid {step.record['valid']:.{digits}f}"
        if step.per == "symbol":
            return f"loss {step.loss:.3f}{valid} nats a symbol"
        return f"epoch {step.epoch}/{step.epochs}  loss {step.loss:.2f}{valid} nats"

    return track(steps, "training", show, describe, lambda step: (step.step, step.n_steps))


def track(
    items: Iterable[T],
    title: str,
    show: bool = True,
    describe: Callable[[T], str] | None = None,
    position: Callable[[T], tuple[int, int]] | None = None,
    total: int | None = None,
) -> Generator[T, None, None]:
    """Pass on `items` under a bar, which appears once DELAY seconds have passed.

    title: what the bar says, until describe(item) says more.
    position: (done, of how many) from an item; by default they are counted, up to `total`.
    """
    console = Console(stderr=True)
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


def _first_slowly(items: Iterator[T], console: Console) -> Iterator[T]:
    """Pass on `items`; say that kernels are being compiled if the first waits for that."""
    with compilation(console=console):
        first = next(items, None)
    if first is not None:
        yield first
        yield from items


def compilation(show: bool = True, console: Console | None = None) -> AbstractContextManager[None]:
    """Say, while the block runs, that kernels are being compiled: only if they are."""
    return waiting(COMPILING, show, console, when=compiling)


@contextmanager
def waiting(
    message: str,
    show: bool = True,
    console: Console | None = None,
    delay: float = 1.0,
    when: Callable[[], bool] = lambda: True,
) -> Iterator[None]:
    """Show `message` with a spinner while the block runs, from `delay` seconds on.

    when: whether there is something to wait for; until then nothing is shown.
    """
    console = console or Console(stderr=True)
    if not (show and console.is_terminal):
        yield
        return
    status, ended = console.status(message), threading.Event()

    def speak() -> None:
        pause = delay
        while not ended.wait(pause):
            if when():
                status.start()
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
