"""Pictures of attacks: tiles by stage, verdicts in front of the rows."""

import numpy as np
import pytest

from chainrule import plots


@pytest.mark.parametrize("colours", [(), (1,), (3,)])
def test_stages_side_by_side_with_verdicts(colours, rng):
    x = rng.random((3, 6, 5, *colours))
    stages = {"clean": x, "pgd": 1 - x, "purified": x / 2}
    verdicts = {"purified": [7, 8, 9], "clean": [1, 2, 3], "pgd": [4, 5, 6]}
    figure = plots.attacked(stages, verdicts)
    words = [text.get_text() for text in figure.texts]
    assert [word for word in words if "→" in word] == ["1 → 4 → 7", "2 → 5 → 8", "3 → 6 → 9"]
    assert words[0] == "clean" and {"pgd", "purified"} <= set(words)
    for axes, tiles in zip(figure.axes, stages.values(), strict=True):
        shown = np.asarray(axes.images[0].get_array())[:6, :5]
        expected = tiles[0] if colours == (3,) else tiles[0].reshape(6, 5)
        np.testing.assert_allclose(shown, expected)
    assert not [t for t in plots.attacked(stages, {}).texts if "→" in t.get_text()]
    told = plots.attacked(stages, verdicts, ["b", 1, 2]).texts
    assert "true b: " in "".join(t.get_text() for t in told)
    assert "true 2" in [t.get_text() for t in plots.attacked(stages, {}, [0, 1, 2]).texts]
    with pytest.raises(ValueError, match="truth is of the 3 images of a stage, got 2"):
        plots.attacked(stages, {}, [0, 1])


def test_what_cannot_be_drawn(rng):
    x = rng.random((3, 6, 5))
    with pytest.raises(ValueError, match="stages are images of one shape"):
        plots.attacked({"clean": x, "pgd": x[:2]}, {})
    with pytest.raises(ValueError, match="1 or 3 channels"):
        plots.attacked({"clean": rng.random((3, 6, 5, 2))}, {})
    with pytest.raises(ValueError, match="verdicts are of the 3 images of a stage"):
        plots.attacked({"clean": x}, {"clean": [1]})
    with pytest.raises(ValueError, match="verdicts are of the 3 images of a stage"):
        plots.attacked({"clean": x}, {"pgd": [1, 2, 3]})
