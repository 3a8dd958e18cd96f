"""Maximum likelihood by minibatches: shuffling, threads, validation, early stopping, resume.

One minibatch   cut its rows into one slice a thread; each thread runs the model's loss and
                gradient on its slice, with a gradient buffer of its own; add the buffers; one
                fused Adam step on the flat parameters.

Nothing random is kept: epoch e shuffles with default_rng([seed, e]), so a `State` is a few
arrays and numbers, and one saved after any minibatch resumes to the same bits, on the same
machine and number of threads.
"""

import math
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from chainrule.engine.optim import Recipe, learning_rate
from chainrule.engine.params import Params
from chainrule.kernels import adam, threads
from chainrule.kernels.dispatch import array_module, on_device
from chainrule.kernels.types import Array, Bits

__all__ = ["Progress", "Recipe", "State", "mean_nll", "place", "run", "start"]

MIN_ROWS = 8  # the fewest rows of a minibatch worth a thread
EVAL_ROWS = 1000  # rows a model sees at once where no gradient is wanted


@dataclass
class State:
    """A training at rest: all that going on needs besides model, recipe and data.

    Attributes:
        params: the parameters now.
        best: those of the epoch with the lowest validation loss; of the last finished epoch
            without validation data; the initial ones before the first epoch is over.
        m, v: Adam's running means, (P,), laid out like `params.flat`.
        step: minibatches done.
        n_rows: rows of the training data; 0 before the first minibatch.
        loss_sum: Σ -log p(x), nats, over this epoch's rows so far, each as its minibatch saw it.
        seconds: spent in this epoch so far.
        history: one record a finished epoch: epoch, train and valid (nats a row; None without
            validation data), seconds, learning_rate (of the epoch's last minibatch).
        best_epoch: counted from 1; 0 before the first epoch is over.
        best_valid: its validation loss, nats a row; infinite where there is none.
        whole: False only inside an update. An exception there, Ctrl-C among them, leaves it
            False: such a state is no point of any training, and `checkpoint` refuses it.
    """

    params: Params
    best: Params
    m: Array
    v: Array
    step: int = 0
    n_rows: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_valid: float = math.inf
    whole: bool = True


@dataclass(frozen=True)
class Progress:
    """What one minibatch did: epoch and step count from 1, loss is in nats a row.

    record: the epoch's entry of `State.history` after its last minibatch, else None.
    """

    epoch: int
    epochs: int
    step: int
    n_steps: int
    loss: float
    record: dict[str, Any] | None


def start(model: ModuleType, config: Any, recipe: Recipe, dtype: Any = np.float32) -> State:
    """Return the state before the first minibatch, on the host; recipe.seed decides it."""
    params = model.init(config, np.random.default_rng(recipe.seed), dtype)
    return State(params, params.copy(), np.zeros_like(params.flat), np.zeros_like(params.flat))


