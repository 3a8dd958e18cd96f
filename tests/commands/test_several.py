"""What several completions of a row are written as, and rows that are read from a .npz."""

import numpy as np
import pytest

from chainrule.datasets import tables

SMALL = ("--epochs", 1, "--set", "hidden=4", "--backend", "reference", "-q")


def test_several_draws_say_of_which_row_they_are(tmp_path, rng, call):
    data, run = tmp_path / "x.csv", tmp_path / "run"
    np.savetxt(data, rng.normal(size=(30, 2)), "%.3f", ",", header="a,b", comments="")
    assert call("train", "orderless_nade", "--data", data, "--out", run, *SMALL) == (0, "", "")
    (tmp_path / "gaps.csv").write_text("a,b\n0.5,\n,0.25\n1.5,2.5\n")
    for verb, more in (("impute", ()), ("complete", ("--observed", "known"))):
        line = (verb, run, tmp_path / "gaps.csv", "--out", tmp_path / "o.csv", "-q", *more)
        assert call(*line, "--draws", 2) == (0, "", "")
        table = tables.read(tmp_path / "o.csv")
        assert table.columns == ("row", "draw", "a", "b")
        assert table.x[:, 0].tolist() == [1, 1, 2, 2, 3, 3]
        assert table.x[:, 1].tolist() == [1, 2, 1, 2, 1, 2]
        assert table.x[0, 2] == table.x[1, 2] == 0.5 and table.x[2, 3] == table.x[3, 3] == 0.25
        assert call(*line, "--draws", 1) == (0, "", "")
        assert tables.read(tmp_path / "o.csv").columns == ("a", "b")


@pytest.mark.parametrize("packed", [False, True])
def test_what_training_reads_of_a_npz_other_verbs_read_too(packed, tmp_path, rng, call):
    sizes = {"train": 40, "valid": 5, "test": 7}
    splits = {name: rng.integers(0, 2, (n, 9), np.uint8) for name, n in sizes.items()}
    test, run = splits["test"], tmp_path / "run"
    if packed:
        splits = {k: np.packbits(x, axis=1) for k, x in splits.items()} | {"n_vars": np.array(9)}
    np.savez(tmp_path / "x.npz", **splits)
    np.savez(tmp_path / "alone.npz", test)
    np.savez(tmp_path / "others.npz", a=test, b=test)
    line = ("train", "fvsbn", "--data", tmp_path / "x.npz", "--out", run, "--epochs", 1)
    assert call(*line, "--backend", "reference", "-q") == (0, "", "")
    scores = [call("score", run, tmp_path / f"{one}.npz")[1] for one in ("x", "alone")]
    assert scores[0] == scores[1] and len(scores[0].split()) == 7
    line = ("--observed", "prefix:3", "--draws", 1, "--out", tmp_path / "o.npy", "-q")
    assert call("complete", run, tmp_path / "x.npz", *line) == (0, "", "")
    assert np.load(tmp_path / "o.npy").shape == (7, 9)
    status, _, err = call("score", run, tmp_path / "others.npz")
    assert status == 2 and "holds a, b; call the rows that are meant test or x_test" in err
