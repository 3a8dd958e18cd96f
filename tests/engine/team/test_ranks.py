"""Training with others: the bits of one process, whatever is learnt and however many there are."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support.ranks import together

from chainrule.engine import models, team
from chainrule.engine.greys import Chance
from chainrule.engine.team import ALONE, Parted, dealing, launched
from chainrule.engine.training import scoring, summing, train
from chainrule.engine.training.pixels import ImageSource
from chainrule.engine.training.recipe import Recipe
from chainrule.engine.training.reconstructing import Reconstructions
from chainrule.engine.training.sources import RowSource, Streams, SymbolRows, Windows
from chainrule.kernels import use_threads


def problem(kind):
    """Return a model's name, its settings, what it learns from, and the recipe."""
    rng = np.random.default_rng(0)
    symbols = rng.integers(0, 5, 400).astype(np.int32)
    x = rng.integers(0, 2, (45, 6), np.uint8)
    recipe = {"batch_size": 7, "seed": 3, "clip_norm": 1.0, "learning_rate": 1e-2, "average": 0.9}
    epochs, steps = recipe | {"epochs": 3}, recipe | {"steps": 9, "eval_every": 4}
    text = {"n_symbols": 5, "n_layers": 1, "n_heads": 2, "n_embd": 8, "context": 8, "dropout": 0.2}
    if kind == "rows":
        return "nade", {"n_visible": 6, "n_hidden": 4}, RowSource(x, valid=(x[:9], None)), epochs
    if kind == "estimated":
        shape = {"values": (2,) * 6, "hidden": (4,)}
        return "orderless_nade", shape, RowSource(x, valid=(x[:9], None)), epochs
    if kind == "images":
        levels = rng.integers(0, 256, (20, 3, 4, 1)).astype(np.uint8)
        shape = {"height": 3, "width": 4, "channels": 1, "levels": 256, "n_features": 4}
        shape |= {"n_layers": 1, "dropout": 0.2}
        source = ImageSource(levels, valid=(levels[:5], None), chance=Chance(flips=True))
        return "pixel_cnn", shape, source, epochs
    if kind == "reconstructions":
        shape = {"values": (2,) * 6, "n_linear": 5, "n_hidden": 4, "noise": 0.2}
        return "autoencoder", shape, Reconstructions(x, valid=(x[:9], None)), epochs
    if kind == "streams":
        shape = {"n_symbols": 5, "n_hidden": 6, "cell": "lstm", "dropout": 0.2}
        return "rnn", shape, Streams(symbols, 8, symbols[:90]), steps
    if kind == "windows":
        return "transformer", text, Windows(symbols, 8, symbols[:90]), steps
    rows = rng.integers(0, 5, (45, 8)).astype(np.int32)
    rows[::3, 5:] = -1
    y = rng.integers(0, 3, 45).astype(np.int32)
    source = SymbolRows(rows, y, (rows[:10], y[:10]))
    return "transformer", text | {"n_classes": 3}, source, steps


KINDS = ["rows", "estimated", "images", "reconstructions", "symbols", "windows", "streams"]


def trained(kind, team=ALONE, n_threads=1, spoil=None, **settings):
    """Return the state after a training; spoil: the rank whose parameters are no good."""
    name, shape, source, recipe = problem(kind)
    model = models.get(name)
    config, recipe = model.Config(**shape), Recipe(**recipe | settings)
    state = train.start(model, config, recipe, np.float32)
    if spoil == team.rank:
        state.params.flat[0] += 1
    with use_threads(n_threads):
        for _ in train.run(model, config, recipe, state, source, team=team):
            pass
    return state


def assert_same(one, other):
    for name in ("params", "best"):
        assert_array_equal(getattr(one, name).flat, getattr(other, name).flat, err_msg=name)
    for name in ("m", "v", "carry", "average"):
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.best_record == other.best_record and one.loss_sum == other.loss_sum
    for mine, its in zip(one.history, other.history, strict=True):
        assert mine["train"] == its["train"]
        assert mine["valid"] == pytest.approx(its["valid"], rel=1e-12)  # added in another order


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [2, 3, 9])  # 9: more ranks than rows
def test_ranks_make_the_bits_of_parts(kind, size):
    alone = trained(kind, accumulation=size)
    for state in together(size, lambda team: trained(kind, team)):
        assert_same(state, alone)