def place(state: State, xp: Any) -> State:
    """Return the state with its arrays in module xp (numpy or cupy), for data that live there.

    A copy is made only between host and device; the history is shared.
    """

    def move(array: Any) -> Any:
        return array.get() if xp is np and on_device(array) else xp.asarray(array)

    arrays = {name: move(getattr(state, name)) for name in ("m", "v")}
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
    X: Bits,
    X_valid: Bits | None = None,
) -> Generator[Progress, None, None]:
    """Train from `state` to the recipe's end, changing it in place; yield after every minibatch.

    Between yields the state is whole: stop, save it or show progress there. X, X_valid: (N, D)
    of 0 and 1, on the side of the state's arrays. Memory beside the data: a gradient a thread
    and a minibatch. BLAS is kept on one thread until the generator ends or is closed.

    Raises:
        ValueError: no rows, patience without validation data, or a state of other data.
        FloatingPointError: the loss is not finite. The state is that before the minibatch.
    """
    _check(recipe, state, X, X_valid)
    state.n_rows = len(X)
    n_batches = math.ceil(len(X) / recipe.batch_size)
    n_steps = recipe.epochs * n_batches
    grads = [state.params.like() for _ in range(1 if on_device(X) else threads.n_threads())]
    with threads.serial_blas():
        for epoch in range(state.step // n_batches, recipe.epochs):
            if _out_of_patience(recipe, state):
                return
            order = _shuffle(recipe.seed, epoch + 1, X)
            for batch in range(state.step % n_batches, n_batches):
                began, record = time.perf_counter(), None
                rows = order[batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
                loss = _gradient(model, config, state, X, rows, grads)
                rate = learning_rate(recipe, state.step, n_steps)
                state.whole = False
                _update(model, recipe, state, grads[0], rate)
                state.loss_sum += loss * len(rows)
                if batch + 1 == n_batches:
                    valid = _validate(model, config, state, X_valid)
                    record = _end_epoch(state, valid, rate, began)
                else:
                    state.seconds += time.perf_counter() - began
                state.whole = True
                yield Progress(epoch + 1, recipe.epochs, state.step, n_steps, loss, record)


def mean_nll(
    model: ModuleType, config: Any, params: Params, X: Bits, batch_size: int = EVAL_ROWS
) -> float:
    """Return the mean of -log p(x) over the rows of X, in nats, batch_size rows at a time."""

    def total(lo: int, hi: int) -> float:
        xp, nll = array_module(X), 0.0
        for at in range(lo, hi, batch_size):
            log_p = model.log_prob(config, params, X[at : min(at + batch_size, hi)])
            nll -= float(log_p.sum(dtype=xp.float64))
        return nll

    if on_device(X):
        return total(0, len(X)) / len(X)
    return sum(threads.map_rows(total, len(X), MIN_ROWS)) / len(X)


def _check(recipe: Recipe, state: State, X: Bits, X_valid: Bits | None) -> None:
    """Raise ValueError for data that this recipe and state cannot be trained on."""
    if len(X) == 0 or (X_valid is not None and len(X_valid) == 0):
        raise ValueError("there are no rows to train or validate on; give at least one of each")
    if recipe.patience and X_valid is None:
        raise ValueError("patience is judged on validation data; give X_valid or set patience=0")
    if state.n_rows not in (0, len(X)):
        raise ValueError(
            f"this training began on {state.n_rows} rows and X has {len(X)}; "
            "resume with the same data or start anew"
        )


def _out_of_patience(recipe: Recipe, state: State) -> bool:
    return 0 < recipe.patience <= len(state.history) - state.best_epoch


def _shuffle(seed: int, epoch: int, X: Bits) -> Any:
    """Return the order of X's rows in this epoch, which counts from 1: 0 drew the parameters."""
    order = np.random.default_rng([seed, epoch]).permutation(len(X))
    return array_module(X).asarray(order)


def _gradient(
    model: ModuleType, config: Any, state: State, X: Bits, rows: Any, grads: list[Params]
) -> float:
    """Return the minibatch's loss in nats a row and leave its gradient in grads[0].

    Each thread copies only its own rows of X and overwrites only its own buffer.
    """

    def one_slice(lo: int, hi: int, flat: Array) -> float:
        grad = Params(state.params.shapes, flat)
        x = X[rows[lo:hi]]
        nll: float = model.loss_and_grad(config, state.params, x, grad, n_rows=len(rows))
        return nll

    shares = [(grad.flat,) for grad in grads]
    loss = sum(threads.sum_rows(one_slice, len(rows), shares, MIN_ROWS))
    if not math.isfinite(loss):
        raise FloatingPointError(_advice(f"the loss of minibatch {state.step + 1} is {loss}"))
    return loss


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


def _validate(model: ModuleType, config: Any, state: State, X_valid: Bits | None) -> float | None:
    """Return the validation loss in nats a row, or None without validation data."""
    if X_valid is None:
        return None
    valid = mean_nll(model, config, state.params, X_valid)
    if not math.isfinite(valid):
        raise FloatingPointError(_advice(f"the validation loss at step {state.step} is {valid}"))
    return valid


def _end_epoch(state: State, valid: float | None, rate: float, began: float) -> dict[str, Any]:
    """Record the epoch just finished, keep its parameters if best, and begin the next."""
    epoch = len(state.history) + 1
    if valid is None or valid < state.best_valid:
        state.best.flat[...] = state.params.flat
        state.best_epoch = epoch
        state.best_valid = math.inf if valid is None else valid
    record = {
        "epoch": epoch,
        "train": state.loss_sum / state.n_rows,
        "valid": valid,
        "seconds": state.seconds + time.perf_counter() - began,
        "learning_rate": rate,
    }
    state.history.append(record)
    state.loss_sum = state.seconds = 0.0
    return record


def _advice(what: str) -> str:
    return f"{what}, not a finite number: lower the learning rate or clip the gradient's norm"
