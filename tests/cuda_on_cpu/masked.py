"""The masked linear map and the activations as cases: what `cases` needs of them."""

from typing import Any

import numpy as np

from chainrule.kernels import activation, masked_bits, masked_linear
from chainrule.kernels.dispatch import array_module, on_device

Arrays = dict[str, Any]
ROWS = (1, 3, 1, 2, 5)  # of W that inputs own, in turn
# One of everything; tiles in part, one and a piece, and several, in all three directions.
SHAPES = ((1, 1, 1), (2, 3, 31), (3, 40, 33), (37, 5, 8), (35, 70, 66), (5, 7, 129))


def activation_inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    """Return sums, two of them where the functions bend, and a gradient."""
    a = rng.normal(0, 3, (N, H))
    a[0, 0], a[-1, -1] = 0, 30
    return {"a": a, "dh": rng.normal(size=(N, H))}


def activate(op: Any, a: Any, dh: Any) -> Arrays:
    """Run all kinds forward, and backward from what came out."""
    outputs = {}
    for kind, name in enumerate(activation.KINDS):
        h, da = a.copy(), dh.copy()
        op.forward(kind, h)
        op.backward(kind, h, da)
        outputs |= {name: h, f"d{name}": da}
    return outputs


def stairs_of(m_in: Any, m_out: Any, strict: bool, n_rows: Any, like: Any) -> Any:
    """Return the staircase of these numbers, on the side of an array."""
    on_host = (a.get() if on_device(a) else a for a in (m_in, m_out, n_rows))
    m_in, m_out, n_rows = on_host
    return masked_linear.staircase(m_in, m_out, strict, n_rows, array_module(like))


def linear_inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    """Return D inputs of every kind, weights to H outputs, and everybody's numbers."""
    n_rows = np.array(ROWS)[np.arange(D) % len(ROWS)]
    codes = rng.integers(0, np.where(n_rows > 1, n_rows, 2), (N, D))
    shapes = {"W": (D, H), "W_codes": (n_rows.sum(), H), "b": (H,), "dy": (N, H), "old": (N, H)}
    return {
        "m_in": np.sort(rng.integers(1, D + 1, D)),
        "m_out": np.sort(rng.integers(1, D + 1, H)),
        "n_rows": n_rows,
        "real": rng.normal(size=(N, D)),
        "few": (rng.random((N, D)) < 0.1).astype(np.uint8),
        "many": (rng.random((N, D)) < 0.6).astype(np.uint8),
        "codes": codes.astype(np.int32),
        "mixed": np.where(n_rows > 1, codes, rng.normal(size=(N, D))),
        **{name: rng.normal(size=shape) for name, shape in shapes.items()},
    }


def linear(
    op: Any, m_in: Any, m_out: Any, n_rows: Any, W: Any, W_codes: Any, b: Any, dy: Any, **given: Any
) -> Arrays:
    """Run everything on inputs of each kind: numbers, bits of which few or many are on, codes."""
    outputs, old = {}, given.pop("old")
    for name, x in given.items():
        of_codes = name in ("codes", "mixed")
        weights = W_codes if of_codes else W
        some_rows = n_rows if of_codes else n_rows * 0 + 1
        for strict in (False, True):
            stairs = stairs_of(m_in, m_out, strict, some_rows, W)
            y, more, dW, db, dx = (a * np.nan for a in (dy, dy, weights, b, dy[:, :1] * W[:, 0]))
            more[...], piece = old, old.copy()
            op.forward(x, weights, b, stairs, y)
            op.add(x, weights, stairs, more)
            op.backward(dy, x, stairs, dW, db)
            op.input_gradient(dy, weights, stairs, dx)
            through = {f"{k} through": a * np.nan for k, a in (("dW", dW), ("db", db), ("dx", dx))}
            op.backward_through(dy, x, weights, stairs, *through.values())
            for lo, hi in ((0, 1), (1, x.shape[1])):
                op.add_inputs(x[:, lo:hi].copy(), lo, weights, stairs, piece)
            found = {"y": y, "more": more, "piece": piece, "dW": dW, "db": db, "dx": dx, **through}
            outputs |= {f"{key} of {name}, {strict}": a for key, a in found.items()}
    return outputs


def bits_inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    """Return bits, few and many, and a layer between them and their logits."""
    shapes = {"W": (D, H), "c": (H,), "V": (H, D), "b": (D,), "rate": (N,)}
    spread = {"W": D**-0.5, "V": H**-0.5}  # few units saturate: their slopes are rounding alone
    return {
        "m_out": np.sort(rng.integers(1, max(2, D), H)),
        "few": (rng.random((N, D)) < 0.2).astype(np.uint8),
        "many": (rng.random((N, D)) < 0.7).astype(np.uint8),
        **{k: rng.normal(0, spread.get(k, 1), shape) for k, shape in shapes.items()},
    }


def bits(op: Any, m_out: Any, W: Any, c: Any, V: Any, b: Any, rate: Any, **given: Any) -> Arrays:
    """Run each activation on few and on many bits."""
    outputs, variables = {}, np.arange(1, len(b) + 1)
    below = stairs_of(variables, m_out, False, variables * 0 + 1, W)
    above = stairs_of(m_out, variables, True, m_out * 0 + 1, W)
    theta = masked_bits.Layers(W, c, V, b)
    for name, x in given.items():
        for kind, act in enumerate(activation.KINDS):
            h, s = (rate[:, None] * a * np.nan for a in (c, b))
            found = {"h": h, "ds": s, "da": h.copy(), "nll": rate * np.nan}
            grad = masked_bits.Layers(*(a * np.nan for a in theta))
            op.loss_and_grad(kind, x, rate, theta, below, above, *found.values(), grad)
            found |= {f"d{k}": a for k, a in grad._asdict().items()}
            outputs |= {f"{key} of {name}, {act}": a for key, a in found.items()}
    return outputs
