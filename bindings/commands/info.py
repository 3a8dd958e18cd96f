"""`chainrule info`: what a run holds, and what its model would cost untied."""

import dataclasses
from math import ceil, log, prod
from pathlib import Path
from typing import Any

from chainrule.commands import labels, runs, tabular
from chainrule.commands.common import Common, bits, console, table
from chainrule.commands.fields import spelt
from chainrule.commands.inputs import of_classes, of_images, of_rows
from chainrule.engine import models, ordering
from chainrule.engine.models import nade_untied
from chainrule.engine.storage.container import CheckpointError
from chainrule.registry import spelling

OF_COLUMNS = {"values", "half_steps"}  # fields of a Config
NAMED_ORDERS = {"raster": "raster (columns as they are)", "reverse": "reverse"}


def info(common: Common, run: Path) -> None:
    """Print the model, its arrays, its training and its files."""
    model = runs.open_model(run)
    folder = run if run.is_dir() else None
    out = console()
    facts = table("model", spelling(type(model)), words=2)
    facts.columns[1].no_wrap = False
    for name, value in _facts(model, folder):
        facts.add_row(name, value)
    how_far = None if folder is None else _how_far(folder, of_rows(model))
    if how_far:
        facts.add_row("not finished", how_far)
    out.print(facts, "")
    if how_far:
        resume = f"chainrule train {spelling(type(model))} --out {folder} --resume"
        out.print(f"if it is not at work now, it goes on with: {resume}\n", soft_wrap=True)
    if columns := tabular.described(model):
        out.print(columns, "")
    out.print(_arrays(model))
    out.print("\n" + _untied(model) if model.model_ == "nade" else "")
    if folder is not None:
        files = table("file", "bytes")
        for path in (folder / name for name in runs.FILES):
            if path.exists():
                files.add_row(path.name, f"{path.stat().st_size:,}")
        out.print("", files)


def _how_far(folder: Path, of_rows: bool) -> str | None:
    """Return how far an unfinished training is; None of a finished one, or where none is kept."""
    try:
        saved = runs.load_state(folder)
    except (OSError, CheckpointError):
        return None
    recipe, state = saved.recipe, saved.state
    if 0 < recipe.patience <= len(state.history) - state.best_record:
        return None
    if not of_rows:
        done = f"step {state.step} of {recipe.steps}"
        return done if state.step < recipe.steps else None
    an_epoch = ceil(state.size / recipe.batch_size)
    if an_epoch and state.step == recipe.epochs * an_epoch:
        return None
    steps = f"step {state.step} of {recipe.epochs * an_epoch}, " if an_epoch else ""
    return f"{steps}{state.step // an_epoch if an_epoch else 0} of {recipe.epochs} epochs"


def _facts(model: Any, folder: Path | None) -> list[tuple[str, str]]:
    """Return what is known of the model and its training, as name and value."""
    summary = runs.read_summary(folder) if folder else {}
    facts = [("network", _network(model.config_))]
    facts += [("dtype", str(model.params_.dtype)), *_of_data(model)]
    if model.classes_ is not None:
        facts.append(("labels", labels.known(model)))
    changed = type(model)().get_params()
    chosen = {k: v for k, v in model.get_params().items() if v != changed[k] and k != "ordering"}
    facts.append(("settings", ", ".join(f"{k}={v}" for k, v in chosen.items()) or "all defaults"))
    if "data" in summary:
        facts.append(("data", str(summary["data"])))
    if model.history_:
        facts += _of_training(model)
    if isinstance(summary.get("valid_nats"), float):
        facts.append(("valid, whole", nats_and_bits(summary["valid_nats"])))
    if isinstance(summary.get("test_error"), float):
        facts.append(_error(model, "test", summary["test_error"]))
    if isinstance(summary.get("test_accuracy"), float):
        facts.append(("test, right", f"{summary['test_accuracy']:.2%}"))
    if isinstance(summary.get("test_nll"), float):
        nll, each = summary["test_nll"], summary.get("test_bits_per_dimension")
        D = summary.get("row_length") or model.encoder_.dims
        known = f"{nll:.2f} nats, {each:.4f} bits/dim" if isinstance(each, float) else ""
        facts.append(("test NLL", known or _nll(nll, D)))
    return facts


