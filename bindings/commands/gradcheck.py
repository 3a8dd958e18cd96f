"""`chainrule gradcheck`: every hand-derived gradient against central differences, in a table."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import progress
from chainrule.commands import settings
from chainrule.commands.common import Common, console, table
from chainrule.commands.inputs import of_classes, of_images, of_rows
from chainrule.encoders import validation
from chainrule.engine import gradcheck as referee
from chainrule.engine import models
from chainrule.engine.event import CONTINUOUS, Columns, Image
from chainrule.estimators import runtime
from chainrule.estimators.table_density import TableDensity
from chainrule.kernels.dispatch import HOST_BACKENDS
from chainrule.kernels.threads import use_threads
from chainrule.registry import estimator_class

N, D, H = 6, 9, 5  # small: each number in the parameters costs two evaluations of the loss
V, T = 4, 5  # symbols and lengths of sequences
SMALL = {
    **{"n_hidden": H, "hidden": (2 * H, H), "n_components": 2},
    **{"n_layers": 2, "n_embd": 4, "n_heads": 1, "context": T},
}
OF_IMAGES = {"n_features": 2 * 3, "n_hidden": 2 * 3, "first_size": 3, "n_logistics": 2}
IMAGE, LEVELS = (3, 2, 3), 4  # of an image: its shape, and how many levels it has
ALSO = (
    "tied",
    "context",
    "likelihood",
    "image_shape",
    "network",
)  # decide what is checked, though they are in no model's Config
HALF_STEP, ATOM = 0.2, -0.4  # of whole numbers, in standardised units; of all numbers
NOISE = 0.5  # standard deviation of the parameters, so that no gradient is trivial
DROPPED = 0.8  # at most: so small a model would have no gradient left
COLUMNS = ("parameter", "backend", "worst entry", "analytic", "numeric", "error", "")
ALLOWED = 1e-6  # relative error; central differences themselves are good to about 1e-8


def run(common: Common, model: str, assignments: Sequence[str]) -> int:
    """Check each parameter on both host backends, or the one that was asked for; 1 if wrong."""
    cls = estimator_class(model)
    known = cls().get_params().keys()
    sizes = SMALL | OF_IMAGES if "image_shape" in known else SMALL
    small = {name: sizes[name] for name in sizes.keys() & known}
    chosen = settings.build(cls, {}, assignments)
    estimator: Any = cls(**(small | chosen))
    rng = np.random.default_rng(common.seed or 0)
    config, x, y = _data(estimator, rng)
    _refuse_unused(chosen, config)
    engine = models.get(estimator._model_name())
    params = engine.init(config, rng, np.float64)
    params.flat[...] = rng.normal(scale=NOISE, size=params.size)
    backends: Sequence[str] = HOST_BACKENDS
    if common.backend is not None:
        backends = (validation.choice("--backend", common.backend, runtime.BACKENDS),)
    for name in backends:
        runtime.array_module(name)  # says what is missing
    with progress.compilation(not common.quiet), use_threads(common.threads or 1):
        checked = referee.check_backends(engine, config, params, x, y, backends, own=True)
    grid, failed = _judged({name: checked[name] for name in params if params[name].size})
    shape = f"{estimator._model_name()}, N={N}, {str(config).partition('(')[2].removesuffix(')')}"
    console().print(f"{shape}, float64, every entry by central differences", "", grid, "", sep="\n")
    outcome = f"{failed} failed" if failed else "all pass"
    console().print(f"{outcome} (largest difference over largest entry, at most {ALLOWED:.0e})")
    return int(failed > 0)


def _data(estimator: Any, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Return the Config of an estimator's model for a few random rows, the rows, and labels."""
    if of_classes(estimator):
        shape = (D,) if estimator._model_name() == "mlp" else IMAGE
        return estimator._config(shape, V), rng.normal(size=(N, *shape)), rng.integers(0, V, N)
    return *_rows(estimator, rng), None


def _rows(estimator: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return the Config of a density, and rows."""
    if isinstance(estimator, TableDensity):
        return _table(estimator, rng)
    if of_images(estimator):
        R, S, C = (*(estimator.image_shape or IMAGE), 1)[:3]
        event = Image(R, S, C, estimator.levels or LEVELS)
        x = rng.integers(0, event.levels, (N, R, S, C), dtype=np.uint8)
        return estimator._image_config(event, 1), x
    if of_rows(estimator):
        return estimator._config(D), rng.integers(0, 2, (N, D), dtype=np.uint8)
    length = min(T, estimator.context)
    return estimator._config(V, 1), rng.integers(0, V, (N, length), dtype=np.int32)


def _table(estimator: TableDensity, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return the Config for columns of every kind that the estimator takes, and rows of them."""
    kinds = {"categorical": (3, 2, 4, 5), "continuous": (CONTINUOUS,) * 4}
    mixed = (3, CONTINUOUS, 2, CONTINUOUS, 4)
    values = kinds.get(str(type(estimator)().column_types), mixed)
    columns = [rng.integers(0, K, N) if K else rng.normal(size=N) for K in values]
    x = np.stack(columns, axis=1).astype(Columns(values).dtype_with(np.float64))
    config = estimator._table_config(values, 1)
    if values == mixed:  # its last number a whole one, and both with atoms
        x[::2, [1, 3]] = ATOM
        halves, atoms = (0.0, 0.0, 0.0, HALF_STEP, 0.0), (None, ATOM, None, ATOM, None)
        config = dataclasses.replace(config, half_steps=halves, atoms=atoms)
    return config, x


def _refuse_unused(chosen: dict[str, Any], config: Any) -> None:
    """Raise ValueError for a setting that the gradient does not depend on, or cannot be seen at."""
    used = {field.name for field in dataclasses.fields(config)} | set(ALSO)
    for name in chosen:
        if name not in used:
            raise ValueError(
                f"gradcheck takes no training step and no data, in float64; leave --set {name} out"
            )
    if getattr(config, "dropout", 0) > DROPPED:
        raise ValueError(
            f"gradcheck is of so small a model that dropout={config.dropout:g} leaves no gradient "
            f"to check; set at most {DROPPED}"
        )


def _judged(checked: dict[str, dict[str, referee.RelativeError]]) -> tuple[Any, int]:
    """Return a table of each parameter's worst entry on each backend, and how many are wrong."""
    grid, failed = table(*COLUMNS, words=2), 0
    for name, errors in checked.items():
        for backend, error in errors.items():
            good = bool(error <= ALLOWED and error.largest > 0)
            failed += not good
            place = ",".join(map(str, error.index))
            values = f"{error.ours:.8f}", f"{error.numeric:.8f}", f"{error:.1e}"
            grid.add_row(name, backend, f"[{place}]", *values, "pass" if good else "FAIL")
    return grid, failed
