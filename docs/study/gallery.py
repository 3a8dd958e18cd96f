"""The gallery: pictures that the build draws, beside the function that drew each, and older ones.

Models are small and trained on the NumPy reference: nothing has to be compiled for them.
"""

import inspect
import shutil
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import chainrule as cr
from study.places import ROOT

TOP = [i < 32 for i in range(64)]  # of 8 × 8 pixels


@cache
def digits() -> Any:
    """Return scikit-learn's digits, as bits."""
    return cr.datasets.load("digits")


@cache
def nade() -> Any:
    """Return a small NADE of them."""
    model = cr.NADE(n_hidden=50, epochs=8, learning_rate=0.01, seed=0, backend="reference")
    return model.fit(digits().train.x)


@cache
def made() -> Any:
    """Return a small MADE of them."""
    model = cr.MADE((32,), epochs=5, learning_rate=0.01, seed=0, backend="reference")
    return model.fit(digits().train.x)


def samples() -> Any:
    """Digits that a small NADE drew, beside the probability of each pixel."""
    x = nade().sample(30, seed=1)
    return cr.plots.samples_with_probabilities(x, nade().conditionals(x))


def completions() -> Any:
    """The lower halves of digits, drawn six times each given the upper ones."""
    x = digits().test.x[:8]
    ways = [nade().sample(len(x), seed=k, given=x, observed=TOP) for k in range(6)]
    return cr.plots.completions(x, TOP, ways)


def masks() -> Any:
    """MADE's masks: which unit sees which, layer by layer."""
    return cr.plots.masks(made().masks_[0])


def influence() -> Any:
    """What each output of MADE really sees of its input: nothing on the diagonal or above it."""
    seen = cr.plots.influence(made().conditionals, digits().test.x[:50])
    return cr.plots.influence_maps(seen)


DRAWN: tuple[Callable[[], Any], ...] = (samples, completions, masks, influence)
KEPT = (  # files of the repository, what they show, and the command that made them
    ("examples/samples.png", "What `chainrule demo` draws in a minute.", "chainrule demo"),
    (
        "examples/densities_rings_20.png",
        "RNADE of two rings.",
        "python examples/densities.py > examples/densities.md",
    ),
    ("examples/masking.png", "What masks add to an autoencoder.", "python examples/masking.py"),
    (
        "bench/results/text_mnist_transformer.png",
        "Digits of a Transformer, pixel by pixel.",
        "python -m bench.text mnist_transformer --minutes 60",
    ),
    (
        "bench/results/likelihood_mnist_nade.png",
        "Digits of NADE with 2,000 units.",
        "python -m bench.likelihood mnist_nade",
    ),
    (
        "bench/results/likelihood_mnist_made.png",
        "Digits of MADE with 4,000 units.",
        "python -m bench.likelihood mnist_made",
    ),
)


def write(folder: Path) -> str:
    """Draw and copy all pictures into a folder, and return the page that shows them."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = ["Gallery", "=" * 14, "", "Drawn by this build, each by the lines below it.", ""]
    for make in DRAWN:
        file = f"drawn_{make.__name__}.png"
        cr.plots.save(make(), folder / file)
        parts += _shown(file, inspect.getdoc(make) or "")
        parts += [".. code-block:: python", "", _body(make), ""]
    parts += ["Kept in the repository, since they take longer.", ""]
    for name, said, command in KEPT:
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
            parts += _shown(Path(name).name, said)
            parts += [".. code-block:: sh", "", f"   {command}", ""]
    return "\n".join(parts)


def _shown(file: str, said: str) -> list[str]:
    return [
        f".. figure:: gallery/{file}",
        f"   :alt: {said.replace('`', '')}",
        "",
        f"   {said}",
        "",
    ]


def _body(make: Callable[[], Any]) -> str:
    """Return the lines of a function, without its head and docstring."""
    lines = textwrap.dedent(inspect.getsource(make)).splitlines()
    return "\n".join(f"   {line.removeprefix('    ')}" for line in lines[2:])
