# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # The LSTM's backward pass, written by hand
#
# c_t = f c_{t-1} + i g and h_t = o tanh(c_t), the gates from z_t + h_{t-1} W. Two gradients walk back
# through time: δ = dL/dh and ε = dL/dc. The derivation is `help("chainrule.kernels.lstm")`.
#
# Write what is left out below at `TODO`, run all, and read what the judge says: the error of an array
# that was never written is 1. A solution is in `solutions/lstm.py`.

# %%
from types import SimpleNamespace

import numpy as np

from chainrule.exercises import cases


# %% tags=["todo"]
def backward(dh, gates, W, h, c, dz, dW, dh0, dc0):
    """Write dz, dW, dh0 and dc0, in place; h[t], c[t] come before step t, h[t + 1], c[t + 1] after."""
    delta, eps = np.zeros_like(dh0), np.zeros_like(dc0)
    for t in range(len(dh) - 1, -1, -1):
        i, f, g, o = np.split(gates[t], 4, axis=1)
        ...  # TODO: B1 to B5, and what delta and eps are to step t - 1
    dh0[:], dc0[:] = delta, eps  # B6


# %% [markdown]
# The judge: each gradient against central differences of the library's own forward pass.


# %%
def judge(backward):
    rng = np.random.default_rng(0)
    case = cases.lstm_case(rng, SimpleNamespace(backward=backward))
    return {name: float(error) for name, error in cases.errors(case, rng).items()}


errors = judge(backward)
print(errors)
print("right" if all(error < 1e-6 for error in errors.values()) else "not yet")

# %% [markdown]
# **How far does a gradient reach?** The share of dL/dh_T that is left in dL/dh_0, of a tanh RNN and of
# an LSTM's cells whose forget gates are open (0.97): a matrix to the power of T against a number to it.

# %%
rng = np.random.default_rng(0)
H, steps = 32, 60
W = rng.uniform(-1, 1, (H, H)) / np.sqrt(H)
h, d = rng.normal(size=H), rng.normal(size=H)
states = []
for _ in range(steps):
    h = np.tanh(h @ W)
    states.append(h)
left = d
for h in reversed(states):
    left = (left * (1 - h**2)) @ W.T
of_rnn, of_cells = np.linalg.norm(left) / np.linalg.norm(d), 0.97**steps
print(of_rnn, of_cells)

# %%
assert of_rnn < 1e-6 < 0.1 < of_cells
