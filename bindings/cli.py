"""The command line: verbs, their options, exit status, and errors in one sentence.

    0   done                            1   a gradient check failed, or nobody reads the output
    2   wrong usage or input            130 interrupted, a training with a checkpoint kept

The verbs themselves are in `chainrule.commands`, imported when one is called: --help is at once.
"""

import os
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.commands import attack_verbs, ending, streams, studying  # noqa: F401 (it registers verbs)
from chainrule.commands.requests import (
    DetectRequest,
    LabelRequest,
    SampleRequest,
    TrainRequest,
    Written,
)
from chainrule.commands.streams import DEBUG
from chainrule.commands.verbs import (
    Clean,
    Data,
    Detecting,
    FalseAlarm,
    Label,
    LabelsFrom,
    Lacking,
    Method,
    Model,
    Oddest,
    Picture,
    Rows,
    Run,
    SamplesEvery,
    Scored,
    Settings,
    SettingsHelp,
    app,
    verb,
)

TOLD, ANY = Written(), LabelRequest()  # as it seems; the marginal over all labels


def _module(name: str) -> Any:
    """Import the file of a verb: numba and scikit-learn take a second or two."""
    return import_module(f"chainrule.commands.{name}")


@verb()
def demo(
    common: Any,
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("samples.png"),
) -> None:
    """Train NADE on digits that came with the installation; write samples.png."""
    _module("demo").demo(common, out)


@verb(cls=SettingsHelp, shared=True)
def train(
    common: Any,
    model: Model,
    out: Annotated[Path, typer.Option(help="The run's folder.")],
    data: Data = None,
    settings: Settings = None,
    valid: Annotated[
        float | None, typer.Option(help="Share of a text that validates, its end; 0.1.")
    ] = None,
    bytes_: Annotated[bool, typer.Option("--bytes", help="Symbols are bytes.")] = False,
    lines: Annotated[
        bool, typer.Option("--lines", help="Each line of a text is one of its own, with an end.")
    ] = False,
    labels: Annotated[
        bool, typer.Option("--labels", help="Learn p(row | label), with the data's own labels.")
    ] = False,
    labels_from: LabelsFrom = None,
    written: Written = TOLD,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the run in --out.")] = False,
    samples_every: SamplesEvery = None,
    **options: Any,
) -> int:
    """Train a model; stop with Ctrl-C and go on with --resume, to the same bits.

    A run is lengthened by --resume with more --epochs or --steps.
    """
    reading = {"valid": valid, "unit": "byte" if bytes_ else None}
    reading |= {"labels": labels_from or labels, "lines": lines, **written._asdict()}
    asked = TrainRequest(
        model, data, out, options, settings or [], reading, resume, force, samples_every
    )
    return int(_module("train").run(common, asked))


@verb("seed", shared=True)
def score(
    common: Any,
    run: Run,
    x: Scored,
    out: Annotated[Path | None, typer.Option(help=".npy, .csv or .txt; else printed.")] = None,
    asked: LabelRequest = ANY,
    written: Written = TOLD,
) -> None:
    """Write log p(x) of each row, in nats; of a text nats and bits a character."""
    _module("score").score(common, run, x, out, asked, written)


@verb("seed", shared=True)
def detect(
    common: Any,
    run: Detecting,
    x: Scored,
    false_alarm: FalseAlarm = None,
    clean: Clean = None,
    method: Method = None,
    out: Annotated[Path | None, typer.Option(help="A table, .csv: what each row is.")] = None,
    picture: Oddest = None,
    written: Written = TOLD,
) -> None:
    """Say which rows, or lines of a text, are odd, and where in them the odd is.

    Odd is what is less likely than all but a share --false-alarm of clean rows.
    """
    asked = DetectRequest(tuple(false_alarm or ()), clean, method, out, picture)
    _module("detect").detect(common, run, x, asked, written)


