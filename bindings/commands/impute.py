"""`chainrule impute`: what rows lack, drawn given all that they have."""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.commands import inputs, tabular
from chainrule.commands.common import TABLES, Common, check_output
from chainrule.commands.requests import LabelRequest, Written
from chainrule.datasets import rowfiles


def impute(
    common: Common,
    run: Path,
    x: Path,
    out: Path,
    draws: int,
    asked: LabelRequest,
    written: Written,
) -> None:
    """Fill in what rows lack, several times each where asked; write them as a table.

    The completions of a row follow one another, rows in the order of the file; where there are
    several, the first two columns of a .csv say which row, and which draw, counted from 1.
    """
    check_output(out, *TABLES)
    model: Any = common.show(inputs.model_of_rows(run, "impute"))
    if not inputs.may_lack(model):
        raise ValueError(
            f"impute is for OrderlessNADE, and the model in {run} is {type(model).__name__}, which "
            "knows what comes first alone; see chainrule complete"
        )
    rows = inputs.read_rows(common, x, model, asked, True, written)
    inputs.check_columns(model, rows.origin)
    with rowfiles.naming({"X": rows.origin}):
        filled = model.impute(rows.x, n_draws=draws, seed=common.seed, y=rows.y)
    known = model.encoder_.observed(rows.x)
    several = np.stack([np.asarray(one) for one in filled], axis=1)
    tabular.write(out, several.reshape(-1, known.shape[1]), model, draws=draws, beside=rows.beside)
    times = f", {draws} times" if draws > 1 else ""
    common.say(
        f"{(~known).sum():,} values of {(~known.all(axis=1)).sum():,} rows filled in{times}, "
        f"{len(known):,} rows in all; {out}"
    )
