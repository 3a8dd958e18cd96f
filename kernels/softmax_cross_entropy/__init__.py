"""Negative log-likelihood of symbols under a softmax of logits.

Shapes      s, ds: (N, V)    y: (N,) int32, 0 … V-1, or -1: ignored    nll, dnll: (N,), in nats

Forward     p_i = e^{s_i} / Σ_k e^{s_k} does not change when all logits shift, so shift by the
            largest: no exponential overflows, and the sum is at least 1.
            (F1)  m = max_k s_k
            (F2)  Z = Σ_k e^{s_k - m},  log Σ_k e^{s_k} = m + log Z
            (F3)  nll = -log p_y = m + log Z - s_y;   0 where y = -1

Backward    ∂(log Σ_k e^{s_k})/∂s_i = e^{s_i} / Σ_k e^{s_k} = p_i and ∂s_y/∂s_i = [i = y]:
            (B1)  p_i = e^{s_i - m} / Z
            (B2)  ds_i = dnll (p_i - [i = y]);   0 where y = -1     undoes F3, F2
            m is a shift that cancels, so it has no gradient of its own. The prediction error
            again, as with the Bernoulli: entries in [-1, 1], their sum over i exactly 0.

            `nll_and_grad` does both directions in one go, with one exponential an element: it is
            what training wants, where dnll is one number known before.

Cost        One exponential and about 4 FLOPs an element in either direction; memory-bound: s read,
            ds written.

Source      Bridle 1990, "Probabilistic interpretation of feedforward classification network
            outputs, with relationships to statistical pattern recognition". The shift is older than
            any paper on it that we know; what rounding does to it: Blanchard, Higham and Higham
            2021, "Accurately computing the log-sum-exp and softmax functions", IMA Journal of
            Numerical Analysis 41(4) (arXiv:1909.03469).

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Ids


def forward(s: Array, y: Ids, nll: Array) -> None:
    """Overwrite nll, (N,), with -log p of each row's symbol, in nats; F1-F3."""
    select(__name__, s, y, nll).forward(s, y, nll)


def backward(dnll: Array, s: Array, y: Ids, ds: Array) -> None:
    """Overwrite ds by B1, B2; ds may be s itself."""
    select(__name__, dnll, s, y, ds).backward(dnll, s, y, ds)


def nll_and_grad(s: Array, y: Ids, scale: float, nll: Array, ds: Array) -> None:
    """Overwrite nll, (N,), and ds, the gradient of scale · Σ_n nll; ds may be s itself."""
    select(__name__, s, y, nll, ds).nll_and_grad(s, y, scale, nll, ds)
