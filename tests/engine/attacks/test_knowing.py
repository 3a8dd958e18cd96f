"""Slopes of who knows of the defence: of log p in levels, and through a purifier."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support.pixel_cnn import a_model, labels

from chainrule.engine.attacks import knowing
from chainrule.engine.attacks.signs import Walk
from chainrule.engine.attacks.victim import Range, victim
from chainrule.engine.classifiers import mlp
from chainrule.engine.gradcheck import numeric_grad
from chainrule.engine.models import pixel_cnn


@pytest.mark.parametrize("n_classes", [1, 2])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("levels", "n_logistics"), [(2, 0), (5, 0), (9, 2)])
def test_the_slope_of_log_p(levels, n_logistics, channels, n_classes, rng, monkeypatch):
    """Through the network exactly, and of the level that is asked by differences of neighbours."""
    config, params = a_model(True, channels, levels, n_classes, n_logistics=n_logistics)
    z = rng.integers(0, levels, (3, *config.event.shape)).astype(np.uint8)
    y = labels(config, 3)
    monkeypatch.setattr(knowing, "ROWS", 2)
    slope = knowing.likelihood_slope(pixel_cnn, config, params, z, y)

    def log_p(seen, asked):
        """Return log p of levels `asked`, the network being given `seen`, which may be real."""
        p = pixel_cnn.conditionals(config, params, seen, y)
        if p.ndim == 4:
            p = np.stack([1 - p, p], axis=-1)
        return np.log(np.take_along_axis(p, asked[..., None].astype(int), -1)).sum(
            axis=(1, 2, 3, 4)
        )

    for place in [(0, 1, 0), (1, 2, 0), (2, 4, channels - 1)]:
        up, down = z.astype(np.float64), z.astype(np.float64)
        up[(slice(None), *place)] += 1e-5
        down[(slice(None), *place)] -= 1e-5
        expected = (log_p(up, z) - log_p(down, z)) / 2e-5
        more, less = z.copy(), z.copy()
        more[(slice(None), *place)] = np.minimum(z[(slice(None), *place)] + 1, levels - 1)
        less[(slice(None), *place)] = np.maximum(z[(slice(None), *place)].astype(int) - 1, 0)
        apart = more.astype(int) - less
        expected += (log_p(z, more) - log_p(z, less)) / apart[(slice(None), *place)]
        assert np.abs(expected).max() > 1e-3, "zero proves nothing"
        assert_allclose(slope[(slice(None), *place)], expected, rtol=1e-4, atol=1e-6)


def test_sums_and_ways_through():
    loss = lambda x, y: 2 * x + y[:, None]  # noqa: E731
    x, y = np.ones((2, 3), np.float32), np.arange(2, dtype=np.float32)
    both = knowing.with_likelihood(loss, lambda x: 10 * x.astype(np.float64), 0.5)
    assert both(x, y).dtype == np.float32
    assert_array_equal(both(x, y), loss(x, y) + 5 * x)
    assert_array_equal(knowing.through(loss, lambda x: x + 1)(x, y), loss(x + 1, y))


@pytest.mark.parametrize("targeted", [False, True])
def test_the_slope_of_a_margin(targeted, rng):
    config = mlp.Config((5,), 4, (6,), "tanh")
    params = mlp.init(config, rng, np.float64)
    of, x, y = victim(mlp, config, params), rng.normal(size=(40, 5)), np.arange(40) % 4

    def margin(x):
        s = mlp.logits(config, params, x)
        of_y = s[np.arange(40), y].copy()
        s[np.arange(40), y] = -np.inf
        m = s.max(axis=1) - of_y
        return np.minimum(-m if targeted else m, 0.3)

    numeric = numeric_grad(lambda: float(margin(x).sum()), x)
    slope = of.margin_slope(x, y, 0.3, targeted)
    assert_allclose(slope, numeric, rtol=1e-6, atol=1e-8)
    enough = margin(x) == 0.3
    assert 0 < enough.sum() < 40 and not slope[enough].any() and slope[~enough].all()


def test_the_slope_of_both_parts(rng):
    """Of what is only moved by a constant the identity is the slope itself, so that J2 is exact."""
    config = mlp.Config((5,), 4, (6,), "tanh")
    params = mlp.init(config, rng, np.float64)
    of, x, y = victim(mlp, config, params), rng.normal(size=(30, 5)), np.arange(30) % 4
    purify, weight, enough = (lambda x: x + 0.3), 0.2, 0.4

    def psi(x):
        s = mlp.logits(config, params, purify(x))
        of_y = s[np.arange(30), y].copy()
        s[np.arange(30), y] = -np.inf
        return np.minimum(s.max(axis=1) - of_y, enough) - weight * (x**2).sum(axis=1)  # log p

    erring = lambda x, y: of.margin_slope(x, y, enough)  # noqa: E731
    slope = knowing.with_likelihood(knowing.through(erring, purify), lambda x: -2 * x, weight)
    numeric = numeric_grad(lambda: float(psi(x).sum()), x)
    assert_allclose(slope(x, y), numeric, rtol=1e-6, atol=1e-8)
    assert np.abs(slope(x, y) - slope(x + 0.3, y)).max() > 0.01, "log p is asked of x as it is"


def test_the_likeliest_is_kept_of_all_that_are_wrong_once_purified():
    """On a line: P pulls by 1 to 0, the classifier errs beyond 2, and likely is what is near 0.

    So of what errs after P the likeliest is just above 3, a little from what errs before it.
    """
    asked = []

    def log_p(x):
        asked.append(x)
        return -np.abs(x[:, 0])

    defence = knowing.Defence(
        erring=lambda x, y: np.where(x < 2.5, 1.0, 0.0),  # χ = 0.5
        errs=lambda x, y: x[:, 0] > 2,
        purify=lambda x: np.sign(x) * np.maximum(np.abs(x) - 1, 0),
        log_p=log_p,
        likelihood=lambda x: -np.sign(x),
    )
    x, y = np.array([[2.5], [0.0], [-9.0]]), np.zeros(3, np.int32)
    how, allowed = Walk(eps=4.0, step=0.25, steps=40), Range(-10, 10)
    found = knowing.likeliest(defence, x, y, how, allowed, (0.1, 0.9))
    assert_array_equal(found, [[3.25], [3.25], [-9.0]])  # the last cannot err within 4
    assert all((np.abs(x) > 3).all() for x in asked), "nothing else is asked for"
    last = Walk(eps=4.0, step=3.5, steps=1)
    assert_array_equal(knowing.likeliest(defence, x[1:2], y[1:2], last, allowed, (0.1,)), [[3.5]])
    back = Walk(eps=4.0, step=0.75, steps=5)  # 4, 3.25, 4, …: not the first that errs is kept
    at_4 = np.array([[4.0]])
    assert_array_equal(knowing.likeliest(defence, at_4, y[:1], back, allowed, (0.1,)), [[3.25]])
    out = defence._replace(log_p=lambda x: np.abs(x[:, 0]), likelihood=np.sign)
    far = knowing.likeliest(out, x[1:2] + 0.5, y[:1], how, allowed, (0.1, 0.9))
    assert_array_equal(far, [[4.5]])  # within 4 of x, whatever another ψ has reached
    none = knowing.likeliest(defence, x, y, how, allowed, (5.0,))
    assert_array_equal(none, x)  # all ψ too large: log p alone is followed
