"""A masked convolution of six pixels, forward and backward."""

import numpy as np

from chainrule.kernels.masked_conv import reference
from chainrule.kernels.masked_conv.windows import raster
from study.graphs import Arrow, Box, figure, table

WINDOW = raster(3, "A")
TAPS = list(WINDOW.taps())
W = np.array([0.2, -0.5, 0.4, 0.3])  # by tap
BIAS = 0.1
X = np.array([[0.5, -1.0, 0.8], [0.3, 0.6, -0.7]])
G = np.array([[0.4, -0.2, 0.5], [1.0, -0.6, 0.3]])  # dL/dy, as if a loss had said so
R, S = X.shape
A_ROW = 7  # products side by side in the picture: those of taps 0 to 2, and below those of tap 3
ONCE_EACH = (
    "A box is drawn once for each product that it is in: y is b and what all arrows to it bring, "
    "and the gradients that come back to a pixel's boxes add up to its own, dx."
)


def pairs() -> list[tuple[int, tuple[int, int], tuple[int, int]]]:
    """Return (tap, pixel that looks, pixel seen) of every product that there is."""
    return [
        (t, (i, j), (i + u, j + v))
        for i, j in np.ndindex(R, S)
        for t, (u, v) in enumerate(TAPS)
        if 0 <= i + u < R and 0 <= j + v < S
    ]


def worked() -> dict[str, np.ndarray]:
    """Return outputs and gradients by the steps, and hold them against the reference."""
    y, dx, dW = np.full((R, S), BIAS), np.zeros((R, S)), np.zeros(len(TAPS))
    for t, here, there in pairs():
        y[here] += X[there] * W[t]  # F1
        dW[t] += X[there] * G[here]  # B1
        dx[there] += G[here] * W[t]  # B3
    f = {"y": y, "dx": dx, "dW": dW, "db": np.array([G.sum()])}  # B2
    images = [a[None, :, :, None] for a in (X, G)]
    matrices, bias = W[:, None, None], np.array([BIAS])
    out, d = np.empty_like(images[0]), [np.empty_like(a) for a in (images[0], matrices, bias)]
    reference.forward(images[0], matrices, bias, WINDOW, out)
    reference.backward(images[1], images[0], matrices, WINDOW, *d)
    for ours, right in zip((y, dx, dW, f["db"]), (out, *d), strict=True):
        np.testing.assert_allclose(ours.reshape(-1), right.reshape(-1), atol=1e-12)
    return f


def graph() -> str:
    """Return the picture: every product by itself, from its pixel by its tap to its output."""
    boxes, arrows = [], []
    of_tap = sorted(pairs(), key=lambda pair: pair[0])
    for k, (t, here, there) in enumerate(of_tap):
        at, down = 97 * (k % A_ROW), 300 * (k // A_ROW)
        (i, j), (a, b) = here, there
        pixel, tap, output = (f"{kind}{k}" for kind in ("x", "W", "y"))
        boxes += [
            Box(at, down, pixel, f"x{a}{b}"),
            Box(at, down + 100, tap, f"· W_{t}"),
            Box(at, down + 200, output, f"y{i}{j}"),
        ]
        arrows += [
            Arrow(pixel, tap, X[there], G[here] * W[t]),
            Arrow(tap, output, X[there] * W[t], G[here]),
        ]
    title = "A masked convolution of six pixels, product by product, taps 0 to 3"
    return figure(boxes, arrows, title, ONCE_EACH)


def page() -> str:
    """Return the page."""
    f = worked()
    sums = [
        f"y{i}{j} = {BIAS} "
        + " ".join(f"+ {X[b]:.1f}·{W[t]:.1f}" for t, a, b in pairs() if a == (i, j))
        for i, j in np.ndindex(R, S)
    ]
    into = [
        f"dx{i}{j} = "
        + (" + ".join(f"{G[a]:.1f}·{W[t]:.1f}" for t, a, b in pairs() if b == (i, j)) or "0")
        for i, j in np.ndindex(R, S)
    ]
    of_taps = [
        f"dW_{k} = " + " + ".join(f"{X[b]:.1f}·{G[a]:.1f}" for t, a, b in pairs() if t == k)
        for k in range(len(TAPS))
    ]
    blocks = [
        "```text\n" + "\n".join(lines).replace("+ -", "- ") + "\n```"
        for lines in (sums, of_taps, into)
    ]
    taps = ", ".join(f"{k}: {tap}" for k, tap in enumerate(TAPS))
    return "\n\n".join(
        [
            "# A masked convolution in numbers",
            "An image of two rows of three pixels, one channel, and a 3 × 3 window of kind A, of "
            "which four taps are before "
            f"the pixel: rows and columns {taps}. The labels are those of "
            f"[masked_conv](../operations/masked_conv.rst).",
            table(("x", X), ("W by tap", W), ("b", [BIAS])),
            "## Forward",
            "F1: each output is b and a product for each tap that is in the image. y00 sees "
            "nothing, y12 three pixels.",
            blocks[0],
            table(("y", f["y"])),
            "## Backward",
            "G = dL/dy is given. B1: a tap's weight collects what it multiplied; B2: b the sum of "
            "G.",
            table(("G", G)),
            blocks[1],
            table(("dW", f["dW"]), ("db", f["db"])),
            "B3: a pixel collects from every output that saw it, through the same weight: the "
            "mirrored window. The last pixel, "
            "x12, is seen by nobody.",
            blocks[2],
            table(("dx", f["dx"])),
            graph(),
        ]
    )
