"""The CUDA kernels on a real GPU, where there is one: the cases of the CPU rig, through CuPy."""

from importlib import import_module

import numpy as np
import pytest
from cuda_on_cpu import attention
from cuda_on_cpu.cases import (
    CASES,
    SHAPES,
    Expected,
    cast,
    check_draws,
    given_and_uniforms,
    logits_of,
)
from support import pixel_cnn as pictures
from support import sequences as sampled

from chainrule.engine.models import pixel_cnn
from chainrule.engine.params import Params
from chainrule.kernels import nade, triangular

FLOATS = [np.float32, np.float64]
LARGE = (100, 784, 500)  # the size that the kernels' documentation speaks of, but for
LARGE_OF = {
    "adam": (1, 784, 1002),  # the parameters of a NADE of that size, not its data
    **dict.fromkeys(("rnn", "lstm", "gru"), (32, 64, 256)),
    "mixture": (6400, 1, 40),
    "masked_conv": (16, 100, 180),
    "columns": (100, 100, 32),
    "nade_columns": (100, 60, 100),
    "layer_norm": (768, 1, 128),
    "gelu": (768, 1, 512),
    "softmax_cross_entropy": (768, 1, 50257),
    "embedding": (768, 65, 128),
    "rotary": (12, 64, 64),
    "dropout": (12, 64, 128),
    "gate": (16384, 1, 32),
}

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def cupy():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    if not cupy.cuda.is_available():
        pytest.skip("no CUDA device")
    return cupy


def reference(name):
    return import_module(f"chainrule.kernels.{name}.reference")


def to_host(outputs, cupy):
    return {name: cupy.asnumpy(a) for name, a in outputs.items()}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [*SHAPES, LARGE], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_matches_reference(name, shape, dtype, cupy, rng):
    case = CASES[name]
    if shape == LARGE:
        shape = LARGE_OF.get(name, LARGE)
    check(case, name, case.inputs(rng, *shape), dtype, cupy)


# Of its documentation; heads as large as they may be; a cache that decoding splits.
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "size",
    [
        (12, 64, 4, 32),
        (8, 256, 6, 64),
        (1, 784, 8, 64),
        (2, 300, 2, 128),
        (2, 300, 1, 256),
        (1, 4096, 1, 16),
    ],
    ids=str,
)
def test_attention(size, dtype, cupy, rng):
    name = "causal_attention"
    check(CASES[name], name, attention.sized(rng, *size), dtype, cupy)


def check(case, name, inputs, dtype, cupy):
    expected = Expected(case, reference(name), inputs, dtype)
    on_device = {k: cupy.asarray(a) for k, a in cast(inputs, dtype).items()}
    first = to_host(case.run(case.op, **on_device), cupy)
    expected.check(first)
    again = to_host(case.run(case.op, **on_device), cupy)
    for output in first:  # deterministic: the same bits every time
        np.testing.assert_array_equal(again[output], first[output], err_msg=output)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [*SHAPES, LARGE], ids=str)
def test_nade_sample(shape, dtype, cupy, rng):
    inputs = cast(CASES["nade"].inputs(rng, *shape), dtype)
    params = [inputs[name] for name in "WVbcy"]
    given, u = given_and_uniforms(rng, *shape[:2], dtype)
    x = cupy.asarray(given)
    nade.sample(*map(cupy.asarray, (u, *params)), x)
    check_draws(cupy.asnumpy(x), u, given, logits_of("nade", *params))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [*SHAPES, LARGE], ids=str)
def test_triangular_sample(shape, dtype, cupy, rng):
    inputs = cast(CASES["triangular"].inputs(rng, *shape), dtype)
    alpha, b, y = inputs["alpha"] / 2, inputs["b"] - 1, inputs["y"]
    # a few ones, so that rounds differ in length
    given, u = given_and_uniforms(rng, *inputs["x"].shape, dtype)
    x = cupy.asarray(given)
    triangular.sample(*map(cupy.asarray, (u, alpha, b, y)), x)
    check_draws(cupy.asnumpy(x), u, given, logits_of("triangular", alpha, b, y))


@pytest.mark.parametrize("case", sampled.CASES)
def test_sequences_are_sampled(case, cupy, rng):
    """With prompts of several lengths, windows that move, and all options: the host's symbols."""
    model, config, params = sampled.make(case)
    u, x = sampled.behind(sampled.prompts(rng, 3, 7)[0], rng.random((3, 9)))
    labels, options = sampled.some_labels(config, 3), (0.9, 3, 0.95)
    expected = model.sample(config, params, u, x, labels, *options)
    on_device = Params(params.shapes, cupy.asarray(params.flat))
    y = None if labels is None else cupy.asarray(labels)
    there, here = model.start(config, on_device, 3, y), model.start(config, params, 3, labels)
    got = model.sample(config, on_device, cupy.asarray(u), cupy.asarray(x), y, *options)
    np.testing.assert_array_equal(cupy.asnumpy(got), expected)
    there.put(got)
    here.put(expected)
    np.testing.assert_allclose(cupy.asnumpy(there.peek()), here.peek(), rtol=1e-9)


@pytest.mark.parametrize("n_logistics", [0, 2])
@pytest.mark.parametrize("kind", pictures.KINDS, ids=str)
def test_images_are_sampled(kind, n_logistics, cupy, rng):
    """In two pieces, the second from the middle of a pixel: the host's levels."""
    config, params = pictures.a_model(*kind, n_logistics=n_logistics)
    u, x = pictures.uniforms_and_given(rng, config, 3)
    y = pictures.labels(config, 3)
    expected = pixel_cnn.start(config, params, 3, y).extend(u, x)
    on_device = Params(params.shapes, cupy.asarray(params.flat))
    sampler = pixel_cnn.start(config, on_device, 3, None if y is None else cupy.asarray(y))
    for some in (slice(0, 8), slice(8, None)):
        got = sampler.extend(cupy.asarray(u[:, some]), cupy.asarray(x[:, some]))
        np.testing.assert_array_equal(cupy.asnumpy(got), expected[:, some])
