"""What the study site is made of: checks, numbers and the reading order, without building it."""

import itertools
import re
from importlib import import_module

import numpy as np
import pytest

import build
from chainrule.engine import models
from chainrule.exercises import EXERCISES
from chainrule.registry import HOMES
from study import (
    by_hand,
    checks,
    derivations,
    directives,
    gallery,
    pages,
    places,
    reading,
    speeds,
    way,
)
from study.graphs import Arrow, Box, numbers, svg

WITHOUT = {"adam", "categorical"}  # operations that have no gradient, and the samplers


@pytest.mark.parametrize("name", derivations.kernels())
def test_an_operations_gradient_is_checked_and_right(name):
    errors = checks.operation(name)
    if name in WITHOUT or name.startswith("samplers/"):
        assert errors is None
    else:
        assert errors and all(error < 1e-6 and error.largest > 0 for error in errors.values())


def backward(name):
    """Return whether a derivation has a step back, or is that of a model."""
    steps = directives.derivation_of(name).steps
    return name.startswith("engine/models/") or any(label[0] == "B" for label in steps)


@pytest.mark.parametrize("name", [name for name in places.every_name() if backward(name)])
def test_a_page_of_what_has_a_gradient_shows_its_check(name):
    asked = re.findall(r"gradient-check:: (\w+) (\S+)", pages.derivation_page(name))
    found = [getattr(checks, kind)(which) for kind, which in asked]
    shown = [errors for errors in found if errors]
    assert len(shown) == 1
    assert all(error < 1e-6 and error.largest > 0 for error in shown[0].values())


PARTS = ("kernels/", "engine/models/")


@pytest.mark.parametrize("name", [n for n in places.every_name() if n.startswith(PARTS)])
def test_a_page_shows_a_measured_speed_or_says_that_there_is_none(name):
    named = pages.measured_as(name)
    assert f".. speed:: {named}\n" in pages.derivation_page(name)
    rows = speeds.measured(named) + speeds.measured_within(named)
    assert bool(rows) != (named in speeds.NOT_MEASURED)
    assert all(re.fullmatch(r"[\d.]+ (µs|ms|s)", row[3]) and row[5] for row in rows)


def test_workloads_that_pages_name_were_measured():
    for named in (speeds.NAMED, speeds.WITHIN):
        for name, workloads in named.items():
            for workload in filter(None, workloads.split("|")):
                assert speeds._rows([workload]), f"{name}: {workload}"


def test_no_case_is_left_without_a_page():
    known = {name.partition("/")[2] for name in places.every_name()}
    checks.operation("linear")  # fills CASES
    assert set(checks.CASES) <= known | set(derivations.kernels())


@pytest.mark.parametrize("name", HOMES)
def test_a_models_gradient_is_checked_and_right(name):
    errors = checks.model(name)
    assert errors and all(error < 1e-6 and error.largest > 0 for error in errors.values())


@pytest.mark.parametrize("name", by_hand.PAGES)
def test_the_numbers_of_a_page_are_the_references(name):
    module = import_module(f"study.by_hand.{name}")
    page = module.page()  # raises where they are not
    assert page.startswith("# ") and "## Backward" in page and "<svg" in page
    labels = set(re.findall(r"\b[FBAM]\d\b", page))
    assert len(labels) > 4


@pytest.mark.parametrize("name", by_hand.PAGES)
def test_a_figure_fits_its_column_and_its_numbers_stand_apart(name):
    """The column is 735 pixels wide; a picture that much wider would shrink to unreadable."""
    wide, gap, text = (
        7.2,
        6,
        r'<text x="(\S+)" y="(\S+)" text-anchor="middle" class="[vg]\w+">(.*?)<',
    )
    for svg_ in re.findall(r"<svg.*?</svg>", import_module(f"study.by_hand.{name}").page(), re.S):
        width = int(re.search(r'width="(\d+)"', svg_)[1])
        assert width < 770
        found = [(float(x), float(y), wide * len(said)) for x, y, said in re.findall(text, svg_)]
        assert len(found) > 10 and all(w / 2 <= x <= width - w / 2 for x, _, w in found)
        for k, (x, y, w) in enumerate(found):
            for x2, y2, w2 in found[:k]:
                assert abs(y - y2) >= 11 or abs(x - x2) >= (w + w2) / 2 + gap


