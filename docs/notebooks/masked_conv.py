# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A masked convolution's backward pass, written by hand
#
# y_ij = b + Σ_t x_{(i, j) + tap t} W_t, taps being pixels before (i, j). Pixel by pixel, and slow: so
# that each sum is seen. The derivation is `help("chainrule.kernels.masked_conv")`.

# %%
from types import SimpleNamespace

import numpy as np

from chainrule.exercises import cases
from chainrule.kernels.masked_conv import reference
from chainrule.kernels.masked_conv.windows import raster


# %%
def backward(dy, x, W, window, dx, dW, db):
    N, R, S, _ = x.shape
    seen = window.mask(*W.shape[1:])  # which of the own pixel's channels an output may look at
    for n, i, j in np.ndindex(N, R, S):
        db += dy[n, i, j]  # B2
        for t, (u, v) in enumerate(window.taps()):
            if 0 <= i + u < R and 0 <= j + v < S:  # beyond the image there is nothing
                dW[t] += np.outer(x[n, i + u, j + v], dy[n, i, j])  # B1
                dx[n, i + u, j + v] += np.where(seen[t], W[t], 0) @ dy[n, i, j]  # B3
    dW[~seen] = 0  # B1: what is hidden has no gradient


def judge(backward):
    rng = np.random.default_rng(0)
    case = cases.conv_case(rng, SimpleNamespace(backward=backward))
    return {name: float(error) for name, error in cases.errors(case, rng).items()}


errors = judge(backward)
print(errors)

# %%
assert all(error < 1e-6 for error in errors.values()), errors

# %% [markdown]
# **What does a pixel know?** Stack two such layers on one image and move one pixel: what changes comes
# after it in raster order, and nothing before. (The first layer would be of kind A in a model.)


# %%
def two_layers(x):
    rng = np.random.default_rng(2)
    for kind in ("A", "B"):
        window = raster(3, kind)
        y = np.empty_like(x)
        reference.forward(x, rng.normal(size=(window.n_taps, 1, 1)), np.zeros(1), window, y)
        x = y
    return x


x = np.zeros((1, 5, 5, 1))
moved = x.copy()
moved[0, 2, 2, 0] = 1
changed = (two_layers(x) != two_layers(moved))[0, :, :, 0].astype(int)
print(changed)

# %%
assert not changed[:2].any() and not changed[2, :3].any() and changed.any()
