"""PyTorch: sampling symbol by symbol, from the Transformer with a key-value cache and from an LSTM.

Both draw as chainrule.kernels.categorical defines it, from the same uniforms, by inverting the
cumulative distribution, so that every symbol can be checked.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from bench.cases import Problem
from bench.cases.ours import Run
from bench.peers.torch_layers import lstm_step


def draw(s: Any, u: Any) -> Any:
    """Return the symbols, (B,), for logits (B, V) and uniforms (B, 1)."""
    below = torch.softmax(s, 1, dtype=torch.float64).cumsum_(1)
    return torch.searchsorted(below, u * below[:, -1:], right=True)[:, 0]


def empty(u: Any) -> Any:
    """Return room for a symbol for each uniform, on the same device."""
    return torch.empty_like(u, dtype=torch.long)


def transformer(problem: Problem, model: Any, variant: str) -> Run:
    """Return sampling from the model of torch_transformer, its cache allocated once."""
    B, T, L, n, C, V = problem.workload.size
    u = torch.tensor(problem.u, dtype=torch.float64)
    cache = torch.zeros(2, L, B, n, T, C // n)
    step = torch.compile(_masked_step) if variant == "compiled" else _step
    at = torch.arange(T).split(1) if variant == "compiled" else range(T)

    def call() -> Any:
        with torch.inference_mode():
            token, drawn = torch.full((B,), V, device=u.device), empty(u)
            for t in range(T):
                token = draw(step(model, cache, token, at[t]), u[:, t : t + 1])
                drawn[:, t] = token
            return drawn

    return Run(call, lambda: {"x": call().numpy(force=True)})


def _step(model: Any, cache: Any, token: Any, t: int) -> Any:
    """Return the logits after reading one symbol a row at position t."""
    x = (model.symbols(token) + model.positions[t])[:, None]
    for block, keys, values in zip(model.blocks, *cache.unbind(0), strict=True):
        q, keys[:, :, t : t + 1], values[:, :, t : t + 1] = block.heads(x)
        a = functional.scaled_dot_product_attention(q, keys[:, :, : t + 1], values[:, :, : t + 1])
        x = block.rest(x, a)
    return model.logits(x[:, 0])


def _masked_step(model: Any, cache: Any, token: Any, t: Any) -> Any:
    """Return the same for a position t, (1,), reading the whole cache under a mask."""
    x = (model.symbols(token) + model.positions.index_select(0, t))[:, None]
    seen = (torch.arange(cache.shape[4], device=cache.device) <= t)[None]
    for block, keys, values in zip(model.blocks, *cache.unbind(0), strict=True):
        q, k, v = block.heads(x)
        keys.index_copy_(2, t, k)
        values.index_copy_(2, t, v)
        a = functional.scaled_dot_product_attention(q, keys, values, attn_mask=seen)
        x = block.rest(x, a)
    return model.logits(x[:, 0])


def lstm(problem: Problem, variant: str) -> Run:
    """Return sampling from an LSTM over symbols: one table look-up and one product a step."""
    theta = {name: torch.tensor(value) for name, value in problem.theta.items()}
    table, W = theta["W_xh"] + theta["b_h"][0], theta["W_hh"][0]
    u = torch.tensor(problem.u, dtype=torch.float64)
    B, T = u.shape

    def after(states: list[Any], token: Any) -> tuple[list[Any], Any]:
        states = lstm_step(table[token], states, W)
        return states, torch.addmm(theta["b_y"], states[0], theta["W_hy"])

    step: Callable[..., Any] = torch.compile(after) if variant == "compiled" else after

    def call() -> Any:
        with torch.inference_mode():
            states = [theta[name].expand(B, -1).contiguous() for name in ("b_0", "c_0")]
            s = torch.addmm(theta["b_y"], states[0], theta["W_hy"])
            drawn = empty(u)
            for t in range(T):
                drawn[:, t] = token = draw(s, u[:, t : t + 1])
                states, s = step(states, token)
            return drawn

    return Run(call, lambda: {"x": call().numpy(force=True)})
