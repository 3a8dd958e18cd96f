"""NADE over columns: reference and Numba against finite differences, definitions and each other."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.engine.gradcheck import numeric_grad
from chainrule.kernels import columns, use_threads
from chainrule.kernels.columns import BIT, REAL
from chainrule.kernels.mixture import GAUSSIAN, LAPLACE
from chainrule.kernels.nade_columns import Weights, block, cpu, n_rows, reference

TWINS = {"reference": reference, "cpu": cpu}
every_twin = pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS)
SCALE = 0.3
BLOCK = 32  # rows
HEADROOM = 8  # a kernel may round this many times worse than NumPy in the same dtype: S2 and S3
# subtract sums that may be larger than what they leave
SWEPT = {"nll", "dx", *(f"d{of}" for of in Weights._fields)}  # what the gradient's sweep writes
ONE_OF_EACH = (2, 0, 3, 2, 1, 0, 17, 0, 5, 2)
# What the kinds are, rows, units, classes, whether rescaled: one of everything; an empty batch;
# past a panel of units and of outputs; past a block of rows; a last variable of each kind.
PROBLEMS = {
    "a bit": ((2,), 1, 1, 1, False),
    "a number": ((0,), 2, 3, 1, True),
    "a category": ((4,), 3, 2, 2, False),
    "bits": ((2,) * 5, 4, 9, 1, True),
    "numbers": ((0,) * 4, 5, 17, 1, True),
    "categories": ((3, 40, 1, 2, 33), 6, 5, 3, False),
    "nobody": (ONE_OF_EACH, 0, 4, 1, True),
    "all": (ONE_OF_EACH, 9, 8, 1, False),
    "all, told labels": (ONE_OF_EACH[:-1], BLOCK + 7, 35, 3, True),
}
every_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
SMALL = {k: PROBLEMS[k] for k in ("a bit", "a category", "numbers")}
SMALL |= {
    "all": ((0, 2, 3, 0, 2), 4, 3, 1, False),
    "all, told labels": ((4, 0, 2, 1, 0, 0, 3), 5, 4, 2, True),
}
every_small = pytest.mark.parametrize("problem", SMALL.values(), ids=SMALL)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(block, "MOST_ROWS", BLOCK)


def draw(rng, problem, dtype=np.float64, family=GAUSSIAN, learned=False):
    """Return the layout, weights, x in the dtype of the weights, and y of a problem."""
    values, N, H, n_classes, rescaled = problem
    layout = columns.layout(values, 2, family, learned)
    S, R = int(layout.first[-1]), n_rows(values)
    rho = rng.uniform(0.5, 1.5, len(values)) if rescaled else np.empty(0)
    shapes = (R, H), (S, H), (S,), (n_classes, H)
    weights = Weights(
        *(rng.normal(size=shape).astype(dtype) for shape in shapes), rho.astype(dtype)
    )
    x = [rng.integers(0, K, N) if K else rng.normal(size=N) for K in values]
    y = rng.integers(0, n_classes, N).astype(np.int32) if n_classes > 1 else np.empty(0, np.int32)
    return layout, weights, np.stack(x, axis=1).astype(dtype), y


def nonsense(*shapes, dtype=np.float64):
    return [np.full(shape, np.nan, dtype) for shape in shapes]


def forward(twin, layout, weights, x, y):
    (s,) = nonsense((len(x), len(weights.b)), dtype=weights.V.dtype)
    twin.forward(layout, weights, x, y, s)
    return s


def log_prob(twin, layout, weights, x, y):
    (log_p,) = nonsense(len(x), dtype=weights.V.dtype)
    twin.log_prob(layout, weights, x, y, log_p)
    return log_p


def gradient(twin, layout, weights, x, y, with_dx=True):
    """Return nll, the gradient of the weights and dx."""
    dtype = weights.V.dtype
    nll, dx = nonsense(len(x), x.shape if with_dx else (0, x.shape[1]), dtype=dtype)
    grad = Weights(*nonsense(*(a.shape for a in weights), dtype=dtype))
    twin.nll_and_grad(layout, weights, x, y, SCALE, nll, grad, dx)
    return nll, grad, dx


def everything(twin, layout, weights, x, y):
    """Return all that a twin computes, by name."""
    nll, grad, dx = gradient(twin, layout, weights, x, y)
    found = {"s": forward(twin, layout, weights, x, y), "nll": nll, "dx": dx}
    found["log_p"] = log_prob(twin, layout, weights, x, y)
    return found | {f"d{name}": a for name, a in grad._asdict().items()}


@every_twin
@every_small
@pytest.mark.parametrize("family", [GAUSSIAN, LAPLACE])
def test_gradients_match_finite_differences(problem, family, twin, rng):
    """Of the weights, and of the real numbers in x."""
    layout, weights, x, y = draw(rng, problem, family=family, learned=family == LAPLACE)
    _, grad, dx = gradient(twin, layout, weights, x, y)

    def loss():
        return -SCALE * float(log_prob(reference, layout, weights, x, y).sum())

    for name, p, found in zip(Weights._fields, weights, grad, strict=True):
        assert_allclose(found, numeric_grad(loss, p), rtol=1e-6, atol=1e-8, err_msg=name)
    real = layout.values == REAL
    numbers = x[:, real]

    def loss_of_numbers():
        x[:, real] = numbers
        return loss()

    assert_allclose(dx[:, real], numeric_grad(loss_of_numbers, numbers), rtol=1e-6, atol=1e-8)


@every_twin
@every_small
def test_what_a_gradient_in_x_is_of_bits_and_of_categories(problem, twin, rng):
    """Of bits that of Σ softplus(s) - x s, in which x may be any number, and of categories 0."""
    values, *rest = problem
    layout, weights, x, y = draw(rng, (tuple(2 if K == BIT else 0 for K in values), *rest))
    x[:, layout.values == BIT] = rng.integers(0, 2, (len(x), (layout.values == BIT).sum()))
    _, _, dx = gradient(twin, layout, weights, x, y)
    bits = layout.values == BIT

    def loss():
        s = forward(reference, layout, weights, x, y)
        rounded = np.where(bits, x > 0.5, x)
        terms = np.empty_like(x)
        columns.reference.terms(layout, s, rounded, terms)
        logits = s[:, layout.first[:-1][bits]]
        terms[:, bits] = x[:, bits] * logits - np.logaddexp(0, logits)
        return -SCALE * float(terms.sum())

    assert_allclose(dx, numeric_grad(loss, x), rtol=1e-6, atol=1e-8)
    layout, weights, x, y = draw(rng, ((3, 2, 5, 0, 4), 3, 2, 1, False))
    assert not gradient(twin, layout, weights, x, y)[2][:, [0, 2, 4]].any()


@every_problem
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_cpu_rounds_no_worse_than_numpy(dtype, problem, rng):
    given = draw(rng, problem, dtype)
    layout, weights, x, y = given
    exact = Weights(*(a.astype(np.longdouble) for a in weights))
    ours, numpys = everything(cpu, *given), everything(reference, *given)
    truth = everything(reference, layout, exact, x.astype(np.longdouble), y)
    for name, true in truth.items():
        assert ours[name].dtype == dtype and ours[name].shape == true.shape, name
        floor = 16 * np.finfo(dtype).eps * np.abs(true).max(initial=0)
        allowed = HEADROOM * np.abs(numpys[name] - true).max(initial=0) + floor
        assert np.abs(ours[name] - true).max(initial=0) <= allowed, name


def test_x_may_be_of_any_dtype_that_holds_it(rng):
    for values, dtype in (((2,) * 4, np.uint8), ((3, 2, 200), np.int32)):
        layout, weights, x, y = draw(rng, (values, 5, 3, 1, True))
        found = everything(cpu, layout, weights, x.astype(dtype), y)
        for name, expected in everything(reference, layout, weights, x.astype(dtype), y).items():
            assert_allclose(found[name], expected, rtol=1e-10, atol=1e-12, err_msg=name)


@every_problem
def test_two_threads_give_what_one_gives(problem, rng, monkeypatch):
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    given = draw(rng, problem)
    u = rng.random(given[2].shape)
    with use_threads(1):
        alone, drawn = everything(cpu, *given), sample(cpu, *given[:2], u, given[3])
    with use_threads(3):
        several, drawn_by_several = everything(cpu, *given), sample(cpu, *given[:2], u, given[3])
    assert_array_equal(drawn_by_several, drawn)
    for name, one in alone.items():
        if name in SWEPT:  # sums over variables, cut, or of such sums
            assert_allclose(several[name], one, rtol=1e-10, atol=1e-12, err_msg=name)
        else:
            assert_array_equal(several[name], one, err_msg=name)


def test_parts_of_the_variables_are_of_like_work_and_none_is_empty():
    for values, threads in (((16,) * 784, 2), ((0,) * 64, 3), ((2,) * 5, 5), ((900, 2, 2), 3)):
        layout = columns.layout(values, 10)
        starts = [*cpu._starts(layout, threads), len(values)]
        assert starts[0] == 0 and all(a < b for a, b in pairwise(starts)), values
        own = np.diff(layout.first[starts]) + cpu.UNITS_WORK * np.diff(starts)
        work = own + cpu.PASS_WORK * np.array(starts[:-1])
        if min(values) == max(values) and len(values) > threads:
            assert np.ptp(work) <= 2 * work.max() / np.diff(starts).min(), values


def test_a_number_of_threads_gives_the_same_bits_every_time(rng, monkeypatch):
    monkeypatch.setattr(cpu, "THREAD_WORK", 0)
    given = draw(rng, PROBLEMS["all, told labels"], np.float32)
    with use_threads(3):
        first, again = everything(cpu, *given), everything(cpu, *given)
    for name, one in first.items():
        assert_array_equal(again[name], one, err_msg=name)


def test_a_row_does_not_depend_on_its_neighbours(rng):
    layout, weights, x, y = draw(rng, (ONE_OF_EACH, 2 * BLOCK + 3, 37, 2, True), np.float64)
    s, (nll, _, dx) = (
        forward(cpu, layout, weights, x, y),
        gradient(cpu, layout, weights, x, y),
    )
    for n in (0, BLOCK - 1, BLOCK, 2 * BLOCK + 2):
        one = layout, weights, x[n : n + 1], y[n : n + 1]
        assert_array_equal(forward(cpu, *one)[0], s[n])
        nll_alone, _, dx_alone = gradient(cpu, *one)
        assert nll_alone[0] == nll[n]
        assert_array_equal(dx_alone[0], dx[n])
        assert log_prob(cpu, *one)[0] == -nll[n]


def test_arguments_are_left_alone_and_dx_may_be_left_out(rng):
    layout, weights, x, y = draw(rng, PROBLEMS["all, told labels"])
    kept = [a.copy() for a in (*layout[:2], *weights, x, y)]
    _, grad, _ = gradient(cpu, layout, weights, x, y)
    for a, b in zip(grad, gradient(cpu, layout, weights, x, y, with_dx=False)[1], strict=True):
        assert_array_equal(a, b)
    for before, after in zip(kept, (*layout[:2], *weights, x, y), strict=True):
        assert_array_equal(before, after)


@every_twin
def test_what_the_last_variable_moves_gets_a_gradient_of_exactly_zero(twin, rng):
    """It is seen by nobody, and Adam would move its rows by a whole step for a rounding error."""
    for values in ((2, 2), (0, 0), (3, 4)):
        layout, weights, x, y = draw(rng, (values, 40, 9, 1, False), np.float64)
        dW = gradient(twin, layout, weights, x, y)[1].W
        last = n_rows(values[:1])
        assert dW[:last].all() and not dW[last:].any()


def sample(twin, layout, weights, u, y, x=None):
    """Return what is drawn into a copy of x, by default into nonsense."""
    drawn = np.full(u.shape, 7.0) if x is None else x.copy()
    assert twin.sample(layout, weights, u, y, drawn) is None
    return drawn


@every_twin
@every_problem
def test_samples_are_what_recomputing_every_step_gives(problem, twin, rng):
    layout, weights, given, y = draw(rng, problem)
    u = np.where(rng.random(given.shape) < 0.3, -1.0, rng.random(given.shape))
    x = np.where(u < 0, given, 0)
    for i in range(x.shape[1]):
        s = forward(reference, layout, weights, x, y)
        x_i = x[:, i].copy()
        columns.reference.draw(layout, i, s[:, layout.first[i] : layout.first[i + 1]], u[:, i], x_i)
        x[:, i] = x_i
    drawn = sample(twin, layout, weights, u, y, np.where(u < 0, given, 7))
    assert_allclose(drawn, x, rtol=1e-9, atol=1e-11)
    assert_array_equal(drawn[u < 0], given[u < 0])
    assert_array_equal(drawn[:, layout.values != REAL], x[:, layout.values != REAL])


@pytest.mark.parametrize("spread", [30, 1000])
def test_extreme_weights_give_finite_results(spread, rng):
    layout, weights, x, y = draw(rng, PROBLEMS["all"], np.float64)
    wide = Weights(*(spread * a for a in weights))
    numpys = everything(reference, layout, wide, x, y)
    for name, found in everything(cpu, layout, wide, x, y).items():
        assert np.isfinite(found).all(), name
        atol = 1e-11 * np.abs(numpys[name]).max(initial=0)
        assert_allclose(found, numpys[name], rtol=0, atol=atol, err_msg=name)


def test_nan_in_a_weight_shows(rng):
    layout, weights, x, y = draw(rng, PROBLEMS["all"], np.float64)
    weights.W[0, 3] = np.nan  # of the first bit
    x[:, 0] = 1
    nll, grad, _ = gradient(cpu, layout, weights, x, y)
    assert np.isnan(nll).all() and np.isnan(log_prob(cpu, layout, weights, x, y)).all()
    assert all(np.isnan(a).any() for a in (grad.W, grad.V, grad.b, grad.c))


def test_gradients_are_written_where_they_belong_and_nowhere_else(rng):
    """What lies behind c's gradient stays -0.0, which + 0.0 would make 0.0."""
    H, values = 5, (2, 2, 2)
    of = columns.layout(values)
    behind = np.full(H + 64, -0.0, np.float32)
    W, V = (rng.normal(size=(3, H)).astype(np.float32) for _ in range(2))
    b, c, none = np.zeros(3, np.float32), np.zeros((1, H), np.float32), np.empty(0, np.float32)
    grad = Weights(W.copy(), V.copy(), b.copy(), behind[None, :H], none.copy())
    x, y = rng.integers(0, 2, (9, 3)).astype(np.uint8), np.empty(0, np.int32)
    nll, dx = np.empty(9, np.float32), np.empty((0, 3), np.float32)
    cpu.nll_and_grad(of, Weights(W, V, b, c, none), x, y, 1.0, nll, grad, dx)
    assert behind[:H].any() and np.signbit(behind[H:]).all()


def test_variables_that_all_rows_keep_may_lie_between_rates_that_are_alike(rng):
    """h of the rate before them is not that of the one after them."""
    layout, weights, given, y = draw(rng, ((2,) * 4, 3, 5, 1, True))
    weights.rho[:] = 0.5, 1.5, 1.5, 1.5
    u = np.full(given.shape, 0.5)
    u[:, 1], given[:, 1] = -1, 0
    expected = sample(reference, layout, weights, u, y, given)
    assert_array_equal(sample(cpu, layout, weights, u, y, given), expected)
