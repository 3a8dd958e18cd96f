"""NADE's Numba kernels against the NumPy reference, finite differences and each other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import use_threads
from chainrule.kernels.bernoulli import reference as bernoulli
from chainrule.kernels.nade import cpu, reference

# One of everything; an empty batch; just past 32 and 128; more rows than a block; many panels.
SIZES = [(1, 1, 1), (2, 3, 31), (3, 5, 33), (2, 4, 129), (300, 2, 7), (5, 70, 20), (0, 3, 4)]
BIG = (7, 150, 700)  # enough work for a second thread
DENSITIES = [0, 0.13, 0.5, 1]
GRADS = ("dW", "dV", "db", "dc")
OUTPUTS = {
    "forward": ("s", "a_end"),
    "backward": GRADS,
    "log_prob": ("log_p",),
    "nll_and_grad": ("nll", *GRADS),
}
HEADROOM = 4  # a kernel may round this many times worse than NumPy in the same dtype
SCALE = 0.3


def draw(rng, size, density=0.3, dtype=np.float64, spread=1.0):
    """Return x, (W, V, b, c) and ds."""
    N, D, H = size
    shapes = [(D, H), (D, H), D, H, (N, D)]
    *params, ds = (spread * rng.normal(size=shape).astype(dtype) for shape in shapes)
    return (rng.random((N, D)) < density).astype(np.uint8), params, ds


def call(twin, function, x, params, ds, a_end):
    """Return the outputs of one function of one twin as a tuple."""
    if function == "forward":
        return twin.forward(x, *params)
    if function == "backward":
        return twin.backward(ds, x, *params[:2], a_end)
    if function == "log_prob":
        return (twin.log_prob(x, *params),)
    grads = [np.full_like(p, np.nan) for p in params]  # must be overwritten
    return twin.nll_and_grad(x, *params, SCALE, *grads), *grads


@pytest.mark.parametrize("function", OUTPUTS)
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cpu_rounds_no_worse_than_numpy(dtype, size, density, function, rng):
    x, params, ds = draw(rng, size, density, dtype)
    a_end = reference.forward(x, *params)[1]
    ours = call(cpu, function, x, params, ds, a_end)
    numpys = call(reference, function, x, params, ds, a_end)
    exact = (
        [p.astype(np.longdouble) for p in params],
        *(q.astype(np.longdouble) for q in (ds, a_end)),
    )
    truth = call(reference, function, x, *exact)
    for name, got, ref, true in zip(OUTPUTS[function], ours, numpys, truth, strict=True):
        assert got.dtype == dtype, name
        assert got.shape == true.shape, name
        floor = 16 * np.finfo(dtype).eps * np.abs(true).max(initial=0)
        allowed = HEADROOM * np.abs(ref - true).max(initial=0) + floor
        assert np.abs(got - true).max(initial=0) <= allowed, name


@pytest.mark.parametrize("function", ["log_prob", "nll_and_grad"])
@pytest.mark.parametrize("spread", [5, 20, 60, 200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_where_a_product_of_exponentials_would_overflow(dtype, spread, function, rng):
    x, params, _ = draw(rng, (40, 30, 17), 0.3, dtype)
    params[0] *= dtype(spread)
    params[3] *= dtype(spread)
    ours = call(cpu, function, x, params, None, None)
    numpys = call(reference, function, x, params, None, None)
    truth = call(reference, function, x, [p.astype(np.longdouble) for p in params], None, None)
    for name, got, ref, true in zip(OUTPUTS[function], ours, numpys, truth, strict=True):
        floor = 16 * np.finfo(dtype).eps * np.abs(true).max()
        assert np.abs(got - true).max() <= HEADROOM * np.abs(ref - true).max() + floor, name


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 5, 4), (4, 11, 3)])
def test_backward_matches_finite_differences(size, rng):
    x, params, ds = draw(rng, size, 0.4)
    x[0, 0] = 1  # or dW of the first variable may vanish
    a_end = cpu.forward(x, *params)[1]
    grads = cpu.backward(ds, x, *params[:2], a_end)
    for name, p, grad in zip(GRADS, params, grads, strict=True):
        numeric = numeric_grad(lambda: float((cpu.forward(x, *params)[0] * ds).sum()), p)
        assert_allclose(grad, numeric, rtol=1e-6, atol=1e-8, err_msg=name)
        assert np.abs(numeric).max() > 1e-4 or (name == "dW" and size[1] == 1), name


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 5, 4), (4, 11, 3)])
def test_one_sweep_gradient_matches_finite_differences(size, rng):
    x, params, _ = draw(rng, size, 0.4)
    x[0, 0] = 1
    grads = [np.empty_like(p) for p in params]
    cpu.nll_and_grad(x, *params, SCALE, *grads)
    for name, p, grad in zip(GRADS, params, grads, strict=True):
        numeric = numeric_grad(lambda: float(-SCALE * cpu.log_prob(x, *params).sum()), p)
        assert_allclose(grad, numeric, rtol=1e-6, atol=1e-8, err_msg=name)
        assert np.abs(numeric).max() > 1e-4 or (name == "dW" and size[1] == 1), name


@pytest.mark.parametrize("density", DENSITIES)
def test_one_sweep_agrees_with_two(density, rng):
    x, params, _ = draw(rng, (70, 30, 9), density)
    nll, *grads = call(cpu, "nll_and_grad", x, params, None, None)
    s, a_end = cpu.forward(x, *params)
    assert_allclose(nll, bernoulli.forward(s, x), rtol=1e-13)
    ds = bernoulli.backward(np.full(len(x), SCALE), s, x)
    for name, one, two in zip(GRADS, grads, cpu.backward(ds, x, *params[:2], a_end), strict=True):
        assert_allclose(one, two, rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_last_row_of_W_gets_a_gradient_of_exactly_zero(dtype, rng):
    """x_D is followed by nothing. Adam would move W_D by its whole step for a rounding error."""
    N, D, H = 100, 13, 9
    x = rng.integers(0, 2, (N, D), dtype=np.uint8)
    x[::2, -1] = 1
    params = [rng.normal(size=shape).astype(dtype) for shape in ((D, H), (D, H), D, H)]
    grads = [np.full_like(p, np.nan) for p in params]
    cpu.nll_and_grad(x, *params, 1 / N, *grads)
    assert not grads[0][-1].any()
    assert grads[0][-2].all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_parameters_give_finite_results(dtype, rng):
    x, params, ds = draw(rng, (9, 40, 20), 0.5, dtype, spread=30)
    a_end = reference.forward(x, *params)[1]
    for function, names in OUTPUTS.items():
        ours = call(cpu, function, x, params, ds, a_end)
        numpys = call(reference, function, x, params, ds, a_end)
        for name, got, ref in zip(names, ours, numpys, strict=True):
            assert np.isfinite(got).all(), f"{function} {name}"
            tolerance = 1e-4 if dtype == np.float32 else 1e-12
            assert_allclose(got, ref, rtol=0, atol=tolerance * np.abs(ref).max(), err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_in_a_parameter_shows(dtype, rng):
    x, params, _ = draw(rng, (3, 12, 20), 0.5, dtype)
    x[:, 4] = 1
    params[0][4, 7] = np.nan
    assert np.isnan(cpu.log_prob(x, *params)).all()
    nll, dW, dV, _, dc = call(cpu, "nll_and_grad", x, params, None, None)
    assert np.isnan(nll).all() and np.isnan(dW).any() and np.isnan(dV).any() and np.isnan(dc).any()


@pytest.mark.parametrize("offset", [-3, -1, 0, 3])
@pytest.mark.parametrize("size", [(1, 1, 1), (3, 33, 5), (70, 60, 9)])
def test_samples_are_what_recomputing_every_step_gives(size, offset, rng):
    N, D, _ = size
    _, (W, V, b, c), _ = draw(rng, size)
    params = (W, V, b + offset, c)
    u = rng.random((N, D))
    x = np.zeros((N, D), np.uint8)
    for i in range(D):
        s = reference.forward(x, *params)[0]
        x[:, i] = u[:, i] < 1 / (1 + np.exp(-s[:, i]))
    assert_array_equal(cpu.sample(u, *params), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [1, 30])
def test_clamped_variables_are_obeyed(spread, dtype, rng):
    _, params, _ = draw(rng, (5, 50, 6), dtype=dtype, spread=spread)
    u = rng.random((5, 50)).astype(dtype)
    given, observed = rng.integers(0, 2, u.shape), rng.random(u.shape) < 0.4
    u[observed] = np.where(given, -1, 2)[observed]
    x = cpu.sample(u, *params)
    assert x.dtype == np.uint8 and set(np.unique(x)) <= {0, 1}
    assert_array_equal(x[observed], given[observed])
    assert cpu.sample(u[:0], *params).shape == (0, 50)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_threads_give_what_one_gives(dtype, rng):
    x, params, ds = draw(rng, BIG, 0.2, dtype, spread=0.1)
    u = rng.random(x.shape).astype(dtype)
    with use_threads(1):
        a_end = cpu.forward(x, *params)[1]
        alone = {f: call(cpu, f, x, params, ds, a_end) for f in OUTPUTS}
        x_alone = cpu.sample(u, *params)
    with use_threads(2):
        both = {f: call(cpu, f, x, params, ds, a_end) for f in OUTPUTS}
        assert_array_equal(cpu.sample(u, *params), x_alone)
    for function, names in OUTPUTS.items():
        for name, one, two in zip(names, alone[function], both[function], strict=True):
            if name in GRADS:  # a sum over rows, cut in two
                atol = 8 * np.finfo(dtype).eps * np.abs(one).max()
                assert_allclose(two, one, rtol=0, atol=atol, err_msg=name)
            else:
                assert_array_equal(two, one, err_msg=name)


def test_a_row_does_not_depend_on_its_neighbours(rng):
    x, params, _ = draw(rng, (130, 45, 37), 0.3, np.float32)
    s, a_end = cpu.forward(x, *params)
    nll = call(cpu, "nll_and_grad", x, params, None, None)[0]
    for n in (0, 63, 64, 129):
        row = x[n : n + 1]
        assert_array_equal(cpu.forward(row, *params)[0], s[n : n + 1])
        assert_array_equal(cpu.forward(row, *params)[1], a_end[n : n + 1])
        assert_array_equal(-cpu.log_prob(row, *params), nll[n : n + 1])


@pytest.mark.parametrize("function", [*OUTPUTS, "sample"])
def test_arguments_are_left_alone(function, rng):
    x, params, ds = draw(rng, (6, 20, 8))
    a_end = cpu.forward(x, *params)[1]
    kept = [np.array(p) for p in (x, ds, a_end, *params)]
    if function == "sample":
        cpu.sample(np.abs(ds), *params)
    else:
        call(cpu, function, x, params, ds, a_end)
    for before, after in zip(kept, (x, ds, a_end, *params), strict=True):
        assert_array_equal(before, after)
