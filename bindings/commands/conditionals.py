"""`chainrule conditionals`: each p(x_i = 1 | x_<i) beside the rows."""

from pathlib import Path

from chainrule.commands import inputs, runs
from chainrule.commands.common import PICTURES, TABLES, Common, check_output, picture, write_rows
from chainrule.datasets import rowfiles
from chainrule.kernels.types import Array

PICTURED = 25  # rows drawn at most


def conditionals(common: Common, run: Path, x: Path, out: Path) -> None:
    """Write p(x_i = 1 | x_<i) of each row, as a picture or a table."""
    check_output(out, *PICTURES, *TABLES)
    model = common.show(inputs.model_of_columns(run, "conditionals"))
    rows, origin = inputs.read_rows(x)
    inputs.check_columns(model, origin)
    pictured = out.suffix.lower() in PICTURES
    n_rows = len(rows)
    rows = rows[:PICTURED] if pictured and rows.ndim else rows
    with rowfiles.naming({"X": origin}):
        p: Array = model.conditionals(rows)
    if pictured:
        values = model.encoder_.decode(model.encoder_.encode(rows))
        picture(out, "conditional_maps", values, p, runs.image_shape(run, p.shape[1]))
    else:
        write_rows(out, p, inputs.fitted_columns(model))
    common.say(f"p(x_i = 1 | x_<i) of {inputs.which(len(p), n_rows)} rows; {out}")
