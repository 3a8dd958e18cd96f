"""The tiny Transformer of examples/, its page as it is, and a graph of its arrays."""

import importlib.util
import re
from typing import Any

import numpy as np

from chainrule.kernels import use_backend
from study.graphs import Arrow, Box, figure
from study.places import ROOT

TITLE = (
    "The tiny Transformer; z is the attention half's and the MLP half's x, z' the MLP half's z; "
    "numbers are lengths of arrays, √Σ a²"
)


def example() -> Any:
    """Return examples/tiny_transformer.py as a module."""
    path = ROOT / "examples" / "tiny_transformer.py"
    spec = importlib.util.spec_from_file_location("tiny_transformer", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def graph(tiny: Any) -> str:
    """Return the picture: of each array its length, and that of its gradient."""
    w = tiny.weights(tiny.parameters())
    f = tiny.forward(w)
    d = tiny.backward(w, f)
    (_, k, _), (_, dk, _) = tiny.split(f["qkv"]), tiny.split(d["dqkv"])
    q, v = tiny.split(f["qkv"])[0], tiny.split(f["qkv"])[2]
    dq, dv = tiny.split(d["dqkv"])[0], tiny.split(d["dqkv"])[2]
    dP, _, ds = tiny.through_softmax(f, d)
    halves = zip(np.hsplit(d["dqkv"], 3), np.hsplit(w["W_qkv"], 3), strict=True)
    parts = [back @ W.T for back, W in halves]

    def arrow(start: str, end: str, value: Any, gradient: Any, shift: float = 0.5) -> Arrow:
        return Arrow(start, end, np.linalg.norm(value), np.linalg.norm(gradient), shift)

    places = {
        **{"x": (0, 290), "LN x": (130, 110), "q": (260, 0), "k": (260, 110), "v": (260, 220)},
        **{"s": (390, 55), "P": (500, 55), "a": (610, 140), "z": (740, 290), "LN z": (860, 110)},
        **{"u": (970, 110), "y": (1080, 110), "z'": (1200, 290), "LN z'": (1330, 290)},
        **{"logits": (1460, 290), "loss": (1580, 290)},
    }
    boxes = [Box(1.9 * y, 0.75 * x, name) for name, (x, y) in places.items()]  # from above down
    arrows = [
        arrow("x", "LN x", f["x"], d["dx"] - d["dz"]),
        arrow("x", "z", f["x"], d["dz"], 0.75),
        *(arrow("LN x", n, f["h"], back) for n, back in zip("qkv", parts, strict=True)),
        *(arrow(n, "s", a, da) for n, a, da in (("q", q, dq), ("k", k, dk))),
        arrow("s", "P", tiny.scores(f), ds),
        arrow("P", "a", tiny.probabilities(f), dP),
        arrow("v", "a", v, dv),
        arrow("a", "z", f["a"], d["da"]),
        arrow("z", "LN z", f["z"], d["dz"] - d["dx2"]),
        arrow("z", "z'", f["z"], d["dx2"]),
        arrow("LN z", "u", f["h2"], d["dh2"]),
        arrow("u", "y", f["u"], d["du"]),
        arrow("y", "z'", f["y"], d["dy"]),
        arrow("z'", "LN z'", f["x2"], d["dx2"]),
        arrow("LN z'", "logits", f["h3"], d["dh3"]),
        arrow("logits", "loss", f["s"], d["ds"]),
    ]
    return figure(boxes, arrows, TITLE)


def linked(text: str) -> str:
    """Return the page with its links to derivations leading to their pages here."""
    text = re.sub(r"\(\.\./kernels/(\w+)/__init__\.py\)", r"(../operations/\1.rst)", text)
    return re.sub(r"\(\.\./engine/(\w+/\w+)\.py\)", r"(../\1.rst)", text)


def page() -> str:
    """Return the page."""
    with use_backend("reference"):
        tiny = example()
        return f"{linked(tiny.page())}\n{graph(tiny)}\n"
