"""Every kernel operation as one call, the same for a NumPy twin, the rig and a real GPU.

A case makes inputs from sizes and runs an operation, a module with the contract's functions, on
them. So one test compares whatever implements the contract with `reference`, output by output.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from cuda_on_cpu import (
    attention,
    convolution,
    gated,
    grids,
    levels,
    masked,
    networks,
    recurrent,
    tables,
)
from cuda_on_cpu import transformer_parts as parts

from chainrule.kernels import (
    activation,
    adam,
    bernoulli,
    causal_attention,
    columns,
    dense,
    dropout,
    embedding,
    gate,
    gelu,
    grid_lstm,
    gru,
    layer_norm,
    linear,
    logistics,
    lstm,
    masked_bits,
    masked_conv,
    masked_linear,
    mixture,
    nade,
    nade_columns,
    rnn,
    rotary,
    softmax_cross_entropy,
    triangular,
)
from chainrule.kernels.dispatch import array_module

Arrays = dict[str, Any]

# One of everything; sizes just past a warp (32) and a block (128); several blocks; more variables
# than a tile (32); more than 256 samples, where NADE's backward changes its shape; several chunks.
SHAPES = (
    (1, 1, 1),
    (2, 3, 31),
    (3, 5, 33),
    (2, 4, 129),
    (5, 7, 260),
    (37, 3, 8),
    (13, 70, 20),
    (300, 9, 40),
    (2, 3, 1100),
)
LABELLED = (300, 8, 40)  # many classes of as many samples as several blocks hold
HEADROOM = 4  # a kernel may round this many times worse than NumPy in the same dtype


def _bits(rng: np.random.Generator, *shape: int) -> Any:
    return rng.integers(0, 2, shape).astype(np.uint8)


@dataclass(frozen=True)
class Case:
    """A contract, `op`; `inputs(rng, N, D, H)` for it, in float64; `run(twin, **inputs)`.

    shapes: (N, D, H) of what runs on the rig.
    """

    op: ModuleType
    inputs: Callable[[np.random.Generator, int, int, int], Arrays]
    run: Callable[..., Arrays]
    shapes: tuple[tuple[int, int, int], ...] = SHAPES


def _labels(rng: np.random.Generator, N: int, D: int) -> tuple[int, Any]:
    """Return how many classes there are, by the sizes: one, a few or many; and the rows' own."""
    n_classes = (1, 3, 20)[(N + D) % 3]
    y = rng.integers(0, n_classes, N if n_classes > 1 else 0)
    return n_classes, y.astype(np.int32)


def _nade_inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    n_classes, y = _labels(rng, N, D)
    shapes = {"W": (D, H), "V": (D, H), "b": (D,), "c": (n_classes, H), "ds": (N, D)}
    numbers = {name: rng.normal(size=s) for name, s in shapes.items()}
    return {"x": _bits(rng, N, D), **numbers, "y": y}


def _nade(op: Any, x: Any, W: Any, V: Any, b: Any, c: Any, ds: Any, y: Any) -> Arrays:
    a_end = array_module(W).empty((len(x), W.shape[1]), W.dtype)
    outputs = {"s": ds * np.nan, "a_end": a_end}
    op.forward(x, W, V, b, c, y, *outputs.values())
    grads = {f"d{name}": p * np.nan for name, p in zip("WVbc", (W, V, b, c), strict=True)}
    op.backward(ds, x, W, V, a_end, y, *grads.values())
    sweep = {"nll": ds[:, 0] * np.nan} | {f"one sweep {k}": g * np.nan for k, g in grads.items()}
    op.nll_and_grad(x, W, V, b, c, y, 0.3, *sweep.values())
    outputs |= {"log_p": ds[:, 0] * np.nan, "dx": ds * np.nan}
    op.log_prob(x, W, V, b, c, y, outputs["log_p"])
    op.input_gradient(ds, x, W, V, a_end, outputs["dx"])
    return outputs | grads | sweep


