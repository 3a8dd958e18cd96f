"""Bernoulli negative log-likelihood of binary rows, from logits.

Shapes      s, ds, log_p: (N, D)    x: (N, D) of 0 and 1    nll, dnll: (N,)    in nats

Forward     With p = σ(s) = 1 / (1 + e⁻ˢ),
                -log p       = log(1 + e⁻ˢ) = softplus(s) - s
                -log (1 - p) = log(1 + eˢ)  = softplus(s)
            and x chooses between them:
            (F1)  nll_n = Σ_i softplus(s_ni) - x_ni s_ni
            (F2)  softplus(s) = max(s, 0) + log(1 + e^-|s|), which overflows for no s.
            Each variable's own part of it, the terms that a row's log-likelihood is the sum of:
            (F3)  log p(x_ni) = x_ni s_ni - softplus(s_ni)
                              = -(max(s_ni, 0) - x_ni s_ni) - log(1 + e^-|s_ni|)
            where the bracket is exact for a bit (0 or |s|), and a right guess keeps its digits.

            The logarithms of (F2) add up to the logarithm of a product: each factor 1 + e^-|s|
            lies in [1, 2], so the CPU twin multiplies up to 512 of them in float64 before it
            takes one logarithm.

Backward    (B1)  softplus'(s) = eˢ / (1 + eˢ) = σ(s)
            (B2)  ds_ni = dnll_n (σ(s_ni) - x_ni)        undoes F1

            The gradient in the logit is the prediction error: it saturates for no s, which is
            why the loss starts from logits and not from probabilities.

            Both directions need e^-|s| alone: σ(s) is 1 / (1 + e^-|s|) for s > 0 and e^-|s| times
            that below, so `loss`, which wants both, takes one exponential for the two.

Cost        O(N·D); one exponential an element, in either direction, and in both at once.

Source      Textbook; the logit form is that of McCullagh and Nelder 1989, "Generalized Linear
            Models", ch. 4.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Bits


def forward(s: Array, x: Bits, nll: Array) -> None:
    """Overwrite nll, (N,), with the negative log-likelihood of each row, in nats."""
    select(__name__, s, x, nll).forward(s, x, nll)


def terms(s: Array, x: Bits, log_p: Array) -> None:
    """Overwrite log_p, (N, D), with log p(x_i | x_<i) of each bit, in nats; may be s itself."""
    select(__name__, s, x, log_p).terms(s, x, log_p)


def backward(dnll: Array, s: Array, x: Bits, ds: Array) -> None:
    """Overwrite ds = dL/ds, (N, D), given dnll = dL/d(nll), (N,); ds may be s itself."""
    select(__name__, dnll, s, x, ds).backward(dnll, s, x, ds)


def loss(rate: Array, s: Array, x: Bits, nll: Array, ds: Array) -> None:
    """Overwrite nll, (N,), and ds, (N, D), its gradient times rate, (N,); may be s."""
    select(__name__, rate, s, x, nll, ds).loss(rate, s, x, nll, ds)
