# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # NADE's backward pass, written by hand
#
# Logits s_i = b_i + V_i·h_i with h_i = σ(a_i), and a_{i+1} = a_i + x_i W_i. Given ds, find dW, dV, db
# and dc. The derivation is `help("chainrule.kernels.nade")`; try without it first.
#
# Write what is left out below at `TODO`, run all, and read what the judge says: the error of an array
# that was never written is 1. A solution is in `solutions/nade.py`.

# %%
from types import SimpleNamespace

import numpy as np

from chainrule.exercises import cases


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


# %% [markdown]
# Everything that follows variable i hears of it through a_{i+1}. So walk from the last variable to
# the first with δ = dL/da of what is already behind you, and take W_i off a as you go.


# %% tags=["todo"]
def backward(ds, x, W, V, a_end, y, dW, dV, db, dc):
    """Write dW, dV, db and dc, in place: dW[i] = …"""
    a, delta = a_end.copy(), np.zeros_like(a_end)
    for i in range(x.shape[1] - 1, -1, -1):
        bit = x[:, [i]].astype(float)
        ...  # TODO: B1 to B5, with a, delta, bit, ds[:, [i]], W[i] and V[i]
    ...  # TODO: db, and dc[0] by B6


# %% [markdown]
# The judge: each gradient against central differences of the library's own forward pass.


# %%
def judge(backward):
    rng = np.random.default_rng(0)
    case = cases.nade_case(rng, SimpleNamespace(backward=backward))
    return {name: float(error) for name, error in cases.errors(case, rng).items()}


errors = judge(backward)
print(errors)
print("right" if all(error < 1e-6 for error in errors.values()) else "not yet")

# %% [markdown]
# **Which fail if …** δ is left out of B5, so that each conditional is on its own? Guess before you run.


# %%
def forgetful(ds, x, W, V, a_end, y, dW, dV, db, dc):
    a = a_end.copy()
    for i in range(x.shape[1] - 1, -1, -1):
        bit = x[:, [i]].astype(float)
        a = a - bit * W[i]
        h = sigmoid(a)
        dV[i] = (ds[:, [i]] * h).sum(axis=0)
        delta = ds[:, [i]] * V[i] * h * (1 - h)
        dW[i] = (bit * delta).sum(axis=0)
    db[:] = ds.sum(axis=0)
    dc[0] = delta.sum(axis=0)


wrong = {name for name, error in judge(forgetful).items() if not error < 1e-6}
print(sorted(wrong))

# %%
assert wrong == {"W", "c"}
