"""Classifiers: networks from real numbers to a logit for each class, one file each.

They are no densities: what they say of x is p(y | x), and nothing of p(x). What they are here for
is to be attacked (`chainrule.engine.attacks`), and to see what a density makes of that.

A classifier is a module with Config, EVENT, ABILITIES, WEIGHTS, shapes and init, as a model's
(`chainrule.engine.models`, whose `get` finds it), and

    forward(config, params, x, new) -> (s, tape)        x: (N, …)    s: (N, K), logits
    backward(config, params, grad, tape, ds) -> None    overwrites grad
    input_backward(config, params, tape, ds, dx)        overwrites dx, by what `ds` is of the logits

from which `functions` has the rest:

    logits(config, params, x) -> (N, K)
    losses(config, params, x, y) -> (N,)                -log p(y | x), nats
    loss_and_grad(config, params, x, grad, total=None, y=..., dx=None) -> float
    input_gradient(config, params, x, of_logits) -> (s, dx)
        dx: the gradient in x of any combination of the logits, whose slopes in them `of_logits`
        says: from some rows of s, and which these are, to ds, (n, K), or to M of them, (M, n, K);
        then dx is (M, N, …).
"""