def test_no_number_of_the_convolution_s_figure_lies_on_a_line():
    (drawn,) = re.findall(r"<svg.*?</svg>", by_hand.masked_conv.page(), re.S)
    lines = re.findall(r'd="M(\S+) (\S+)L(\S+) (\S+)" class="edge"', drawn)
    texts = re.findall(
        r'<text x="(\S+)" y="(\S+)" text-anchor="middle" class="[vg]\w+">(.*?)<', drawn
    )
    assert len(lines) == 22 and len(texts) == 44
    for x1, y1, x2, y2 in (map(float, line) for line in lines):
        assert x1 == x2  # straight down: what is beside it is not on it
        for x, y, said in texts:
            apart = abs(float(x) - x1) >= 7.2 * len(said) / 2 + 4
            assert apart or not y1 <= float(y) <= y2 + 12


def test_the_readme_s_top_leads_to_the_study_section():
    text = (places.ROOT / "README.md").read_text("utf-8")
    assert "(#study)" in text.partition("\n## ")[0] and "\n## Study\n" in text


def test_each_page_of_numbers_says_that_the_last_digit_may_differ(tmp_path):
    by_hand.write(tmp_path)
    for name in by_hand.PAGES:
        begun, found, _ = (tmp_path / f"{name}.md").read_text("utf-8").partition("## Forward")
        assert found and by_hand.ROUNDED in begun


@pytest.mark.parametrize("name", ["nade", "lstm", "made"])
def test_a_wrong_number_by_hand_is_found(name, monkeypatch):
    module = import_module(f"study.by_hand.{name}")
    monkeypatch.setattr(module, "sigmoid", lambda a: 1 / (1 + np.exp(-a)) + 1e-6)
    with pytest.raises(AssertionError):
        module.worked()


def test_the_reading_order_has_all_models_and_needs_what_comes_before():
    names = [name for name, _, _ in reading.PATH]
    assert len(names) == len(set(names)) and set(names) <= set(places.every_name())
    for k, (_, _, needs) in enumerate(reading.PATH):
        assert set(needs) <= set(names[:k])
    wanted = {f"engine/models/{name}" for name in models.HOMES} - {"engine/models/table_nade"}
    assert wanted <= set(names)
    assert names[0] == "kernels/bernoulli" and names[-1] == "engine/models/pixel_cnn"
    assert {"kernels/adam", "kernels/rotary", "kernels/masked_bits"} <= set(names)


def test_the_way_has_all_foundations_numbers_and_notebooks_at_their_places():
    order, docs = way.order(), places.ROOT / "docs"
    assert len(order) == len(set(order)) and order[0] == "reading"
    wanted = {f"foundations/{path.stem}" for path in docs.glob("foundations/*.md")}
    wanted |= {f"numbers/{name}" for name in by_hand.PAGES}
    wanted |= {f"doing/{path.stem}" for path in docs.glob("notebooks/*.py")} | {"doing/index"}
    assert wanted - {"foundations/index"} <= set(order)
    listed = pages.reading_page()
    assert all(f"/{page}`" in listed or f"/{page}>`" in listed for page in order[1:])
    names = {name for name, _, _ in reading.PATH}
    assert set(reading.BEFORE) | set(reading.BESIDE) <= names
    at = order.index
    assert at("operations/lstm") + 1 == at("numbers/lstm") < at("doing/lstm")
    assert at("foundations/softmax") + 1 == at("operations/softmax_cross_entropy")


def test_a_derivation_leads_to_its_numbers_its_exercises_and_its_foundations():
    page = pages.derivation_page("kernels/lstm")
    assert ":doc:`/numbers/lstm`" in page and "lstm-1 to lstm-3" in page
    assert ":doc:`/foundations/softmax`" in pages.derivation_page("kernels/softmax_cross_entropy")
    assert all(way.exercises_of(f"kernels/{e.operation}") for e in EXERCISES.values())


def test_a_steps_lines_are_found_in_all_three_kinds_of_code():
    lines = derivations.kernel("lstm").lines("F3")
    assert {side for side, found in lines.items() if found} == {"reference", "CPU", "CUDA"}
    for found in lines.values():
        for line in found:
            text = line.path.read_text("utf-8").splitlines()[line.number - 1]
            assert text.strip() == line.text and "F3" in text


# Steps that lead elsewhere to the same numbers: `sweeps` instead of a second pass, and that instead
# of sweeps; on a GPU PixelRNN's sampler is other operations, one after the other.
ANOTHER_WAY = {
    "samplers/pixel_rnn": {("CUDA", "F")},
    "nade": {("reference", "S"), ("CUDA", "S")},
    "nade_columns": {("reference", "S"), ("CUDA", "S"), ("CPU", "B")},
}


@pytest.mark.parametrize("name", derivations.kernels())
def test_beside_a_label_stand_lines_of_reference_cpu_and_cuda(name):
    made = derivations.kernel(name)
    for label in made.steps:
        empty = {(side, label[0]) for side, lines in made.lines(label).items() if not lines}
        assert empty <= ANOTHER_WAY.get(name, set()), label


