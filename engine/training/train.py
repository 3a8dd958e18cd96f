"""Maximum likelihood by minibatches: threads, accumulation, validation, early stopping, resume.

One minibatch   cut its rows into one slice a thread; each thread runs the model's loss and
                gradient on its slice, with a gradient buffer of its own; add the buffers; one
                fused Adam step on the flat parameters. With `accumulation`, the minibatch is
                worked through in so many parts, whose gradients are added before that step. In a
                `team` these parts go round the ranks, and the sum is the same.

What the minibatches are is a source's business: `engine.training.sources`. Nothing random is kept:
each draws from the seed and its own number, so a `State` is a few arrays and numbers, and one saved
after any minibatch resumes to the same bits, on the same machine and number of threads.
"""

import math
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.engine.event import Event
from chainrule.engine.params import Params
from chainrule.engine.team import ALONE, Team
from chainrule.engine.training import averaging, divergence, summing
from chainrule.engine.training.recipe import Recipe, learning_rate
from chainrule.engine.training.scoring import mean_nll
from chainrule.engine.training.sources import RowSource, Source
from chainrule.kernels import adam, threads
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.types import Array

__all__ = ["Progress", "Recipe", "State", "check_parameters", "mean_nll", "place", "run", "start"]


@dataclass
class State:
    """A training at rest: all that going on needs besides model, recipe and data.

    Attributes:
        params: the parameters now.
        best: those of the record with the lowest validation loss; without validation data of the
            last record that was not astray, `divergence`; the initial ones before the first record.
        m, v: Adam's running means, (P,), laid out like `params.flat`. average: see `averaging`.
        step: minibatches done.
        size: rows, or symbols, of the training data; 0 before the first minibatch.
        n_seen: rows, or symbols, of the minibatches since the last record.
        loss_sum: Σ -log p, nats, over these, each as its minibatch saw it.
        seconds: spent since the last record.
        history: one record a finished epoch of rows, or a stretch of steps:
            "epoch" or "step", counted from 1, train and valid (nats a row or symbol; None without
            validation data), seconds, learning_rate (of the last minibatch).
        best_record: the number of the best record, counted from 1; 0 before the first.
        best_valid: its validation loss; infinite where there is none.
        carry: (streams, S), the recurrent states where streams of text are read; None elsewhere.
        whole: False only inside an update. An exception there, Ctrl-C among them, leaves it
            False: such a state is no point of any training, and `checkpoint` refuses it.
    """

    params: Params
    best: Params
    m: Array
    v: Array
    step: int = 0
    size: int = 0
    n_seen: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_record: int = 0
    best_valid: float = math.inf
    carry: Array | None = None
    average: Array | None = None
    whole: bool = True


@dataclass(frozen=True)
class Progress:
    """What one minibatch did: steps count from 1, loss is in nats a row or symbol.

    stretch: the number of the record that is being worked on, an epoch where epochs are counted.
    stretches: how many records there will be at most.
    record: the new entry of `State.history` after a record's last minibatch, else None.
    per: what losses are a mean over, "row" or "symbol".
    """

    stretch: int
    stretches: int
    step: int
    n_steps: int
    loss: float
    record: dict[str, Any] | None
    per: str = "row"


def start(model: ModuleType, config: Any, recipe: Recipe, dtype: Any = np.float32) -> State:
    """Return the state before the first minibatch, on the host; recipe.seed decides it."""
    params = model.init(config, np.random.default_rng(recipe.seed), dtype)
    moments = np.zeros_like(params.flat), np.zeros_like(params.flat)
    return State(params, params.copy(), *moments, average=averaging.begin(recipe, params))


def place(state: State, xp: Any) -> State:
    """Return the state with its arrays in module xp (numpy or cupy), for data that live there.

    A copy is made only between host and device; the history is shared.
    """

    def move(array: Any) -> Any:
        return array.get() if xp is np and on_device(array) else xp.asarray(array)

    arrays = {name: move(getattr(state, name)) for name in ("m", "v")}
    arrays |= {name: averaging.moved(getattr(state, name), move) for name in ("carry", "average")}
    params = {
        name: Params(getattr(state, name).shapes, move(getattr(state, name).flat))
        for name in ("params", "best")
    }
    return State(**{**vars(state), **arrays, **params})


