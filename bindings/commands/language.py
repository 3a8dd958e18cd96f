"""What a trained model of sequences is for: score a text, go on with a prompt, show attention."""

import os
import sys
from collections.abc import Sequence
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chainrule.commands import labels, runs
from chainrule.commands.common import (
    PICTURES,
    TABLES,
    Common,
    check_output,
    located_rows,
    picture,
    table,
    write_rows,
)
from chainrule.commands.lines import read_lines
from chainrule.commands.symbols import measures
from chainrule.datasets import rowfiles
from chainrule.encoders.texts import Text
from chainrule.engine.storage.files import replacing
from chainrule.estimators.attentive import Attentive
from chainrule.estimators.generating import Generating
from chainrule.estimators.sequence_base import SequenceDensity

CHARACTERS = 500  # drawn where -n is not given
ROWS = 100  # the same for models of rows
PIECE = 4  # symbols that are written together


class Draw(NamedTuple):
    """How to draw from a model of sequences."""

    prompt: str = ""
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    label: str | None = None
    stop: Sequence[str] = ()


def score(
    common: Common,
    model: SequenceDensity,
    x: Path,
    out: Path | None,
    label: str | None,
    labels_from: str | None,
) -> None:
    """Print nats and bits a symbol and the perplexity; write log p of every symbol, or row."""
    if model.ends_ and model.vocabulary_.kind != "id":
        _score_lines(common, model, x, out, label, labels_from)
        return
    if model.vocabulary_.kind == "id":
        found, origin = located_rows(x)
        rows, y = labels.given(model, label, labels_from, found, origin)
        with rowfiles.naming({"X": origin}):
            log_p = model.log_prob(rows, y)
        if out is not None:
            write_rows(out, log_p, ["log_prob"])
        elif common.quiet:
            print("\n".join(f"{value:.6f}" for value in log_p.tolist()))
        n = rows.size + model.ends_ * len(rows)
        nats = -float(log_p.sum()) / n
        common.say(f"{len(rows):,} rows, log p {log_p.mean():.2f} nats a row")
    else:
        labels.given(model, label, labels_from, [0], None)  # refuses them
        text = Text.open(x, model.vocabulary_.kind)
        n = len(text)
        if out is None:
            nats = -model.score(text)
        else:
            log_p = model.symbol_log_prob(text)
            nats = -float(log_p.mean())
            write_rows(out, log_p, ["log_prob"])
    kind = "symbol" if model.vocabulary_.kind == "id" else model.vocabulary_.kind
    grid = table(f"{n:,} {kind}s", f"nats a {kind}", "bits", "perplexity")
    grid.add_row(x.name, *measures(nats))
    if common.quiet and out is None and model.vocabulary_.kind != "id":
        print(f"{nats:.6f}")
    common.say(grid)
    if out is not None:
        common.say(f"log p of each {'row' if kind == 'symbol' else kind}; {out}")


def _score_lines(
    common: Common,
    model: SequenceDensity,
    x: Path,
    out: Path | None,
    label: str | None,
    labels_from: str | None,
) -> None:
    """Print or write log p of each line of a text file, its end included."""
    lines, n_empty = read_lines(x, model.vocabulary_.kind)
    log_p = model.log_prob(*labels.given(model, label, labels_from, lines, None))
    if out is not None:
        write_rows(out, log_p, ["log_prob"])
    elif common.quiet:
        print("\n".join(f"{value:.6f}" for value in log_p.tolist()))
    empty = f", {n_empty:,} empty ones left out" if n_empty else ""
    common.say(f"{len(lines):,} lines{empty}, log p {log_p.mean():.2f} nats a line")
    n = len(lines) + sum(map(len, lines))
    kind = model.vocabulary_.kind
    grid = table(f"{n:,} {kind}s and ends", f"nats a {kind}", "bits", "perplexity")
    grid.add_row(x.name, *measures(-float(log_p.sum()) / n))
    common.say(grid)
    if out is not None:
        common.say(f"log p of each line; {out}")


def sample(
    common: Common,
    run: Path,
    model: Generating,
    n: int | None,
    out: Path | None,
    columns: int | None,
    how: Draw,
) -> None:
    """Write a prompt and what follows it, as it is drawn; or draw rows of a model of rows."""
    settings: dict[str, Any] = {
        "temperature": how.temperature,
        "top_k": how.top_k,
        "top_p": how.top_p,
        "seed": common.seed,
    }
    label = labels.one(model, how.label)
    if label is not None:
        settings["labels"] = label
    if how.stop:
        settings["stop"] = [_prompt(model, stop) for stop in how.stop]
    if model.ends_:
        refuse_columns(columns, False, "this model draws lines")
        _lines(common, model, n or ROWS, out, _prompt(model, how.prompt), settings)
        return
    prompt, length = _prompt(model, how.prompt), runs.read_summary(run).get("row_length")
    if type(length) is int and model.vocabulary_.kind == "id":
        left = length - len(prompt)
        if left < 1:
            raise ValueError(f"rows have {length} symbols, the prompt {len(prompt)}; shorten it")
        if how.stop:
            raise ValueError(f"--stop is of texts, and rows have {length} symbols; leave it out")
        _rows(common, run, model, n or ROWS, out, columns, (prompt, left, settings))
        return
    refuse_columns(columns, False, "this model draws a text")
    if out is None:
        _stream(model, n or CHARACTERS, prompt, settings)
    else:
        _write(common, model, n or CHARACTERS, out, prompt, settings)


def refuse_columns(columns: int | None, pictured: bool, instead: str) -> None:
    """Raise ValueError where --columns was given and no pictures are drawn."""
    if columns is not None and not pictured:
        raise ValueError(f"--columns are of pictures, and {instead}; leave it out")