@pytest.mark.parametrize("name", [f"{name.removesuffix('.py')}" for name in derivations.files()])
def test_beside_a_label_of_a_file_stand_its_lines_or_it_names_who_takes_it(name):
    made = directives.derivation_of(name)
    for label in made.steps:
        (line,) = re.findall(rf"^ *(?:[A-Z][a-z][\w ]*?  +)?\({label}\).*", made.text, re.M)
        assert any(made.lines(label).values()) or "chainrule." in line


def test_a_statement_that_ends_with_a_bracket_is_shown_from_its_beginning():
    found = directives.derivation_of("engine/classifiers/cnn").lines("F1")["code"]
    assert any(" … )  # F1" in line.text for line in found)


def test_a_call_of_cuda_is_shown_from_its_beginning():
    def shown(name, label):
        return [line.text for line in derivations.kernel(name).lines(label)["CUDA"]]

    assert any(text.startswith("add_to(dc + ") for text in shown("nade", "B6"))
    assert any(text.startswith("share(S * 2 * F, ") for text in shown("samplers/pixel_cnn", "F2"))
    assert any(text.startswith("const REAL slope = s + ") for text in shown("gelu", "B1"))


def shown_code(name):
    """Yield each line that stands beside a step of a page, and its code without a comment."""
    made = directives.derivation_of(name)
    for label in made.steps:
        for line in itertools.chain(*made.lines(label).values()):
            yield line, re.sub(r"\s*(#|//).*", "", line.text)


@pytest.mark.parametrize("name", places.every_name())
def test_no_shown_line_closes_a_bracket_that_it_does_not_open(name):
    for line, code in shown_code(name):
        assert derivations.unopened(code) == 0, line


@pytest.mark.parametrize("name", places.every_name())
def test_what_stands_beside_a_label_is_code_and_no_comment_alone(name):
    for line, _ in shown_code(name):
        assert line.text and not line.text.startswith(("#", "//")), line


def test_beside_a_convolution_s_steps_stand_its_products_and_beside_the_lstm_s_all_gates():
    conv, lstm = derivations.kernel("masked_conv"), derivations.kernel("lstm")
    for label in ("F1", "B1", "B3"):
        for side, product in (("CPU", "times_"), ("CUDA", "rows.v[q] * columns.v[r]")):
            assert any(product in line.text for line in conv.lines(label)[side]), (label, side)
    for label, count in (("F1", 4), ("F2", 3), ("B2", 3), ("B3", 3), ("B4", 4)):
        assert len(lstm.lines(label)["CPU"]) == count, label
    assert any("epsilon * g" in line.text for line in lstm.lines("B3")["CUDA"])
    assert all("concatenate" not in line.text for line in lstm.lines("B4")["reference"])


# What has to be shown of steps with several parts: a kernel, a step, a side, pieces of code.
PARTS = [
    ("gru", "B1", "CPU", ["kept_n[j] = ", "from_n[j] += ", "product("]),
    ("gru", "B2", "CPU", ["before_n[j] - new[j]", "one - u[j]"]),
    ("gru", "B3", "CPU", ["one - new[j] * new[j]", "* m_n[j]", "m_n[j] = "]),
    ("gru", "B4", "CPU", ["q_n[j] = ", "q_n[H + j] = "]),
    ("gru", "B5", "CPU", ["[:, : 2 * H]", "dW[:, 2 * H :]", "out=db"]),
    ("gru", "B5", "CUDA", ["[:, : 2 * H]", "dW[:, 2 * H :]", "out=db"]),
    ("gru", "B1", "CUDA", ["dh0[entry] = u * delta", "product<true>"]),
    ("softmax_cross_entropy", "F2", "CPU", ["= exp(", "Z = total(", "+= e"]),
    ("softmax_cross_entropy", "F3", "CPU", ["top - s[row, of_y]", "np.log("]),
    ("softmax_cross_entropy", "B1", "reference", ["np.exp(", "p.sum("]),
    ("softmax_cross_entropy", "B2", "CPU", ["s[row, of_y] -= dnll", "-= work[RATE + k]"]),
    ("layer_norm", "B4", "CPU", ["_two_sums(", "p / size", "p - x_hat * q"]),
    ("logistics", "F4", "CPU", ["p[to, 0] +=", "p[to, L - 1] +="]),
    ("mixture", "W4", "CUDA", ["step = {z_lo, less / 2"]),
    ("nade_columns", "B8", "CUDA", ["sum += on[r]"]),
    ("rotary", "F2", "CUDA", ["a.v[k] = ", "b.v[k] = "]),
    ("samplers/pixel_cnn", "F4", "CPU", ["rectified(", "own(", "multiply_rows("]),
    ("samplers/transformer", "F5", "CPU", ["weights.W_1[l]", "weights.b_2[l]"]),
]


