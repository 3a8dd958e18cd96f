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
    "input_gradient": ("dx",),
}
HEADROOM = 4  # a kernel may round this many times worse than NumPy in the same dtype
DRAWS = 5  # of which the worst count: NumPy's error in one of them may be small by luck
SCALE = 0.3
classes = pytest.mark.parametrize("n", [1, 3])


def draw(rng, size, density=0.3, dtype=np.float64, spread=1.0, n_classes=1):
    """Return x, (W, V, b, c) and ds."""
    N, D, H = size
    shapes = [(D, H), (D, H), D, (n_classes, H), (N, D)]
    *params, ds = (spread * rng.normal(size=shape).astype(dtype) for shape in shapes)
    return (rng.random((N, D)) < density).astype(np.uint8), params, ds


def labels(n, c):
    """Return the labels of n rows: all classes in turn; none where there is one."""
    return np.arange(n if len(c) > 1 else 0, dtype=np.int32) % len(c)


def call(twin, function, x, params, ds, a_end):
    """Return the outputs of one function of one twin as a tuple; all must be overwritten."""
    (N, D), (W, V, b, c) = x.shape, params
    y = labels(N, c)
    room = {"s": (N, D), "a_end": (N, W.shape[1]), "log_p": N, "nll": N, "dx": (N, D)}
    room |= dict(zip(GRADS, (W.shape, V.shape, b.shape, c.shape), strict=True))
    outputs = [np.full(room[name], np.nan, W.dtype) for name in OUTPUTS[function]]
    before = {
        "backward": (ds, x, W, V, a_end, y),
        "input_gradient": (ds, x, W, V, a_end),
        "nll_and_grad": (x, *params, y, SCALE),
    }.get(function, (x, *params, y))
    assert getattr(twin, function)(*before, *outputs) is None
    return tuple(outputs)


def forward(twin, x, params):
    """Return (s, a_end)."""
    return call(twin, "forward", x, params, None, None)


def log_prob(twin, x, params):
    """Return log p(x), (N,)."""
    return call(twin, "log_prob", x, params, None, None)[0]


def sample(twin, u, params, x=None):
    """Return what is drawn into a copy of x, by default into nonsense."""
    drawn = np.full(u.shape, 7, np.uint8) if x is None else x.copy()
    assert twin.sample(u, *params, labels(len(u), params[3]), drawn) is None
    return drawn


@pytest.mark.parametrize("function", OUTPUTS)
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@classes
def test_cpu_rounds_no_worse_than_numpy(n, dtype, size, density, function, rng):
    worst = {name: np.zeros(3) for name in OUTPUTS[function]}  # our error, NumPy's, the largest
    for _ in range(DRAWS):
        x, params, ds = draw(rng, size, density, dtype, n_classes=n)
        a_end = forward(reference, x, params)[1]
        ours = call(cpu, function, x, params, ds, a_end)
        numpys = call(reference, function, x, params, ds, a_end)
        exact = (
            [p.astype(np.longdouble) for p in params],
            *(q.astype(np.longdouble) for q in (ds, a_end)),
        )
        truth = call(reference, function, x, *exact)
        for name, got, ref, true in zip(worst, ours, numpys, truth, strict=True):
            assert got.dtype == dtype, name
            assert got.shape == true.shape, name
            of_this = [np.abs(v).max(initial=0) for v in (got - true, ref - true, true)]
            worst[name] = np.maximum(worst[name], of_this)
    for name, (error, numpys_error, largest) in worst.items():
        assert error <= HEADROOM * numpys_error + 16 * np.finfo(dtype).eps * largest, name


@pytest.mark.parametrize("function", ["log_prob", "nll_and_grad"])
@pytest.mark.parametrize("spread", [5, 20, 60, 200])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@classes
def test_rounding_where_a_product_of_exponentials_would_overflow(n, dtype, spread, function, rng):
    x, params, _ = draw(rng, (40, 30, 17), 0.3, dtype, n_classes=n)
    params[0] *= dtype(spread)
    params[3] *= dtype(spread)
    ours = call(cpu, function, x, params, None, None)
    numpys = call(reference, function, x, params, None, None)
    truth = call(reference, function, x, [p.astype(np.longdouble) for p in params], None, None)
    for name, got, ref, true in zip(OUTPUTS[function], ours, numpys, truth, strict=True):
        floor = 16 * np.finfo(dtype).eps * np.abs(true).max()
        assert np.abs(got - true).max() <= HEADROOM * np.abs(ref - true).max() + floor, name


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 5, 4), (4, 11, 3)])
@classes
def test_backward_matches_finite_differences(n, size, rng):
    x, params, ds = draw(rng, size, 0.4, n_classes=n)
    x[0, 0] = 1  # or dW of the first variable may vanish
    a_end = forward(cpu, x, params)[1]
    grads = call(cpu, "backward", x, params, ds, a_end)
    for name, p, grad in zip(GRADS, params, grads, strict=True):
        numeric = numeric_grad(lambda: float((forward(cpu, x, params)[0] * ds).sum()), p)
        assert_allclose(grad, numeric, rtol=1e-6, atol=1e-8, err_msg=name)
        assert np.abs(numeric).max() > 1e-4 or (name == "dW" and size[1] == 1), name


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 5, 4), (4, 11, 3)])
@classes
def test_one_sweep_gradient_matches_finite_differences(n, size, rng):
    x, params, _ = draw(rng, size, 0.4, n_classes=n)
    x[0, 0] = 1
    _, *grads = call(cpu, "nll_and_grad", x, params, None, None)
    for name, p, grad in zip(GRADS, params, grads, strict=True):
        numeric = numeric_grad(lambda: -SCALE * float(log_prob(cpu, x, params).sum()), p)
        assert_allclose(grad, numeric, rtol=1e-6, atol=1e-8, err_msg=name)
        assert np.abs(numeric).max() > 1e-4 or (name == "dW" and size[1] == 1), name


