"""`chainrule sample`: rows, lines, or a prompt and what follows it, as it is drawn."""

import re
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.commands import inputs, labels, prompts, runs, tabular, together
from chainrule.commands.common import PICTURES, TABLES, Common, check_output, picture, write_rows
from chainrule.commands.requests import SampleRequest
from chainrule.engine.storage.files import replacing
from chainrule.engine.team import current
from chainrule.engine.team.dealing import dealing, seed
from chainrule.registry import spelling

CHARACTERS = 500  # drawn where -n is not given
ROWS, EACH = 100, 10  # the same of rows and lines; of those of each label
PIECE = 4  # symbols that are written together
OF_SEQUENCES = ("prompt", "temperature", "top_k", "top_p", "stop")
Drawing = Callable[[int, dict[str, Any]], NDArray[Any]]  # so many rows; y and seed of their own


def sample(common: Common, run: Path, how: SampleRequest) -> None:
    """Draw rows, written as a picture or a table; or symbols, written as they are drawn.

    Of a team each rank draws some of the rows; symbols rank 0 draws alone.
    """
    with together.joined(common.backend) as team, dealing():
        common = together.hushed(common, team)._replace(seed=seed(common.seed))
        _sample(common, run, how)


def _sample(common: Common, run: Path, how: SampleRequest) -> None:
    """Draw and write."""
    if how.out is not None and current().rank == 0:
        check_output(how.out, *PICTURES, *TABLES)
    size = None if how.size is None else _rows_and_columns(how.size)
    model = common.show(runs.open_model(run))
    inputs.check_density(model, "sample")
    if size is not None:
        if not inputs.of_images(model):
            raise ValueError("--size is for models of images; leave it out")
        model = model.resized(*size)
    if how.by_label:
        _check_by_label(model, how)
    settings: dict[str, Any] = {"seed": common.seed, "y": labels.one(model, how.label)}
    given = {name: getattr(how, name) for name in OF_SEQUENCES if getattr(how, name) is not None}
    if inputs.of_rows(model):
        for name in given:
            option = name.replace("_", "-")
            raise ValueError(f"--{option} is for models of sequences; leave it out")
        _rows(common, run, model, how, lambda n, y: model.sample(n, **settings | y))
        return
    settings |= given
    settings["prompt"] = prompts.parsed(model, how.prompt or "")
    settings["stop"] = [prompts.parsed(model, stop) for stop in how.stop or ()] or None
    length: Any = runs.read_summary(run).get("row_length")
    is_row = not model.ends_ and model.encoder_.unit == "symbol" and type(length) is int
    if how.by_label and not is_row:
        raise ValueError(
            "--by-label is of rows of one length, and this model draws others; use --label"
        )
    if current().rank > 0:
        return
    if model.ends_:
        _lines(common, model, how, settings)
    elif is_row:
        _rows(common, run, model, how, _of_symbols(model, length, settings))
    else:
        _text(common, model, how, settings)


def _rows_and_columns(size: str) -> tuple[int, int]:
    """Return the numbers in ROWSxCOLUMNS."""
    found = re.fullmatch(r"\s*0*([1-9]\d*)\s*[xX×]\s*0*([1-9]\d*)\s*", size)
    if not found:
        raise ValueError(f"--size must be ROWSxCOLUMNS, as in 56x40, got {size!r}")
    return int(found[1]), int(found[2])


def _of_symbols(model: Any, length: int, settings: dict[str, Any]) -> Drawing:
    """Return what draws rows of so many symbols that begin with a prompt."""
    prompt = settings["prompt"]
    left = length - len(prompt)
    if left < 1:
        raise ValueError(f"rows have {length} symbols, the prompt {len(prompt)}; shorten it")
    if settings["stop"]:
        raise ValueError(f"--stop is of texts, and rows have {length} symbols; leave it out")

    def draw(n: int, y: dict[str, Any]) -> NDArray[Any]:
        drawn = model.sample(left, size=n, **settings | y)
        return np.hstack([np.tile(np.array(prompt, np.int32), (n, 1)), drawn])

    return draw


