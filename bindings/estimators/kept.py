"""What is kept of a fit: files of it, and its use on a backend."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Self

from sklearn.utils.validation import check_is_fitted

from chainrule.encoders import labels, validation
from chainrule.engine import models
from chainrule.engine.params import Params
from chainrule.engine.storage import checkpoint as files
from chainrule.estimators import runtime
from chainrule.estimators.fitting import Fitting


class Kept(Fitting):
    """Base class of all estimators: what was fitted is saved, loaded and used."""

    def _read(self, X: Any) -> Any:
        """Return X, checked against what was fitted, as data: what the rest here works on."""
        raise NotImplementedError

    def _few(self, X: Any) -> Any:
        """Return a little of X as an array of the model's, for checks of its gradient."""
        raise NotImplementedError

    def _restore_encoder(self, values: dict[str, Any], config: Any) -> None:
        """Set `encoder_` by what a file keeps of it."""
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to `path` as safetensors; `chainrule.load` reads it.

        The file is written whole or not at all: an existing one survives any failure.

        What was fitted is saved, whatever `set_params` changed since, but for backend, n_threads
        and verbose.

        Raises:
            NotFittedError: before `fit`.
            OSError: the folder is missing or not writable, or the disk is full.
            ValueError: more names, symbols or labels than can be read again; a backend or
                n_threads that is none.
        """
        self._save(path, {}, {})

    def _save(
        self, path: str | os.PathLike[str], more: dict[str, Any], extra: dict[str, Any]
    ) -> None:
        """Write it with more metadata and arrays of whoever keeps more than the model; see `save`.

        Such metadata name who that is: `loading` asks the registry for it.
        """
        check_is_fitted(self, "params_")
        best = f"best_{self.clock}"
        metadata = {
            "estimator": type(self).__name__,
            "hyperparameters": self._hyperparameters_to_save(),
            **self.encoder_.as_json(),
            **labels.as_json(self.classes_, self.class_prior_),
            best: getattr(self, f"{best}_"),
            **more,
        }
        history = self.history_
        files.save(path, self.model_, self.config_, self.params_, metadata, extra, history)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what a pickle holds, if this version made it."""
        if "params_" in state and "encoder_" not in state:
            raise ValueError(
                f"this {type(self).__name__} was pickled by an older chainrule; let that one save "
                "it, and load the file"
            )
        super().__setstate__(state)

    @classmethod
    def _restored(cls, saved: files.Checkpoint) -> Self:
        """Return the estimator that a checkpoint's metadata describes, if it fits."""
        metadata, best = saved.metadata, f"best_{cls.clock}"
        model = cls(**cls._of_json(metadata["hyperparameters"]))
        model._check_hyperparameters()
        model._restore_encoder(metadata, saved.config)
        model.classes_, model.class_prior_ = labels.of_json(metadata)
        if model.classes_ is not None and not model._model().ABILITIES.labels:
            raise ValueError("it has labels, which its model does not learn")
        if model._model_name() != saved.model or model._fitted_config() != saved.config:
            raise ValueError("its hyper-parameters are of another model")
        model.params_, model.model_, model.config_ = saved.params, saved.model, saved.config
        model.history_, model._fitted_with = saved.history, model._plain_hyperparameters()
        kept = validation.integer(best, metadata[best], 0)
        if kept not in (0, *(record.get(cls.clock, kept) for record in saved.history)):
            raise ValueError(f"it names a best {cls.clock} that its history lacks")
        setattr(model, f"{best}_", kept)
        return model

    @classmethod
    def _of_json(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return hyper-parameters as they were: JSON makes a tuple a list."""
        tuples = {name for name, value in cls().get_params().items() if isinstance(value, tuple)}
        return {
            name: tuple(value) if name in tuples and isinstance(value, list) else value
            for name, value in settings.items()
        }

    @contextmanager
    def _evaluating(self) -> Iterator[Params]:
        """Yield the parameters on the backend's side, and run the block there."""
        validation.choice("backend", self.backend, runtime.BACKENDS)
        with runtime.resources(self.backend, self.n_threads):
            yield runtime.parameters(self.params_, self.backend)

    def _engine(self) -> ModuleType:
        """Return the engine's model that was fitted, whatever was set since."""
        return models.get(self.model_)
