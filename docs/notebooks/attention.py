# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # Attention's backward pass, written by hand
#
# o_i = Σ_{j≤i} P_ij v_j with P the softmax of q_i·k_j / √d. The derivation is
# `help("chainrule.kernels.causal_attention")`; B3, the softmax's Jacobian, is the step to think
# about.
#
# Write what is left out below at `TODO`, run all, and read what the judge says: the error of an array
# that was never written is 1. A solution is in `solutions/attention.py`.

# %%
from types import SimpleNamespace

import numpy as np

from chainrule.exercises import cases


# %% tags=["todo"]
def backward(do, q, k, v, o, lse, dq, dk, dv):
    """Write dq, dk and dv, in place: dv[r, :, head] = …"""
    N, _, n, d = q.shape
    for r, head in np.ndindex(N, n):
        Q, K, V, dO = (a[r, :, head] for a in (q, k, v, do))
        P = np.tril(np.exp(Q @ K.T / np.sqrt(d) - lse[r, head][:, None]))
        ...  # TODO: B1 to B5, from Q, K, V, dO and P, each (T, d) or (T, T)


# %% [markdown]
# The judge: each gradient against central differences of the library's own forward pass.


# %%
def judge(backward):
    rng = np.random.default_rng(0)
    case = cases.attention_case(rng, SimpleNamespace(backward=backward))
    return {name: float(error) for name, error in cases.errors(case, rng).items()}


errors = judge(backward)
print(errors)
print("right" if all(error < 1e-6 for error in errors.values()) else "not yet")

# %% [markdown]
# **The mean need not be taken over a row of P and dP**: Σ_j P_ij dP_ij = do_i · Σ_j P_ij v_j = do_i·o_i.

# %%
rng = np.random.default_rng(1)
P = rng.dirichlet(np.ones(5))
v, do = rng.normal(size=(5, 3)), rng.normal(size=3)
over_the_row, by_the_output = P @ (v @ do), do @ (P @ v)
assert np.isclose(over_the_row, by_the_output)
print(over_the_row, by_the_output)

# %% [markdown]
# **Each row of ds sums to 0**: adding one number to all scores of a row changes nothing.

# %%
ds = P * (v @ do - over_the_row)
assert abs(ds.sum()) < 1e-15
print(ds)
