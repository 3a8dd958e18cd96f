"""Drawing a symbol from logits: the definition, its compiled twin, and the corners."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from scipy.stats import chisquare

from chainrule.kernels import use_threads
from chainrule.kernels.categorical import cpu as categorical_cpu
from chainrule.kernels.categorical import reference as categorical_reference

JUST_BELOW_ONE = np.nextafter(1.0, 0)
uniforms = st.floats(0, JUST_BELOW_ONE) | st.sampled_from([0.0, JUST_BELOW_ONE])
temperatures = st.sampled_from([0.0, 1e-300, 1e-3, 0.5, 0.8, 1.0, 2.0, 1e6])
# Few distinct values make ties, huge ones overflow what is not careful.
values = st.sampled_from([-1e4, -3.0, 0.0, 0.5, 1.0, 1e4]) | st.floats(-20, 20, width=32)


def drawn_by(op):
    """Return an implementation's `draw` as a function that returns new symbols."""

    def draw(s, u, *options):
        x = np.full(len(s), -7, np.int32)
        op.draw(s, u, *options, x)
        return x

    return draw


reference, compiled = drawn_by(categorical_reference), drawn_by(categorical_cpu)
both = pytest.mark.parametrize("draw", [reference, compiled], ids=["reference", "cpu"])


def weights(s, temperature, top_k, top_p):
    """Return each symbol's probability, written as plainly as can be."""
    p = softmax(s / temperature)
    ranked = sorted(range(len(s)), key=lambda v: (-s[v], v))
    kept = ranked[: top_k or len(s)]
    total, mass, run = sum(p[v] for v in kept), 0.0, []
    for v in kept:
        run.append(v)
        mass += p[v]
        if mass >= top_p * total:
            break
    p = np.where(np.isin(np.arange(len(s)), run), p, 0)
    return p / p.sum()


@settings(max_examples=300, deadline=None)
@given(
    data=st.data(),
    V=st.integers(1, 12),
    dtype=st.sampled_from([np.float32, np.float64]),
    temperature=temperatures,
    top_k=st.integers(0, 14),
    top_p=st.sampled_from([1e-9, 0.3, 0.5, 0.9, 0.999, 1.0]),
)
def test_compiled_draws_what_the_definition_draws(data, V, dtype, temperature, top_k, top_p):
    s = data.draw(arrays(dtype, (3, V), elements=values))
    u = np.array(data.draw(st.lists(uniforms, min_size=3, max_size=3)))
    options = temperature, top_k, top_p
    ids = reference(s, u, *options)
    assert ids.dtype == np.int32 and ids.shape == (3,)
    np.testing.assert_array_equal(compiled(s, u, *options), ids)
    for row, v in zip(s, ids, strict=True):
        assert 0 <= v < V
        if 0 < top_k < V:
            assert (row > row[v]).sum() + (row[:v] == row[v]).sum() < top_k
        if temperature == 0 or top_k == 1:
            assert v == row.argmax()


@settings(max_examples=100, deadline=None)
@given(s=arrays(np.float64, (1, 7), elements=values), pair=st.tuples(uniforms, uniforms))
def test_a_larger_uniform_never_gives_a_smaller_symbol(s, pair):
    low, high = (compiled(s, np.array([u]), 0.7, 5, 0.95)[0] for u in sorted(pair))
    assert low <= high


@both
@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.4])
@pytest.mark.parametrize("top_k", [0, 1, 3, 6, 9])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_frequencies(draw, temperature, top_k, top_p, rng):
    s = np.array([0.3, 2.0, 0.3, -1.0, 2.0, 0.0])  # two ties
    p = weights(s, temperature, top_k, top_p)
    n = 20_000
    ids = draw(np.tile(s, (n, 1)), rng.random(n), temperature, top_k, top_p)
    counts = np.bincount(ids, minlength=6)
    assert not counts[p == 0].any()
    if (p > 0).sum() > 1:
        assert chisquare(counts[p > 0], n * p[p > 0]).pvalue > 1e-4


@both
def test_corners(draw):
    def one(s, u, temperature=1.0, top_k=0, top_p=1.0):
        return draw(np.array([s]), np.array([u]), temperature, top_k, top_p)[0]

    assert one([0.0], 0.999) == 0  # one symbol
    assert one([5.0, 7.0, 7.0, 1.0], 0.3, temperature=0.0) == 1  # the first of equals
    assert one([5.0, 7.0, 7.0, 1.0], 0.9, top_k=1) == 1
    assert one([7.0, 7.0, 7.0, 7.0], JUST_BELOW_ONE, top_k=2) == 1  # of equals, the lower ids
    assert one([7.0, 7.0, 7.0, 7.0], JUST_BELOW_ONE, top_p=0.5) == 1  # half is reached by two
    assert one([7.0, 7.0, 7.0, 7.0], JUST_BELOW_ONE, top_p=0.5001) == 2
    assert one([-1e4, 0.0, 0.0, -1e4], 0.0) == 1  # no weight, not even for u = 0
    assert one([-1e4, 0.0, 0.0, -1e4], JUST_BELOW_ONE) == 2
    assert one([1e4, -1e4], 0.5) == 0
    assert one([0.0, -1.0], JUST_BELOW_ONE, temperature=1e-300) == 0  # (s - max) / τ is -∞
    assert one([0.0] * 3, np.float32(1 - 2**-24)) == 2
    assert 0 <= one([np.nan, 1.0], 0.5) < 2


def test_top_p_counts_what_top_k_left():
    s = np.log([[0.4, 0.3, 0.2, 0.1]])
    for draw in (reference, compiled):
        # of all: 0.4 < 0.5, so two are kept; of the first two, 4/7 ≥ 0.5 is enough
        assert draw(s, np.array([0.99]), 1.0, 0, 0.5)[0] == 1
        assert draw(s, np.array([0.99]), 1.0, 2, 0.5)[0] == 0


@pytest.mark.parametrize("op", [categorical_reference, categorical_cpu])
@pytest.mark.parametrize("options", [(0.0, 0, 1.0), (0.8, 3, 0.9)])
def test_a_negative_uniform_keeps_what_is_there(op, options, rng):
    s, u = rng.normal(size=(9, 5)), rng.random(9)
    table = np.full((9, 2), 77, np.int32)  # x is one column of it
    op.draw(s, u, *options, table[:, 1])
    drawn = table[:, 1].copy()
    u[::2], table[:, 1] = -1, 77
    op.draw(s, u, *options, table[:, 1])
    assert (table[:, 0] == 77).all() and (table[::2, 1] == 77).all()
    np.testing.assert_array_equal(table[1::2, 1], drawn[1::2])


def test_threads_and_layout_do_not_matter(rng):
    s, u = rng.normal(size=(301, 130)), rng.random(301)
    whole = compiled(s, u, 0.9, 40, 0.95)
    np.testing.assert_array_equal(whole, reference(s, u, 0.9, 40, 0.95))
    with use_threads(5):
        np.testing.assert_array_equal(compiled(np.asfortranarray(s), u, 0.9, 40, 0.95), whole)
