"""The verb `exercise`, for who learns: its options alone, since --help imports this file."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer


def exercise(
    common: Any,
    name: Annotated[str | None, typer.Argument(help="nade-1, …; none: the list.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Of the step that you think is wrong: B5.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Where copies stand; ~/.local/share/chainrule/exercises.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Begin with a fresh copy.")] = False,
    solution: Annotated[bool, typer.Option("--solution", help="Show the line.")] = False,
) -> int:
    """Mend a backward pass with one line wrong or missing; the gradient check judges."""
    run: Any = import_module("chainrule.commands.exercise").run
    return int(run(common, name, label, folder, again, solution))