def _rows(common: Common, run: Path, model: Any, how: SampleRequest, draw: Drawing) -> None:
    """Draw rows and write them as a picture or a table."""
    n, each = how.n or ROWS, how.n or EACH
    y: dict[str, Any] = {}
    out = tabular.output(model, run, how.out, "samples")
    if how.by_label:
        n, y = each * len(model.classes_), {"y": np.repeat(model.classes_, each)}
    elif model.classes_ is not None and how.label is None:  # drawn here, to be told
        rng = np.random.default_rng(common.seed)
        y = {"y": model.classes_[model._classes_to_draw(None, n, rng)], "seed": rng}
    pictured = out.suffix.lower() in PICTURES
    _refuse_columns(how, pictured, f"{out} holds none")
    rows = draw(n, y)
    if current().rank > 0:
        return
    if pictured:
        shown, shape, levels = tabular.drawable(model, run, np.reshape(rows, (n, -1)))
        title = f"samples of {spelling(type(model))}"
        if how.by_label:
            by_label = f"{title} by label"
            picture(out, "class_grid", shown, model.classes_.tolist(), shape, by_label, levels)
        else:
            picture(out, "sample_grid", shown, shape, how.columns, title, levels)
    else:
        names = inputs.fitted_columns(model, run)
        name = "label" if "label" not in (names or ()) else "label drawn"
        beside = [labels.Beside(name, y["y"], 0)] if y else []
        tabular.write(out, rows, model, names, beside=beside)
    each_of = f", {each} of each label: {labels.known(model)}" if how.by_label else ""
    common.say(f"{n:,} samples{each_of}; {out}")


def _lines(common: Common, model: Any, how: SampleRequest, settings: dict[str, Any]) -> None:
    """Draw whole sequences and write them a line each, to a .txt file or standard output."""
    _refuse_columns(how, False, "this model draws lines")
    if how.out is not None:
        check_output(how.out, ".txt")
    n, unit, prompt = how.n or ROWS, model.encoder_.unit, settings["prompt"]
    drawn = model.sample(CHARACTERS, size=n, **settings)
    if unit == "symbol":
        prompt, drawn = "", [" ".join(map(str, [*prompt, *row])) for row in drawn]
    end: Any = b"\n" if unit == "byte" else "\n"
    text = end[:0].join(prompt + row + end for row in drawn)
    if how.out is None:
        _put(text)
    else:
        _write(how.out, text)
        common.say(f"{n:,} lines; {how.out}")


def _text(common: Common, model: Any, how: SampleRequest, settings: dict[str, Any]) -> None:
    """Write a prompt and what follows it: to standard output as it comes, or to a file."""
    _refuse_columns(how, False, "this model draws a text")
    n, of_ids = how.n or CHARACTERS, model.encoder_.unit == "symbol"
    if how.out is None:
        _stream(model, n, settings)
        return
    check_output(how.out, *(TABLES if of_ids else (".txt",)))
    drawn, prompt = model.sample(n, **settings), settings["prompt"]
    if of_ids:
        write_rows(how.out, np.array([[*prompt, *drawn]]))
    else:
        _write(how.out, prompt + drawn)
    common.say(f"{n:,} symbols; {how.out}")


def _stream(model: Any, n: int, settings: dict[str, Any]) -> None:
    """Write symbols to standard output as they come; a bare line end closes a text."""
    pieces = model.stream(n, chunk=PIECE, **settings)  # refuses what it cannot do
    of_ids = model.encoder_.unit == "symbol"
    for piece in chain([settings["prompt"]], pieces):
        _put("".join(f"{v} " for v in piece) if of_ids else piece)
    if model.encoder_.unit != "byte":
        _put("\n")


def _put(piece: str | bytes) -> None:
    """Write a piece to standard output at once."""
    if isinstance(piece, bytes):
        sys.stdout.buffer.write(piece)
    elif sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
        sys.stdout.write(piece)
    else:
        sys.stdout.buffer.write(_utf8(piece))
    sys.stdout.flush()


def _write(out: Path, text: str | bytes) -> None:
    """Write a text to a file, whole or not at all."""
    with replacing(out) as temporary:
        temporary.write_bytes(text if isinstance(text, bytes) else _utf8(text))


def _utf8(text: str) -> bytes:
    """Return a text as it goes into files and pipes, whatever the terminal's encoding is."""
    return text.encode("utf-8", "backslashreplace")  # half a surrogate pair is no text


def _check_by_label(model: Any, how: SampleRequest) -> None:
    """Raise ValueError where rows of each label cannot be drawn."""
    if model.classes_ is None:
        raise ValueError("this model was fitted without labels; leave out --by-label")
    for option in ("label", "columns"):
        if getattr(how, option) is not None:
            raise ValueError(f"--by-label draws a row of each label; leave out --{option}")


def _refuse_columns(how: SampleRequest, pictured: bool, instead: str) -> None:
    """Raise ValueError where --columns was given and no pictures are drawn."""
    if how.columns is not None and not pictured:
        raise ValueError(f"--columns are of pictures, and {instead}; leave it out")