@pytest.mark.parametrize("kind", ["rows", "streams"])
def test_parts_of_ranks_make_the_bits_of_as_many_parts(kind):
    alone = trained(kind, accumulation=6)
    for state in together(2, lambda team: trained(kind, team, accumulation=3)):
        assert_same(state, alone)
    for state in together(3, lambda team: trained(kind, team, accumulation=2)):
        assert_same(state, alone)


def test_ranks_of_threads_make_the_bits_of_parts_on_threads():
    alone = trained("windows", n_threads=2, accumulation=3)
    for state in together(3, lambda team: trained("windows", team, n_threads=2)):
        assert_same(state, alone)


def test_ranks_of_a_thread_make_the_bits_of_threads():
    size = 29  # and 16: a thread is worth 8 rows, a rank's part may have fewer
    alone = trained("rows", n_threads=2, batch_size=size)
    for state in together(2, lambda team: trained("rows", team, batch_size=size)):
        assert_same(state, alone)


def test_all_stop_early_together():
    alone = trained("rows", accumulation=3, patience=1, epochs=30, learning_rate=0.3)
    assert len(alone.history) < 30
    for state in together(
        3, lambda team: trained("rows", team, patience=1, epochs=30, learning_rate=0.3)
    ):
        assert_same(state, alone)


