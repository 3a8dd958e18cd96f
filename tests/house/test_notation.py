"""A letter of a derivation means what docs/notation.md says, and nothing but a step has a label."""

import re
from pathlib import Path

import pytest

from study import derivations

NOTATION = Path(__file__).parents[2] / "docs" / "notation.md"
LETTER = re.compile(r"(?<![\w'’\"])([A-Z])(?![A-Za-z'\d\"]|_[A-Z])|([α-ωΓΔΘΛΞΦΨΩℓ])")
WORDS = {"A", "I"}  # English, too
COLUMN = re.compile(r"(?:^|[ (])(W(?:_\w+|\^\w+)ᵀ?|W\^?\w?ᵀ) (d?[a-z])(?:[_'^ ,]|$)", re.M)


def tables():
    """Return the letters of each table, by its heading, and the last one's by file."""
    own, found, heading = {}, {}, ""
    for line in NOTATION.read_text("utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:].lower()
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| ") or cells[0] == "letter":
            continue
        row = {letter.strip() for letter in cells[0].split(",")}
        found.setdefault(heading, set()).update(row)
        if heading == "letters of one file":
            for name in cells[2].split(","):
                own.setdefault(name.strip().strip("`"), set()).update(row)
    return found, own


FAMILIES, OWN = tables()


def letters(text):
    """Return the capital letters and the Greek ones of a text."""
    return {latin or greek for latin, greek in LETTER.findall(text)}


KINDS = {
    "images": ("pixel", "pooling", "grid_lstm", "masked_conv", "gate", "greys", "logistics"),
    "sequences": tuple(
        "attention rnn lstm gru recurrent transformer tied_output embedding rotary gelu layer_norm "
        "dropout categorical softmax_cross_entropy".split()
    ),
}
EVERY = {
    **{f"kernels/{name}": derivations.kernel(name).text for name in derivations.kernels()},
    **{name: derivations.engine_file(name).text for name in derivations.files()},
}


def kind(name):
    """Return which table a derivation keeps to besides the one for all."""
    last = name.rpartition("/")[2]
    found = [kind for kind, words in KINDS.items() if any(word in last for word in words)]
    return found[0] if found else "rows"


@pytest.mark.parametrize("name", EVERY)
def test_a_letter_stands_in_the_tables(name):
    allowed = FAMILIES["everywhere"] | FAMILIES[kind(name)] | WORDS
    allowed |= OWN.get(name.removesuffix(".py"), set())
    assert letters(EVERY[name]) <= allowed


@pytest.mark.parametrize("name", EVERY)
def test_vectors_are_rows(name):
    assert not COLUMN.findall(EVERY[name]), "write x W, not W x"


def test_a_letter_has_one_meaning_in_a_kind():
    for family in ("rows", "sequences", "images"):
        assert not FAMILIES["everywhere"] & FAMILIES[family]


def test_a_letter_of_one_file_means_nothing_else():
    """P, α and the rest have one meaning: no row of the last table gives them a second one."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| `", NOTATION.read_text("utf-8"), re.M)
    each = [letter.strip() for row in rows for letter in row.split(",")]
    repeated = {letter for letter in each if each.count(letter) > 1}
    for name, named in OWN.items():
        repeated |= named & (FAMILIES["everywhere"] | FAMILIES[kind(name)])
    assert not repeated


def test_a_letter_of_one_file_is_needed_there():
    assert {name for name in OWN} <= {name.removesuffix(".py") for name in EVERY}
    for name, named in OWN.items():
        text = EVERY.get(name) or EVERY[f"{name}.py"]
        assert named <= letters(text), name


def test_what_is_a_letter_and_what_is_a_column():
    assert letters("K x + Ω · T_MAX, by F1 of Adam's W") == {"K", "Ω", "W"}
    assert COLUMN.findall("h_t = tanh(W_hh h_t)") and COLUMN.findall("dm = W_oᵀ dx', 1 × 1")
    assert not COLUMN.findall("h_t = tanh(h_t W_hh + x W_x)")