@pytest.mark.parametrize("density", DENSITIES)
@classes
def test_one_sweep_agrees_with_two(n, density, rng):
    x, params, _ = draw(rng, (70, 30, 9), density, n_classes=n)
    nll, *grads = call(cpu, "nll_and_grad", x, params, None, None)
    s, a_end = forward(cpu, x, params)
    expected, ds = np.empty(len(x)), np.empty_like(s)
    bernoulli.forward(s, x, expected)
    assert_allclose(nll, expected, rtol=1e-13)
    bernoulli.backward(np.full(len(x), SCALE), s, x, ds)
    for name, one, two in zip(
        GRADS, grads, call(cpu, "backward", x, params, ds, a_end), strict=True
    ):
        assert_allclose(one, two, rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_last_row_of_W_gets_a_gradient_of_exactly_zero(dtype, rng):
    """x_D is followed by nothing. Adam would move W_D by its whole step for a rounding error."""
    N, D, H = 100, 13, 9
    x = rng.integers(0, 2, (N, D), dtype=np.uint8)
    x[::2, -1] = 1
    params = [rng.normal(size=shape).astype(dtype) for shape in ((D, H), (D, H), D, (1, H))]
    _, *grads = call(cpu, "nll_and_grad", x, params, None, None)
    assert not grads[0][-1].any()
    assert grads[0][-2].all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_parameters_give_finite_results(dtype, rng):
    x, params, ds = draw(rng, (9, 40, 20), 0.5, dtype, spread=30)
    a_end = forward(reference, x, params)[1]
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
    assert np.isnan(log_prob(cpu, x, params)).all()
    nll, dW, dV, _, dc = call(cpu, "nll_and_grad", x, params, None, None)
    assert np.isnan(nll).all() and np.isnan(dW).any() and np.isnan(dV).any() and np.isnan(dc).any()


@pytest.mark.parametrize("twin", [reference, cpu])
@pytest.mark.parametrize("size", [(1, 1, 1), (3, 5, 4), (70, 19, 3)])
def test_gradient_in_x_matches_finite_differences(size, twin, rng):
    """Of the reference as a function of real x, at bits, where all twins must find it."""
    x, params, ds = draw(rng, size, 0.4)
    real = x.astype(np.float64)
    numeric = numeric_grad(lambda: float((forward(reference, real, params)[0] * ds).sum()), real)
    (dx,) = call(twin, "input_gradient", x, params, ds, forward(twin, x, params)[1])
    assert_allclose(dx, numeric, rtol=1e-6, atol=1e-8)
    assert not dx[:, -1].any()
    assert size[1] == 1 or np.abs(numeric).max() > 1e-4


def test_gradient_in_real_x_matches_finite_differences(rng):
    _, params, ds = draw(rng, (3, 6, 4))
    x = rng.normal(size=(3, 6))
    numeric = numeric_grad(lambda: float((forward(reference, x, params)[0] * ds).sum()), x)
    (dx,) = call(reference, "input_gradient", x, params, ds, forward(reference, x, params)[1])
    assert_allclose(dx, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kept", [0, 0.3])
@pytest.mark.parametrize("offset", [-3, -1, 0, 3])
@pytest.mark.parametrize("size", [(1, 1, 1), (3, 33, 5), (70, 60, 9)])
@classes
def test_samples_are_what_recomputing_every_step_gives(n, size, offset, kept, rng):
    N, D, _ = size
    given, (W, V, b, c), _ = draw(rng, size, n_classes=n)
    params = (W, V, b + offset, c)
    u = np.where(rng.random((N, D)) < kept, -1.0, rng.random((N, D)))
    x = np.where(u < 0, given, 0).astype(np.uint8)
    for i in range(D):
        p = 1 / (1 + np.exp(-forward(reference, x, params)[0][:, i]))
        x[:, i] = np.where(u[:, i] < 0, x[:, i], u[:, i] < p)
    assert_array_equal(sample(cpu, u, params, given), x)
    assert_array_equal(sample(reference, u, params, given), x)


@pytest.mark.parametrize("twin", [reference, cpu])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [1, 30])
def test_what_is_given_is_kept(spread, dtype, twin, rng):
    """By row and by variable, against any probability; whole rows, and a prefix of a panel."""
    given, params, _ = draw(rng, (6, 50, 6), 0.5, dtype, spread)
    u = rng.random(given.shape).astype(dtype)
    kept = rng.random(given.shape) < 0.4
    kept[0], kept[1, :11], kept[2] = True, True, False
    u[kept] = -rng.random(kept.sum()).astype(dtype) - dtype(1e-6)  # any negative number
    x = sample(twin, u, params, np.where(kept, given, 9).astype(np.uint8))
    assert x.dtype == np.uint8 and set(np.unique(x)) <= {0, 1}
    assert_array_equal(x[kept], given[kept])
    assert_array_equal(x[2], sample(twin, u, params)[2])
    assert sample(twin, u[:0], params).shape == (0, 50)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@classes
def test_two_threads_give_what_one_gives(n, dtype, rng):
    x, params, ds = draw(rng, BIG, 0.2, dtype, spread=0.1, n_classes=n)
    u = rng.random(x.shape).astype(dtype)
    with use_threads(1):
        a_end = forward(cpu, x, params)[1]
        alone = {f: call(cpu, f, x, params, ds, a_end) for f in OUTPUTS}
        x_alone = sample(cpu, u, params)
    with use_threads(2):
        both = {f: call(cpu, f, x, params, ds, a_end) for f in OUTPUTS}
        assert_array_equal(sample(cpu, u, params), x_alone)
    for function, names in OUTPUTS.items():
        for name, one, two in zip(names, alone[function], both[function], strict=True):
            if name in GRADS:  # a sum over rows, cut in two
                atol = 8 * np.finfo(dtype).eps * np.abs(one).max()
                assert_allclose(two, one, rtol=0, atol=atol, err_msg=name)
            else:
                assert_array_equal(two, one, err_msg=name)


def test_a_row_does_not_depend_on_its_neighbours(rng):
    x, params, _ = draw(rng, (130, 45, 37), 0.3, np.float32)
    s, a_end = forward(cpu, x, params)
    nll = call(cpu, "nll_and_grad", x, params, None, None)[0]
    for n in (0, 63, 64, 129):
        row = x[n : n + 1]
        assert_array_equal(forward(cpu, row, params)[0], s[n : n + 1])
        assert_array_equal(forward(cpu, row, params)[1], a_end[n : n + 1])
        assert_array_equal(-log_prob(cpu, row, params), nll[n : n + 1])


@pytest.mark.parametrize("function", [*OUTPUTS, "sample"])
def test_arguments_are_left_alone(function, rng):
    x, params, ds = draw(rng, (6, 20, 8))
    a_end = forward(cpu, x, params)[1]
    kept = [np.array(p) for p in (x, ds, a_end, *params)]
    if function == "sample":
        sample(cpu, np.abs(ds), params)
    else:
        call(cpu, function, x, params, ds, a_end)
    for before, after in zip(kept, (x, ds, a_end, *params), strict=True):
        assert_array_equal(before, after)


def lying_otherwise(array):
    """Return the same numbers, columns first and with gaps."""
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan, array.dtype, order="F")
    wide[..., ::2] = array
    return wide[..., ::2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_may_lie_as_they_will(dtype, rng):
    """Parameters and logits with gaps, or a head of another dtype, give the same."""
    x, params, _ = draw(rng, (7, 9, 19), dtype=dtype)
    u, y = rng.random(x.shape).astype(dtype), np.empty(0, np.int32)
    W, V, b, c = params
    other = np.float64 if dtype == np.float32 else np.float32
    for given in ([lying_otherwise(p) for p in params], [W, V.astype(other), b.astype(other), c]):
        s, a_end = lying_otherwise(np.empty_like(x, dtype)), np.empty((len(x), 19), dtype)
        cpu.forward(x, *given, y, s, a_end)
        assert_allclose(s, forward(cpu, x, params)[0], rtol=2e-6, atol=2e-6)
        assert_allclose(log_prob(cpu, x, given), log_prob(cpu, x, params), rtol=2e-6)
        for ours, plain in zip(
            call(cpu, "nll_and_grad", x, given, None, None),
            call(cpu, "nll_and_grad", x, params, None, None),
            strict=True,
        ):
            assert_allclose(ours, plain, rtol=1e-5, atol=1e-5)
        assert_array_equal(sample(cpu, u, given), sample(cpu, u, params))
