"""Distributions of one variable given the ones before it, one file a kind, five functions each.

Over the raw outputs s of a model, NumPy or CuPy arrays:

    n_outputs(K) -> int                     outputs that a variable of K values needs
    log_prob_terms(s, x) -> shaped like x   log p(x_i | x_<i) in nats
    loss_and_grad(s, x, total, ds) -> float Σ -log p / total; overwrites ds, which may be s itself
    conditionals(s) -> p                    the distribution of every x_i given x_<i
    sample(s, u, x, …) -> None              draws x where u is in [0, 1), keeps it where u < 0

A real variable's, `mixture`, take its family and whether its weights are learned besides, and have
a sixth, `cdf`, which `sample` inverts. `logistics`, of few outputs for many levels, takes their
number last, and its `n_outputs` how many components there are. `columns`, for rows of variables of
different kinds, takes a layout first, samples one variable at a time, and maps whole rows to
uniforms.
"""
