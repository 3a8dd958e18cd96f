"""Every estimator, as it is by default, makes plans that each kind of GPU has room for."""

import numpy as np
import pytest
from cuda_on_cpu import fake_cupy
from cuda_on_cpu.rig import check_plan

from chainrule import (
    FVSBN,
    MADE,
    NADE,
    RNADE,
    RNN,
    AttentionRNN,
    Autoencoder,
    CategoricalNADE,
    Classifier,
    OrderlessNADE,
    PixelCNN,
    PixelRNN,
    TableNADE,
    Transformer,
)
from chainrule.estimators.fixed_density import FixedDensity
from chainrule.kernels import device
from chainrule.kernels.device import Device
from chainrule.kernels.signatures import signature
from chainrule.registry import ESTIMATORS

DEVICES = {
    "64 KB, as a T4": Device(40, 64 * 1024),
    "99 KB, as an L4 or an RTX 4090": Device(58, 99 * 1024),
    "163 KB, as an A100": Device(108, 163 * 1024),
    "227 KB, as an H100": device.H100,
}


@pytest.fixture(params=DEVICES)
def planned(request):
    """Launch nothing on each device; return the kernels that would have been launched."""
    kernels = set()

    def launcher(source, plan, arrays):
        check_plan(source, plan)
        kernels.add(plan.kernel)
        written = signature(source, plan.kernel, plan.dtype, plan.constants).written
        for array in (a for a, by_kernel in zip(arrays, written, strict=True) if by_kernel):
            array[...] = 0

    with device.use_launcher(launcher, DEVICES[request.param]), fake_cupy.installed():
        yield kernels


ROWS = np.random.default_rng(0).integers(0, 2, (120, 784)).astype(np.uint8)
TEXT = "to be or not to be, that is the question: " * 40
EVERY = {
    "FVSBN": FVSBN(epochs=1),
    "NADE": NADE(epochs=1),
    "Autoencoder": Autoencoder(noise=0.1, epochs=1),
    "Classifier": Classifier(epochs=1),
    "Classifier, cnn": Classifier(epochs=1, network="cnn"),
    "CategoricalNADE": CategoricalNADE(epochs=1),
    "RNADE": RNADE(epochs=1),
    "TableNADE": TableNADE(epochs=1),
    "MADE": MADE(epochs=1),
    "OrderlessNADE": OrderlessNADE(epochs=1),
    "PixelCNN": PixelCNN(epochs=1),
    "PixelCNN, gated": PixelCNN(epochs=1, gated=True),
    "PixelRNN": PixelRNN(epochs=1),
    "PixelRNN, diagonal": PixelRNN(epochs=1, cell="diagonal"),
    "RNN": RNN(steps=2),
    "AttentionRNN": AttentionRNN(steps=2),
    "Transformer": Transformer(steps=2),
    "RNN, lstm": RNN(steps=2, cell="lstm"),
    "RNN, gru": RNN(steps=2, cell="gru"),
    "Transformer, rotary": Transformer(steps=2, rotary=True),
    "AttentionRNN, float64": AttentionRNN(steps=2, dtype="float64"),
    "NADE, float64": NADE(epochs=1, dtype="float64"),
}


def test_every_estimator_is_here():
    assert ESTIMATORS.keys() <= EVERY.keys()


@pytest.mark.parametrize("name", EVERY)
def test_defaults_can_be_planned(name, planned):
    """A training step, with and without X_valid; scores; conditionals; samples, with a prompt."""
    model = EVERY[name].set_params(backend="cuda")
    if isinstance(model, FixedDensity):
        model.fit(ROWS, X_valid=ROWS[:7])
        model.log_prob(ROWS)
        model.conditionals(ROWS[:2])
        assert model.sample(3, seed=1).shape == (3, 784)
    elif isinstance(model, Classifier):
        y = np.arange(len(ROWS)) % 3
        model.fit(ROWS, y, ROWS[:7], y[:7])
        assert model.predict(ROWS).shape == (120,)
        assert model.input_gradient(ROWS, y).shape == (120, 784)
    elif isinstance(model, Autoencoder):
        model.fit(ROWS, X_valid=ROWS[:7])
        assert model.reconstruct(ROWS[:3]).shape == (3, 784)
    else:
        model.fit(TEXT, X_valid=TEXT[:200])
        assert model.log_prob(["to be", "or"]).shape == (2,)
        model.score(TEXT[:100])
        model.conditionals(TEXT[:9])
        assert len(model.sample(5, prompt="to ", seed=1, top_k=3)) == 5
    assert planned
