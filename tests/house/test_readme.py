"""What the README tells people to run, runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TEXT = README.read_text("utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)


def run_script(script, folder):
    """Return what a script prints, and the nats that it speaks of."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, float(re.search(r"(-[\d.]+) nats", done.stdout)[1])


def test_the_ten_line_script(tmp_path):
    _, nats = run_script(blocks("python")[0], tmp_path)
    assert -30 < nats < -15, "an 8×8 digit has about 20 nats; a fair coin a pixel would have 44"
    assert (tmp_path / "nade.safetensors").exists()


def test_the_script_for_texts(tmp_path):
    out, nats = run_script(blocks("python")[1], tmp_path)
    assert nats > -1, "a text of so few words has little to guess"
    likely, unlikely = map(float, re.search(r"\[\s*(\S+)\s+(\S+)\]", out).groups())
    assert likely > unlikely + 5
    assert len(out.splitlines()[-1]) == 60 and set(out.splitlines()[-1].split()) & {"cat", "dog"}


def test_the_script_for_images(tmp_path):
    out, nats = run_script(blocks("python")[3], tmp_path)
    assert nats > -76, "digits that are half good have 80 nats; even chances would have 181"
    assert float(out.splitlines()[1].split()[0]) > 0.95, "digits are told by their likelihoods"
    assert (tmp_path / "digits.png").exists()


def test_the_script_for_what_is_odd(tmp_path):
    script = blocks("python")[4]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    decision, column = done.stdout.splitlines()
    assert decision.startswith("[-1] [0.03") and column.startswith("10 is the column")


def test_the_script_for_attacks(tmp_path):
    out, _ = run_script(blocks("python")[5], tmp_path)
    found = map(float, re.findall(r"0\.\d+", out.splitlines()[0]))
    clean, fooled, purified, known, unseen, both = found
    assert clean > 0.9 and fooled < 0.4 and unseen < 0.4
    assert fooled + 0.2 < purified and known <= purified and both < purified
    nats = map(float, re.findall(r"-\d+\.\d+", out.splitlines()[1]))
    of_clean, of_fooled, of_unseen, of_both = nats
    assert of_fooled < of_unseen < of_clean and of_unseen < of_both


def test_the_verbs_exist():
    verbs = {
        line.split()[1]
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("chainrule ")
    }
    done = subprocess.run(
        [sys.executable, "-m", "chainrule.cli", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert verbs >= {"train", "score", "sample", "complete", "conditionals", "info", "gradcheck"}
    for verb in verbs:
        assert verb in done.stdout, verb


def test_each_set_up_is_one_line():
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert sum(line.startswith("python3 -m venv") for line in lines) == 2
    assert sum(line.endswith(".venv/bin/pytest -n auto --dist loadfile") for line in lines) == 1


@pytest.mark.skipif(not (ROOT / "kernels").is_dir(), reason="no sources beside the tests")
def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
