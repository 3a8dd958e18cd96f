"""Central differences for gradients of so many entries that one at a time would take minutes.

Entries are dealt at random to groups, each with a random sign. Along a group's direction d, which
is ±1 inside and 0 outside, the slope of f is ⟨g, d⟩: two evaluations a group and not an entry, and
every entry counts in one. One that is wrong by δ puts its group's ⟨g, d⟩ off by δ, which is held to
the same tolerance; that several cancel, random signs make as good as impossible. Of no more entries
than groups each is alone, and this is `engine.gradcheck.numeric_grad`.
"""

import numpy as np

GROUPS = 32


def in_groups(f, p, grad, rng, groups=GROUPS, eps=1e-6):
    """Return ⟨grad, d⟩ and the slope of f in p along d for each group's d, (groups,) both.

    p, float64, is nudged in place and restored.
    """
    n = min(groups, p.size)
    group = rng.permutation(p.size) % max(n, 1)
    sign, old, slopes = rng.choice([-1.0, 1.0], p.size), p.copy(), np.empty(n)
    for k in range(n):
        step = eps * np.where(group == k, sign, 0).reshape(p.shape)
        p[...] = old + step
        up = f()
        p[...] = old - step
        slopes[k] = (up - f()) / (2 * eps)
    p[...] = old
    return np.bincount(group, sign * grad.reshape(-1), n)[:n], slopes
