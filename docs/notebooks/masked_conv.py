# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # A masked convolution's backward pass, written by hand
#
# y_ij = b + Σ_t x_{(i, j) + tap t} W_t. Taps are pixels before (i, j), and in the case judged here, of
# kind B, also the pixel itself, of which an output sees the channels of groups up to its own: `seen`.
# Pixel by pixel, and slow: so that each sum is seen. The derivation is
# `help("chainrule.kernels.masked_conv")`.
#
# Write what is left out below at `TODO`, run all, and read what the judge says: the error of an array
# that was never written is 1. A solution is in `solutions/masked_conv.py`.

# %%
from types import SimpleNamespace

import numpy as np

from chainrule.exercises import cases
from chainrule.kernels.masked_conv import reference
from chainrule.kernels.masked_conv.windows import raster


# %% tags=["todo"]
def backward(dy, x, W, window, dx, dW, db):
    """Add up dx, dW and db, in place: they begin as zeros."""
    N, R, S, _ = x.shape
    seen = window.mask(*W.shape[1:])  # which of the own pixel's channels an output may look at
    for n, i, j in np.ndindex(N, R, S):
        ...  # TODO: B2
        for t, (u, v) in enumerate(window.taps()):
            if 0 <= i + u < R and 0 <= j + v < S:  # beyond the image there is nothing
                ...  # TODO: B1 and B3, from x[n, i + u, j + v] and dy[n, i, j]
    ...  # TODO: what is hidden, where seen is False, has no gradient


# %% [markdown]
# The judge: each gradient against central differences of the library's own forward pass.


# %%
def judge(backward):
    rng = np.random.default_rng(0)
    case = cases.conv_case(rng, SimpleNamespace(backward=backward))
    return {name: float(error) for name, error in cases.errors(case, rng).items()}


errors = judge(backward)
print(errors)
print("right" if all(error < 1e-6 for error in errors.values()) else "not yet")

# %% [markdown]
# **What does a pixel know?** Stack two layers on one image, as in a model: the first of kind A, which
# does not see the pixel itself, then one of kind B. Move one pixel: what changes comes after it in
# raster order; what is before does not, nor do the features of the pixel itself.


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
assert not changed[:2].any() and not changed[2, :3].any() and changed[2, 3] and changed[3].any()
