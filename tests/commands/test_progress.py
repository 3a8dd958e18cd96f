"""What is shown while something takes its time: on a terminal, in notebooks and files, nowhere."""

import io
import re
import sys
import time

import numpy as np
import pytest

import chainrule as cr
from chainrule import progress

TEXT = "to be or not to be " * 20


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "compiling", lambda: False)  # with a cold cache it may be so


def test_verbose_prints_a_line_an_epoch_where_no_terminal_is(X, capsys):
    model = cr.FVSBN(epochs=3, verbose=True).fit(X, X_valid=X[:50])
    lines = capsys.readouterr().err.splitlines()
    for number, (line, record) in enumerate(zip(lines, model.history_, strict=True), start=1):
        nll = f"train {record['train']:.2f}  valid {record['valid']:.2f} nats"
        assert line == f"epoch {number}/3  {nll}  {record['seconds']:.1f} s"


def test_verbose_prints_a_line_a_record_of_a_text(capsys):
    model = cr.RNN(4, steps=20, context=5, batch_size=2, verbose=True).fit(TEXT)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(model.history_) == 10
    assert re.fullmatch(r"step 2/20  train \d\.\d{3} nats a symbol  \d+\.\d s", lines[0])


def test_an_epoch_that_takes_long_is_heard_of_before_it_ends(X, capsys, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    cr.FVSBN(epochs=2, batch_size=50, verbose=True).fit(X)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6 and re.fullmatch(r"epoch 1/2  step 1/6  loss \d\.\d\d nats", lines[0])
    assert lines[2].startswith("epoch 1/2  train ")


def test_scoring_is_counted(X, capsys, monkeypatch):
    model = cr.FVSBN(epochs=1).fit(X).set_params(verbose=True)
    model.log_prob(X)
    assert capsys.readouterr().err == "", "it was over at once"
    monkeypatch.setattr(progress, "EVERY", 0.0)
    model.log_prob(np.repeat(X, 60, axis=0))
    assert capsys.readouterr().err == "log_prob  1 of 3\nlog_prob  2 of 3\nlog_prob  3 of 3\n"


@pytest.mark.parametrize("cls", [cr.NADE, cr.RNADE])
@pytest.mark.parametrize("where", ["terminal", "notebook", "file", "quick", "warm"])
def test_compiling_for_long_is_said_where_someone_watches(cls, where, X, capsys, monkeypatch):
    """Also by what was not asked to be verbose; once, and never into a file."""
    monkeypatch.setattr(progress, "compiling", lambda: where != "warm")
    monkeypatch.setattr(progress, "PATIENCE", 60.0 if where == "quick" else 0.01)
    monkeypatch.setattr(progress, "watched", lambda: where != "notebook" and where != "file")
    monkeypatch.setattr("rich.console._is_jupyter", lambda: where == "notebook")
    small = {"n_hidden": 3, "epochs": 2}
    model = cls(**small).fit(X, callback=lambda *_: time.sleep(0.05))
    said = capsys.readouterr().err
    assert said == (f"{progress.COMPILING}\n" if where in ("terminal", "notebook") else "")
    assert model.verbose is False


def test_the_command_line_keeps_quiet_where_it_is_told_to(capsys, monkeypatch):
    monkeypatch.setattr(progress, "compiling", lambda: True)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "watched", lambda: True)
    for _ in progress.track(range(3), "x", show=False):
        time.sleep(0.02)
    assert capsys.readouterr().err == ""


def test_compiling_is_said_once_and_only_while_it_is_so(capsys, monkeypatch):
    looks = []
    monkeypatch.setattr(progress, "compiling", lambda: looks.append(1) or len(looks) > 2)
    monkeypatch.setattr(progress, "POLL", 0.01)
    with progress.waiting("compiling", delay=0.0, when=progress.compiling, lines=True):
        while len(looks) < 3:
            time.sleep(0.01)
        time.sleep(0.1)
    assert capsys.readouterr().err == "compiling\n" and len(looks) == 3
    with progress.compilation(lines=False):
        pass
    assert capsys.readouterr().err == ""


def test_nothing_is_printed_unless_verbose(X, capsys):
    cr.FVSBN(epochs=2).fit(X).log_prob(X)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_and_no_lines(X, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "DELAY", 0.0)
    cr.FVSBN(epochs=3, verbose=True).fit(X)
    shown = terminal.getvalue()
    assert "epoch 3/3" in shown and "train" not in shown and "\x1b[" in shown


def test_the_command_line_is_silent_in_files_and_pipes(X, call, tmp_path):
    np.save(tmp_path / "x.npy", X)
    train = ("train", "fvsbn", "--data", tmp_path / "x.npy", "--epochs", 2)
    assert call(*train, "--out", tmp_path / "r")[::2] == (0, "")
    assert call("score", tmp_path / "r", tmp_path / "x.npy")[::2] == (0, "")
