"""Training on symbols: which windows and pieces, parts of minibatches, and the same bits again."""

import copy
import tracemalloc
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine import bounds, density, models, windows
from chainrule.engine.event import Abilities, Sequence
from chainrule.engine.storage import checkpoint
from chainrule.engine.training import scoring, train
from chainrule.engine.training.sources import Streams, SymbolRows, Windows
from chainrule.engine.training.train import Recipe
from chainrule.kernels import dropout, use_threads

V = 5
CONFIGS = {
    "transformer": {"context": 8, "n_layers": 1, "n_heads": 2, "n_embd": 8, "dropout": 0.1},
    "rnn": {"n_hidden": 6, "n_layers": 2, "cell": "lstm", "dropout": 0.1},
    "attention_rnn": {"n_hidden": 6, "context": 8},
}
every_model = pytest.mark.parametrize("name", CONFIGS)


def make(name, **changes):
    model = models.get(name)
    return model, model.Config(n_symbols=V, **(CONFIGS[name] | changes))


def without_dropout(name):
    return {"dropout": 0.0} if "dropout" in CONFIGS[name] else {}


def some_text(T=400, seed=0):
    """Return a text in which each symbol mostly follows from the one before."""
    steps = np.random.default_rng(seed).choice([0, 1, 3], T, p=[0.1, 0.8, 0.1])
    return (np.cumsum(steps) % V).astype(np.uint8)


def source_for(name, text=None, valid=None, context=8):
    text = some_text() if text is None else text
    valid = some_text(100, 1) if valid is None else valid
    return (Streams if name == "rnn" else Windows)(text, context, valid)


def recipe_for(**changes):
    settings = {"steps": 12, "batch_size": 5, "learning_rate": 0.02, "eval_every": 4, "seed": 3}
    return Recipe(**(settings | changes))


def fit(name, source, recipe, state=None, dtype=np.float64, **changes):
    model, config = make(name, **changes)
    state = state or train.start(model, config, recipe, dtype)
    return state, list(train.run(model, config, recipe, state, source))


def assert_same_bits(one, other):
    for name in ("params", "best"):
        assert_array_equal(getattr(one, name).flat, getattr(other, name).flat, err_msg=name)
    for name in ("m", "v"):
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert (one.carry is None) == (other.carry is None)
    assert one.carry is None or (one.carry == other.carry).all()
    for name in ("step", "size", "n_seen", "loss_sum", "best_record", "best_valid"):
        assert getattr(one, name) == getattr(other, name), name
    assert [r["valid"] for r in one.history] == [r["valid"] for r in other.history]
    assert [r["train"] for r in one.history] == [r["train"] for r in other.history]


SPIED = SimpleNamespace(event=Sequence(9))


class Spy:
    """A model without gradient that writes down which symbols it is given."""

    WEIGHTS = ("w",)
    ABILITIES = Abilities(labels=True, state=True)

    def __init__(self):
        self.seen, self.rest = [], []

    def init(self, config, rng, dtype):
        return train.Params({"w": (1,)}, dtype=dtype)

    def state_size(self, config):
        return 1

    def loss_and_grad(self, config, params, x, grad, total=None, carry=None, fresh=None, **rest):
        grad.flat[...] = 0
        self.seen.append(x.copy())
        self.rest.append((rest, None if fresh is None else fresh.copy()))
        if carry is not None:  # the state is the last symbol read
            carry[fresh] = -1
            assert (carry[~fresh, 0] + 1 == x[~fresh, 0]).all(), "a reader lost its place"
            carry[:, 0] = x[:, -1]
        return len(x) * x.shape[1] / total


def watch(source, recipe):
    spy = Spy()
    with use_threads(1):
        state = train.start(spy, SPIED, recipe)
        list(train.run(spy, SPIED, recipe, state, source))
    return spy


# --- which symbols a minibatch has


