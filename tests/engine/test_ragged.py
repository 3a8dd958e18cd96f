"""Rows of different lengths: right, and in work and memory proportional to what is in them."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as cr
from chainrule.engine import models, ragged
from chainrule.engine.event import Sequence
from chainrule.engine.ragged import Ragged
from chainrule.engine.training import train
from chainrule.engine.training.recipe import Recipe
from chainrule.engine.training.sources import SymbolRows
from chainrule.kernels import use_threads

sizes = st.lists(st.integers(1, 300), min_size=1, max_size=60).map(np.array)
KINDS = {
    "RNN": lambda **s: cr.RNN(4, cell="lstm", context=8, steps=3, ends=False, **s),
    "Transformer": lambda **s: cr.Transformer(1, 1, 4, context=8, steps=3, **s),
    "AttentionRNN": lambda **s: cr.AttentionRNN(4, context=8, steps=3, **s),
}


@given(sizes, st.integers(1, 2000))
def test_groups_hold_each_row_once_and_bound_what_pads_them(lengths, most):
    found = list(ragged.groups(lengths, most))
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    for group in found:
        table = len(group) * lengths[group].max()
        assert table <= most or len(group) == 1
        assert lengths[group].max() <= ragged.SPREAD * lengths[group].min()
        assert table <= ragged.SPREAD * lengths[group].sum()


def test_rows_of_one_length_make_full_groups():
    assert [len(g) for g in ragged.groups(np.full(10, 7), 30)] == [4, 4, 2]
    assert [len(g) for g in ragged.groups(np.full(10, 7))] == [10]


@given(sizes, st.integers(0, 2**32 - 1))
def test_a_table_holds_the_rows_and_their_ends(lengths, seed):
    rng = np.random.default_rng(seed)
    rows = [rng.integers(0, 9, n).astype(np.uint8) for n in lengths]
    some = rng.permutation(len(rows))[: max(1, len(rows) // 2)]
    x = Ragged.of(rows)
    table = ragged.table(x, some)
    assert table.shape == (len(some), lengths[some].max()) and table.dtype == np.int32
    for n, row in zip(some, table, strict=True):
        assert_array_equal(row[row >= 0], rows[n])
        assert_array_equal(x.ended(9)[n], [*rows[n], 9])
    assert_array_equal(ragged.table(table, slice(None)), table)
    assert_array_equal(ragged.lengths(table), lengths[some])


def counting(real, positions):
    """Return a model's function that also notes how many positions it is asked for."""

    def spy(config, params, x, *rest, **named):
        positions.append(x.size)
        return real(config, params, x, *rest, **named)

    return spy


@pytest.fixture
def counted(monkeypatch):
    """Return a list of the positions that models are asked for."""
    positions = []
    for model in models.of(Sequence).values():
        for name in ("log_prob_terms", "conditionals", "loss_and_grad"):
            monkeypatch.setattr(model, name, counting(getattr(model, name), positions))
    return positions


@pytest.mark.parametrize(
    "function", ["log_prob", "score", "perplexity", "symbol_log_prob", "conditionals"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_one_long_row_costs_what_it_costs_alone(kind, function, counted):
    rng = np.random.default_rng(0)
    short = ["".join(rng.choice(list("abc"), n)) for n in rng.integers(5, 15, 500)]
    long = "".join(rng.choice(list("abc"), 4000))
    model = KINDS[kind]().fit("abc" * 9)
    call = getattr(model, function)

    def work(X):
        counted.clear()
        return call(X), sum(counted)

    (apart, one), together = (work(short), work([long])), work([*short[:250], long, *short[250:]])
    assert together[1] <= 1.01 * (apart[1] + one[1]) <= 3 * 9000
    if function == "log_prob":
        assert_allclose(together[0], [*apart[0][:250], *one[0], *apart[0][250:]], rtol=1e-5)
    if function == "symbol_log_prob":
        assert [len(row) for row in together[0]][248:252] == [
            *map(len, short[248:250]),
            4000,
            len(short[250]),
        ]


def test_a_long_row_takes_no_table_of_all(counted):
    rows = [[0, 1, 1]] * 5000 + [[1] * 20_000]
    model = cr.RNN(4, context=8, steps=2, batch_size=2).fit([0, 1] * 9)
    model.log_prob(rows[-2:])  # compiled
    tracemalloc.start()
    model.log_prob(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 << 20 < 5001 * 20_000


@pytest.mark.parametrize("name", models.of(Sequence))
@pytest.mark.parametrize(("threads", "accumulation"), [(1, 1), (2, 1), (3, 2)])
def test_a_minibatch_with_a_long_row_has_the_gradient_of_the_padded_table(
    name, threads, accumulation, counted
):
    model = models.get(name)
    small = {"n_hidden": 3, "n_layers": 1, "n_heads": 1, "n_embd": 4, "context": 64}
    fields = model.Config.__dataclass_fields__
    config = model.Config(n_symbols=4, **{k: v for k, v in small.items() if k in fields})
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 4, n) for n in (3, 2, 60, 4, 3, 2, 5)]
    recipe = Recipe(steps=2, batch_size=7, accumulation=accumulation, schedule="constant")
    table = np.full((7, 60), -1)
    for row, symbols in zip(table, rows, strict=True):
        row[: len(symbols)] = symbols

    def trained(x):
        state = train.start(model, config, recipe, np.float64)
        counted.clear()
        with use_threads(threads):
            losses = [p.loss for p in train.run(model, config, recipe, state, SymbolRows(x))]
        return losses, state.params.flat, sum(counted)

    losses, params, work = trained(Ragged.of(rows))
    same, flat, _ = trained(table)
    assert_array_equal(losses, same)
    assert_array_equal(params, flat)
    assert work <= 2 * ragged.SPREAD * sum(map(len, rows)) < 2 * table.size
    start = train.start(model, config, recipe, np.float64).params
    log_p = [model.log_prob(config, start, row[None].astype(np.int32))[0] for row in rows]
    assert_allclose(losses[0], -sum(log_p) / sum(map(len, rows)), rtol=1e-12)
