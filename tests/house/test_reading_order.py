"""The reading order: nothing is used before it was introduced, and each line says something."""

import re

from study import places, reading, way
from study.directives import derivation_of
from study.titles import titled


def test_each_line_of_the_reading_order_says_something():
    for name, said, _ in reading.PATH:
        new = set(re.findall(r"\w+", said.lower())) - set(re.findall(r"\w+", titled(name).lower()))
        assert new - set("a an the of over model".split()), name


NAMED_AHEAD = {  # what they are for, how its sets are drawn, how a sample is made: no need to know
    ("kernels/triangular", "engine/models/fvsbn"),
    ("engine/models/orderless_nade", "engine/subsets"),
    ("engine/models/pixel_cnn", "kernels/samplers/pixel_cnn"),
    ("engine/models/pixel_rnn", "kernels/samplers/pixel_rnn"),
}


def named_in(name):
    """Return the derivations that the text of one names by their modules."""
    text, found = derivation_of(name).text, set()
    for module in re.findall(r"\b(?:kernels|engine)(?:\.[a-z_]+)+", text):
        path = module.replace(".", "/")
        while path and path not in places.every_name():  # a name in a module
            path = path.rpartition("/")[0]
        found.add(path)
    return found - {"", name}


def test_a_derivation_on_the_way_names_those_alone_that_were_read_before():
    read, ahead = set(), set()
    for name, _, _ in reading.PATH:
        ahead |= {(name, other) for other in named_in(name) - read}
        read.add(name)
    assert ahead == NAMED_AHEAD


def test_foundations_are_listed_in_the_order_in_which_they_are_read():
    index = (places.ROOT / "docs" / "foundations" / "index.md").read_text("utf-8")
    listed = index.partition(":maxdepth: 1")[2].partition("```")[0].split()
    on_the_way = [page for page in way.order() if page.startswith("foundations/")]
    assert [f"foundations/{page}" for page in listed] == on_the_way
    before = {"kernels/triangular": "labels", "engine/models/nade_untied": "initial-weights"}
    for name, page in before.items():  # the first that use them
        assert f"foundations/{page}" in reading.BEFORE[name]