@pytest.mark.parametrize(("T", "S"), [(100, 8), (64, 8), (15, 8), (8, 8), (37, 1), (1000, 7)])
def test_a_pass_of_windows_sees_every_tile_once(T, S):
    n_tiles = max(1, (T - S + 1) // S)
    spy = watch(Windows(np.arange(T), S), Recipe(steps=3 * n_tiles, batch_size=1))
    x = np.concatenate(spy.seen)
    assert_array_equal(np.diff(x, axis=1), 1)
    for lap in range(3):
        starts = np.sort(x[lap * n_tiles : (lap + 1) * n_tiles, 0])
        assert_array_equal(np.diff(starts), S)
        assert starts[0] >= 0 and starts[-1] + S <= T


def test_windows_cover_the_text_evenly_and_are_the_seeds():
    def starts(seed, batch_size=4, steps=25):
        recipe = Recipe(steps=steps, batch_size=batch_size, seed=seed)
        return np.concatenate(watch(Windows(np.arange(5000), 8), recipe).seen)[:, 0]

    assert_array_equal(starts(1), starts(1))
    assert (starts(1) != starts(2)).any()
    assert_array_equal(starts(1), starts(1, 10, 10))
    tenths = Counter((starts(1) * 10 // 5000).tolist())
    assert min(tenths[k] for k in range(10)) >= 8  # 100 windows, 10 in each tenth


@pytest.mark.parametrize(("T", "S", "B"), [(100, 8, 3), (64, 8, 4), (23, 8, 5), (30, 10, 3)])
def test_streams_go_on_where_they_were_and_begin_anew_at_the_start(T, S, B):
    n_pieces = T // S
    spy = watch(Streams(np.arange(T), S), Recipe(steps=3 * n_pieces, batch_size=B))
    assert {len(x) for x in spy.seen} == {min(B, n_pieces)}
    fresh = np.array([f for _, f in spy.rest])
    assert fresh[0].all() and not fresh[1:n_pieces].all()
    for reader in range(min(B, n_pieces)):
        first = np.array([x[reader, 0] for x in spy.seen])
        anew = np.flatnonzero(fresh[:, reader])[1:]
        assert (first[anew] <= T % S).all() and len(anew) in (2, 3)
        assert_array_equal(np.diff(anew), n_pieces)


def test_symbol_rows_are_cut_to_the_longest_and_keep_their_labels():
    x = np.full((20, 9), -1)
    for n, row in enumerate(x):
        row[: 1 + n % 9] = n
    spy = watch(SymbolRows(x, np.arange(20)), Recipe(steps=5, batch_size=4))
    assert_array_equal(np.sort([r[0] for s in spy.seen for r in s]), np.arange(20))
    for seen, (rest, _) in zip(spy.seen, spy.rest, strict=True):
        assert_array_equal(seen[:, 0], rest["y"])
        assert (seen >= 0).any(axis=0).all()


def test_bad_settings_and_data_are_refused():
    text = some_text()
    with pytest.raises(ValueError, match="has 7 symbols, fewer than context=8"):
        Windows(text[:7], 8)
    with pytest.raises(ValueError, match="the validation text none"):
        Windows(text, 8, text[:0])
    with pytest.raises(ValueError, match="set steps to 1 or more"):
        fit("transformer", Windows(text, 8), Recipe())
    with pytest.raises(ValueError, match="began on 400 symbols and X has 399; resume with"):
        state, _ = fit("transformer", Windows(text, 8), recipe_for())
        fit("transformer", Windows(text[:399], 8), recipe_for(), state)


# --- records


def test_records_count_steps_and_keep_the_best():
    source = source_for("transformer")
    state, progress = fit("transformer", source, recipe_for(steps=10, eval_every=4))
    assert [r["step"] for r in state.history] == [4, 8, 10]
    assert [p.step for p in progress if p.record] == [4, 8, 10]
    assert {(p.stretches, p.n_steps, p.per) for p in progress} == {(3, 10, "symbol")}
    assert [p.stretch for p in progress] == [1] * 4 + [2] * 4 + [3] * 2
    losses = [p.loss for p in progress]
    assert_allclose(state.history[2]["train"], np.mean(losses[8:]), rtol=1e-12)
    model, config = make("transformer")
    kept = scoring.text_nll(model, config, state.best, some_text(100, 1))
    assert_allclose(min(r["valid"] for r in state.history), kept, rtol=1e-12)
    assert_allclose(state.best_valid, kept, rtol=1e-12)
    state, _ = fit("transformer", source, recipe_for(steps=40, eval_every=0))
    assert [r["step"] for r in state.history] == list(range(4, 41, 4))


@every_model
def test_training_learns_the_text(name):
    recipe = recipe_for(steps=150, batch_size=8, learning_rate=0.03, warmup=0.1)
    source = source_for(name, some_text(2000), some_text(500, 1))
    state, _ = fit(name, source, recipe, dtype=np.float32, **without_dropout(name))
    entropy = -(0.8 * np.log(0.8) + 0.2 * np.log(0.1))
    assert entropy - 0.1 < state.best_valid < entropy + 0.12


@every_model
def test_weight_decay_shrinks_matrices_alone(name, monkeypatch):
    calls = []
    monkeypatch.setattr(train.adam, "step", lambda *arrays, **rest: calls.append(rest))
    state, _ = fit(name, source_for(name), recipe_for(steps=1, weight_decay=0.1))
    model, _ = make(name)
    decayed = sum(state.params[w].size for w in model.WEIGHTS if w in state.params)
    assert calls[0]["n_decay"] == decayed
    assert not any(key.startswith(("b_", "ln")) for key in model.WEIGHTS)


# --- parts of a minibatch


@every_model
@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("accumulation", [1, 2, 3, 5, 9])
def test_threads_and_parts_give_the_gradient_of_the_whole(
    name, n_threads, accumulation, monkeypatch
):
    gradients = []
    monkeypatch.setattr(train.adam, "step", lambda theta, g, *_, **__: gradients.append(g.copy()))
    for threads, parts in ((1, 1), (n_threads, accumulation)):
        with use_threads(threads):
            recipe = recipe_for(steps=2, accumulation=parts)
            _, progress = fit(name, source_for(name), recipe)
            gradients.append(np.array([p.loss for p in progress]))
    whole, parts = gradients[:3], gradients[3:]
    for one, other in zip(whole, parts, strict=True):
        assert np.abs(one).max() > 1e-4
        assert_allclose(other, one, rtol=1e-10, atol=1e-13)


def rows_for(name):
    x = some_text(10 * 8).reshape(10, 8).astype(np.int32)
    x[::2, 5:] = -1
    return SymbolRows(x)


@pytest.mark.parametrize("source", [source_for, rows_for])
@pytest.mark.parametrize("name", ["transformer", "rnn"])
def test_every_cut_of_a_minibatch_drops_the_same_numbers(name, source, monkeypatch):
    """The masks of each step, site and row, bit for bit; the parameters up to rounding of sums."""

    def run(n_threads, accumulation):
        masks = {}

        def spy(x, y, time_major, rate, seed, step, site, row):
            ones = np.ones_like(x)
            draw(ones, ones, time_major, rate, seed, step, site, row)
            for n, mask in enumerate(ones.swapaxes(0, 1) if time_major else ones):
                masks.setdefault((step, site, row + n), []).append(mask.copy())
            draw(x, y, time_major, rate, seed, step, site, row)

        draw = dropout.apply
        with use_threads(n_threads), monkeypatch.context() as patched:
            patched.setattr(dropout, "apply", spy)
            state, _ = fit(name, source(name), recipe_for(steps=3, accumulation=accumulation))
        return state.params.flat, masks

    theta, masks = run(1, 1)
    assert len(masks) == 3 * len({site for _, site, _ in masks}) * 5  # steps, sites, rows
    for forward, *backward in masks.values():
        assert len(backward) == 1 and (forward == backward[0]).all()
    distinct = {mask.tobytes() for mask, _ in masks.values()}
    assert len(distinct) > len(masks) / 2  # a tenth is dropped: a few rows lose nothing
    for n_threads, accumulation in ((1, 2), (1, 3), (2, 1), (2, 2), (3, 1), (3, 3)):
        other_theta, others = run(n_threads, accumulation)
        assert_allclose(other_theta, theta, rtol=1e-9, atol=1e-12)
        assert others.keys() == masks.keys()
        for place, both in masks.items():
            assert_array_equal(others[place], both, err_msg=str(place))


def test_accumulation_is_for_binary_rows_too():
    config = models.nade.Config(6, 3)
    X = np.random.default_rng(0).integers(0, 2, (50, 6), np.uint8)
    ends = []
    for parts in (1, 4):
        recipe = Recipe(epochs=3, batch_size=20, accumulation=parts)
        state = train.start(models.nade, config, recipe, np.float64)
        list(train.run(models.nade, config, recipe, state, X))
        ends.append(state.params.flat)
    assert_allclose(ends[1], ends[0], rtol=1e-9, atol=1e-12)


# --- going on


@every_model
@pytest.mark.parametrize("stop", [1, 4, 7])
def test_a_stopped_training_goes_on_to_the_same_bits_from_its_file(name, stop, tmp_path):
    recipe, path = recipe_for(accumulation=2, clip_norm=1.0), tmp_path / "state.safetensors"
    straight, _ = fit(name, source_for(name), recipe, dtype=np.float32)
    model, config = make(name)
    state = train.start(model, config, recipe)
    for progress in train.run(model, config, recipe, state, source_for(name)):
        if progress.step == stop:
            checkpoint.save_state(path, name, config, recipe, state)
            break
    saved = checkpoint.load_state(path, name)
    assert (saved.config, saved.recipe) == (config, recipe)
    resumed, rest = fit(name, source_for(name), recipe, saved.state)
    assert rest[0].step == stop + 1
    assert_same_bits(resumed, straight)


def test_states_in_a_file_that_fit_no_model_are_refused(tmp_path):
    recipe, path = recipe_for(), tmp_path / "state.safetensors"
    state, _ = fit("rnn", source_for("rnn"), recipe)
    _, config = make("rnn")
    state.carry = state.carry[0]
    checkpoint.save_state(path, "rnn", config, recipe, state)
    with pytest.raises(checkpoint.CheckpointError, match="recurrent states that do not fit"):
        checkpoint.load_state(path)
    state.carry, state.step = np.zeros((2, 3)), 2
    with pytest.raises(ValueError, match="carries other states"):
        fit("rnn", source_for("rnn"), recipe, state)


@every_model
def test_the_seed_decides_windows_and_dropout(name):
    with use_threads(1):
        one, same, other = (
            fit(name, source_for(name), recipe_for(seed=seed))[0] for seed in (1, 1, 2)
        )
    assert_same_bits(one, same)
    assert (one.params.flat != other.params.flat).any()


def test_an_interrupted_minibatch_leaves_carried_states_alone(monkeypatch):
    model, config = make("rnn")
    recipe = recipe_for()
    state = train.start(model, config, recipe)
    running = train.run(model, config, recipe, state, source_for("rnn"))
    next(running)
    before = copy.deepcopy(state)
    right = model.loss_and_grad

    def diverged(*args, **rest):
        right(*args, **rest)
        return np.nan

    monkeypatch.setattr(model, "loss_and_grad", diverged)
    with pytest.raises(FloatingPointError):
        next(running)
    assert_same_bits(state, before)
    assert state.whole


# --- scoring texts


@every_model
@pytest.mark.parametrize("T", [1, 7, 8, 9, 12, 13, 60])
def test_a_text_scores_like_its_symbols(name, T, monkeypatch):
    model, config = make(name)
    params = model.init(config, np.random.default_rng(0), np.float64)
    params.flat[...] = 0.5 * np.random.default_rng(1).normal(size=params.size)
    text = some_text(T)
    truth = model.log_prob_terms(config, params, text[None].astype(np.int32))[0]
    for positions in (8, 17, 8192):
        monkeypatch.setattr(bounds, "POSITIONS", positions)
        got = np.concatenate(list(scoring.log_probs(model, config, params, text)))
        assert_allclose(got, truth, rtol=1e-10)
    assert_allclose(scoring.text_nll(model, config, params, text), -truth.mean(), rtol=1e-10)
    assert_allclose(scoring.text_nll(model, config, params, text, T), -truth.mean(), rtol=1e-10)


@every_model
def test_a_part_of_a_text_estimates_the_whole(name):
    model, config = make(name)
    params = model.init(config, np.random.default_rng(0), np.float64)
    params.flat[...] = 0.5 * np.random.default_rng(1).normal(size=params.size)
    text = some_text(20_000)
    whole = scoring.text_nll(model, config, params, text)
    part = np.concatenate(list(scoring.log_probs(model, config, params, text, 4000)))
    assert 3900 <= len(part) <= 4600
    assert_allclose(-part.mean(), whole, atol=0.1)


def test_rows_score_by_the_symbol_and_by_labels():
    model, config = make("transformer", n_classes=3)
    params = model.init(config, np.random.default_rng(0), np.float64)
    params.flat[...] = 0.5 * np.random.default_rng(1).normal(size=params.size)
    rng = np.random.default_rng(2)
    x = rng.integers(0, V, (30, 6)).astype(np.int32)
    x[::2, 4:] = -1
    labels = rng.integers(0, 3, 30)
    truth = model.log_prob_terms(config, params, x, labels).sum() / (x >= 0).sum()
    assert_allclose(scoring.rows_nll(model, config, params, x, labels), -truth, rtol=1e-12)
    some = scoring.rows_nll(model, config, params, x, labels, 50)  # 10 rows of 5 on average
    log_p = model.log_prob_terms(config, params, x[::3], labels[::3])
    assert_allclose(some, -log_p.sum() / (x[::3] >= 0).sum(), rtol=1e-12)


def test_rows_are_validated_on_a_few_hundred_at_least(monkeypatch):
    limits = []
    monkeypatch.setattr(scoring, "rows_nll", lambda *args, team: limits.append(args[-1]) or 1.0)
    valid = np.zeros((9, 40), np.uint8), None
    for symbols in (0, 100, 1 << 14):
        recipe = Recipe(steps=1, eval_symbols=symbols)
        SymbolRows(np.zeros((3, 4)), None, valid).validate(None, None, recipe, None)
    assert limits == [0, 256 * 40, 1 << 14]


@pytest.mark.parametrize(("T", "S"), [(0, 4), (1, 4), (4, 4), (5, 4), (23, 4), (9, 1), (50, 7)])
def test_windows_by_number_are_the_windows_in_turn(T, S):
    by_number = [windows.window(k, T, S) for k in range(windows.count(T, S))]
    assert by_number == list(windows.windows(T, S))


@pytest.mark.parametrize("name", ["transformer", "rnn"])
def test_a_text_larger_than_memory_is_read_in_parts(name, tmp_path):
    """64 MB on disk, of which a training and its validation take a few hundred kilobytes."""
    T = 64 << 20
    with open(tmp_path / "ids", "wb") as file:
        file.truncate(T)
    text = np.memmap(tmp_path / "ids", np.uint8, "r")
    source = source_for(name, text, text)
    fit(name, source, recipe_for(steps=1))  # compiled and warm
    tracemalloc.start()
    state, _ = fit(name, source, recipe_for(steps=4, eval_every=2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert state.step == 4 and state.size == T and peak < 8 << 20


@pytest.mark.parametrize("T", [1, 7, 8, 30])
def test_a_text_without_its_label_is_scored_by_the_marginal_of_the_whole(T, monkeypatch):
    """Also where it is read in pieces: what the first say of the class counts for the rest."""
    model, config = make("transformer", n_classes=3)
    params = model.init(config, np.random.default_rng(0), np.float64)
    params.flat[...] = 0.5 * np.random.default_rng(1).normal(size=params.size)
    text, log_prior = some_text(T), np.log([0.5, 0.2, 0.3])
    x = text[None].astype(np.int32)
    truth = density.log_prob_terms(model, config, params, x, log_prior=log_prior)[0]
    for positions in (8, 8192):
        monkeypatch.setattr(bounds, "POSITIONS", positions)
        got = scoring.log_probs(model, config, params, text, log_prior=log_prior)
        assert_allclose(np.concatenate(list(got)), truth, rtol=1e-9)


def test_labelled_rows_without_labels_are_validated_by_the_marginal():
    model, config = make("transformer", n_classes=2, dropout=0.0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 40).astype(np.int32)
    x = ((y[:, None] + rng.integers(0, 2, (40, 6))) % V).astype(np.int32)
    recipe = recipe_for(steps=8)
    ends = {}
    for name, y_valid in (("given", y), ("marginal", None)):
        state, _ = fit("transformer", SymbolRows(x, y, (x, y_valid)), recipe, n_classes=2)
        ends[name] = state
    assert_array_equal(ends["given"].params.flat, ends["marginal"].params.flat)
    best = ends["marginal"]
    truth = -density.log_prob(model, config, best.best, x).sum() / x.size
    assert_allclose(best.best_valid, truth, rtol=1e-9)
    assert ends["given"].best_valid < truth