@pytest.mark.parametrize(("name", "label", "side", "pieces"), PARTS)
def test_beside_a_step_stand_all_of_its_parts(name, label, side, pieces):
    shown = "\n".join(line.text for line in derivations.kernel(name).lines(label)[side])
    assert [piece for piece in pieces if piece not in shown] == []


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "grid_lstm"])
def test_beside_a_recurrent_pass_s_steps_stand_its_products(name):
    """F1 is z + h W and B1 has dz Wᵀ: a sum without its product is half of a step."""
    for label in ("F1", "B1"):
        for side, lines in derivations.kernel(name).lines(label).items():
            assert any(re.search(r" @ |product|matmul", line.text) for line in lines), side


@pytest.mark.parametrize("name", places.every_name())
def test_what_stands_beside_a_label_does_something(name):
    """Neither a constant, nor a field of a record, nor the head of a loop without its body."""
    for line, code in shown_code(name):
        assert not re.fullmatch(r"[A-Z][A-Z_, ]+ = .*|\w+: \w+|\W*", code), line
        assert not derivations.HEAD.match(line.text), line


def test_pages_have_names_of_their_own():
    pages = [places.page_of(name) for name in places.every_name()]
    assert len(pages) == len(set(pages)) > 50


def test_pages_that_fetch_or_lead_to_nowhere_are_found(tmp_path):
    (tmp_path / "good.html").write_text('<a id="here" href="other.html#L3">x</a>', "utf-8")
    (tmp_path / "other.html").write_text('<a name="L3" href="https://example.org">x</a>', "utf-8")
    assert build.faults(tmp_path) == []
    bad = '<script src="https://example.org/a.js"></script><a href="gone.html"></a>'
    (tmp_path / "bad.html").write_text(bad + '<a href="good.html#there"></a>', "utf-8")
    assert len(build.faults(tmp_path)) == 3


def test_a_graph_shows_a_value_and_a_gradient_on_each_arrow():
    text = svg([Box(0, 0, "a"), Box(100, 0, "b")], [Arrow("a", "b", [1.5, -0.0001], -2)], "two")
    assert "1.500 0.000" in text and "-2.000" in text and text.count('class="edge"') == 1
    assert numbers(np.array([[0.1], [-0.1]])) == "0.100 -0.100"


def test_on_a_narrow_screen_a_graph_keeps_its_size_and_scrolls():
    style = (places.ROOT / "docs" / "static" / "study.css").read_text("utf-8")
    rule = re.compile(r"^@media \(max-width: 46em\) \{(.*)\}$", re.M)
    (narrow,) = rule.finditer(style)
    assert narrow.start() > style.index("svg.graph { max-width: 100%")  # the later rule is followed
    assert "figure.graph { overflow-x: auto; }" in narrow[1]
    assert "svg.graph { max-width: none; }" in narrow[1]


def test_the_gallery_s_blind_spot_is_where_it_says(monkeypatch):
    def fields(x, pixel, model):
        return {name: one.receptive_field(pixel, x)[:, :, 0] for name, one in model.items()}

    monkeypatch.setattr(gallery.cr.plots, "receptive_field", fields)
    one, two = (field > 0 for field in gallery.receptive_fields().values())
    up, right = np.indices((8, 8)) * [[[-1]], [[1]]] + [[[6]], [[-2]]]  # from pixel (6, 2)
    past = (up > 0) | ((up == 0) & (right < 0))
    assert (two == past).all()
    assert (one == past & (right <= up)).all() and (past & ~one).sum() == 10


def test_the_gallery_has_a_picture_of_each_kind_and_the_lines_that_draw_it():
    drawn = {make.__name__ for make in gallery.DRAWN}
    assert {"samples", "completions", "attention", "masks", "receptive_fields"} <= drawn
    assert {"influence", "detection"} <= drawn
    known = {}
    exec(gallery.begin(), known)
    for make in gallery.DRAWN:
        lines = "\n".join(f"    {line}" for line in gallery._body(make).splitlines())
        compiled = compile(f"def {make.__name__}():\n{lines}\n", make.__name__, "exec")
        exec(compiled, known)
        used = set(known[make.__name__].__code__.co_names)
        assert {"digits", "nade", "made", "images", "cr", "TOP"} & used <= known.keys()
    assert known["masks"]() is not None
    data = gallery.digits()
    worth = -gallery.nade().log_prob(data.test.x).mean()
    assert worth < 18  # nats: at 22, after 8 epochs, what it draws is no digit
    assert all((places.ROOT / name).exists() for name, _, _ in gallery.KEPT)
