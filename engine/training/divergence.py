"""Whether a training came to any good, by its own records, and which of them are worth keeping.

A diverging training need not meet a number that is not finite: sigmoids and softmax saturate, and
NADE with a learning rate of 1e6 ends with a loss of millions, as finite as any. What is certain is
that a model to which all values are equally likely costs log(number of values) a variable, that
initial parameters are about as good, and that a training should end below. Of a real column, in
whose standard units models see it, a normal distribution takes the place of guessing. There initial
parameters may cost a few times as much, and so may rows far from all that were learnt from: what is
above guessing, but not FAR, and has fallen since the first record, was ended too early.

Without validation data the last parameters are kept, but for those of records that went astray,
whose loss is above the lowest before by a good part of what guessing costs: what was good before a
training diverged stays good. A record's loss is that of its minibatches, each before its own step.
"""

from collections.abc import Mapping, Sequence
from math import e, log, pi
from typing import Any, Protocol

from chainrule.engine.event import CONTINUOUS, Columns, Event

# Shares of what guessing costs. Beyond them it is no chance: initial parameters of the smallest
# models cost up to a tenth more than guessing, and losses of small minibatches vary by as much.
WORSE, ASTRAY = 0.5, 0.25
FAR = 10  # times it: no initial parameters and few rows cost as much
NORMAL = log(2 * pi * e) / 2  # nats: a real column of which mean and variance alone are known
FALLING = 0.005  # of it, over the last quarter of the records: what is worth to be told
ADVICE = "lower the learning rate or clip the gradient's norm"


class Records(Protocol):
    """What is read of a training: its records, and the number of the one that is kept."""

    history: list[dict[str, Any]]
    best_record: int


def guessing(event: Event) -> float:
    """Return what an observation costs, nats, of which no more is known than its kind."""
    if not isinstance(event, Columns):
        return event.guessing
    steps = sum(log(2 * half) for half in event.half_steps if half)  # of which p(x) is the share
    atoms = log(2) * sum(atom is not None for atom in event.atoms)  # whether x is it or not
    return event.guessing + NORMAL * event.values.count(CONTINUOUS) - steps + atoms


def astray(loss: float, history: Sequence[Mapping[str, Any]], event: Event) -> bool:
    """Return whether a record with this training loss is far above one before it."""
    lowest = min((record["train"] for record in history), default=loss)
    known = guessing(event)
    return known > 0 and not loss <= lowest + ASTRAY * known


def doubt(state: Records, guessing: float, shift: float = 0.0) -> str | None:
    """Return a sentence on why a training came to no good; None if it did.

    guessing: the loss, nats a row or symbol, of a model that knows nothing. shift: what is taken
    off all losses that are told.
    """
    losses = [r["train"] if r["valid"] is None else r["valid"] for r in state.history]
    if not state.best_record or guessing == 0:
        return None
    kept, record = losses[state.best_record - 1], state.history[state.best_record - 1]
    clock = "epoch" if "epoch" in record else "step"
    if kept > (1 + WORSE) * guessing:
        costs = f"costs {kept - shift:.4g} nats, more than guessing, {guessing - shift:.4g}"
        if max(one["train"] for one in state.history) <= (1 + WORSE) * guessing:
            return (
                f"what the training kept {costs}, of validation data alone: they are unlike those "
                "it learnt from, or the learning rate is too high"
            )
        if losses[-1] <= losses[0] and kept <= FAR * guessing:
            return (
                f"the training ended too early: what it kept {costs}; give it more {clock}s, or "
                "another learning rate"
            )
        return f"the training diverged: what it kept {costs}; {ADVICE}"
    if record["valid"] is None and state.best_record < len(losses):
        return (
            f"the training went astray: it cost {kept - shift:.4g} nats in {clock} "
            f"{record[clock]}, whose parameters were kept, and {losses[-1] - shift:.4g} in the "
            f"end; {ADVICE}"
        )
    return None


def unfinished(state: Records, guessing: float) -> str | None:
    """Return a sentence where the validation loss still fell when the training ended, else None."""
    losses = [record["valid"] for record in state.history]
    n = len(losses)
    if n < 4 or losses[-1] is None or state.best_record < n:
        return None
    fell = min(losses[: n - n // 4]) - losses[-1]
    if fell <= FALLING * guessing:
        return None
    clock = "epochs" if "epoch" in state.history[0] else "steps"
    return (
        f"the validation loss was still falling when the training ended, by {fell:.2g} nats in its "
        f"last quarter: more {clock} or a higher learning rate may do better"
    )
