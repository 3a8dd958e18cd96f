"""Adam with decoupled decay, decoupled sparsity and clipping, fused over one flat buffer.

Shapes      theta, g, m, v: (n,), every parameter of a model end to end

Step t      (t = 1, 2, …; m = v = 0 before the first)
            (A1)  r     = min(1, max_norm / ‖g‖₂)               r = 1 if max_norm is 0
            (A2)  g     = r g                                   so that ‖g‖₂ ≤ max_norm
            (A3)  m     = β₁ m + (1 - β₁) g                     running mean of g
            (A4)  v     = β₂ v + (1 - β₂) g²                    running mean of g²
            (A5)  m̂     = m / (1 - β₁ᵗ)
            (A6)  v̂     = v / (1 - β₂ᵗ)
            (A7)  θ     = θ - lr (m̂ / (√v̂ + ε) + λ θ)           λ on the first n_decay entries
            (A8)  θ     = sign(θ) max(|θ| - lr μ, 0)            μ (l1) on the same entries
            (A9)  m, v  = 0 where below tiny                    the smallest normal number

Why A5, A6  Unroll A3 from m = 0: m_t = (1 - β₁) Σ_{k≤t} β₁^{t-k} g_k. The weights add up to
            (1 - β₁) (1 - β₁ᵗ)/(1 - β₁) = 1 - β₁ᵗ, not 1; dividing by it makes m̂ a weighted mean.
            A6 is the same with β₂ and g². For small t it matters: at t = 1, m̂ = g and v̂ = g², so
            the first step is lr·sign(g), whatever the size of g.

Why λ in A7 An L2 penalty ½λ‖θ‖² would add λθ to g in A2, where A7 then divides it by √v̂:
            parameters with large gradients would decay less. Added in A7 it shrinks every
            weight by the same factor 1 - lr·λ a step.

Why A8      It is the exact minimiser of ½(θ' - θ)² + lr μ |θ'|, the proximal step of an L1
            penalty: entries that the data do not hold up against lr μ a step become exactly
            zero and stay there. Like λ it is decoupled: an entry rests where |m̂| / √v̂ = μ, its
            mean gradient μ times the gradient's own root mean square. So μ is a threshold on
            signal to noise, the same for common and for rare features.

Why A9      Where g is zero from some step on (a pixel that is off in every row), m falls by β₁ a
            step to the subnormal numbers, in float32 in 830 steps from 1, and stays there: the
            smallest of them times 0.9 rounds to itself. CPUs compute with them in microcode, a
            hundred times slower: with 40% of m there a step took 17 times as long. θ does not
            change: m̂ below 1e-37 over √v̂ + ε with ε = 1e-8 is below 1e-29, and √v̂ below 1e-18
            is lost beside ε.

Cost        About 12 FLOPs and 7 memory passes an entry (read θ, g, m, v; write θ, m, v), 28 bytes
            in float32: bound by memory. A1 reads g once more, which often is still in cache.

Source      Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980
            (A3-A7); Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization",
            arXiv:1711.05101 (λ); Parikh and Boyd 2014, "Proximal Algorithms", §6.5.2 (A8's step,
            which we put after A7); Pascanu, Mikolov and Bengio 2013, "On the difficulty of training
            recurrent neural networks", arXiv:1211.5063 (A1, A2).
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array


def step(
    theta: Array,
    g: Array,
    m: Array,
    v: Array,
    t: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    l1: float,
    n_decay: int,
    max_norm: float,
) -> float:
    """Update theta, m and v in place by A1-A8 and return ‖g‖₂ before clipping.

    g is left as it was. The norm is a float on the host, so on a GPU it waits for the device
    unless max_norm is 0, when it is neither computed nor returned (0.0 comes back).
    """
    op = select(__name__, theta, g, m, v)
    norm: float = op.step(
        theta, g, m, v, t, lr, beta1, beta2, eps, weight_decay, l1, n_decay, max_norm
    )
    return norm
