"""The verbs `attack` and `purify`: registered, like those of `chainrule.cli`, where it says so."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.commands.requests import AttackRequest, LabelRequest
from chainrule.commands.verbs import Moved, Rows, Run, verb

ANY = LabelRequest()  # the labels that stand beside the images, if any do


def _module() -> Any:
    """Import what the verbs do."""
    return import_module("chainrule.commands.attacking")


@verb()
def attack(
    common: Any,
    run: Run,
    x: Rows,
    out: Moved = Path("attacked.png"),
    method: Annotated[
        str,
        typer.Option(
            help="fgsm, bim, pgd, deepfool, carlini_wagner, noise; likely_pgd, bpda and "
            "likely_bpda, which know of --density as a detector, as a purifier and as both."
        ),
    ] = "pgd",
    eps: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="How far, of pixels from 0 to 1; 0.1. Not of deepfool and carlini_wagner, "
            "which go as far as they must.",
        ),
    ] = None,
    norm: Annotated[
        str,
        typer.Option(
            help="That eps is measured in, inf or 2; of pgd, noise and what knows of --density."
        ),
    ] = "inf",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of the attack; not of fgsm and noise.")
    ] = None,
    density: Annotated[
        Path | None,
        typer.Option(
            help="A run of pixel_cnn or pixel_rnn, or a Detector's file: which purifies, and says "
            "what is odd."
        ),
    ] = None,
    purify_eps: Annotated[
        float | None, typer.Option(min=0, help="How far it may; default 16/255.")
    ] = None,
    asked: LabelRequest = ANY,
) -> None:
    """Change images a little so that a classifier errs."""
    how = AttackRequest(method, eps, norm, steps, out, density, purify_eps)
    _module().attack(common, run, x, how, asked)


@verb("seed")
def purify(
    common: Any,
    run: Run,
    x: Rows,
    out: Moved = Path("purified.png"),
    eps: Annotated[float, typer.Option(min=0, help="How far a pixel may go, of 0 to 1.")] = 16
    / 255,
    classifier: Annotated[
        Path | None, typer.Option(help="Its run: what it takes them for, before and after.")
    ] = None,
) -> None:
    """Move images to what a density finds likelier, pixel by pixel."""
    _module().purify(common, run, x, out, eps, classifier)
