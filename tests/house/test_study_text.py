"""How the site lays its text out: derivations on a narrow screen, titles, excerpts of a search."""

import json
import re

import pytest

from study import excerpts, pages, places
from study.directives import derivation_of
from study.lines import paragraphs
from study.titles import WORDS, titled

DOCS = places.ROOT / "docs"


def shown(name):
    """Return the text of a derivation as its page shows it."""
    return derivation_of(name).text.strip("\n").partition("\n")[2].strip("\n")


@pytest.mark.parametrize("name", places.every_name())
def test_a_derivation_s_pieces_are_its_text_and_what_is_undone_stands_apart(name):
    text = shown(name)
    pieces = [piece for found in paragraphs(text) for piece in found]
    assert "".join(text[piece.start : piece.stop] for piece in pieces) == text
    notes = {place for p in pieces if p.kind == "note" for place in range(p.start, p.stop)}
    for match in re.finditer(r"(?<=\S) {4,}undoes", text):
        assert match.end() - 1 in notes
    spaces = [text[p.start : p.stop] for p in pieces if p.kind in ("margin", "gap")]
    assert not any(space.strip() for space in spaces)


def test_prose_flows_and_columns_do_not():
    text = shown("kernels/rnn")
    kinds = [
        [(p.kind, text[p.start : p.stop]) for p in found if p.kind not in ("margin", "gap", "hard")]
        for found in paragraphs(text)
    ]
    (step,) = [found for found in kinds if "(B4)" in str(found)]
    assert step == [("text", "(B4)  dh0  = dz_1 Wᵀ"), ("note", "undoes F1 of step 1")]
    (source,) = [found for found in kinds if found and found[0] == ("name", "Source")]
    assert [kind for kind, _ in source[1:]] == ["text", "soft"] * 3 + ["text"]
    assert all(
        kind != "soft"
        for found in kinds
        for kind, _ in found
        if "(F1)" in str(found) or "W, dW" in str(found)
    )


def test_a_narrow_screen_lays_each_kind_of_piece_out():
    style = (DOCS / "static" / "study.css").read_text("utf-8")
    narrow = style.partition("@media (max-width: 46em)")[2].partition("\n}")[0]
    kinds = {piece.kind for found in paragraphs(shown("kernels/lstm")) for piece in found}
    assert kinds == {"margin", "gap", "hard", "soft", "name", "note", "text"}
    assert all(f".derivation .{kind}" in narrow for kind in kinds - {"text"})
    assert "pre.literal-block.derivation { white-space: pre-wrap" in narrow


def test_titles_are_words_and_each_is_of_one_page():
    titles = [titled(name) for name in places.every_name()]
    assert not any("_" in title or title[0].islower() for title in titles)
    assert titled("kernels/lstm") == "LSTM layer" and titled("kernels/a_new_one") == "A new one"
    titles += [text.splitlines()[0] for text in pages.api_pages().values()]
    titles += [title for title, _ in pages.ROOMS.values()] + ["Gallery", "A reading order"]
    for path in [*DOCS.glob("*.md"), *DOCS.glob("foundations/*.md"), *DOCS.glob("doing/*.md")]:
        titles.append(path.read_text("utf-8").splitlines()[0].removeprefix("# "))
    assert len(titles) == len(set(titles))
    assert set(WORDS) <= set(places.every_name())


def test_a_search_finds_its_excerpts_without_reading_pages(tmp_path):
    page = (
        '<body>menu<article role="main" id="m"><h1>An &lt;LSTM&gt;<a class="headerlink" '
        'href="#x">¶</a></h1><p>adds</p><svg>1</svg></article>foot</body>'
    )
    (tmp_path / "operations").mkdir()
    (tmp_path / "operations" / "lstm.html").write_text(page, "utf-8")
    script = excerpts.script(tmp_path, ["operations/lstm"])
    texts, code = script.removeprefix("const EXCERPTS = ").split(";\n", 1)
    assert json.loads(texts) == {"operations/lstm.html": "An &lt;LSTM&gt; adds"}
    assert 'location.protocol === "file:"' in code and "%s" not in code
