"""What a pixel of an image costs: as much as any other, however many were drawn before it."""

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from chainrule.engine.models import pixel_cnn, pixel_rnn
from chainrule.kernels import use_backend

R, S, N = 8, 5, 3
NETWORKS = {
    "plain": (pixel_cnn, {"n_features": 4}),
    "gated": (pixel_cnn, {"n_features": 4, "gated": True}),
    "row": (pixel_rnn, {"n_hidden": 4, "cell": "row"}),
    "diagonal": (pixel_rnn, {"n_hidden": 4, "cell": "diagonal"}),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def started(name):
    """Return a model's sampler, its config and parameters; its first map sees one row above."""
    model, more = NETWORKS[name]
    config = model.Config(R, S, n_layers=3, first_size=3, **more)
    params = model.init(config, np.random.default_rng(0), np.float64)
    params.flat[...] = 0.6 * np.random.default_rng(1).normal(size=params.size)
    return model.start(config, params, N), model, config, params


def levels_of(sampler):
    """Return the levels that a sampler remembers, (N, R S): views."""
    memory = getattr(sampler, "_memory", sampler)
    return memory.x.reshape(N, -1)


@every_network
def test_levels_out_of_the_first_maps_reach_are_never_read_again(name, rng):
    """Though what comes after depends on them, by what was kept; so old pixels cost nothing."""
    u, half = rng.random((N, R * S)), R // 2 * S
    with use_backend("cpu"):
        (one, model, config, params), (other, *_) = started(name), started(name)
        x = one.extend(u[:, :half])
        other.extend(u[:, :half])
        levels_of(other)[:, : half - S] ^= 1  # of all rows but the last
        for at in range(half, R * S):
            assert_array_equal(one.peek(), other.peek())
            one.extend(u[:, at : at + 1])
            other.extend(u[:, at : at + 1])
        images = np.zeros((2, N, R * S), x.dtype)
        images[:, :, :half] = x
        images[1, :, : half - S] ^= 1
        p = model.conditionals(config, params, images.reshape(2 * N, R, S, 1))
    p, q = p.reshape(2, N, -1)[:, :, half]
    assert np.abs(p - q).max() > 1e-3  # whoever reads them finds another next pixel


@every_network
def test_what_is_kept_does_not_grow(name, rng):
    """As many numbers after the last row as after the first one."""
    u = rng.random((N, R * S))
    with use_backend("cpu"):
        sampler, *_ = started(name)
        counts = []
        for row in range(R):
            sampler.extend(np.ascontiguousarray(u[:, row * S : (row + 1) * S]))
            counts.append(kept(sampler))
    assert len(set(counts)) == 1 and counts[0] > N * R * S


def kept(thing, seen=None):
    """Return how many numbers the arrays have that a sampler holds, each counted once."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return thing.size
    if type(thing).__module__.startswith("chainrule.engine"):
        thing = getattr(thing, "__dict__", ())
    parts = thing.values() if isinstance(thing, dict) else thing
    return sum(kept(part, seen) for part in parts) if isinstance(parts, Iterable) else 0
