"""Densities of one and two real variables, drawn and checked: densities.md and its pictures.

Run: python examples/densities.py > examples/densities.md
"""

from pathlib import Path

import numpy as np
from sklearn import datasets

import chainrule as cr
from chainrule import plots
from chainrule.plots.calibrating import p_value

HERE = Path(__file__).parent
ROWS = 2000  # to fit, and as many to check
PAGE = """\
# Densities, beside what they were learnt from

RNADE gives each real variable a mixture of K components, whose means, widths and weights a network
makes of the variables before it. What it returns is a density in the units of the data: `log_prob`
of one measure in milligrams is log 1000 less than of the same in grams. `examples/densities.py`
writes this page.

## One variable

How far diabetes had progressed after a year, of 300 patients: of one variable RNADE is a mixture
and nothing else, here of {one_K} Gaussians.

![Its histogram, the density and a histogram of samples](densities_one.png)

## Two variables

Two thousand points on two moons. With one component each conditional is a single Gaussian, whose
mean and width may bend with x1 as they like, and that is not enough: where one moon is above the
other, p(x2 | x1) needs two peaks.

![Points, density and samples with one component](densities_moons_1.png)

With {K} components, and two rings fitted likewise:

![Points, density and samples with {K} components](densities_moons_{K}.png)

![Points, density and samples of two rings](densities_rings_{K}.png)

## Is it right?

A likelihood tells which of two models is better, not whether either is good. But if x has the
density p, then u_i = F(x_i | x_<i) is uniform, for each i, and independent of the others.
`to_uniforms` maps rows to these u, and `plots.calibration` draws them. Of {rows:,} new points on
moons, one component: both columns are bent, x2's u too rare in the middle, between the moons.

![Uniforms that are none](densities_moons_1_u.png)

And {K} components:

![Uniforms](densities_moons_{K}_u.png)

In numbers, all of rows that were not fitted: mean log p(x) in nats, of one Gaussian with the data's
covariance and of RNADE; the integral of its density, on a grid; and p-values of Kolmogorov and
Smirnov, how often uniform numbers would be so far from uniform: of all u together, and of each
column's alone, where what is wrong with one is not made up for by another.

| data | Gaussian | RNADE | ∫ p(x) dx | p of all u | p of u1 | p of u2 |
|---|---|---|---|---|---|---|
{table}

The settings are those of `examples/densities.py`, chosen for these data, and not the defaults. The
figures are one machine's: on another sums are rounded in another order, a training ends elsewhere,
and p-values differ most. Of moons, K = 20, that of all u was 0.19 on one machine and 0.31 on
another.
"""


def moons(seed):
    """Return two moons that reach into each other, (ROWS, 2)."""
    return datasets.make_moons(ROWS, noise=0.08, random_state=seed)[0]


def rings(seed):
    """Return two rings around one middle, (ROWS, 2)."""
    return datasets.make_circles(ROWS, noise=0.05, factor=0.45, random_state=seed)[0]


def progression():
    """Return a measure of diabetes, 300 rows to fit and 142 others, each (N, 1)."""
    x = datasets.load_diabetes().target[:, None]
    order = np.random.default_rng(0).permutation(len(x))
    return x[order[:300]], x[order[300:]]


def fit(x, n_components):
    """Return RNADE with the settings of this page, fitted."""
    model = cr.RNADE(
        n_hidden=100, n_components=n_components, mixture_weights="learned", epochs=300,
        batch_size=100, learning_rate=1e-2, l1=0.02, seed=0,
    )  # fmt: skip
    return model.fit(x)


def integral(model, x, steps=400):
    """Return the density's integral over the range of x, doubled."""
    low, high = x.min(axis=0), x.max(axis=0)
    beyond = (high - low) / 2
    axes = [np.linspace(*ends, steps) for ends in zip(low - beyond, high + beyond, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    p = np.exp(model.log_prob(grid)).astype(np.float64).reshape([steps] * len(axes))
    for axis in reversed(axes):
        p = np.trapezoid(p, axis, axis=-1)
    return float(p)


def gaussian(train, test):
    """Return the mean log-density of test under a Gaussian with train's mean and covariance."""
    covariance = np.atleast_2d(np.cov(train.T, bias=True))
    away = test - train.mean(axis=0)
    squares = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
    return float(-0.5 * (squares.mean() + np.linalg.slogdet(2 * np.pi * covariance)[1]))


def checked(name, model, train, test):
    """Return a line of the table, and the uniforms of the test rows."""
    u = model.to_uniforms(test)
    p = [p_value(numbers) for numbers in (np.ravel(u), *u.T)]
    rare = " | ".join(f"{one:.2f}" if one >= 0.01 else f"{one:.0e}" for one in p)
    line = f"| {name} | {gaussian(train, test):.2f} | {model.score(test):.2f} "
    return f"{line}| {integral(model, train):.3f} | {rare} |{' |' if len(p) < 3 else ''}", u


def draw(name, picture):
    """Write a picture beside this file, small enough for a page."""
    picture.savefig(HERE / f"densities_{name}.png", dpi=80)


def main(one_K=3, K=20):
    """Write the pictures, and the page to standard output."""
    train, test = progression()
    model = fit(train, one_K)
    draw("one", plots.density(model.log_prob, train, model.sample(1000, seed=1), ["progression"]))
    table = [checked(f"progression, K = {one_K}", model, train, test)[0]]
    for make, n in ((moons, 1), (moons, K), (rings, K)):
        name, train, test = f"{make.__name__}_{n}", make(1), make(2)
        model = fit(train, n)
        line, u = checked(f"{make.__name__}, K = {n}", model, train, test)
        table.append(line)
        draw(name, plots.density(model.log_prob, train, model.sample(ROWS, seed=1)))
        if make is moons:
            draw(f"{name}_u", plots.calibration(u, ["x1", "x2"], f"moons, K = {n}"))
    print(PAGE.format(one_K=one_K, K=K, rows=ROWS, table="\n".join(table)), end="")


if __name__ == "__main__":
    main()