def _prompt(model: SequenceDensity, text: str) -> Any:
    """Return the prompt as the model's symbols are given: str, bytes, or ids between blanks.

    Bytes are those that the shell passed on: $'\\xff' is one.
    """
    if model.vocabulary_.kind == "id":
        return [_whole(word) for word in text.split()]
    return os.fsencode(text) if model.vocabulary_.kind == "byte" else text


def _whole(word: str) -> int:
    if not word.isdecimal():
        raise ValueError(f"this model knows whole numbers, got {word!r}; give such, e.g. 0 1 1")
    return int(word)


def _stream(model: Generating, n: int, prompt: Any, settings: dict[str, Any]) -> None:
    """Write symbols to standard output as they come; a bare line end closes a text."""
    pieces = model.stream(n, prompt, chunk=PIECE, **settings)  # refuses what it cannot do
    _put(model, prompt)
    for piece in pieces:
        _put(model, piece)
    if model.vocabulary_.kind != "byte":
        sys.stdout.write("\n")
        sys.stdout.flush()


def _put(model: SequenceDensity, piece: Any) -> None:
    _put_text("".join(f"{v} " for v in piece) if model.vocabulary_.kind == "id" else piece)


def _put_text(piece: str | bytes) -> None:
    if isinstance(piece, bytes):
        sys.stdout.buffer.write(piece)
    elif sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
        sys.stdout.write(piece)
    else:
        sys.stdout.buffer.write(_utf8(piece))
    sys.stdout.flush()


def _utf8(text: str) -> bytes:
    """Return a text as it goes into files and pipes, whatever the terminal's encoding is."""
    return text.encode("utf-8", "backslashreplace")  # half a surrogate pair is no text


def _write(
    common: Common,
    model: Generating,
    n: int,
    out: Path,
    prompt: Any,
    settings: dict[str, Any],
) -> None:
    """Write a prompt and what follows it to a file: .txt, or for ids a table."""
    check_output(out, *(TABLES if model.vocabulary_.kind == "id" else (".txt",)))
    drawn = model.sample(n, prompt, **settings)
    if model.vocabulary_.kind == "id":
        write_rows(out, np.array([[*prompt, *drawn]]))
    else:
        text = prompt + drawn
        with replacing(out) as temporary:
            temporary.write_bytes(text if isinstance(text, bytes) else _utf8(text))
    common.say(f"{n:,} symbols; {out}")


def _lines(
    common: Common,
    model: Generating,
    n: int,
    out: Path | None,
    prompt: Any,
    settings: dict[str, Any],
) -> None:
    """Draw n whole sequences and write them a line each, to a .txt file or standard output."""
    if out is not None:
        check_output(out, ".txt")
    for_bytes = model.vocabulary_.kind == "byte"
    drawn = model.sample(CHARACTERS, prompt or None, size=n, **settings)
    if model.vocabulary_.kind == "id":
        prompt, drawn = "", [" ".join(map(str, [*prompt, *row])) for row in drawn]
    text = (b"" if for_bytes else "").join(
        prompt + row + (b"\n" if for_bytes else "\n") for row in drawn
    )
    if out is None:
        _put_text(text)
    else:
        with replacing(out) as temporary:
            temporary.write_bytes(text if isinstance(text, bytes) else _utf8(text))
        common.say(f"{n:,} lines; {out}")


def _rows(
    common: Common,
    run: Path,
    model: Generating,
    n: int,
    out: Path | None,
    columns: int | None,
    draw: tuple[Any, int, dict[str, Any]],
) -> None:
    """Draw n rows and write them as a picture or a table."""
    out = out or Path("samples.png")
    check_output(out, *PICTURES, *TABLES)
    refuse_columns(columns, out.suffix.lower() in PICTURES, f"{out} holds none")
    prompt, left, settings = draw
    drawn = model.sample(left, prompt, size=n, **settings)
    rows = np.hstack([np.tile(np.array(prompt, np.int32), (n, 1)), drawn])
    if out.suffix.lower() in PICTURES:
        grey = rows / max(1, model.vocabulary_.size - 1)
        shape = runs.image_shape(run, rows.shape[1])
        picture(out, "sample_grid", grey, shape, columns, f"samples of {model.model_}")
    else:
        write_rows(out, rows)
    common.say(f"{n:,} samples; {out}")


def attention(
    common: Common, run: Path, prompt: str, out: Path, layer: int, label: str | None
) -> None:
    """Draw where a model looks as it predicts each symbol of a prompt; .npy: (heads, T, T)."""
    check_output(out, *PICTURES, ".npy")
    model = runs.open_model(run)
    if not isinstance(model, Attentive):
        raise ValueError(f"{run} holds no model with attention, but {type(model).__name__}")
    common.show(model)
    n_layers = getattr(model.config_, "n_layers", 1)
    if layer > n_layers:
        raise ValueError(
            f"--layer goes from 1 to {n_layers} in this model, 0 the last; got {layer}"
        )
    y = labels.one(model, label)
    text, chosen = _prompt(model, prompt), layer - 1 if layer else -1
    if out.suffix.lower() == ".npy":
        write_rows(out, model.attention_map(text, y, layer=chosen))
    else:
        from chainrule import plots

        plots.save(model.plot_attention(text, y, layer=chosen), out)
    common.say(f"{out}")


def nats_and_bits(nats: float) -> str:
    """Return nats a symbol beside bits, in words."""
    return f"{nats:.4f} nats, {nats / log(2):.4f} bits a symbol"
