"""RNN, AttentionRNN and Transformer: fitting, scoring and drawing, in text, bytes and ids."""

import itertools
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import chainrule as cr
from chainrule import progress
from chainrule.engine.storage import checkpoint
from chainrule.engine.training import train
from chainrule.estimators import generating, runtime, trainable

TEXT = "the cat sat on the mat; the rat sat on the cat. " * 12
TRAINING = {"steps": 6, "batch_size": 4, "context": 8, "learning_rate": 0.02, "seed": 1}
KINDS = {
    "RNN": lambda: cr.RNN(7, cell="gru", n_layers=2, **TRAINING),
    "AttentionRNN": lambda: cr.AttentionRNN(8, n_heads=2, **TRAINING),
    "Transformer": lambda: cr.Transformer(1, 2, 8, **TRAINING),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def fitted():
    """Return every estimator, fitted on TEXT."""
    return {kind: make().fit(TEXT, X_valid=TEXT[:90]) for kind, make in KINDS.items()}


def data_of(form):
    """Return the same text in another form, and what makes a part of it of that form."""
    if form == "str":
        return TEXT, lambda part: part
    if form == "bytes":
        return TEXT.encode(), lambda part: part.encode()
    ids = np.unique(list(TEXT), return_inverse=True)[1]
    lookup = dict(zip(TEXT, ids.tolist(), strict=True))
    return ids, lambda part: [lookup[c] for c in part]


# --- fitting


@every_kind
def test_fit_learns_keeps_a_history_and_the_best(kind):
    model = KINDS[kind]().set_params(steps=60, batch_size=8)
    assert model.fit(TEXT, X_valid=TEXT[:96]) is model
    assert [r["step"] for r in model.history_] == list(range(6, 61, 6))
    valid = [r["valid"] for r in model.history_]
    assert min(valid) == valid[model.best_step_ // 6 - 1] < 2.0 < valid[0]
    assert_allclose(-model.score(TEXT[:96]), min(valid), rtol=1e-5)
    assert model.history_[-1]["train"] < model.history_[0]["train"]
    assert model.vocabulary_.characters == "".join(sorted(set(TEXT)))
    assert model.classes_ is None


@every_kind
@pytest.mark.parametrize("form", ["str", "bytes", "ids"])
def test_text_comes_back_in_the_form_it_went_in(kind, form, fitted):
    data, part = data_of(form)
    model = fitted[kind] if form == "str" else KINDS[kind]().fit(data)
    drawn = model.sample(20, part("the"), seed=1)
    assert type(drawn) is (np.ndarray if form == "ids" else type(data)) and len(drawn) == 20
    if form == "ids":
        assert drawn.dtype == np.int32 and drawn.max() < model.vocabulary_.size
    log_p = model.log_prob([part("the cat"), part("a")])
    assert log_p.shape == (2,) and (log_p < 0).all()
    whole = model.symbol_log_prob(data)
    assert whole.shape == (len(data),)
    assert_allclose(model.score(data), whole.mean(), rtol=1e-12)
    pieces = list(model.stream(20, part("the"), seed=1, chunk=7))
    assert [len(piece) for piece in pieces] == [7, 7, 6]
    joined = np.concatenate(pieces) if form == "ids" else type(data)().join(pieces)
    assert_array_equal(joined, drawn) if form == "ids" else None
    assert form == "ids" or joined == drawn


@every_kind
def test_str_and_ids_make_the_same_model(kind, fitted):
    ids, _ = data_of("ids")
    other = KINDS[kind]().fit(ids, X_valid=ids[:90])
    assert_array_equal(other.params_.flat, fitted[kind].params_.flat)
    assert_allclose(other.log_prob(ids[:30]), fitted[kind].log_prob(TEXT[:30]), rtol=1e-12)


@every_kind
def test_the_seed_decides_everything(kind):
    one, same, other = (KINDS[kind]().set_params(seed=s, n_threads=1).fit(TEXT) for s in (1, 1, 2))
    assert_array_equal(one.params_.flat, same.params_.flat)
    assert (one.params_.flat != other.params_.flat).any()


@every_kind
def test_backends_and_threads_agree(kind):
    scores = [
        KINDS[kind]().set_params(dtype="float64", backend=b, n_threads=n).fit(TEXT).score(TEXT)
        for b, n in [("reference", 1), ("cpu", 1), ("cpu", 2)]
    ]
    assert_allclose(scores, scores[0], rtol=1e-8)


@every_kind
@pytest.mark.parametrize("rows", [["abca", "bc", "c"] * 9, [[0, 1], [2, 0]] * 9])
def test_rows_are_sequences_of_their_own(kind, rows):
    model = KINDS[kind]().set_params(dtype="float64").fit(rows, X_valid=rows[:4])
    few = rows[:3]
    truth = [model.symbol_log_prob(row).sum() for row in few]
    assert_allclose(model.log_prob(few), truth, rtol=1e-10)
    n = sum(map(len, few)) + len(few) * model.ends_  # the end is a symbol too
    assert_allclose(model.score(few), sum(truth) / n, rtol=1e-10)


@every_kind
def test_probabilities_sum_to_one(kind):
    model = KINDS[kind]().set_params(dtype="float64").fit("abcab" * 9)
    every = ["".join(letters) for letters in itertools.product("abc", repeat=4)]
    assert_allclose(np.exp(model.log_prob(every)).sum(), 1, rtol=1e-10)
    p = model.conditionals(["abca", "b"])
    assert [row.shape for row in p] == [(4, 3), (1, 3)]
    assert_allclose(np.log(p[0][range(4), [0, 1, 2, 0]]).sum(), model.log_prob("abca")[0])
    assert model.conditionals("abca").shape == (4, 3)
    assert model.conditionals([[0]]).shape == (1, 1, 3) if kind == "ids" else True


def test_measures_of_a_text(fitted):
    model = fitted["RNN"]
    nats = -model.score(TEXT)
    assert_allclose(model.perplexity(TEXT), np.exp(nats))
    assert_allclose(model.bits_per_symbol(TEXT), nats / np.log(2))
    assert type(model).score_samples is type(model).log_prob


@every_kind
def test_sklearns_manners(kind, fitted, tmp_path):
    model = fitted[kind]
    copy = clone(model)
    assert copy.get_params() == model.get_params() and not hasattr(copy, "params_")
    assert vars(copy).keys() == copy.get_params().keys()
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.log_prob(["the"]), model.log_prob(["the"]))
    for call in (copy.score, copy.log_prob, copy.conditionals, copy.perplexity, copy.save):
        with pytest.raises(NotFittedError):
            call("the")
    with pytest.raises(NotFittedError):
        copy.sample(3, "the")


def test_the_way_to_a_device_and_back(monkeypatch, fitted):
    """A stand-in whose device is the host: proves the plumbing, not the kernels."""
    stand_in = SimpleNamespace(asarray=np.array)
    right = runtime.array_module
    monkeypatch.setattr(runtime, "array_module", lambda b: stand_in if b == "cuda" else right(b))
    for kind, make in KINDS.items():
        device = make().set_params(backend="cuda").fit(TEXT, X_valid=TEXT[:90])
        assert_array_equal(device.params_.flat, fitted[kind].params_.flat)
        assert device.score(TEXT) == fitted[kind].score(TEXT)
        assert device.sample(20, "the", seed=1) == fitted[kind].sample(20, "the", seed=1)
        assert_array_equal(device.conditionals("the"), fitted[kind].conditionals("the"))


# --- labels


def labelled():
    """Return rows that repeat their label's bit, and word labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    x = np.where(rng.random((60, 6)) < 0.9, y[:, None], 1 - y[:, None])
    return x, np.array(["dark", "light"])[y]


def test_a_transformer_learns_rows_given_their_label():
    x, y = labelled()
    model = KINDS["Transformer"]().set_params(steps=80, batch_size=20)
    model.fit(x, y, X_valid=x, y_valid=y)
    assert model.classes_.tolist() == ["dark", "light"]
    other = np.where(y == "dark", "light", "dark")
    assert model.score(x, y) > model.score(x, other) + 0.2
    assert_allclose(model.log_prob(x, y)[3], model.log_prob(x[3], [y[3]]), rtol=1e-4)
    rows = model.sample(6, y=["dark", "light"] * 20, seed=1)
    assert rows.shape == (40, 6) and rows[1::2].mean() > 0.7 > 0.3 > rows[::2].mean()
    assert model.sample(6, y="dark", seed=1).shape == (6,)
    assert model.sample(6, y="dark", seed=1, size=2).shape == (2, 6)
    with pytest.warns(FutureWarning, match="labels is now called y"):
        assert_array_equal(
            model.sample(6, labels="dark", seed=1), model.sample(6, y="dark", seed=1)
        )
    for call, word in (
        (lambda: model.sample(3, y="dark", labels="dark"), "former name of y; give y alone"),
        (lambda: model.fit(x, start=model), "fitted with labels; give y"),
        (lambda: model.score(x, np.full(60, "grey")), "y holds 'grey', a label never seen"),
        (lambda: model.score(x, y[:3]), "y must hold 60 labels"),
        (lambda: model.sample(3, y=["dark"], size=2), "different numbers of sequences"),
    ):
        with pytest.raises(ValueError, match=word):
            call()


def test_validation_rows_have_their_symbols_in_the_same_order():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(labelled()[0], columns=list("abcdef"))
    KINDS["RNN"]().fit(frame, X_valid=frame[:9])
    with pytest.raises(ValueError, match="X_valid has other columns than X, or in another order"):
        KINDS["RNN"]().fit(frame, X_valid=frame[list("fedcba")])


LABELS = {
    "list": lambda pandas, y: y.tolist(),
    "objects": lambda pandas, y: y.astype(object),
    "Series": lambda pandas, y: pandas.Series(y, index=np.arange(len(y))[::-1]),
    "Series of objects": lambda pandas, y: pandas.Series(y, dtype=object),
    "Series of string": lambda pandas, y: pandas.Series(y, dtype="string"),
    "Categorical": lambda pandas, y: pandas.Categorical(y),
    "Series of category": lambda pandas, y: pandas.Series(y, dtype="category"),
    "StringDType": lambda pandas, y: y.astype(np.dtypes.StringDType()),
}


@pytest.mark.parametrize("kind", LABELS)
def test_words_as_labels_in_any_box(kind, tmp_path):
    make, (x, y) = LABELS[kind], labelled()
    pandas = pytest.importorskip("pandas")
    plain = KINDS["Transformer"]().fit(x, y)
    model = KINDS["Transformer"]().fit(x, make(pandas, y), X_valid=x, y_valid=make(pandas, y))
    assert model.classes_.dtype.kind == "U" and model.classes_.tolist() == ["dark", "light"]
    assert_array_equal(model.log_prob(x, make(pandas, y)), model.log_prob(x, y))
    rows = model.sample(6, y=make(pandas, y[:4]), seed=1)
    assert_array_equal(rows, model.sample(6, y=y[:4].tolist(), seed=1))
    model.save(tmp_path / "m.safetensors")
    assert_array_equal(cr.load(tmp_path / "m.safetensors").log_prob(x, y), model.log_prob(x, y))
    assert plain.params_.shapes == model.params_.shapes


def test_numbers_as_labels_in_boxes():
    pandas = pytest.importorskip("pandas")
    x, words = labelled()
    y = (words == "light") + 3
    model = KINDS["Transformer"]().fit(x, y)
    assert model.classes_.tolist() == [3, 4]
    for box in (pandas.Series(y), pandas.Series(y, dtype="Int64"), pandas.Categorical(y), list(y)):
        assert_array_equal(model.log_prob(x, box), model.log_prob(x, y))


@pytest.mark.parametrize("wrong", [None, np.nan, 3, 1.5, b"dark"])
def test_a_label_that_is_none_is_named(wrong):
    x, y = labelled()
    y = y.astype(object)
    y[7] = wrong
    with pytest.raises(ValueError, match=r"y must hold words alone or whole.* at 7; fill it in"):
        KINDS["Transformer"]().fit(x, y)
    with pytest.raises(ValueError, match=r"y contains a masked value \(first at 5\)"):
        KINDS["Transformer"]().fit(x, np.ma.array(np.arange(60) % 2, mask=np.arange(60) == 5))


def test_labels_are_refused_where_there_is_no_place_for_them(fitted):
    for kind, new in KINDS.items():
        with pytest.raises(ValueError, match="labels of rows, and one text has none"):
            new().fit(TEXT, [1])
        with pytest.raises(ValueError, match="fitted without labels; leave y out"):
            fitted[kind].score(["the"], [1])


def test_a_watched_training_shows_losses_a_symbol(capsys, monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 0)
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich's way to be told that it is a terminal
    monkeypatch.setenv("TERM", "xterm")
    KINDS["RNN"]().set_params(verbose=True).fit(TEXT, X_valid=TEXT)
    captured = capsys.readouterr()
    assert "nats a symbol" in captured.err and "valid" in captured.err and captured.out == ""


# --- drawing


@every_kind
def test_prompts_of_different_lengths_are_continued_each_on_its_own(kind, fitted):
    model = fitted[kind]
    prompts = ["the cat sat on the mat", "t", "rat"]
    greedy = model.sample(9, prompts, temperature=0)
    assert greedy == [model.sample(9, prompt, temperature=0) for prompt in prompts]
    assert model.sample(9, "rat", temperature=0, size=2) == [greedy[2]] * 2
    assert model.sample(9, "", temperature=0) == model.sample(9, temperature=0)
    assert len(model.sample(9, ["the"], seed=1)) == 1 and len(model.sample(9, size=3)) == 3
    many = [piece for piece in model.stream(9, prompts, seed=1, chunk=4)]
    joined = ["".join(parts) for parts in zip(*many, strict=True)]
    assert joined == model.sample(9, prompts, seed=1)


@every_kind
def test_greedy_is_the_likeliest_symbol_each_time(kind, fitted):
    model, text = fitted[kind], "the ca"
    for _ in range(12):  # beyond the context
        after = model.conditionals(text + "t")[-1]
        likeliest = model.vocabulary_.characters[after.argmax()]
        assert model.sample(1, text, temperature=0) == likeliest
        text += likeliest


@every_kind
def test_settings_of_a_draw(kind, fitted):
    model = fitted[kind]
    whole = model.sample(40, "the", seed=3)
    assert whole == model.sample(40, "the", seed=3) != model.sample(40, "the", seed=4)
    assert whole == model.sample(40, "the", seed=3, top_k=10**6)  # no cut
    greedy = model.sample(40, "the", temperature=0)
    assert greedy == model.sample(40, "the", seed=3, top_k=1)
    assert greedy == model.sample(40, "the", seed=3, top_p=1e-9)
    for settings, word in (
        ({"temperature": -0.1}, "temperature must be a finite number of at least 0, got -0.1"),
        ({"temperature": float("nan")}, "temperature must be"),
        ({"top_k": -1}, "top_k must be a whole number of at least 0, got -1"),
        ({"top_p": 0}, "top_p must be above 0, got 0; temperature=0"),
        ({"top_p": 1.5}, "top_p must be a number from 0 to 1, got 1.5"),
        ({"n": 0}, "n must be a whole number of at least 1, got 0"),
        ({"size": 0}, "size must be"),
        ({"prompt": "the €"}, "prompt at position 4 holds '€', a character never seen"),
        ({"prompt": b"the"}, "prompt is bytes and the model was fitted on a str"),
    ):
        with pytest.raises(ValueError, match=word) as caught:
            model.sample(**({"n": 3} | settings))
        assert "\n" not in str(caught.value)
        with pytest.raises(ValueError, match=word):  # at once, not at the first piece
            model.stream(**({"n": 3} | settings))


def test_many_sequences_go_in_parts_without_a_seam(fitted, monkeypatch):
    model = fitted["Transformer"]
    prompts = [TEXT[n : n + 1 + n % 5] for n in range(20)]
    whole = model.sample(7, prompts, temperature=0)
    monkeypatch.setattr(generating, "ROWS", 6)
    assert model.sample(7, prompts, temperature=0) == whole


@every_kind
def test_a_stream_without_end(kind, fitted):
    stream = fitted[kind].stream(seed=1)
    assert len("".join(itertools.islice(stream, 50))) == 50


# --- pictures of attention


@pytest.mark.parametrize("kind", ["AttentionRNN", "Transformer"])
def test_attention_maps(kind, fitted, tmp_path):
    model = fitted[kind]
    maps = model.attention_map("the cat")
    assert maps.shape == ((2, 7, 7) if kind == "AttentionRNN" else (1, 2, 7, 7))
    assert_allclose(maps[..., 1:, :].sum(axis=-1), 1, rtol=1e-5)
    assert (np.triu(maps, 1) == 0).all()
    cr.plots.save(model.plot_attention("the cat"), tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="context"):
        model.attention_map(TEXT)
    with pytest.raises(ValueError, match="holds 2 sequences; give one"):
        model.attention_map(["a", "t"])


# --- files


@every_kind
@pytest.mark.parametrize("form", ["str", "bytes", "ids"])
def test_save_and_load_give_the_same_estimator(kind, form, tmp_path):
    data, _ = data_of(form)
    model = KINDS[kind]().set_params(dtype=np.float32).fit(data, X_valid=data[:50])
    model.save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors")
    assert type(again) is type(model) and again.vocabulary_ == model.vocabulary_
    assert again.history_ == model.history_ and again.best_step_ == model.best_step_
    assert again.dtype == "float32"
    assert_array_equal(again.symbol_log_prob(data), model.symbol_log_prob(data))
    assert_array_equal(np.array(again.sample(30, seed=1)), np.array(model.sample(30, seed=1)))


def test_labels_survive_a_file(tmp_path):
    x, y = labelled()
    model = KINDS["Transformer"]().fit(x, y)
    model.save(tmp_path / "m.safetensors")
    again = cr.load(tmp_path / "m.safetensors")
    assert_array_equal(again.log_prob(x, y), model.log_prob(x, y))


@pytest.mark.parametrize(
    "change",
    [
        {"estimator": "NADE"},
        {"estimator": "RNN"},
        {"hyperparameters": {"n_embd": 16}},
        {"hyperparameters": {"steps": 0}},
        {"hyperparameters": {"layers": 3}},
        {"vocabulary": {"kind": "character", "size": 3, "characters": "abc"}},
        {"vocabulary": {"kind": "character", "size": 16, "characters": "ab"}},
        {"vocabulary": None},
        {"classes": ["a", "b"]},
        {"classes": 3},
        {"best_step": -1},
        {"best_step": 10**6},
    ],
    ids=str,
)
def test_a_checkpoint_that_fits_no_estimator_is_refused(change, fitted, tmp_path):
    model, path = fitted["Transformer"], tmp_path / "odd.safetensors"
    model.save(path)
    saved = checkpoint.load(path)
    changed = saved.metadata | change
    checkpoint.save(path, saved.model, saved.config, saved.params, changed, history=saved.history)
    with pytest.raises(cr.CheckpointError, match="but no estimator that fits it"):
        cr.load(path)


# --- trouble


@every_kind
@pytest.mark.parametrize(
    ("X", "X_valid", "word"),
    [
        ("", None, "X is empty"),
        ("a", None, r"X has 1 symbols, fewer than context=8; give a longer text or set context"),
        ("abcabca", None, "X has 7 symbols, fewer than context=8"),
        (b"", None, "X is empty"),
        ([], None, "not empty"),
        (["ab", ""], None, r"X\[1\] is empty"),
        ([0, -1] * 9, None, "X holds -1 at 1; symbols are counted from 0"),
        ([0.5] * 9, None, "X must hold whole numbers"),
        (TEXT, "the\u20ac", "X_valid at position 3 holds '€', a character never seen in training"),
        (TEXT, b"the", "X_valid is bytes and the model was fitted on a str"),
        (TEXT, ["the"], "must both be a text or both be rows"),
        (
            [0, 1, 2] * 9,
            [3],
            "X_valid holds 3, a symbol never seen in training; ids go from 0 to 2",
        ),
    ],
    ids=str,
)
def test_data_that_cannot_be_used_are_refused_in_a_sentence(kind, X, X_valid, word):
    model = KINDS[kind]()
    before = vars(model).copy()
    with pytest.raises(ValueError, match=word) as caught:
        model.fit(X, X_valid=X_valid)
    assert "\n" not in str(caught.value) and vars(model) == before


def test_a_single_symbol_teaches_nothing():
    with pytest.raises(ValueError, match="X has 1 symbol, of which nothing can be learnt"):
        cr.RNN(3, context=1).fit("a")


@pytest.mark.parametrize("X", [None, {"a": 1}, [["a"]], ["a", b"b"], ["a", 3], [None]], ids=str)
def test_what_is_no_sequence_is_refused(X):
    with pytest.raises(TypeError, match="X must be a"):
        cr.RNN(3).fit(X)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        ({"context": 0}, "context must be"),
        ({"batch_size": 2.5}, "batch_size must be"),
        ({"accumulation": 0}, "accumulation must be"),
        ({"warmup": 1}, "warmup must be"),
        ({"beta2": 1}, "beta2 must be"),
        ({"patience": 3}, "patience is judged on validation data"),
        ({"backend": "gpu"}, "backend must be one of"),
        ({"dropout": 1}, "dropout must be below 1"),
        ({"n_heads": 3}, "n_embd must be a multiple of n_heads"),
        ({"n_embd": 6, "rotary": True}, "must be even"),
        ({"n_layers": 0}, "n_layers must be"),
    ],
    ids=str,
)
def test_settings_that_no_training_could_use(settings, word):
    with pytest.raises(ValueError, match=word):
        KINDS["Transformer"]().set_params(**settings).fit(TEXT)


@pytest.mark.parametrize("kind", ["AttentionRNN", "Transformer"])
def test_rows_longer_than_the_context_are_refused(kind):
    with pytest.raises(ValueError, match="rows of 9 symbols, more than context=8; set context=9"):
        KINDS[kind]().fit(np.zeros((4, 9), int))
    rows = np.random.default_rng(0).integers(0, 2, (9, 8))
    model = KINDS[kind]().fit(rows)
    assert model.log_prob(np.zeros((2, 20), int)).shape == (2,)  # by windows


@every_kind
@pytest.mark.parametrize(("error", "after"), [(KeyboardInterrupt, 1), (FloatingPointError, 5)])
def test_control_c_and_divergence_keep_the_best_so_far(kind, error, after, monkeypatch):
    run = train.run

    def interrupted(*args, **team):
        for count, step in enumerate(run(*args, **team), start=1):
            yield step
            if count == after:
                raise error

    monkeypatch.setattr(trainable.train, "run", interrupted)
    model = KINDS[kind]().set_params(eval_every=2)
    with pytest.raises(error):
        model.fit(TEXT, X_valid=TEXT)
    assert len(model.history_) == after // 2
    assert model.best_step_ in ([0] if after == 1 else [2, 4])
    assert np.isfinite(model.score(TEXT))


@every_kind
def test_a_failed_fit_leaves_the_earlier_one(kind):
    model = KINDS[kind]().fit(TEXT)
    before = model.log_prob(["the"])
    with pytest.raises(ValueError):
        model.fit("€")
    assert_array_equal(model.log_prob(["the"]), before)
