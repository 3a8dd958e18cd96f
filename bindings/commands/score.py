"""`chainrule score`: log p of rows, of a text, or of a text's lines."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule.commands import inputs, labels, runs, together
from chainrule.commands.common import (
    TABLES,
    Common,
    bits,
    check_output,
    print_numbers,
    table,
    write_rows,
)
from chainrule.commands.line_material import read_lines
from chainrule.commands.material import measures
from chainrule.commands.requests import LabelRequest, Written
from chainrule.commands.standard_input import DASH, as_file
from chainrule.datasets import corpora, rowfiles
from chainrule.encoders.texts import UNITS, Text
from chainrule.engine.team.dealing import dealing
from chainrule.kernels.types import Array


class Scored(NamedTuple):
    """What was scored.

    log_p: nats, of each `what`; None of a text whose symbols nobody asked for one by one.
    nats: log p of all. n: how many variables, or symbols and ends, that is of.
    what: "row", "line", "character" or "byte"; note: what else is to be said of them.
    """

    log_p: Array | None
    nats: float
    n: int
    what: str
    note: str = ""


def score(
    common: Common,
    run: Path,
    x: Path,
    out: Path | None,
    asked: LabelRequest,
    written: Written,
) -> None:
    """Print or write log p(x) of each row or line, or say what a text costs.

    Of a team each rank scores some of the rows or lines, and rank 0 tells of all.
    """
    with together.joined(common.backend) as team, dealing():
        if team.size > 1 and str(x) == DASH:
            together.refuse(team, "-")
        _score(together.hushed(common, team), run, x, out, asked, written, team.rank == 0)


def _score(
    common: Common,
    run: Path,
    x: Path,
    out: Path | None,
    asked: LabelRequest,
    written: Written,
    tells: bool,
) -> None:
    """Score; `tells`: print or write what came of it."""
    if out is not None and tells:
        check_output(out, *TABLES)
    model: Any = common.show(runs.open_model(run))
    inputs.check_density(model, "score")
    if model.encoder_.unit not in UNITS:
        scored = _rows(common, model, run, x, asked, written)
    else:
        if written != Written():
            option = "--header" if written.header is not None else "--decimal"
            raise ValueError(f"{option} is of tables, and this model scores a text; leave it out")
        with as_file(_text_at(common, x), text=True) as path:
            scored = _lines(model, path, asked) if model.ends_ else _text(model, path, asked, out)
    if not tells:
        return
    if out is not None and scored.log_p is not None:
        write_rows(out, scored.log_p, ["log_prob"])
    elif scored.log_p is not None and (common.quiet or inputs.of_rows(model)):
        print_numbers(scored.log_p.tolist())
    elif common.quiet:
        print_numbers([-scored.nats / scored.n])
    if not inputs.of_rows(model):
        _tell(common, model, scored, x.name, out)
    elif out is not None and scored.log_p is not None:
        mean = scored.nats / len(scored.log_p)
        given = "" if asked.label is None and asked.source is None else " | label"
        common.say(
            f"{len(scored.log_p):,} rows, log p(x{given}) {mean:.2f} nats on average, "
            f"{bits(-scored.nats, scored.n):.4f} bits per dimension; {out}"
        )


def _rows(
    common: Common, model: Any, run: Path, x: Path, asked: LabelRequest, written: Written
) -> Scored:
    """Score rows, of columns or of symbols.

    Raises:
        ValueError: rows that are longer: of symbols they would be scored like any others.
    """
    length = runs.read_summary(run).get("row_length")
    lack, on_disk = inputs.may_lack(model), inputs.of_rows(model)
    rows, y, origin, _ = inputs.read_rows(common, x, model, asked, lack, written, on_disk)
    inputs.check_columns(model, origin, run)
    if type(length) is int and rows.ndim == 2 and rows.shape[1] > length:
        among = "; if their labels are among them, say where with --labels-from"
        raise ValueError(
            f"{x} has rows of {rows.shape[1]} values, and the model learnt rows of {length}"
            f"{among if model.classes_ is not None else ''}"
        )
    with rowfiles.naming({"X": origin}):
        log_p = model.log_prob(rows, y)
    if inputs.of_rows(model):
        n = model._count_variables(rows)  # of what is known
    else:
        n = rows.size + model.ends_ * len(rows)
    return Scored(log_p, float(log_p.sum(dtype=np.float64)), n, "row")


def _text_at(common: Common, x: Path) -> Path:
    """Return the path of a text by name, or the path given; say what of a named one is scored."""
    if str(x) in corpora.NAMED and not x.exists():
        if not common.quiet:
            common.warn(f"all of {x}, what a training on it has seen too")
        return corpora.find(x)
    return x


def _lines(model: Any, path: Path, asked: LabelRequest) -> Scored:
    """Score each line of a text file, its end included."""
    lines, n_empty = read_lines(path, model.encoder_.unit)
    log_p = model.log_prob(lines, labels.given(model, asked, lines).y)
    note = f", {n_empty:,} empty ones left out" if n_empty else ""
    return Scored(log_p, float(log_p.sum()), len(lines) + sum(map(len, lines)), "line", note)


def _text(model: Any, path: Path, asked: LabelRequest, out: Path | None) -> Scored:
    """Score one text, of any length."""
    labels.given(model, asked, [0])  # refuses them
    text, unit = Text.open(path, model.encoder_.unit), model.encoder_.unit
    if out is None:
        return Scored(None, model.score(text) * len(text), len(text), unit)
    log_p = model.log_prob_terms(text)
    return Scored(log_p, float(log_p.sum()), len(log_p), unit)


def _tell(common: Common, model: Any, scored: Scored, name: str, out: Path | None) -> None:
    """Say what a symbol costs on average, and where the rest was written."""
    unit, ends = model.encoder_.unit, " and ends" if scored.what == "line" else ""
    if scored.what != unit and scored.log_p is not None:
        mean = f"log p {scored.log_p.mean():.2f} nats a {scored.what}"
        common.say(f"{len(scored.log_p):,} {scored.what}s{scored.note}, {mean}")
    grid = table(f"{scored.n:,} {unit}s{ends}", f"nats a {unit}", "bits", "perplexity")
    grid.add_row(name, *measures(-scored.nats / scored.n))
    common.say(grid)
    if out is not None:
        common.say(f"log p of each {scored.what}; {out}")
