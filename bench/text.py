"""Character models on tiny-shakespeare, and the Transformer on images, by named protocols.

    CHAINRULE_DATA=<folder> python -m bench.text transformer lstm rnn attention_rnn
    CHAINRULE_DATA=<folder> python -m bench.text mnist_transformer

The last tenth of the text is validation data, of which every symbol is scored; the step whose
parameters are kept is chosen on a part of it. All models of text see the same number of symbols,
2000 steps of 12 pieces of 64, and none has more parameters than the Transformer. Each protocol
writes bench/results/text_<protocol>.json with the machine and the wall time, and a sample beside
it. `bench.pixels` says how the last one is trained and scored.
"""

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import chainrule as cr
from bench import machine, pixels
from chainrule.engine.storage.files import replacing

RESULTS = Path(__file__).parent / "results"
RUNS = Path("runs")  # where the training that may be interrupted keeps its files
PROMPT, LENGTH = "ROMEO:", 1000

BUDGET: dict[str, Any] = {"context": 64, "batch_size": 12, "steps": 2000, "seed": 0}
MODELS = {
    "transformer": cr.Transformer(
        n_layers=4, n_heads=4, n_embd=128, learning_rate=4e-3, warmup=0.05, clip_norm=1.0, **BUDGET
    ),
    "lstm": cr.RNN(408, cell="lstm", learning_rate=3e-3, **BUDGET),
    "rnn": cr.RNN(832, cell="tanh", learning_rate=1e-3, **BUDGET),
    "attention_rnn": cr.AttentionRNN(400, cell="lstm", n_heads=5, learning_rate=3e-3, **BUDGET),
}
IMAGES = "mnist_transformer"


def text(protocol: str, steps: int | None) -> tuple[dict[str, Any], str]:
    """Fit the protocol's model; return its likelihoods, in nats a character, and a sample."""
    data = cr.datasets.load_text("tinyshakespeare")
    model = MODELS[protocol].set_params(verbose=True)
    if steps:
        model.set_params(steps=steps)
    start = time.perf_counter()
    model.fit(data.train, X_valid=data.valid)
    seconds = time.perf_counter() - start
    nats = -model.score(data.valid)
    result = {
        "data": data.name,
        "characters": {"train": len(data.train), "valid": len(data.valid)},
        "estimator": type(model).__name__,
        "hyperparameters": model.get_params(),
        "n_parameters": int(model.params_.size),
        "valid_nats_per_character": nats,
        "valid_bits_per_character": nats / math.log(2),
        "valid_perplexity": math.exp(nats),
        "best_step": model.best_step_,
        "history": model.history_,
        "fit_seconds": seconds,
    }
    return result, PROMPT + model.sample(LENGTH, PROMPT, temperature=0.8, seed=1)


def row(protocol: str, result: dict[str, Any]) -> str:
    """Return one line about a result."""
    if protocol == IMAGES:
        return (
            f"{protocol:18} test {result['test_nats_given_label']:.2f} nats given the label, at "
            f"most {result['test_nats_at_most']:.2f} without; {result['subset_nats']:.2f} ± "
            f"{result['subset_standard_error']:.2f} on {result['subset_rows']} rows"
        )
    return (
        f"{protocol:18} {result['n_parameters']:9,} parameters  valid "
        f"{result['valid_nats_per_character']:.4f} nats  {result['valid_bits_per_character']:.4f} "
        f"bits a character  step {result['best_step']}  {result['fit_seconds']:.0f} s"
    )


def write(folder: Path, protocol: str, result: dict[str, Any], sample: str | Path) -> None:
    """Write the result with the command, the machine and the versions, and the sample."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "command": f"python -m bench.text {protocol}{_minutes(result)}",
        "machine": machine.describe(),
        "versions": machine.versions(),
        "result": result,
    }
    with replacing(folder / f"text_{protocol}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")
    content = sample.encode() if isinstance(sample, str) else sample.read_bytes()
    ending = ".txt" if isinstance(sample, str) else ".png"
    with replacing(folder / f"text_{protocol}{ending}") as temporary:
        temporary.write_bytes(content)


def _minutes(result: dict[str, Any]) -> str:
    """Return the option that asks for so long a training on images, or nothing."""
    minutes = result.get("minutes_asked_for")
    return "" if minutes is None else f" --minutes {minutes:g}"


def main() -> None:
    """Run the protocols named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("protocols", nargs="+", choices=[*MODELS, IMAGES])
    parser.add_argument("--steps", type=int, help="fewer or more, of a model of text")
    parser.add_argument("--minutes", type=float, default=60, help="of the training on images")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    for protocol in asked.protocols:
        if protocol == IMAGES:
            folder = RUNS / IMAGES
            result: dict[str, Any] = pixels.run(folder, asked.minutes)
            sample: str | Path = folder / "samples.png"
        else:
            result, sample = text(protocol, asked.steps)
        write(asked.out, protocol, result, sample)
        print(row(protocol, result), flush=True)


if __name__ == "__main__":
    main()
