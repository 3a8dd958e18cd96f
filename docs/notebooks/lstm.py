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

# %%
from types import SimpleNamespace

import numpy as np

from chainrule.exercises import cases


# %%
def backward(dh, gates, W, h, c, dz, dW, dh0, dc0):
    delta, eps = np.zeros_like(dh0), np.zeros_like(dc0)
    for t in range(len(dh) - 1, -1, -1):
        i, f, g, o = np.split(gates[t], 4, axis=1)
        delta = delta + dh[t]  # B1
        squashed = np.tanh(c[t + 1])
        eps = eps + delta * o * (1 - squashed**2)  # B2: c_t is read by h_t, and by c_{t+1}
        into_i, into_f, into_g, into_o = eps * g, eps * c[t], eps * i, delta * squashed  # B2, B3
        before = into_i * i * (1 - i), into_f * f * (1 - f), into_g * (1 - g**2)
        dz[t] = np.hstack([*before, into_o * o * (1 - o)])  # B4
        dW += h[t].T @ dz[t]  # B5
        delta, eps = dz[t] @ W.T, eps * f
    dh0[:], dc0[:] = delta, eps  # B6


def judge(backward):
    rng = np.random.default_rng(0)
    case = cases.lstm_case(rng, SimpleNamespace(backward=backward))
    return {name: float(error) for name, error in cases.errors(case, rng).items()}


errors = judge(backward)
print(errors)

# %%
assert all(error < 1e-6 for error in errors.values()), errors

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
