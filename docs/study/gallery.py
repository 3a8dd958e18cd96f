"""The gallery: pictures that the build draws, beside the function that drew each, and older ones.

Models are small and trained on the NumPy reference: nothing has to be compiled for them.
"""

import ast
import inspect
import shutil
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import chainrule as cr
from study.places import ROOT

IMPORTS = """\
from functools import cache
from typing import Any

import chainrule as cr

TOP = [i < 32 for i in range(64)]


"""
TOP = [i < 32 for i in range(64)]  # of 8 × 8 pixels


@cache
def digits() -> Any:
    """Return scikit-learn's digits, as bits."""
    return cr.datasets.load("digits")


@cache
def nade() -> Any:
    """Return a small NADE of them."""
    model = cr.NADE(n_hidden=100, epochs=60, learning_rate=0.01, seed=0, backend="reference")
    return model.fit(digits().train.x)


@cache
def made() -> Any:
    """Return a small MADE of them."""
    model = cr.MADE((32,), epochs=5, learning_rate=0.01, seed=0, backend="reference")
    return model.fit(digits().train.x)


def samples() -> Any:
    """Digits of 8 × 8 bits that a small NADE drew, their probabilities, the nearest real ones."""
    x, known = nade().sample(30, seed=1), digits().train.x
    nearest = known[[(known != row).sum(axis=1).argmin() for row in x]]
    return cr.plots.with_nearest(x, nade().conditionals(x), nearest)


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


def attention() -> Any:
    """Where each symbol of a text looks, in a small Transformer that knows it by heart."""
    text = "the cat sat on the mat and the dog sat on the cat. " * 40
    model = cr.Transformer(
        1, 2, 16, context=24, steps=150, batch_size=8, learning_rate=0.02, seed=0,
        backend="reference",
    )  # fmt: skip
    return model.fit(text).plot_attention("the cat sat on the mat")


def images(x: Any) -> Any:
    """Return rows as images."""
    return x.reshape(-1, 8, 8, 1)


def receptive_fields() -> Any:
    """What a pixel of PixelCNNs sees, by the gradient: one stack has a blind spot, two have none.

    Six small layers reach six pixels up and to the left, so that all that comes before is in reach;
    but with one stack nothing that is farther to the right than it is up gets there.
    """
    x, nets = images(digits().train.x[:200]), {}
    for name, gated in (("one stack", False), ("two stacks, gated", True)):
        nets[name] = cr.PixelCNN(
            gated=gated, n_layers=5, n_features=8, first_size=3, levels=2, epochs=2,
            batch_size=20, learning_rate=0.01, seed=0, backend="reference",
        ).fit(x)  # fmt: skip
    return cr.plots.receptive_field(x[:20], (6, 2), model=nets)


def detection() -> Any:
    """Digits turned upside down, told from digits by the likelihood of a small NADE."""
    detector = cr.Detector(nade()).fit(digits().valid.x)
    clean = digits().test.x
    scores = detector.score_samples(clean), detector.score_samples(clean[:, ::-1])
    return cr.plots.roc({"likelihood": cr.detection.roc(*scores)})


SHARED: tuple[Callable[..., Any], ...] = (digits, nade, made, images)
DRAWN: tuple[Callable[[], Any], ...] = (
    samples,
    completions,
    attention,
    masks,
    influence,
    receptive_fields,
    detection,
)
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
    parts = [
        "Gallery",
        "=" * 14,
        "",
        "Drawn by this build, each by the lines below it. They begin with",
        "",
    ]
    parts += [".. code-block:: python", "", textwrap.indent(begin(), "   "), ""]
    for make in DRAWN:
        file = f"drawn_{make.__name__}.png"
        cr.plots.save(make(), folder / file)
        parts += _shown(file, " ".join((inspect.getdoc(make) or "").split()))
        parts += [".. code-block:: python", "", _body(make), ""]
    parts += ["Kept in the repository, since they take longer.", ""]
    for name, said, command in KEPT:
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
            parts += _shown(Path(name).name, said)
            parts += [".. code-block:: sh", "", f"   {command}", ""]
    return "\n".join(parts)


def begin() -> str:
    """Return the lines that all pictures begin with."""
    return IMPORTS + "\n\n".join(inspect.getsource(inspect.unwrap(make)) for make in SHARED)


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
    source = textwrap.dedent(inspect.getsource(make))
    begin = ast.parse(source).body[0].body[1].lineno  # type: ignore[attr-defined]
    lines = source.splitlines()[begin - 1 :]
    return "\n".join(f"   {line.removeprefix('    ')}" for line in lines)
