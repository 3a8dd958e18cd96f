"""`chainrule conditionals`: each column's distribution given those before it, beside the rows."""

from pathlib import Path
from typing import Any

import numpy as np

from chainrule.commands import inputs, runs, tabular
from chainrule.commands.common import PICTURES, TABLES, Common, check_output, picture
from chainrule.commands.requests import LabelRequest, Written
from chainrule.datasets import rowfiles
from chainrule.kernels.types import Array

PICTURED = 25  # rows drawn at most


def conditionals(
    common: Common, run: Path, x: Path, out: Path | None, asked: LabelRequest, written: Written
) -> None:
    """Write the distribution of each column given those before it, as a picture or a table."""
    if out is not None:
        check_output(out, *PICTURES, *TABLES)
    model = common.show(inputs.model_of_rows(run, "conditionals"))
    out = _output(model, run, out)
    rows, y, origin, _ = inputs.read_rows(common, x, model, asked, inputs.may_lack(model), written)
    inputs.check_columns(model, origin)
    pictured = out.suffix.lower() in PICTURES
    n_rows = len(rows)
    if pictured and rows.ndim:
        rows, y = rows[:PICTURED], y[:PICTURED] if np.ndim(y) else y
    with rowfiles.naming({"X": origin}):
        p: Array = model.conditionals(rows, y)
    of_bits = p.ndim == 2
    if pictured and inputs.of_images(model):
        images = model.encoder_.encode(rows)
        probabilities = p.reshape(*images.shape, *p.shape[2:])
        picture(out, "conditional_probability", images, probabilities, model.encoder_.levels)
    elif pictured:
        values = model.encoder_.decode(model.encoder_.encode(rows))
        picture(out, "conditional_maps", values, p, runs.image_shape(run, p.shape[1]))
    else:
        tabular.write_conditionals(out, p, model, y is not None)
    known = "x_<i" if y is None else "x_<i, label"
    what = f"p(x_i = 1 | {known})" if of_bits else f"p(x_i | {known}), each column's distribution,"
    common.say(f"{what} of {inputs.which(len(p), n_rows)} rows; {out}")


def _output(model: Any, run: Path, asked: Path | None) -> Path:
    """Return the file to write to.

    Raises:
        ValueError: a picture, of more than bits.
    """
    if inputs.of_images(model) and model.encoder_.levels > 2:
        out = asked or Path("conditionals.png")
        check_output(out, *PICTURES, ".npy")
        return out
    if inputs.of_images(model) or set(model.config_.event.values) == {2}:
        return tabular.output(model, run, asked, "conditionals")
    out = asked or Path("conditionals.csv")
    check_output(out, *PICTURES, *TABLES)
    if out.suffix.lower() in PICTURES:
        raise ValueError(f"{out} is a picture, and these columns are not all bits; end it in .csv")
    return out
