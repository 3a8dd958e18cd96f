"""Autoregressive models, one file each, derivation on top.

MODELS, of binary rows x, (N, D), are modules with

    Config                                          frozen dataclass: all that decides the shapes
    WEIGHTS                                         names of the arrays that weight decay shrinks
    shapes(config)                                  name to shape, WEIGHTS first
    init(config, rng, dtype) -> Params
    log_prob(config, params, x) -> (N,)             nats
    loss_and_grad(config, params, x, grad) -> float mean negative log-likelihood, nats
    conditionals(config, params, x) -> (N, D)       p(x_i = 1 | x_<i)
    sample(config, params, uniforms, given, observed) -> (N, D)

SEQUENCES, of symbols x, (N, T) int32 in 0 … V-1, have Config, WEIGHTS (of which a config may lack
some), shapes and init as above, and

    log_prob(config, params, x, labels=None) -> (N,)
        Any T: `engine.windows` says what a symbol sees beyond a model's context. A -1 at a row's
        end is padding and contributes 0, here and everywhere.
    symbol_log_prob(config, params, x, labels=None) -> (N, T)
        log p(x_t | x_<t) of every symbol, the first included. A model that carries states also
        takes carry and fresh, as below, to read a long text piece by piece.
    conditionals(config, params, x, labels=None) -> (N, T, V)
        p(x_t = v | x_<t) of every value.
    loss_and_grad(config, params, x, grad, n_rows=None, ...) -> float
        Σ -log p(x_t | x_<t) / n_rows; n_rows is N if not given, and in training the number of
        symbols of the whole minibatch: nats a symbol. Of the following keywords a model takes
        those that apply to it:
            labels (N,)     a class of each row
            noise           (seed, step, row): what the pass's dropout is drawn from; the training's
                            seed, the number of the minibatch, and where in it x's first row stands,
                            so that any cut of its rows drops the same numbers; None: no dropout
            carry (N, S)    the rows' states from the piece of text before this one, read and
                            overwritten, S = state_size(config); no gradient goes into it
            fresh (N,)      bool: rows that start anew instead
    start(config, params, n, labels=None) -> sampler state
    sample(config, params, uniforms, prompt=None, lengths=None, temperature=1.0, top_k=0,
           top_p=1.0, labels=None) -> (N, n_new)
        A deterministic function of uniforms, (N, n_new) in [0, 1). prompt: (N, P), of whose rows
        the first `lengths` symbols count.
    stream(config, params, uniforms, ..., chunk)
        The same result in pieces (N, k), one after the other.
    attention_maps(config, params, x)               where there is attention: for pictures
"""

from types import ModuleType

from chainrule.engine.models import attention_rnn, fvsbn, nade, nade_untied, rnn, transformer

MODELS: dict[str, ModuleType] = {"fvsbn": fvsbn, "nade": nade, "nade_untied": nade_untied}
SEQUENCES: dict[str, ModuleType] = {
    "rnn": rnn,
    "attention_rnn": attention_rnn,
    "transformer": transformer,
}


def get(name: str) -> ModuleType:
    """Return the model called `name`, of binary rows or of sequences."""
    known = {**MODELS, **SEQUENCES}
    if name not in known:
        raise ValueError(f"unknown model {name!r}; there are {', '.join(known)}")
    return known[name]
