"""Whether a training came to any good, by its own records.

A diverging training need not meet a number that is not finite: sigmoids and softmax saturate, and
NADE with a learning rate of 1e6 ends with a loss of millions, as finite as any. What is certain is
that a model to which all values are equally likely costs log(number of values) a variable, that
initial parameters are about as good, and that a training should end below.
"""

from chainrule.engine.training.train import State

# Shares of what guessing costs. Beyond them it is no chance: initial parameters of the smallest
# models cost up to a tenth more than guessing, and losses of small minibatches vary by as much.
WORSE, ASTRAY = 0.5, 0.25


def doubt(state: State, guessing: float) -> str | None:
    """Return a sentence on why the parameters that were kept may be no good; None if they are.

    guessing: the loss, nats a row or symbol, of a model to which all values are equally likely.
    Without validation data the last parameters are kept, which are to be doubted also where
    earlier ones were clearly better.
    """
    losses = [r["train"] if r["valid"] is None else r["valid"] for r in state.history]
    if not state.best_record or guessing == 0:
        return None
    kept, best = losses[state.best_record - 1], min(losses)
    advice = "lower the learning rate or clip the gradient's norm"
    if kept > (1 + WORSE) * guessing:
        return (
            f"the training diverged: what it kept costs {kept:.4g} nats, more than guessing, "
            f"{guessing:.4g}; {advice}"
        )
    if kept > best + ASTRAY * guessing:
        return (
            f"the training went astray: the last parameters, which were kept, cost {kept:.4g} nats "
            f"and earlier ones {best:.4g}; {advice}, or give validation data to choose by"
        )
    return None
