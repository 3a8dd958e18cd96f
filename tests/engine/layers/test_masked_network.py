"""Layers under masks, unit by unit: a variable costs the units that newly depend on it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule.engine.models import made
from chainrule.kernels import activation

VALUES = (2, 3, 2, 1, 4, 2)
NONE = np.empty(0, np.int32)


@pytest.fixture
def network(rng):
    """Return a network of three layers and direct connections, parameters and rows."""
    config = made.Config(VALUES, (20, 31, 17), "tanh", direct=True, n_masks=2)
    params = made.init(config, rng, np.float64)
    x = np.stack([rng.integers(0, K, 5) for K in VALUES], axis=1).astype(np.int32)
    return config.network, params, x


@pytest.mark.parametrize("k", [0, 1])
def test_step_by_step_is_a_whole_pass(network, k):
    net, params, x = network
    s = net.each(params, x, NONE, lambda one: one.s)[k]
    units, first = net.units(params, len(x), NONE, k), net.layout(params, k).first
    for i in range(len(VALUES)):
        assert_allclose(units.outputs(i), s[:, first[i] : first[i + 1]], rtol=1e-12)
        units.move(i, x[:, i])


def test_every_unit_is_computed_once_when_it_is_whole(network, monkeypatch):
    """Not before its number, and never again: what one more variable costs is these units."""
    net, params, x = network
    units, computed = net.units(params, len(x), NONE, 0), []
    forward = activation.forward

    def counted(kind, h):
        computed.append(h.shape[1])
        forward(kind, h)

    monkeypatch.setattr(activation, "forward", counted)
    numbers = np.concatenate(net.mask(params, 0).numbers)
    for i in range(len(VALUES)):
        computed.clear()
        units.move(i, x[:, i])
        assert sum(computed) == (numbers == i + 1).sum()