def _triangular_inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    n_classes, y = _labels(rng, N, D)
    D = max(D, H)
    shapes = {"alpha": (D * (D - 1) // 2,), "b": (n_classes, D), "ds": (N, D)}
    numbers = {name: rng.normal(size=s) for name, s in shapes.items()}
    return {"x": _bits(rng, N, D), **numbers, "y": y}


def _triangular(op: Any, x: Any, alpha: Any, b: Any, ds: Any, y: Any) -> Arrays:
    outputs = {"s": ds * np.nan, "dalpha": alpha * np.nan, "db": b * np.nan, "dx": ds * np.nan}
    op.forward(x, alpha, b, y, outputs["s"])
    op.backward(ds, x, y, outputs["dalpha"], outputs["db"])
    op.input_gradient(ds, alpha, outputs["dx"])
    return outputs


def _bernoulli_inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    s = rng.normal(0, 10, (N, max(D, H)))  # wide enough to saturate the sigmoid
    return {"x": _bits(rng, *s.shape), "s": s, "dnll": rng.normal(size=N)}


def _bernoulli(op: Any, x: Any, s: Any, dnll: Any) -> Arrays:
    outputs = {"nll": dnll * np.nan, "log_p": s * np.nan, "ds": s * np.nan, "in place": s.copy()}
    op.forward(s, x, outputs["nll"])
    op.terms(s, x, outputs["log_p"])
    op.backward(dnll, s, x, outputs["ds"])
    op.backward(dnll, outputs["in place"], x, outputs["in place"])
    for name, ds in (("both", s * np.nan), ("both in place", s.copy())):
        outputs |= {f"nll of {name}": dnll * np.nan, f"ds of {name}": ds}
        op.loss(dnll, s if name == "both" else ds, x, outputs[f"nll of {name}"], ds)
    return outputs


def _adam_inputs(rng: np.random.Generator, N: int, D: int, H: int) -> Arrays:
    theta, g, m, v = rng.normal(size=(4, N * D * H))
    g[0], m[0] = 0, np.finfo(np.float32).tiny  # falls below it, A9
    return {"theta": theta, "g": g, "m": m, "v": v**2}


def _adam(op: Any, theta: Any, g: Any, m: Any, v: Any) -> Arrays:
    half = len(theta) // 2
    rates = {"lr": 1e-2, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.1, "l1": 0.2}
    state = [a.copy() for a in (theta, m, v)]
    outputs = {}
    for t, max_norm in ((1, 0.5), (2, 1e9), (3, 0.0)):  # clipped, not reached, not asked for
        norm = op.step(
            state[0], g, *state[1:], t, **rates, n_decay=half * (t % 2), max_norm=max_norm
        )
        outputs |= {f"{name} {t}": a.copy() for name, a in zip("θmv", state, strict=True)}
        outputs[f"norm {t}"] = np.array([norm])
    m = abs(state[1])
    outputs["subnormal"] = ((m > 0) & (m < np.finfo(m.dtype).tiny)).astype(m.dtype)
    return outputs


RECURRENT = {
    "rnn": Case(rnn, recurrent.inputs(1, "h0"), recurrent.run, recurrent.SHAPES),
    "lstm": Case(lstm, recurrent.inputs(4, "h0", "c0"), recurrent.run, recurrent.SHAPES),
    "gru": Case(gru, recurrent.inputs(3, "b", "h0"), recurrent.run, recurrent.SHAPES),
}
TRANSFORMER_PARTS = {
    "layer_norm": Case(layer_norm, parts.layer_norm_inputs, parts.layer_norm),
    "gelu": Case(gelu, parts.gelu_inputs, parts.gelu),
    "softmax_cross_entropy": Case(
        softmax_cross_entropy, parts.cross_entropy_inputs, parts.cross_entropy
    ),
    "embedding": Case(embedding, parts.embedding_inputs, parts.embedding, (*SHAPES, parts.MANY)),
    "rotary": Case(rotary, parts.rotary_inputs, parts.rotary),
    "dropout": Case(dropout, parts.dropout_inputs, parts.dropout),
}
CASES = {
    "nade": Case(nade, _nade_inputs, _nade, (*SHAPES, LABELLED)),
    "triangular": Case(triangular, _triangular_inputs, _triangular, (*SHAPES, LABELLED)),
    "bernoulli": Case(bernoulli, _bernoulli_inputs, _bernoulli),
    "adam": Case(adam, _adam_inputs, _adam),
    "causal_attention": Case(causal_attention, attention.inputs, attention.run),
    "mixture": Case(mixture, tables.mixture_inputs, tables.mixture, tables.MIXTURES),
    "logistics": Case(logistics, levels.logistics_inputs, levels.logistics, levels.SHAPES),
    "columns": Case(columns, tables.columns_inputs, tables.columns, tables.COLUMNS),
    "activation": Case(activation, masked.activation_inputs, masked.activate),
    "gate": Case(gate, gated.gate_inputs, gated.gate),
    "masked_linear": Case(masked_linear, masked.linear_inputs, masked.linear, masked.SHAPES),
    "masked_bits": Case(masked_bits, masked.bits_inputs, masked.bits, masked.SHAPES),
    "masked_conv": Case(masked_conv, convolution.inputs, convolution.run, convolution.SHAPES),
    "linear": Case(linear, networks.linear_inputs, networks.linear),
    "grid_lstm": Case(grid_lstm, grids.inputs, grids.run, grids.SHAPES),
    "dense": Case(dense, networks.dense_inputs, networks.dense),
    "nade_columns": Case(nade_columns, tables.nade_inputs, tables.nade, tables.NADES),
    **RECURRENT,
    **TRANSFORMER_PARTS,
}


def cast(inputs: Arrays, dtype: Any) -> Arrays:
    """Return the inputs with every floating-point array in `dtype`; integers stay what they are."""
    return {k: a.astype(dtype) if a.dtype.kind == "f" else a for k, a in inputs.items()}


class Expected:
    """What an operation must answer, from `reference`, and how near it must come."""

    def __init__(self, case: Case, reference: Any, inputs: Arrays, dtype: Any) -> None:
        """Run the reference on the inputs, rounded to dtype, in a finer dtype and in dtype itself.

        Finer than float64 too, where the machine has that: a GPU's exp is not NumPy's, and 1 - σ(s)
        of a large logit s is nothing but rounding in the one and in the other.
        """
        inputs = cast(inputs, dtype)
        self.dtype = np.dtype(dtype)
        finer = np.float64 if self.dtype == np.float32 else np.longdouble
        self.truth = case.run(reference, **cast(inputs, finer))
        self.numpys = case.run(reference, **inputs)

    def check(self, got: Arrays) -> None:
        """Raise AssertionError where an output is further off than NumPy's own rounding allows."""
        for name, true in self.truth.items():
            ours = np.asarray(got[name])
            assert ours.shape == true.shape, name
            if not name.startswith("norm"):
                assert ours.dtype == self.numpys[name].dtype, name
            floor = 16 * np.finfo(self.dtype).eps * np.abs(true).max(initial=0)
            allowed = HEADROOM * np.abs(self.numpys[name] - true).max(initial=0) + floor
            error = np.abs(ours - true).max(initial=0)
            assert error <= allowed, f"{name}: off by {error:.3g}, allowed {allowed:.3g}"


def given_and_uniforms(rng: np.random.Generator, N: int, D: int, dtype: Any) -> tuple[Any, Any]:
    """Return bits, and uniforms of which about one in four is negative: keep the bit there.

    All of the first row is kept, and nothing of the last where there are more.
    """
    u = rng.random((N, D))
    u[rng.random((N, D)) < 0.25] -= 1 + 1e-6
    u[0] = -1
    u[1:][-1:] %= 1
    return _bits(rng, N, D), u.astype(dtype)


def logits_of(name: str, *params: Any) -> Callable[[Any], Any]:
    """Return a function from x to the logits that nade's or triangular's reference finds."""
    twin = import_module(f"chainrule.kernels.{name}.reference")
    exact = [p.astype(np.float64) if p.dtype.kind == "f" else p for p in params]

    def logits(x: Any) -> Any:
        s = np.empty(x.shape)
        rest = (np.empty((len(x), exact[0].shape[1])),) if name == "nade" else ()
        twin.forward(x, *exact, s, *rest)
        return s

    return logits


def check_draws(x: Any, u: Any, given: Any, logits: Callable[[Any], Any]) -> None:
    """Check sampled x, (N, D), against the logits that `logits` finds for this very x in float64.

    x_i must be given_i where u_i < 0, and else u_i < σ(s_i), but for a u within rounding of σ: at
    most one in a thousand, or one.
    """
    np.testing.assert_array_equal(x[u < 0], given[u < 0])
    eps = np.finfo(u.dtype).eps
    with np.errstate(over="ignore"):
        p = 1 / (1 + np.exp(-logits(x)))
    assert set(np.unique(x)) <= {0, 1}
    wrong = (x != (u < p)) & (u >= 0)
    assert not wrong[np.abs(u - p) > 256 * eps].any(), "a draw that no rounding explains"
    assert wrong.sum() <= max(1, x.size // 1000)
