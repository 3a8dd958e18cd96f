"""Every model's settings and what they are if nothing is said, for --help.

Written out, because --help is to be there at once and the estimators, which decide, take a second
or two to import. A test holds this table against them.
"""

from typing import Any

ROWS: dict[str, Any] = {
    "epochs": 50,
    "batch_size": 100,
    "learning_rate": 0.001,
    "schedule": "cosine",
    "warmup": 0.0,
    "weight_decay": 0.0,
    "l1": 0.0,
    "clip_norm": 0.0,
    "beta2": 0.999,
    "accumulation": 1,
    "eval_every": 0,
    "patience": 0,
    "seed": 0,
    "ordering": None,
    "binarize": None,
    "dtype": "float32",
}
SEQUENCES: dict[str, Any] = {
    "context": 64,
    "ends": None,
    "steps": 2000,
    "batch_size": 32,
    "learning_rate": 0.002,
    "schedule": "cosine",
    "warmup": 0.05,
    "weight_decay": 0.0,
    "l1": 0.0,
    "clip_norm": 1.0,
    "beta2": 0.99,
    "accumulation": 1,
    "eval_every": 0,
    "patience": 0,
    "seed": 0,
    "dtype": "float32",
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "nade": {"n_hidden": 500, "tied": True, **ROWS},
    "fvsbn": ROWS,
    "rnn": {"n_hidden": 256, "cell": "tanh", "n_layers": 1, "dropout": 0.0, **SEQUENCES},
    "attention_rnn": {"n_hidden": 256, "cell": "lstm", "n_heads": 1, **SEQUENCES},
    "transformer": {
        "n_layers": 4,
        "n_heads": 4,
        "n_embd": 128,
        "rotary": False,
        "tied": True,
        "dropout": 0.0,
        **SEQUENCES,
        "batch_size": 12,
        "learning_rate": 0.001,
        "weight_decay": 0.1,
    },
}


def spelt(value: Any) -> str:
    """Return a value as --set takes it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def in_words() -> str:
    """Return a paragraph a model: each setting, and what it is if nothing is said."""
    paragraphs = ["Settings that are not given, of each model; those without an option take --set:"]
    for model, settings in DEFAULTS.items():
        pairs = (f"{name}={spelt(value)}" for name, value in settings.items())
        paragraphs.append(f"{model}: {', '.join(pairs)}")
    return "\n\n".join(paragraphs)
