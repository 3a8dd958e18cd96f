"""A letter of a derivation means what docs/notation.md says, and nothing but a step has a label."""

import re
from pathlib import Path

import pytest

from study import derivations

NOTATION = Path(__file__).parents[2] / "docs" / "notation.md"
LETTER = re.compile(r"(?<![\w'’\"])([A-Z])(?![A-Za-z'\d\"]|_[A-Z])|([α-ωΓΔΘΛΞΦΨΩℓ])")
WORDS = {"A", "I"}  # English, too
# A small letter alone, x or its gradient dx, or below another, x_i; but W_o is one of the W.
SMALL = re.compile(
    r"(?<![A-Za-z_'’\".])d?([a-z])(?![A-Za-z])|(?<=[^WbTEn\d\s]_)([a-z])(?![A-Za-z])"
)
PROSE = re.compile(r"`[^`\n]*`|\"[^\"\n]*\"|\bdo\b|\ba(?= [a-z]{2})")  # names of code, do, a word
COLUMN = re.compile(r"(?:^|[ (])(W(?:_\w+|\^\w+)ᵀ?|W\^?\w?ᵀ) (d?[a-z])(?:[_'^ ,]|$)", re.M)


def tables():
    """Return the letters of each table by heading, and those of one file by heading and file."""
    own, found, heading = {}, {}, ""
    for line in NOTATION.read_text("utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:].lower()
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| ") or cells[0] == "letter":
            continue
        row = {letter.strip() for letter in cells[0].split(",")}
        found.setdefault(heading, set()).update(row)
        if heading.endswith("letters of one file"):
            for name in cells[2].split(","):
                of_file = own.setdefault(heading, {}).setdefault(name.strip().strip("`"), set())
                of_file.update(row)
    return found, own


FAMILIES, OF_ONE_FILE = tables()
OWN, OWN_SMALL = OF_ONE_FILE["letters of one file"], OF_ONE_FILE["small letters of one file"]


def letters(text):
    """Return the capital letters and the Greek ones of a text."""
    return {latin or greek for latin, greek in LETTER.findall(text)}


def small(text):
    """Return the small letters of a text that are mathematics: no word, nor a part of one."""
    return {alone or below for alone, below in SMALL.findall(PROSE.sub(" ", text))}


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


def unlisted(name, text):
    """Return the small letters of a derivation that have no meaning in any table."""
    allowed = FAMILIES["everywhere"] | FAMILIES[kind(name)]
    return small(text) - allowed - OWN_SMALL.get(name.removesuffix(".py"), set())


@pytest.mark.parametrize("name", EVERY)
def test_a_small_letter_stands_in_the_tables_or_is_listed_for_its_file(name):
    assert not unlisted(name, EVERY[name])


@pytest.mark.parametrize(
    ("planted", "letter"), [("w_t = h W", "w"), ("dg = 0", "g"), ("h_w = 1", "w"), ("a g' b", "g")]
)
def test_a_small_letter_that_is_listed_nowhere_is_found(planted, letter):
    text = f"{EVERY['kernels/rnn']}\n    {planted}"
    assert unlisted("kernels/rnn", text) == {letter}


def test_a_convolution_names_each_thing_once():
    """t is a tap and no pixel, (u, v) its distance, dy and dx gradients, and masks are of kinds."""
    assert "x_t" not in EVERY["kernels/masked_conv"] and "x_<t" not in EVERY["kernels/masked_conv"]
    home = derivations.HOMES["kernels"]
    for name in ("windows.py", "runs.py", "../samplers/pixel_cnn/panels.py"):
        text = (home / "masked_conv" / name).read_text("utf-8")
        assert not re.search(r"\bdy\b,? (dx|rows)\b", text), name
    root = NOTATION.parents[1]
    for folder in ("kernels", "engine", "bindings", "docs", "bench", "examples"):
        for path in (root / folder).rglob("*"):
            if path.suffix in (".py", ".md", ".cu", ".cuh"):
                assert not re.search(r"\btypes? [AB]\b", path.read_text("utf-8")), path


@pytest.mark.parametrize("name", EVERY)
def test_vectors_are_rows(name):
    assert not COLUMN.findall(EVERY[name]), "write x W, not W x"


def test_a_letter_has_one_meaning_in_a_kind():
    for family in ("rows", "sequences", "images"):
        assert not FAMILIES["everywhere"] & FAMILIES[family]


def test_a_letter_of_one_file_means_nothing_else():
    """P, α and the rest have one meaning: no row of the last table gives them a second one."""
    table = NOTATION.read_text("utf-8").partition("## Small letters")[0]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| `", table, re.M)
    each = [letter.strip() for row in rows for letter in row.split(",")]
    repeated = {letter for letter in each if each.count(letter) > 1}
    for name, named in OWN.items():
        repeated |= named & (FAMILIES["everywhere"] | FAMILIES[kind(name)])
    assert not repeated


@pytest.mark.parametrize(("own", "read"), [(OWN, letters), (OWN_SMALL, small)])
def test_a_letter_of_one_file_is_needed_there(own, read):
    assert {name for name in own} <= {name.removesuffix(".py") for name in EVERY}
    for name, named in own.items():
        text = EVERY.get(name) or EVERY[f"{name}.py"]
        assert named <= read(text), name


def test_what_is_a_letter_and_what_is_a_column():
    assert letters("K x + Ω · T_MAX, by F1 of Adam's W") == {"K", "Ω", "W"}
    assert small("a row's x' of `u`, \"v\", as do dh_t and 2q; W_o") == {"x", "h", "t", "q"}
    assert small("a c - b s") == {"a", "b", "c", "s"}
    assert COLUMN.findall("h_t = tanh(W_hh h_t)") and COLUMN.findall("dm = W_oᵀ dx', 1 × 1")
    assert not COLUMN.findall("h_t = tanh(h_t W_hh + x W_x)")
