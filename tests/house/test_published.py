"""Test likelihoods on real data against published ones; minutes each, so only with --slow.

The documented runs, and their results, are those of `bench/likelihood.py`.
"""

import os

import pytest

from chainrule import FVSBN, NADE, datasets

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("CHAINRULE_DATA" not in os.environ, reason="set CHAINRULE_DATA=<folder>"),
]


@pytest.mark.parametrize(
    ("table", "estimator", "published"),
    [
        ("mushrooms", FVSBN(epochs=150, batch_size=20, learning_rate=1e-2, l1=0.03), 10.27),
        ("mushrooms", NADE(epochs=50, batch_size=20, learning_rate=1e-2, l1=0.03), 9.81),
        ("binarized_mnist", FVSBN(epochs=30, learning_rate=1e-2, l1=0.03), 97.45),
    ],
    ids=["mushrooms FVSBN", "mushrooms NADE", "binarized_mnist FVSBN"],
)
def test_reaches_the_published_likelihood(table, estimator, published):
    data = datasets.load(table)
    estimator.fit(data.train.x, X_valid=data.valid.x)
    assert -estimator.score(data.test.x) <= published