@verb(shared=True)
def sample(
    common: Any,
    run: Run,
    n: Annotated[
        int | None, typer.Option("-n", min=1, help="Rows or lines, 100; or characters, 500.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A picture or table, samples.png or .csv; of a text .txt, else printed."),
    ] = None,
    columns: Annotated[int | None, typer.Option(min=1, help="Pictures side by side.")] = None,
    prompt: Annotated[str | None, typer.Option(help="What a text begins with.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Below 1 tamer, 0 the likeliest; 1.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Of the k likeliest only; 0: all.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Of the likeliest with this share; 1.")
    ] = None,
    label: Label = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="Stop before this is drawn; repeatable.")
    ] = None,
    by_label: Annotated[
        bool, typer.Option("--by-label", help="Rows of every label, 10 or -n of each.")
    ] = False,
    size: Annotated[
        str | None,
        typer.Option(metavar="ROWSxCOLUMNS", help="Of images, 56x40; default: that of the fit."),
    ] = None,
) -> None:
    """Draw rows from a model, or go on with a prompt."""
    of_text = prompt, temperature, top_k, top_p, stop or None
    how = SampleRequest(n, out, columns, label, *of_text, by_label, size)
    _module("sample").sample(common, run, how)


@verb("seed")
def attention(
    common: Any,
    run: Run,
    prompt: Annotated[str, typer.Option(help="The text that is read.")],
    out: Annotated[
        Path, typer.Option(help="A picture (.png .pdf .svg), or .npy: (heads, T, T).")
    ] = Path("attention.png"),
    layer: Annotated[int, typer.Option(min=0, help="Counted from 1; 0: the last.")] = 0,
    label: Label = None,
) -> None:
    """Draw where a model looks as it predicts each character of a prompt."""
    _module("attention").attention(common, run, prompt, out, layer, label)


@verb()
def complete(
    common: Any,
    run: Run,
    x: Rows,
    observed: Annotated[
        str,
        typer.Option(
            help="top, bottom, left, right, prefix:K; names of columns, age,sex; known: what each "
            "row has; or a .npy mask, for all rows or for each."
        ),
    ] = "top",
    out: Picture = None,
    draws: Annotated[int, typer.Option(min=1, help="Of each row; a .csv numbers them.")] = 8,
    asked: LabelRequest = ANY,
    written: Written = TOLD,
) -> None:
    """Draw the rest of partly observed rows."""
    _module("complete").complete(common, run, x, observed, out, draws, asked, written)


@verb()
def impute(
    common: Any,
    run: Run,
    x: Lacking,
    out: Annotated[Path, typer.Option(help=".csv, .txt or .npy.")] = Path("filled.csv"),
    draws: Annotated[int, typer.Option(min=1, help="Of each row; a .csv numbers several.")] = 1,
    asked: LabelRequest = ANY,
    written: Written = TOLD,
) -> None:
    """Fill in the values that rows lack, by draws given all that each row has."""
    _module("impute").impute(common, run, x, out, draws, asked, written)


@verb("seed")
def conditionals(
    common: Any,
    run: Run,
    x: Rows,
    out: Picture = None,
    asked: LabelRequest = ANY,
    written: Written = TOLD,
) -> None:
    """Write each column's distribution given those before it, of bits p(x_i = 1 | x_<i)."""
    _module("conditionals").conditionals(common, run, x, out, asked, written)


@verb("threads", "backend", "seed")
def info(common: Any, run: Run) -> None:
    """Say what a run holds."""
    _module("info").info(common, run)


@verb("backend", "seed")
def compile(
    common: Any,
    models: Annotated[list[str] | None, typer.Argument(help="nade, fvsbn, …; none: all.")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64, of parameters.")] = "float32",
) -> None:
    """Compile kernels beforehand, so that a first training begins at once."""
    _module("compile").run(common, models or [], dtype)


@verb()
def gradcheck(common: Any, model: Model, settings: Settings = None) -> int:
    """Hold hand-derived gradients against central differences."""
    return int(_module("gradcheck").run(common, model, settings or []))


verb("threads", "backend", "seed")(studying.exercise)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; the console entry point."""
    failure: str | None = None
    try:
        streams.write_anything()
        with warnings.catch_warnings():
            streams.choose_warnings()
            status = app(arguments, prog_name="chainrule", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        failure, status = "", 130
    except BrokenPipeError:
        failure, status = "", 1
    except Exception as error:
        if DEBUG in os.environ:
            raise
        failure, status = streams.sentence(error), 2  # empty where help was shown
    sys.exit(ending.status(failure, status or 0))


if __name__ == "__main__":
    main()