class Share(team.Team):
    """A rank that nobody answers: what it makes is its own share."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


@pytest.mark.parametrize("kind", ["rows", "estimated", "reconstructions"])
def test_each_scores_a_share_of_the_rows(kind):
    name, shape, source, recipe = problem(kind)
    model, recipe = models.get(name), Recipe(**recipe)
    config = model.Config(**shape)
    params = model.init(config, np.random.default_rng(0), np.float64)
    whole, *shares = (
        source.validate(model, config, recipe, params, one)
        for one in (ALONE, *(Share(k, 3) for k in range(3)))
    )
    assert sum(shares) == pytest.approx(whole, rel=1e-12)
    assert all(0.1 < share / whole < 0.6 for share in shares)


@pytest.mark.parametrize("limit", [0, 1500])
@pytest.mark.parametrize("kind", ["windows", "streams"])
def test_each_scores_a_share_of_a_text(kind, limit):
    name, shape, _, _ = problem(kind)
    model, text = models.get(name), np.random.default_rng(0).integers(0, 5, 4000)
    config = model.Config(**shape)
    params = model.init(config, np.random.default_rng(0), np.float32)

    def count(one):
        pieces = scoring.log_probs(model, config, params, text, limit, team=one)
        return sum(len(piece) for piece in pieces)

    shares = [count(Share(k, 3)) for k in range(3)]
    assert sum(shares) == count(ALONE)
    assert (shares[1:] == [0, 0]) == (kind == "streams" and limit == 0)  # in one go


def test_a_step_adds_its_gradients_once():
    def counted(team):
        trained("rows", team, epochs=1)
        return team.sums

    assert together(2, counted) == [7, 7]  # 45 rows, 7 each


def test_a_loss_that_is_not_finite_on_one_rank_stops_them_all(monkeypatch):
    from chainrule.engine.models import nade

    real = nade.loss_and_grad

    def spoilt(config, params, x, grad, total=None):
        loss = real(config, params, x, grad, total=total)
        return np.nan if len(x) == 3 else loss  # of 7 rows those of rank 0 are 3

    monkeypatch.setattr(nade, "loss_and_grad", spoilt)
    ends = together(2, lambda team: trained("rows", team))
    assert [type(end) for end in ends] == [FloatingPointError] * 2


def test_ranks_that_begin_apart_say_so():
    for end in together(3, lambda team: trained("rows", team, spoil=1)):
        assert isinstance(end, RuntimeError) and "rank 1 has other parameters" in str(end)


def test_ranks_of_other_settings_say_so():
    for end in together(2, lambda team: trained("rows", team, seed=team.rank)):
        assert isinstance(end, RuntimeError) and "rank 1 has other settings" in str(end)


def test_ranks_that_drift_apart_are_found_at_the_next_record(monkeypatch):
    real = summing.gradient

    def drifting(recipe, params, batch, grads, team):
        loss = real(recipe, params, batch, grads, team)
        if team.rank == 1:
            grads[0].flat[0] *= 1.5
        return loss

    monkeypatch.setattr(summing, "gradient", drifting)
    for end in together(2, lambda team: trained("rows", team)):
        assert isinstance(end, RuntimeError) and "rank 1 has other parameters" in str(end)


@pytest.mark.parametrize("fails", [0, 1])
def test_who_fails_is_met_and_all_leave(fails):
    said = {}

    def work(team):
        try:
            for step in range(5):
                if team.rank == fails and step == 2:
                    raise OSError("the disk is full")
                team.total(77.0)  # which is no status
        except OSError as error:
            said[team.rank] = team.leave(str(error), 2)
            raise
        except Parted as error:
            said[team.rank] = team.leave(str(error), 2)
            raise

    ends = together(3, work)
    assert [type(end) for end in ends] == [OSError if k == fails else Parted for k in range(3)]
    assert said == {k: (k == fails, 2, True) for k in range(3)}


def test_what_all_say_is_said_once():
    def work(team):
        return team.leave("the same" if team.rank < 2 else "another", team.rank)

    assert together(3, work) == [(True, 2, True), (False, 2, True), (True, 2, True)]


def test_who_is_done_leaves_with_the_status_of_who_failed():
    def work(team):
        return team.leave("no room for the report", 2) if team.rank == 0 else team.leave()

    assert together(2, work) == [(True, 2, True), (False, 2, True)]


def test_who_is_done_too_early_stops_the_others():
    ends = together(2, lambda team: team.total(1.0) if team.rank else None)
    assert ends[0] is None and "rank 0 is done while others go on" in str(ends[1])


def test_who_is_done_may_begin_again():
    def work(team):
        assert team.leave() == (False, 0, True)
        return team.total(1.0)

    assert together(2, work) == [2.0, 2.0]


def test_alone_is_a_team_of_one():
    array = np.arange(3.0)
    ALONE.sum(array, np.ones(3))
    assert_array_equal(array, [1, 2, 3])
    assert ALONE.slice_of(7) == (0, 7)
    assert ALONE.total(2.5) == 2.5 and ALONE.any(True) and not ALONE.any(False)
    assert ALONE.leave("a failure", 2) == (True, 2, True)
    assert ALONE.leave() == (False, 0, True)


@pytest.mark.parametrize("n", [0, 1, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, bool])
def test_rows_are_dealt_out_and_come_in_order(n, dtype):
    whole = np.random.default_rng(n).normal(size=(n, 2)).astype(dtype)
    asked = []

    def work(one):
        def rows(lo, hi):
            asked.append((one.rank, lo, hi))
            return whole[lo:hi]

        with team.within(one), dealing.dealing():
            got = dealing.rows(rows, n)
        with team.within(one):
            assert dealing.rows(lambda lo, hi: whole[lo:hi], n) is not None  # nobody else asks
        return got

    for got in together(3, work):
        assert got.dtype == whole.dtype
        assert_array_equal(got, whole)
    if n == 7:
        assert sorted(asked) == [(0, 0, 2), (1, 2, 4), (2, 4, 7)]


def test_all_draw_by_one_seed():
    def work(one):
        with team.within(one):
            return dealing.seed(None), dealing.seed(4)

    found = together(3, work)
    assert found == [found[0]] * 3 and found[0][1] == 4
    assert dealing.seed(None) is None


def test_a_team_is_current_inside_its_block_alone():
    other = team.Team()
    with team.within(other):
        assert team.current() is other
    assert team.current() is ALONE


@pytest.mark.parametrize("of", ["OMPI_COMM_WORLD", "PMI", "SLURM"])
def test_launchers_say_how_many_they_started(of, monkeypatch):
    for name in (*launched.SIZES, *launched.RANKS):
        monkeypatch.delenv(name, raising=False)
    assert (launched.size(), launched.rank()) == (1, 0)
    size, rank = ("STEP_NUM_TASKS", "PROCID") if of == "SLURM" else ("SIZE", "RANK")
    monkeypatch.setenv(f"{of}_{size}", "4")
    monkeypatch.setenv(f"{of}_{rank}", "2")
    assert (launched.size(), launched.rank()) == (4, 2)
