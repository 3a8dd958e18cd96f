"""`chainrule attention`: where a model looks as it predicts each symbol of a prompt."""

from pathlib import Path
from typing import Any

from chainrule.commands import labels, prompts, runs
from chainrule.commands.common import PICTURES, Common, check_output, write_rows


def attention(
    common: Common, run: Path, prompt: str, out: Path, layer: int, label: str | None
) -> None:
    """Draw where a model looks as it predicts each symbol of a prompt; .npy: (heads, T, T)."""
    check_output(out, *PICTURES, ".npy")
    model: Any = runs.open_model(run)
    if not model._model().ABILITIES.attention:
        raise ValueError(f"{run} holds no model with attention, but {type(model).__name__}")
    common.show(model)
    n_layers = getattr(model.config_, "n_layers", 1)
    if layer > n_layers:
        raise ValueError(
            f"--layer goes from 1 to {n_layers} in this model, 0 the last; got {layer}"
        )
    if label is None and model.classes_ is not None:
        raise ValueError(
            f"this model was fitted with labels; give --label, one of {labels.known(model)}"
        )
    y, text, chosen = labels.one(model, label), prompts.parsed(model, prompt), layer - 1
    if out.suffix.lower() == ".npy":
        write_rows(out, model.attention_map(text, y, layer=chosen))
    else:
        from chainrule import plots  # matplotlib takes a while, and most never draw

        plots.save(model.plot_attention(text, y, layer=chosen), out)
    common.say(f"{out}")
