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
        if heading.endswith("one file"):
            for name in cells[2].split(","):
                of_file = own.setdefault(heading, {}).setdefault(name.strip().strip("`"), set())
                of_file.update(row)
    return found, own


FAMILIES, OF_ONE_FILE = tables()
OWN, OWN_SMALL = OF_ONE_FILE["letters of one file"], OF_ONE_FILE["small letters of one file"]
OTHER = OF_ONE_FILE["other meanings in one file"]


def letters(text):
    """Return the capital letters and the Greek ones of a text."""
    return {latin or greek for latin, greek in LETTER.findall(text)}


def small(text):
    """Return the small letters of a text that are mathematics: no word, nor a part of one."""
    return {alone or below for alone, below in SMALL.findall(PROSE.sub(" ", text))}


def files_of_kinds():
    """Return the files of each kind, as the page lists them."""
    text = NOTATION.read_text("utf-8").partition("## Which files are of which kind")[2]
    listed = re.findall(r"^\*\*(\w+)\*\*: ([^*#]+)", text.partition("\n## ")[0], re.M)
    return {kind.lower(): re.findall(r"`([\w/]+)`", files) for kind, files in listed}


KINDS = files_of_kinds()
EVERY = {
    **{f"kernels/{name}": derivations.kernel(name).text for name in derivations.kernels()},
    **{name: derivations.engine_file(name).text for name in derivations.files()},
}


def kind(name):
    """Return which table a derivation keeps to besides the one for all."""
    (found,) = [kind for kind, files in KINDS.items() if name.removesuffix(".py") in files]
    return found


def test_the_page_says_of_each_file_once_of_which_kind_it_is():
    files = [name for files in KINDS.values() for name in files]
    assert sorted(files) == sorted(name.removesuffix(".py") for name in EVERY)
    assert set(KINDS) == {"rows", "sequences", "images"}


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
    """P, α and the rest have one meaning: no row of their table gives them a second one."""
    table = NOTATION.read_text("utf-8").partition("## Other meanings")[0]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| `", table, re.M)
    each = [letter.strip() for row in rows for letter in row.split(",")]
    repeated = {letter for letter in each if each.count(letter) > 1}
    for name, named in OWN.items():
        repeated |= named & (FAMILIES["everywhere"] | FAMILIES[kind(name)])
    assert not repeated


def test_another_meaning_is_one_that_a_letter_of_its_kind_has_not():
    for name, named in OTHER.items():
        assert named <= FAMILIES["everywhere"] | FAMILIES[kind(name)], name


FUNCTIONS = {"everywhere": set("LOPσφΦℓ"), "rows": set("F"), "sequences": set("R"), "images": set()}


def unknown_functions(name, text):
    """Return capital and Greek letters that take an argument, as R(v), and are no function here."""
    applied = set(re.findall(r"(?<![\w'’\"])([A-Z]|[α-ωΓΔΘΛΞΦΨΩ])\((?!\1)", text))
    own = OWN.get(name, set()) | OTHER.get(name, set())
    return applied - FUNCTIONS["everywhere"] - FUNCTIONS[kind(name)] - own


@pytest.mark.parametrize("name", EVERY)
def test_a_letter_that_takes_an_argument_is_listed_as_a_function(name):
    assert not unknown_functions(name.removesuffix(".py"), EVERY[name])
    planted = unknown_functions(name.removesuffix(".py"), f"{EVERY[name]} C(v) and S(v)")
    assert planted >= {"S"}


@pytest.mark.parametrize("name", EVERY)
def test_dL_is_no_gradient_but_a_part_of_a_quotient(name):
    """The gradient in a row's loss is dnll: by "dL/dx is dx" dL alone would be dL/dL."""
    assert not re.search(r"(?<![∂\w])dL(?:_\w+)?\b(?!/d|_\w+/d)", EVERY[name])


@pytest.mark.parametrize(("own", "read"), [(OWN, letters), (OTHER, letters), (OWN_SMALL, small)])
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
