"""Models of sequences to sample from: small ones of every kind, and prompts for them."""

import numpy as np

from chainrule.engine.models import attention_rnn, rnn, transformer

V = 4


def a_transformer(context, **options):
    return transformer, transformer.Config(V, context, 2, 2, 8, **options)


def an_rnn(cell, n_layers=1):
    return rnn, rnn.Config(V, 5, n_layers, cell)


def an_attention_rnn(cell, context, n_heads=1):
    return attention_rnn, attention_rnn.Config(V, 6, context, cell, n_heads)


CASES = {
    "transformer": a_transformer(5),
    "transformer, context 1": a_transformer(1),
    "transformer, context 2": a_transformer(2, tied=False),
    "transformer, rotary, untied": a_transformer(6, rotary=True, tied=False),
    "transformer, rotary, context 3": a_transformer(3, rotary=True),
    "transformer, labels": a_transformer(4, n_classes=3),
    "transformer, wide context": a_transformer(30),
    **{f"{cell}, {L} layers": an_rnn(cell, L) for cell in ("tanh", "lstm", "gru") for L in (1, 3)},
    **{f"attention, {cell}": an_attention_rnn(cell, 5) for cell in ("tanh", "lstm", "gru")},
    "attention, two heads, even context": an_attention_rnn("lstm", 6, 2),
    "attention, context 1": an_attention_rnn("gru", 1),
    "attention, context 2": an_attention_rnn("lstm", 2),
}


def make(case, dtype=np.float64, seed=0):
    """Return model, config and parameters so large that conditionals differ from each other."""
    model, config = CASES[case]
    params = model.init(config, np.random.default_rng(seed), dtype)
    params.flat[...] = 0.7 * np.random.default_rng([seed, 1]).normal(size=params.size)
    return model, config, params


def prompts(rng, N, P):
    """Return N prompts of random lengths up to P, padded with -1, and the lengths."""
    x, lengths = rng.integers(0, V, (N, P)).astype(np.int32), rng.integers(0, P + 1, N)
    x[np.arange(P) >= lengths[:, None]] = -1
    return x, lengths


def some_labels(config, N):
    return np.arange(N) % config.n_classes if getattr(config, "n_classes", 1) > 1 else None


def behind(prompt, u):
    """Return the uniforms and x of a sample that follows prompts, (N, P), -1 behind their ends."""
    free = np.full(u.shape, -1, np.int32)
    return np.hstack([np.full(prompt.shape, -1.0), u]), np.hstack([prompt, free])
