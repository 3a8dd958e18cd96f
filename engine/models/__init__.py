"""Autoregressive models, one file each, derivation on top; MODELS is their registry.

A model is a module with

    Config          frozen dataclass: all that decides the shapes. Its `event` says what one
                    observation is (chainrule.engine.event), and with it the dtype and shape of x
    EVENT           the class of Config's event
    ABILITIES       what it can do beyond the contract (chainrule.engine.event.Abilities)
    WEIGHTS         names of the arrays that weight decay shrinks; "W" stands for W2, W3, … too
    shapes(config)  name to shape, WEIGHTS first
    init(config, rng, dtype) -> Params

    log_prob(config, params, x, y=None) -> (N,)
        In nats. y: (N,), labels, of a model that has them.
    log_prob_terms(config, params, x, y=None) -> shaped like x
        log p(x_i | x_<i) of every variable; their sum over a row is log_prob.
    conditionals(config, params, x, y=None)
        The distribution of every x_i given x_<i: of a bit p(x_i = 1), shaped like x; of
        categories and symbols all p(x_i = v), one axis more; of columns of several kinds as in
        chainrule.engine.distributions.columns.
    loss_and_grad(config, params, x, grad, total=None, ..., dx=None) -> float
        Σ -log p(x_i | x_<i) / total, and its gradient written into `grad`; total is N if not
        given, and in training the number of rows, or of symbols, of the whole minibatch. dx, where
        given, is overwritten by the gradient in the input. Of the following keywords a model takes
        those that its ABILITIES name:
            y (N,)          labels
            noise           (seed, step, row): what is drawn in the pass, dropout, a mask or an
                            ordering, follows from the training's seed, the number of the minibatch,
                            and where in it x's first row stands, so that any cut of its rows draws
                            the same; None: nothing is drawn, and the loss is that of `log_prob`
            carry (N, S)    the rows' states from the piece of text before this one, read and
                            overwritten, S = state_size(config); no gradient goes into it
            fresh (N,)      bool: rows that start anew instead
    start(config, params, n, y=None) -> chainrule.engine.sampling.Sampler
    sample(config, params, uniforms, x=None, y=None, ...) -> x
        Draws x_i where its uniform is in [0, 1) and keeps it where the uniform is negative, row by
        row and variable by variable: a deterministic function of the uniforms and of what is kept.
    uniforms(config, params, x, v, y=None) -> (N, D), float64       where columns may be real
        From which `sample` draws x again; of discrete columns v, in [0, 1), says which.
    attention_maps(config, params, x, y=None)       where there is attention: for pictures
    input_gradient(config, params, x, pixel, y=None) -> shaped like x         of images
        The gradient in x, as if levels were real, of what one channel's outputs add up to.
    Where rows may lack values, and what is known of them may stand anywhere (any_order):
    log_prob_given(config, params, x, given, y=None) -> (N,)
        log p(x_f | x_g): given, (N, D) bool, marks g. What is missing is in neither.
    marginals(config, params, x, given, y=None)
        The distribution of every single x_i given x_g, as `conditionals` has them.
    nll_estimates(config, params, x, noise, y=None) -> (N,)
        An unbiased estimate of each row's -log p(x), by one pass; drawn from noise.

Who asks a model for scores asks `chainrule.engine.density`, which has an answer without labels too;
how many rows are asked for at once is for `chainrule.engine.bounds` to say.

Of sequences x is (N, T), any T: `engine.windows` says what a symbol sees beyond a model's context.
A -1 at a row's end is padding and contributes 0, here and everywhere.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType

HOMES: dict[str, str] = {  # a new model is one line here
    "fvsbn": "chainrule.engine.models.fvsbn",
    "nade": "chainrule.engine.models.nade",
    "nade_untied": "chainrule.engine.models.nade_untied",
    "made": "chainrule.engine.models.made",
    "orderless_nade": "chainrule.engine.models.orderless_nade",
    "table_nade": "chainrule.engine.models.table_nade",
    "rnn": "chainrule.engine.models.rnn",
    "attention_rnn": "chainrule.engine.models.attention_rnn",
    "transformer": "chainrule.engine.models.transformer",
    "pixel_cnn": "chainrule.engine.models.pixel_cnn",
    "pixel_rnn": "chainrule.engine.models.pixel_rnn",
}
# What is no density: it has none of log_prob, conditionals and sample, and is found by name alone.
CONTRASTS = {
    "autoencoder": "chainrule.engine.models.autoencoder",
    "mlp": "chainrule.engine.classifiers.mlp",
    "cnn": "chainrule.engine.classifiers.cnn",
}


class _Registry(Mapping[str, ModuleType]):
    """The models by name, each imported when it is first asked for."""

    def __getitem__(self, name: str) -> ModuleType:
        return import_module(HOMES[name])

    def __iter__(self) -> Iterator[str]:
        return iter(HOMES)

    def __len__(self) -> int:
        return len(HOMES)


MODELS = _Registry()


def get(name: str) -> ModuleType:
    """Return the model called `name`, one that is no density too.

    Raises:
        ValueError: there is none.
    """
    known = HOMES | CONTRASTS
    if name not in known:
        raise ValueError(f"unknown model {name!r}; there are {', '.join(known)}")
    return import_module(known[name])


def of(event: type) -> dict[str, ModuleType]:
    """Return the models whose observations are of a class of `chainrule.engine.event`, by name."""
    return {name: model for name, model in MODELS.items() if model.EVENT is event}