def _network(config: Any) -> str:
    """Return the sizes and kinds in a Config, spelt as --set takes them; columns are shown below.

    What it has a number of for each column is left out.
    """
    known = ((one.name, getattr(config, one.name)) for one in dataclasses.fields(config))
    shown = ((k, v) for k, v in known if k not in OF_COLUMNS and not (k == "n_classes" and v == 1))
    return ", ".join(f"{name}={spelt(value)}" for name, value in shown) or "one layer"


def _of_data(model: Any) -> list[tuple[str, str]]:
    """Return what a model's observations are, as name and value."""
    if of_images(model):
        return [("images", model.encoder_.describe())]
    if of_rows(model):
        return [("ordering", _order(model))] if hasattr(model, "order_") else []
    known = "".join(repr(c)[1:-1] for c in model.vocabulary_.characters)
    return [("symbols", f"{model.encoder_.describe()} {known}".rstrip())]


def _of_training(model: Any) -> list[tuple[str, str]]:
    """Return how long a model was trained, and how good the record is that was kept."""
    clock, history = model.clock, model.history_
    best, seconds = getattr(model, f"best_{clock}_"), sum(one["seconds"] for one in history)
    done = history[-1].get(clock, getattr(model, f"{clock}s"))
    facts = [(f"{clock}s", f"{done}, best {best}, {seconds:,.1f} s")]
    record = runs.best(history)
    for name in ("train", "valid"):
        if record[name] is not None and not hasattr(model, "log_prob"):
            facts.append(_error(model, name, record[name]))
        elif record[name] is not None and of_rows(model):
            facts.append((f"{name} NLL", _nll(record[name], model.encoder_.dims)))
        elif record[name] is not None:
            facts.append((f"{name}, then", nats_and_bits(record[name])))
    return facts


def _error(model: Any, split: str, error: float) -> tuple[str, str]:
    """Return what a model that is no density errs by: of a classifier -log p(label | x)."""
    if of_classes(model):
        return f"{split} loss", f"{error:.4f} nats a label"
    return f"{split} error", f"{error:.2f} a row"


def nats_and_bits(nats: float) -> str:
    """Return nats a symbol beside bits, in words."""
    return f"{nats:.4f} nats, {nats / log(2):.4f} bits a symbol"


def _nll(nll: float, D: int) -> str:
    return f"{nll:.2f} nats, {bits(nll, D):.4f} bits/dim"


def _order(model: Any) -> str:
    """Return the order of the variables in words, its first entries where it has no name."""
    D = model.n_features_in_
    for name, words in NAMED_ORDERS.items():
        if (model.order_ == ordering.make(name, D, 0)).all():
            return words
    first = ", ".join(str(k) for k in model.order_[:8])
    return f"{first}, …" if D > 8 else first


def _arrays(model: Any) -> object:
    """Return a table of the arrays, their shapes and sizes; of those that hold any number."""
    params = model.params_
    grid = table("array", "shape", "numbers", "bytes")
    for name, array in params.items():
        if not array.size:
            continue
        shape = " × ".join(str(n) for n in array.shape)
        grid.add_row(name, shape, f"{array.size:,}", f"{array.nbytes:,}")
    grid.add_row("all", "", f"{params.size:,}", f"{params.flat.nbytes:,}")
    return grid


def _untied(model: Any) -> str:
    """Return what the same network would cost with a hidden layer for each conditional."""
    D, H = model.config_.n_visible, model.config_.n_hidden
    shapes = models.get("nade_untied").shapes(nade_untied.Config(D, H, model.config_.n_classes))
    size = sum(prod(shape) for shape in shapes.values())
    ratio = size / model.params_.size
    return f"untied, one hidden layer a conditional: {size:,} numbers, {ratio:,.1f} times as many"
