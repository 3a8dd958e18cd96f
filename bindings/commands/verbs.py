"""How a verb of the command line is registered: the options that all share, and arguments by kind.

Everything here is imported for --help, so nothing heavy is.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from chainrule.commands import fields
from chainrule.commands.requests import LabelRequest, Written
from chainrule.registry import HOMES

app = typer.Typer(
    name="chainrule",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Exact autoregressive density models: train, score, sample, complete.",
)

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors alone.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads; default one a core.")]
Backend = Annotated[str | None, typer.Option(help="cpu, reference (NumPy) or cuda.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of everything random.")]
COMMON = {
    "quiet": (Quiet, False),
    "threads": (Threads, None),
    "backend": (Backend, None),
    "seed": (Seed, None),
}


def _models(incomplete: str) -> list[str]:
    """Return the models that a word may become: what the shell completes."""
    return [name for name in HOMES if name.startswith(incomplete)]


Model = Annotated[
    str,
    typer.Argument(
        autocompletion=_models, help=f"{', '.join(list(HOMES)[:-1])} or {list(HOMES)[-1]}."
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        help="digits, mnist5k, mnist, binarized_mnist, fashion_mnist, cifar10, a table's name, "
        "tinyshakespeare, or a path: a text file, rows or images; -: standard input."
    ),
]
SamplesEvery = Annotated[
    int | None,
    typer.Option(
        min=1, help="Records, such as epochs, between two train_samples.png in the run's folder."
    ),
]
Run = Annotated[Path, typer.Argument(help="A run's folder, or a model file.")]
Rows = Annotated[
    Path,
    typer.Argument(help="Rows: .npy, .npz, .csv, .txt, folder of pictures; -: standard input."),
]
Lacking = Annotated[
    Path, typer.Argument(help="Rows that lack values: .csv, .txt, .npy; -: standard input.")
]
Scored = Annotated[
    Path,
    typer.Argument(
        help="A text file, or rows: .npy, .npz, .csv, folder of pictures; -: standard input."
    ),
]
Detecting = Annotated[
    Path, typer.Argument(help="A run's folder, a model file, or one of a Detector.")
]
FalseAlarm = Annotated[
    list[float] | None,
    typer.Option(
        help="Share of clean rows that is found odd; 0.01; repeatable. -q prints the highest's."
    ),
]
Clean = Annotated[
    Path | None,
    typer.Option(help="Clean rows or lines, unseen in training; else the run's validation rows."),
]
Method = Annotated[
    str | None, typer.Option(help="likelihood, bits (a symbol), typicality or complexity.")
]
Oddest = Annotated[Path | None, typer.Option(help="A picture of the oddest: .png .pdf .svg.")]
Label = Annotated[str | None, typer.Option(help="Of a model with labels.")]
LabelsFrom = Annotated[
    str | None,
    typer.Option(
        help="Labels, words or whole numbers: a .npy, a text with one a line, or a column by name."
    ),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether the first line of a .csv, .tsv or .txt names its columns; else as it seems.",
    ),
]
Decimal = Annotated[
    str,
    typer.Option(
        help="What stands before the decimals of a .csv, .tsv or .txt: a point, or a comma: ,"
    ),
]
Options = dict[str, tuple[Any, Any]]  # by name: what typer reads of it, and what it is by default
GROUPS: dict[str, tuple[Callable[..., Any], Options]] = {
    "written": (Written, {"header": (Header, None), "decimal": (Decimal, ".")}),
    "asked": (LabelRequest, {"label": (Label, None), "labels_from": (LabelsFrom, None)}),
}
Settings = Annotated[list[str] | None, typer.Option("--set", help="name=value, repeatable.")]
Moved = Annotated[
    Path,
    typer.Option(
        help="A picture (.png .pdf .svg) of the first 10 images, which alone are worked on; or "
        ".npy: all images."
    ),
]
Picture = Annotated[
    Path | None, typer.Option(help="A picture (.png .pdf .svg) or table (.npy .csv).")
]


def _version(asked: bool) -> None:
    if asked:
        print(f"chainrule {version('chainrule')}")
        raise typer.Exit()


@app.callback()
def _common(
    ctx: typer.Context,
    quiet: Quiet = False,
    threads: Threads = None,
    backend: Backend = None,
    seed: Seed = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    ctx.obj = {"quiet": quiet, "threads": threads, "backend": backend, "seed": seed}


class SettingsHelp(TyperCommand):
    """A command whose help ends with the settings of all models, or of the one that is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write the end of the help, if it is asked for, before the arguments are parsed."""
        if {"-h", "--help"} & set(args):
            self.epilog = fields.in_words([arg for arg in args if arg in HOMES][:1] or list(HOMES))
        return super().parse_args(ctx, args)


def verb(
    *unused: str, cls: type[TyperCommand] | None = None, shared: bool = False
) -> Callable[[Callable[..., int | None]], Callable[..., None]]:
    """Register a command that also takes the common options, before or after its name.

    The function gets them as its first argument, a `commands.common.Common`, and returns its exit
    status, or None for 0. One with ** gets the settings there that have an option of their own,
    one with `written` how a table of text is written, one with `asked` whose probability it is.

    unused: common options that it has no use for: not in its help, and refused behind its name.
    shared: whether several processes, started by mpiexec or srun, do it together.
    """

    def register(function: Callable[..., int | None]) -> Callable[..., None]:
        @wraps(function)
        def command(ctx: typer.Context, **arguments: Any) -> None:
            from chainrule.commands.common import Common

            after = {name: arguments.pop(name) for name in COMMON}
            here = {k: v for k, v in after.items() if v is not None and v is not False}  # 0 counts
            for name in GROUPS.keys() & inspect.signature(function).parameters:
                kind, options = GROUPS[name]
                arguments[name] = kind(*(arguments.pop(option) for option in options))
            for name in unused:
                if after[name] is not None:
                    raise ValueError(f"{function.__name__} has no use for --{name}; leave it out")
            if not shared:
                _check_alone(function.__name__)
            raise typer.Exit(function(Common(**ctx.obj | here), **arguments) or 0)

        command.__signature__ = _signature(function, unused)  # type: ignore[attr-defined]
        parameters = command.__signature__.parameters.values()  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return app.command(cls=cls)(command)

    return register


def _check_alone(name: str) -> None:
    """Raise ValueError where several processes would each do all of a verb, into the same files."""
    from chainrule.engine.team import launched  # and NumPy, which --help never waits for

    if launched.size() > 1:
        raise ValueError(
            f"{name} is for one process, and {launched.size()} were started together; start it "
            f"without a launcher, or set {launched.ALONE}=1 if each has a task of its own"
        )


def _signature(function: Callable[..., Any], unused: tuple[str, ...]) -> inspect.Signature:
    """Return a verb's own parameters and the common ones, as typer reads them."""
    kind = inspect.Parameter.KEYWORD_ONLY
    own = list(inspect.signature(function).parameters.values())[1:]
    own = [q for p in own for q in _ungrouped(p)]
    if own and own[-1].kind is inspect.Parameter.VAR_KEYWORD:
        own[-1:] = [_option(setting) for setting in fields.named().values()]
    context = inspect.Parameter("ctx", kind, annotation=typer.Context)
    shared = []
    for name, (annotation, default) in COMMON.items():
        if name in unused:  # accepted, to be refused in a sentence that says why
            annotation = Annotated[str | None, typer.Option(f"--{name}", hidden=True)]
        shared.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
    return inspect.Signature([context, *(p.replace(kind=kind) for p in own), *shared])


def _ungrouped(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """Return the options that a parameter of a verb stands for, or itself."""
    _, options = GROUPS.get(parameter.name, (None, None))
    if options is None:
        return [parameter]
    kind = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(k, kind, default=d, annotation=a) for k, (a, d) in options.items()]


def _option(setting: fields.Setting) -> inspect.Parameter:
    """Return the option of a setting, as typer reads it; None stands for what the model has."""
    option = typer.Option(help=setting.meaning, rich_help_panel="Settings of the model")
    annotation = Annotated[setting.kind | None, option]  # type: ignore[name-defined]
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(setting.name, kind, default=None, annotation=annotation)
