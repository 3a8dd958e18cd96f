"""`chainrule detect`: tables, images and lines; what a run keeps; a detector's file; errors."""

import csv

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support import ranks

import chainrule as cr
from chainrule import cli
from chainrule.commands import detect, material, oddities, runs, together
from chainrule.commands.common import Common
from chainrule.commands.requests import DetectRequest, Written
from chainrule.engine import team
from chainrule.engine.team import dealing

LINES = [f"user {name} has {n} items" for name in ("anna", "bo", "otto") for n in range(10, 60)]
HEADER = "a,b,kind"


def main(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    assert left.value.code == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of a table, of images, of lines and of one text, and files to look for odd rows in."""
    folder, rng = tmp_path_factory.mktemp("detect"), np.random.default_rng(0)
    a = rng.normal(size=700)
    rows = [
        f"{x:.3f},{2 * x + 0.1 * e:.3f},{'u' if x < 0 else 'v'}"
        for x, e in zip(a, a[::-1], strict=True)
    ]
    (folder / "data.csv").write_text("\n".join([HEADER, *rows[:400]]) + "\n")
    (folder / "clean.csv").write_text("\n".join([HEADER, *rows[400:600]]) + "\n")
    odd = "1.000,-2.000,v"
    (folder / "new.csv").write_text("\n".join([HEADER, *rows[600:650], odd, *rows[650:]]) + "\n")
    greys = (np.arange(4)[:, None] + np.arange(4) + rng.integers(0, 2, (300, 1, 1))) % 4
    np.save(folder / "greys.npy", greys.astype(np.uint8))
    np.save(folder / "odd.npy", np.concatenate([greys[:30], rng.integers(0, 4, (1, 4, 4))]))
    order = rng.permutation(len(LINES))
    (folder / "log.txt").write_text("\n".join(LINES[k] for k in order) + "\n")
    (folder / "new.txt").write_text(
        "\n".join([*LINES[:20], "", "user bo hxs 99 stems", *LINES[40:60]])
    )
    quiet = ("--quiet", "--seed", 0)
    train = ("train", "table_nade", "--data", folder / "data.csv", "--out", folder / "table")
    main(*train, "--epochs", 30, *quiet)
    train = ("train", "pixel_cnn", "--data", folder / "greys.npy", "--out", folder / "images")
    main(*train, "--epochs", 6, "--set", "n_layers=1", "--set", "n_features=8", "--set", "levels=4",
         "--set", "first_size=3", "--learning-rate", 0.02, *quiet)  # fmt: skip
    for name, more in (("lines", ["--lines"]), ("text", [])):
        train = ("train", "rnn", "--data", folder / "log.txt", "--out", folder / name, *more)
        main(*train, "--steps", 250, "--set", "n_hidden=32", "--learning-rate", 0.02, *quiet)
    return folder


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_odd_rows_of_a_table_are_found_by_the_runs_own_validation_rows(folder, call, tmp_path):
    out = tmp_path / "scores.csv"
    asked = ("detect", folder / "table", folder / "new.csv", "--out", out)
    status, said, err = call(*asked, "--false-alarm", 0.05, "--false-alarm", 0.2)
    assert (status, err) == (0, "")
    rows = read(out)
    assert list(rows[0]) == ["row", "score", "p_value", "odd_0.05", "odd_0.2"]
    assert [row["row"] for row in rows] == [str(k) for k in range(1, 102)]
    model, clean = cr.load(folder / "table"), np.load(folder / "table" / runs.CLEAN)
    data = cr.datasets.load(folder / "data.csv", column_types=None)
    assert_allclose(clean[:, 0], model.log_prob(data.valid.x), rtol=1e-6)
    assert clean.shape == (40, 2) and (clean[:, 1] == 3).all()
    new = cr.datasets.load(folder / "new.csv", column_types=None)
    score, p = (np.array([float(row[key]) for row in rows]) for key in ("score", "p_value"))
    assert_allclose(p, (1 + (clean[:, 0] <= score[:, None]).sum(axis=1)) / 41)
    assert rows[50]["odd_0.05"] == rows[50]["odd_0.2"] == "1" and p[50] == pytest.approx(1 / 41)
    assert [row["odd_0.2"] for row in rows] == [str(int(q <= 0.2)) for q in p]
    line = next(line for line in said.splitlines() if line.startswith("row"))
    assert line.startswith("row 51, p 0.0244: ") and ", b (1" in line
    assert "101 rows are odd at a false-alarm rate of 0.05, where 5.05 of as many clean" in said
    assert len(new.train.x) + len(new.valid.x) + len(new.test.x) == 101


def test_a_category_never_seen_is_odd_and_named_as_the_file_has_it(folder, call, tmp_path):
    out, picture, new = (tmp_path / name for name in ("scores.csv", "odd.png", "new.csv"))
    new.write_text(HEADER + "\n-1.0,0.5,u\n-1.0,0.5,w\n")
    asked = ("detect", folder / "table", new, "--false-alarm", 0.05)
    status, said, err = call(*asked, "--out", out, "--picture", picture)
    assert status == 0 and err.count("\n") == 1
    assert "new.csv holds 'w' at line 3, column 3 ('kind'), a category never seen in" in err
    assert "of probability 0" in err
    assert [float(row["score"]) for row in read(out)][1] == -np.inf
    assert [row["p_value"] for row in read(out)][1] == str(1 / 41)
    assert "row 2, p 0.0244: inf bits, most for kind (inf), " in said and picture.exists()
    status, said, err = call(*asked, "--quiet")
    assert (status, err) == (0, "") and "2" in said.split()
    status, _, err = call("score", folder / "table", new)
    assert status == 2 and "a category never seen in training; known are 'u', 'v'" in err


def test_clean_rows_of_a_file_calibrate_in_place_of_the_runs(folder, call, tmp_path):
    out, picture = tmp_path / "scores.csv", tmp_path / "odd.png"
    asked = ("detect", folder / "table", folder / "new.csv", "--clean", folder / "clean.csv")
    status, said, _ = call(*asked, "--out", out, "--picture", picture)
    assert status == 0 and "200 clean rows calibrate" in said and "the 9 oddest rows; " in said
    assert read(out)[50]["odd_0.01"] == "1" and picture.stat().st_size > 10_000
    status, said, _ = call(*asked, "--quiet", "--method", "typicality")
    assert status == 0 and "51" in said.split()


def test_a_row_that_ties_with_the_threshold_is_as_its_p_value_says(folder, call, tmp_path):
    out, clean = tmp_path / "scores.csv", folder / "clean.csv"
    asked = ("detect", folder / "table", clean, "--clean", clean, "--out", out, "--quiet")
    assert call(*asked, "--false-alarm", 0.1, "--false-alarm", 0.25)[0] == 0
    rows = read(out)
    for rate in (0.1, 0.25):
        assert [row[f"odd_{rate}"] for row in rows] == [
            str(int(float(row["p_value"]) <= rate)) for row in rows
        ]


def test_odd_images_are_drawn_with_their_pixels(folder, call, tmp_path):
    picture, out = tmp_path / "odd.png", tmp_path / "scores.csv"
    asked = ("detect", folder / "images", folder / "odd.npy", "--false-alarm", 0.05)
    status, said, _ = call(*asked, "--picture", picture, "--out", out)
    assert status == 0 and "image 31, p 0.03" in said and "of 31 image" in said
    assert "decision of each image; " in said and next(iter(read(out)[0])) == "row"
    line = next(line for line in said.splitlines() if line.startswith("image 31"))
    bits = cr.load(folder / "images").log_prob_terms(np.load(folder / "odd.npy")[30:]) / -np.log(2)
    i, j = np.unravel_index(np.argmax(bits), (4, 4))
    assert f"most for row {i + 1} column {j + 1} ({bits.max():.1f}), row " in line
    assert picture.stat().st_size > 3000
    clean = ("--method", "complexity", "--clean", folder / "greys.npy")
    status, said, _ = call(*asked, *clean, "-q")
    assert status == 0 and "31" in said.split()
    _, said, _ = call(*asked, *clean, "--out", out)
    more = -float(read(out)[30]["score"])  # of the model's bits than the code's: what ranks
    line = next(line for line in said.splitlines() if line.startswith("image 31"))
    assert f"{bits.sum():.1f} bits, {abs(more):.1f} {'more' if more > 0 else 'fewer'} than" in line
    assert "than its lossless code's, most for row" in line


def test_typicality_says_what_is_odd_as_too_likely(folder, call, tmp_path):
    model = cr.load(folder / "table")
    x = cr.datasets.load(folder / "clean.csv", column_types=None).train.x
    best = x[np.argsort(-model.log_prob(x))[:6]]
    rows = [f"{a},{b},{c}" for a, b, c in np.asarray(best, object)]
    (tmp_path / "new.csv").write_text("\n".join([HEADER, *rows, "1.000,-2.000,v"]) + "\n")
    asked = ("detect", folder / "table", tmp_path / "new.csv", "--method", "typicality")
    status, said, _ = call(*asked, "--false-alarm", 0.99)
    shown = [line for line in said.splitlines() if line.startswith("row ")]
    assert status == 0 and len(shown) >= 5
    for line in shown:
        assert (", too likely: " in line) == (not line.startswith("row 7, ")), line
    _, said, _ = call(*asked[:-2], "--false-alarm", 0.99)
    assert "too likely" not in said


def test_a_ratio_says_how_far_the_background_is(folder, call, tmp_path):
    model, x = cr.load(folder / "images"), np.load(folder / "greys.npy")
    ratio = cr.Detector(model, method="ratio", background=model, false_alarm=1.0)
    ratio.fit(X_clean=x[:50]).save(tmp_path / "ratio.safetensors")
    np.save(tmp_path / "odd.npy", np.load(folder / "odd.npy")[30:])
    _, said, _ = call("detect", tmp_path / "ratio.safetensors", tmp_path / "odd.npy")
    line = next(line for line in said.splitlines() if line.startswith("image 1, p "))
    assert "bits, 0.0 fewer than the background's, most for row " in line


@pytest.mark.parametrize("method", ["likelihood", "bits"])
def test_odd_lines_are_shown_with_the_place_that_is_odd(folder, call, method, tmp_path):
    out, picture = tmp_path / "scores.csv", tmp_path / "odd.svg"
    asked = ("detect", folder / "lines", folder / "new.txt", "--method", method)
    status, said, err = call(*asked, "--false-alarm", 0.1, "--out", out, "--picture", picture)
    assert status == 0 and "new.txt has 1 empty line, which is left out" in err
    rows = read(out)
    numbers = [int(row["line"]) for row in rows]
    assert numbers == [*range(1, 21), *range(22, 43)], "the empty line is counted, and left out"
    assert min(rows, key=lambda row: float(row["p_value"]))["line"] == "22"
    head = "line 22, p "
    shown = said.splitlines()
    k = next(k for k, line in enumerate(shown) if line.startswith(head))
    marks = shown[k + 1]
    assert shown[k][marks.index("^")] in "xs9" and set(marks) == {" ", "^"}
    assert picture.exists()


def test_characters_that_training_never_saw_are_named(folder, call, tmp_path):
    (tmp_path / "new.txt").write_text("user bo has 12 items\nuser bö has 12 iteΩs\n")
    asked = ("detect", folder / "lines", tmp_path / "new.txt", "--false-alarm", 0.1)
    status, said, err = call(*asked)
    assert (status, err) == (0, "") and said.count("never seen in training: 'ö' 'Ω'") == 1


def test_on_a_terminal_what_is_odd_is_coloured(folder, call, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    _, said, _ = call("detect", folder / "lines", folder / "new.txt", "--false-alarm", 0.1)
    line = next(line for line in said.splitlines() if line.startswith("line 22"))
    assert "\x1b[" in line and "^" not in said


def test_a_detectors_file_takes_the_place_of_a_run(folder, call, tmp_path):
    model = cr.load(folder / "lines")
    ratio = cr.Detector(model, method="ratio", mutation=0.3, false_alarm=0.1)
    ratio.fit(LINES, X_clean=LINES[::3]).save(tmp_path / "ratio.safetensors")
    asked = ("detect", tmp_path / "ratio.safetensors", folder / "new.txt")
    assert "22" in (found := call(*asked, "--quiet")[1].split()) and len(found) < 12
    assert len(call(*asked, "--quiet", "--false-alarm", 0.5)[1].split()) > 12
    assert call("score", tmp_path / "ratio.safetensors", folder / "log.txt")[0] == 0
    status, _, err = call(*asked, "--method", "bits")
    assert status == 2 and "has its own method and clean rows; leave --method out" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("text", "new.txt"), "keeps no validation rows to calibrate by; give --clean"),
        (("table", "new.csv", "--false-alarm", 0), "--false-alarm 0 would need infinitely many"),
        (("table", "new.csv", "--false-alarm", 1e-4), "takes 9,999 clean rows or more, and there"),
        (("table", "new.csv", "--false-alarm", 2), "--false-alarm must be a rate above 0"),
        (("table", "new.csv", "--method", "ratio"), "in Python save a chainrule.Detector"),
        (("table", "new.csv", "--method", "magic"), "--method must be one of"),
        (("images", "odd.npy", "--method", "complexity"), "calibrates by rows as they are; give"),
        (("table", "odd.npy", "--false-alarm", 0.1), "16 features"),
        (("table", "nothing.csv"), "does not exist"),
        (("table", "new.csv", "--out", "scores.npy"), "end it in .csv"),
        (("table", "new.csv", "--picture", "odd.csv"), "end it in .png"),
        (("lines", "new.txt", "--header", "--false-alarm", 0.5), "--header is of tables"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(folder, call, arguments, said):
    run, data, *more = arguments
    status, _, err = call("detect", folder / run, folder / data, *more)
    assert status == 2 and said in err and err.count("\n") <= 2


@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN (first at {})"), (9, "holds 9 at {},")])
@pytest.mark.parametrize("verb", ["detect", "score", "train"])
def test_a_pixel_that_is_none_is_called_as_its_file_has_it(
    folder, call, tmp_path, verb, value, said
):
    x = np.load(folder / "greys.npy").astype(float)
    x[7, 2, 3] = value
    files = {"a.npy": x, "b.npy": x.reshape(len(x), -1), "c.npz": x}
    for name, array in files.items():
        path, place = tmp_path / name, "[7, 11]" if array.ndim == 2 else "[7, 2, 3]"
        (np.savez if name == "c.npz" else np.save)(path, array)
        asked = (verb, folder / "images", path)
        if verb == "detect":
            asked += ("--false-alarm", 0.1)
        if verb == "train":
            asked = ("train", "pixel_cnn", "--data", path, "--set", "levels=4")
            asked += ("--set", "image_shape=4,4", "--out", tmp_path / "r")
        status, _, err = call(*asked)
        assert status == 2 and str(path) in err and said.format(place) in err, err
        assert "orderless" not in err and "row 7" not in err


def test_one_of_one_is_said_so_and_a_rate_given_twice_counts_once(folder, call, tmp_path):
    out, picture, new = (tmp_path / name for name in ("scores.csv", "odd.png", "new.txt"))
    new.write_text("user bo hxs 99 stems\n")
    asked = ("detect", folder / "lines", new, "--out", out, "--picture", picture)
    rates = ("--false-alarm", 0.1, "--false-alarm", 0.5, "--false-alarm", ".10")
    status, said, err = call(*asked, *rates)
    assert (status, err) == (0, "")
    assert list(read(out)[0]) == ["line", "score", "p_value", "odd_0.1", "odd_0.5"]
    assert said.count("1 of 1 line is odd at a false-alarm rate of 0.1") == 1
    assert f"the oddest line; {picture}" in said
    new.write_text("user bo hxs 99 stems\n" + "\n".join(LINES[:9]) + "\n")
    assert "1 of 10 lines is odd" in call(*asked, "--false-alarm", 0.1)[1]
    (tmp_path / "one.txt").write_text(LINES[0] + "\n")
    _, said, _ = call(*asked, "--false-alarm", 1, "--clean", tmp_path / "one.txt")
    assert "10 of 10 lines are odd" in said and "; 1 clean line calibrates" in said


def test_a_table_with_real_columns_has_no_code_with_clean_rows_or_without(folder, call):
    asked = ("detect", folder / "table", folder / "new.csv", "--method", "complexity")
    for clean in ((), ("--clean", folder / "clean.csv")):
        status, _, err = call(*asked, *clean)
        assert status == 2 and "--method complexity compares with lossless codes" in err
        assert "take another method" in err and "give --clean" not in err


def test_advice_is_what_the_command_takes(folder, call):
    _, _, err = call("detect", folder / "table", folder / "new.csv", "--method", "magic")
    assert "'bits'" in err and "ratio" not in err
    _, _, err = call("detect", folder / "table", folder / "new.csv", "--false-alarm", 1e-4)
    assert "give a run --clean, a file of more, or a higher rate" in err


def test_files_are_written_though_nobody_reads_on(folder, call, monkeypatch, tmp_path):
    def unread(*_):
        raise BrokenPipeError

    monkeypatch.setattr("chainrule.commands.oddities.tell", unread)
    files = tmp_path / "scores.csv", tmp_path / "odd.png"
    options = ("--false-alarm", 0.1, "--out", files[0], "--picture", files[1])
    assert call("detect", folder / "table", folder / "new.csv", *options)[0] == 1
    assert all(path.exists() for path in files)


def test_a_text_calibrates_by_a_file_of_lines(folder, call):
    asked = ("detect", folder / "text", folder / "new.txt", "--clean", folder / "log.txt")
    status, said, _ = call(*asked, "--false-alarm", 0.02, "--quiet", "--method", "bits")
    assert status == 0 and "22" in said.split()


def test_what_a_run_keeps_is_of_its_model_alone(folder, tmp_path, call):
    """A training that goes on takes it away until it has finished."""
    train = ("train", "nade", "--data", folder / "greys.npy", "--out", tmp_path / "r", "-q")
    main(*train, "--epochs", 1, "--binarize", 1.5)
    before = np.load(tmp_path / "r" / runs.CLEAN)
    main("train", "nade", "--out", tmp_path / "r", "--resume", "--epochs", 3, "-q")
    after = np.load(tmp_path / "r" / runs.CLEAN)
    assert before.shape == after.shape and (before[:, 0] != after[:, 0]).any()
    assert runs.read_clean(tmp_path / "r").shape == after.shape
    for damage in (b"", b"junk", b"\x93NUMPY\x01"):
        (tmp_path / "r" / runs.CLEAN).write_bytes(damage)
        assert runs.read_clean(tmp_path / "r") is None
    np.save(tmp_path / "r" / runs.CLEAN, np.ones(4))
    assert runs.read_clean(tmp_path / "r") is None


def test_many_validation_rows_are_drawn_from(folder, monkeypatch, tmp_path):
    monkeypatch.setattr("chainrule.commands.row_material.MOST_CLEAN", 12)
    train = ("train", "fvsbn", "--data", folder / "greys.npy", "--out", tmp_path / "r", "-q")
    main(*train, "--epochs", 1, "--binarize", 1.5)
    assert len(np.load(tmp_path / "r" / runs.CLEAN)) == 12
    assert material.MOST_CLEAN == 5000 and oddities.SHOWN == 20


def test_an_autoencoder_finds_nothing_odd(folder, tmp_path, call):
    np.save(tmp_path / "bits.npy", np.load(folder / "greys.npy") > 1)
    train = ("train", "autoencoder", "--data", tmp_path / "bits.npy", "--out", tmp_path / "r", "-q")
    main(*train, "--epochs", 1)
    assert not (tmp_path / "r" / runs.CLEAN).exists()
    status, _, err = call("detect", tmp_path / "r", tmp_path / "bits.npy")
    assert status == 2 and "detect is for densities, and Autoencoder is none" in err
    assert_array_equal(err.count("\n"), 1)


def by_ranks(size, monkeypatch, run, x, asked):
    """Run the verb on so many ranks, which are threads; return how many rows each was given."""
    monkeypatch.setattr(together, "joined", lambda _: team.within(team.current()))
    real, dealt = dealing.rows, {}

    def counted(f, n):
        one = team.current()

        def of_slice(lo, hi):
            if dealing._dealing.get():  # rank 0 goes on alone
                dealt[one.rank] = dealt.get(one.rank, 0) + hi - lo
            return f(lo, hi)

        return real(of_slice, n)

    def work(one):
        with team.within(one):
            detect.detect(Common(), run, x, asked, Written())

    with monkeypatch.context() as patched:
        patched.setattr(dealing, "rows", counted)
        ends = ranks.together(size, work)
    assert ends == [None] * size
    return dealt


@pytest.mark.parametrize("size", [2, 3, 120])  # of at most 101 rows
@pytest.mark.parametrize(
    ("run", "x", "clean", "method"),
    [
        ("table", "new.csv", None, None),
        ("table", "new.csv", "clean.csv", "typicality"),
        ("images", "odd.npy", "greys.npy", "complexity"),
        ("lines", "new.txt", None, "bits"),
        ("text", "new.txt", "log.txt", "likelihood"),
    ],
)
def test_ranks_share_the_rows_and_find_what_one_finds(
    folder, run, x, clean, method, size, monkeypatch, capsys, tmp_path
):
    found, counts = [], []
    for n in (1, size):
        files = tmp_path / "scores.csv", tmp_path / "odd.png"
        clean_file = None if clean is None else folder / clean
        asked = DetectRequest((0.1, 0.3), clean_file, method, *files)
        dealt = by_ranks(n, monkeypatch, folder / run, folder / x, asked)
        said = capsys.readouterr()
        found.append((*(file.read_bytes() for file in files), *said))
        counts.append(sorted(dealt.values()))
    assert found[0] == found[1] and " odd at a false-alarm rate" in said.out
    (whole,), shares = counts
    assert 0 <= sum(shares) - whole < 2 * size, "who has no rows asks for one of each kind"
    assert shares[-1] < 0.7 * whole


def test_ranks_share_what_a_detectors_background_finds(folder, monkeypatch, capsys, tmp_path):
    model = cr.load(folder / "lines")
    kept = tmp_path / "ratio.safetensors"
    ratio = cr.Detector(model, method="ratio", mutation=0.3, false_alarm=0.1)
    ratio.fit(LINES, X_clean=LINES[::3]).save(kept)
    files = [tmp_path / f"{n}.csv" for n in (1, 3)]
    for n, out in zip((1, 3), files, strict=True):
        by_ranks(n, monkeypatch, kept, folder / "new.txt", DetectRequest((0.2,), out=out))
    assert files[0].read_text() == files[1].read_text()


def test_ranks_read_no_standard_input(folder, monkeypatch):
    monkeypatch.setattr(together, "joined", lambda _: team.within(team.current()))

    def work(one):
        with team.within(one):
            detect.detect(Common(), folder / "table", "-", DetectRequest(), Written())

    for end in ranks.together(2, work):
        assert isinstance(end, ValueError) and str(end).startswith("- is read by one process")