def run(
    model: ModuleType,
    config: Any,
    recipe: Recipe,
    state: State,
    X: Any,
    X_valid: Any = None,
    *,
    team: Team = ALONE,
) -> Generator[Progress, None, None]:
    """Train from `state` to the recipe's end, changing it in place; yield after every minibatch.

    Between yields the state is whole: stop, save it or show progress there. X: a source, or with
    X_valid bare rows as the model's event says, on the side of the state's arrays. Memory beside
    the data: a gradient a thread, another one with accumulation, and a minibatch. BLAS is kept on
    one thread until the generator ends or is closed. team: all of its ranks run this, from the same
    state and on the same data.

    Raises:
        ValueError: no rows, patience without validation data, labels for a model without, or a
            state of other data.
        FloatingPointError: a loss is not finite, and the state is that before the minibatch; or,
            where a record would be made, a validation loss or a parameter is not, and nothing of
            it is kept.
        RuntimeError: the team's ranks do not hold the same. Parted: another rank failed.
    """
    pair = None if X_valid is None else (X_valid, None)
    source = X if isinstance(X, Source) else RowSource(X, valid=pair)
    _check(model, recipe, state, source)
    state.size = source.size
    team.check_same(f"{recipe} {state.step} {source.size}".encode(), "settings")
    team.check_same(state.params.flat, "parameters to begin with")
    n_steps, period = source.n_steps(recipe), source.period(recipe)
    grads = summing.buffers(recipe, state.params, team)
    with threads.serial_blas():
        while state.step < n_steps and not _out_of_patience(recipe, state):
            began, record = time.perf_counter(), None
            batch = source.batch(model, config, recipe, state.step, state)
            loss = summing.gradient(recipe, state.params, batch, grads, team)
            if not math.isfinite(loss):
                what = f"the loss of minibatch {state.step + 1} is {loss},"
                raise FloatingPointError(_advice(what))
            rate = learning_rate(recipe, state.step, n_steps)
            state.whole = False
            _update(model, recipe, state, grads[0], rate)
            state.carry = batch.carry
            state.loss_sum += loss * batch.total
            state.n_seen += batch.total
            if state.step % period == 0 or state.step == n_steps:
                check_parameters(state)
                valid = _validate(model, config, recipe, state, source, team)
                team.check_same(state.params.flat, "parameters")
                record = _make_record(state, config.event, source.clock(recipe), valid, rate, began)
            else:
                state.seconds += time.perf_counter() - began
            state.whole = True
            number = (state.step - 1) // period + 1, math.ceil(n_steps / period)
            yield Progress(*number, state.step, n_steps, loss, record, source.per)


def _check(model: ModuleType, recipe: Recipe, state: State, source: Source) -> None:
    """Raise ValueError for data that this recipe and state cannot be trained on."""
    if recipe.patience and not source.has_valid:
        raise ValueError("patience is judged on validation data; give X_valid or set patience=0")
    if source.labelled and not model.ABILITIES.labels:
        raise ValueError("y are labels, and this model learns without; leave y out")
    if state.history and source.clock(recipe) not in state.history[0]:
        raise ValueError(
            "this training began with other records, of epochs or of steps; go on with the same "
            "eval_every or start anew"
        )
    if state.size not in (0, source.size):
        raise ValueError(
            f"this training began on {state.size} {source.unit} and X has {source.size}; "
            "resume with the same data or start anew"
        )


def _out_of_patience(recipe: Recipe, state: State) -> bool:
    return 0 < recipe.patience <= len(state.history) - state.best_record


def _update(model: ModuleType, recipe: Recipe, state: State, grad: Params, rate: float) -> None:
    """Take one Adam step and count it."""
    adam.step(
        state.params.flat,
        grad.flat,
        state.m,
        state.v,
        t=state.step + 1,
        lr=rate,
        beta1=recipe.beta1,
        beta2=recipe.beta2,
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
        l1=recipe.l1,
        n_decay=state.params.leading(model.WEIGHTS),
        max_norm=recipe.clip_norm,
    )
    state.step += 1
    averaging.update(recipe, state.average, state.params, state.step)


def _validate(
    model: ModuleType, config: Any, recipe: Recipe, state: State, source: Source, team: Team
) -> float | None:
    """Return the validation loss in nats a row or symbol, or None without validation data."""
    if not source.has_valid:
        return None
    kept = averaging.kept(state.average, state.params)
    valid = source.validate(model, config, recipe, kept, team)
    if not math.isfinite(valid):
        raise FloatingPointError(_advice(f"the validation loss at step {state.step} is {valid},"))
    return valid


def check_parameters(state: State) -> None:
    """Raise FloatingPointError for parameters, or means of Adam's, that must not be kept.

    The loss was found before the last update, so it can be finite where these are not.
    """
    names = {"a parameter": state.params.flat, "a mean of gradients": state.m}
    names["a mean of squared gradients"] = state.v  # infinite: its parameters would never move
    for name, flat in names.items():
        if not bool(array_module(flat).isfinite(flat).all()):
            what = f"the step after minibatch {state.step} leads to {name} that is"
            raise FloatingPointError(_advice(what))


def _make_record(
    state: State, event: Event, clock: str, valid: float | None, rate: float, began: float
) -> dict[str, Any]:
    """Record the stretch just finished, keep its parameters if best, and begin the next."""
    number, loss = len(state.history) + 1, state.loss_sum / state.n_seen
    astray = divergence.astray(loss, state.history, event)
    if (valid is None and not astray) or (valid is not None and valid < state.best_valid):
        state.best.flat[...] = averaging.kept(state.average, state.params).flat
        state.best_record = number
        state.best_valid = math.inf if valid is None else valid
    record = {
        clock: number if clock == "epoch" else state.step,
        "train": loss,
        "valid": valid,
        "seconds": state.seconds + time.perf_counter() - began,
        "learning_rate": rate,
    }
    state.history.append(record)
    state.loss_sum = state.seconds = 0.0
    state.n_seen = 0
    return record


def _advice(what: str) -> str:
    return f"{what} not a finite number: lower the learning rate or clip the gradient's norm"
