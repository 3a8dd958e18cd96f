"""Reading estimators back from files."""

import os
from pathlib import Path
from typing import Any

from chainrule.engine.storage import checkpoint
from chainrule.engine.storage.description import one_error
from chainrule.estimators.kept import Kept
from chainrule.registry import ESTIMATORS, keepers

Estimator = Kept
MODEL = "model.safetensors"  # what a run's folder calls it


def load(path: str | os.PathLike[str]) -> Any:
    """Return the fitted estimator, or `Detector`, that `save` wrote to `path`.

    path: a file, or the folder of a run of `chainrule train`.

    Raises:
        FileNotFoundError: there is no such file, or no model in the folder.
        CheckpointError: it holds no estimator, is damaged, or is from another version.

    Example:
        >>> import os, tempfile, chainrule as cr
        >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
        >>> cr.FVSBN(epochs=1).fit([[0, 1], [1, 0]]).save(path)
        >>> cr.load(path)
        FVSBN(epochs=1)
    """
    path = Path(path)
    if path.is_dir():
        path = path / MODEL
        if not path.exists():
            raise FileNotFoundError(
                f"{path.parent} is a folder without a {MODEL}, so no run's; name a run or a file"
            )
    saved = checkpoint.load(path)
    if "training" in saved.metadata:
        raise checkpoint.CheckpointError(
            f"{path} holds a training at rest, not an estimator; go on with it by "
            "fit(checkpoint=…) or --resume, or name the model that was saved"
        )
    _check_steps(path, saved)
    with one_error(path, f"holds the model {saved.model} but no estimator that fits it"):
        for keeper in keepers(saved.metadata):
            return keeper._restored(saved)
        return of_checkpoint(saved)


def of_checkpoint(saved: checkpoint.Checkpoint) -> Kept:
    """Return the estimator of a checkpoint, whatever else that holds."""
    return ESTIMATORS[saved.metadata["estimator"]]._restored(saved)


def _check_steps(path: Path, saved: checkpoint.Checkpoint) -> None:
    """Raise CheckpointError if its whole numbers have no steps, as those of older versions."""
    columns = saved.metadata.get("columns")
    whole = isinstance(columns, list) and any(
        isinstance(column, dict) and column.get("type") == "integer" for column in columns
    )
    if whole and getattr(saved.config, "half_steps", None) == ():
        raise checkpoint.CheckpointError(
            f"{path} is of a version in which log_prob of whole numbers was no probability; fit "
            "the model again"
        )
