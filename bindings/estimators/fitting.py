"""`fit` of every estimator.

Data go down once: the encoder learns what they are and makes arrays of them, labels get numbers,
a source of `engine.training.sources` cuts minibatches, and `engine.training.train` does the rest.
"""

import os
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders import labels
from chainrule.encoders.base import Encoder
from chainrule.engine.training.sources import Source
from chainrule.estimators import runtime
from chainrule.estimators.trainable import Callback, Trainable


class Fitting(Trainable):
    """Base class: `fit`. What kind of data there are is the business of a subclass for the kind."""

    heeds_y: ClassVar[bool]  # whether labels that the model has no place for are refused
    encoder_: Encoder
    classes_: NDArray[Any] | None
    class_prior_: NDArray[np.float64] | None

    def _learn(self, X: Any, X_valid: Any, start: Any) -> tuple[Any, Any]:
        """Set `encoder_` by X, check that X_valid and `start` fit it; return both as data."""
        raise NotImplementedError

    def _source(self, data: Any, y: Any, valid: Any, y_valid: Any) -> Source:
        """Return what is learnt from: what `_learn` returned, and the numbers of classes."""
        raise NotImplementedError

    def _labelled(self, data: Any) -> bool:
        """Return whether data are observations that can have labels; a single text cannot."""
        raise NotImplementedError

    def _size(self, data: Any) -> int:
        """Return how many observations there are; a single text is one."""
        raise NotImplementedError

    def fit(
        self,
        X: Any,
        y: Any = None,
        X_valid: Any = None,
        y_valid: Any = None,
        *,
        callback: Callback | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        start: Any = None,
    ) -> Self:
        """Fit by maximum likelihood and keep the parameters that are best on X_valid.

        Args:
            X: of a model of rows an array-like, shape (N, D): bools, integers, floats, lists, a
                DataFrame, a SciPy sparse matrix. Of a model of bits, 0 and 1, or other numbers and
                `binarize`; of a model of tables columns as the class says. uint8 and bool arrays
                are not copied; of anything else, and for another ordering, one copy is made.
                Of a model of images (N, R, S), in colour (N, R, S, C), or rows of pixels (N, D).
                Of a model of sequences a text: str, bytes, whole numbers (T,), a pathlib.Path to a
                text file, or what `datasets.load_text` returns, the last two read from the file
                part by part; or rows, each a sequence of its own: a list, a Series or an array of
                str, of bytes or of lists of ids, or whole numbers (N, T). A str is a text, never a
                path. Each text of a list ends with a symbol of its own, unless `ends` says
                otherwise.
            y: labels of rows, (N,), for a model that is to learn p(x | label); else None. Whole
                numbers or words, as an array, a list, a Series or a Categorical. What passes on a
                y of its own, as scikit-learn's pipelines do, makes a model of p(x | y).
            X_valid, y_valid: the same, or None: then the last parameters are kept, or where the
                training diverged those before. Of a table, categories that only X_valid has are
                the model's, too, though it learns nothing of them: so its rows have a likelihood,
                a poor one. With column_types={"size": ["small", "large"]} any other is an error.
            callback: f(record, estimator), called after every record, with the dict that will be
                in `history_`; the estimator is then fitted with the best parameters so far, so
                that f may score, sample, draw (plots.save(plots.sample_grid(estimator.sample(16,
                seed=0)), path), of rows with images) or save it. True from it stops the training
                there. It must not change the estimator; it changes no bit of what is learnt.
            checkpoint: a file where the training is kept: after the first minibatch, then every
                30 s or after records, and at the end, Ctrl-C or another error. If it is there,
                the training goes on from it, to the same bits as if never stopped on as many
                threads (and ranks, of `use_team`). Settings and data must be the same, but for
                `epochs` or `steps`, which may grow, also after the end: with schedule="constant"
                and warmup=0 that is as if it had been so long from the start; a cosine goes on
                where the longer one is. With steps and eval_every=0 records then come every tenth
                of the new steps.
            start: a fitted estimator of this class, with the same size and the same columns and
                order, or vocabulary, whose parameters a new training begins with, for other data
                say. May be the estimator itself.

        Returns:
            The estimator itself, with the attributes that its class names.

        Raises:
            ValueError, TypeError: data, a hyper-parameter or a start that cannot be used; a text
                shorter than `context`; rows longer than the context of a model that has one; a
                symbol of X_valid that X lacks, or of X that `start` lacks; a checkpoint of another
                training, or one that is past `epochs` or `steps`.
            CheckpointError, OSError: a checkpoint that is no good, or cannot be written.
            NotFittedError: a start before its `fit`.
            RuntimeError: backend="cuda" without CuPy or without a device.
            FloatingPointError: the loss is no longer a finite number.
            KeyboardInterrupt: Ctrl-C.

            What the callback raises, unchanged.

            After FloatingPointError and KeyboardInterrupt the estimator is fitted with the best
            parameters so far; after the others, or before anything was learned, it is what it was.

        Warns:
            ConvergenceWarning: what was learnt is worse than guessing, or the training diverged and
                earlier parameters were kept.

        Cost:
            About three times `log_prob` of all that the minibatches hold: epochs times X, or
            steps · batch_size · context symbols. The first call on a machine compiles the kernels,
            which takes some seconds. A callback costs a copy of the parameters and of the history
            each time, a checkpoint four times the parameters on disk and a hash of the data.

        Example:
            >>> import os, tempfile
            >>> from chainrule import FVSBN, RNN
            >>> X, path = [[0, 1, 1], [1, 0, 0]] * 50, os.path.join(tempfile.mkdtemp(), "fit.state")
            >>> def enough(record, model):
            ...     return record["train"] < 1
            >>> few = FVSBN(epochs=99, learning_rate=1).fit(X, callback=enough).best_epoch_
            >>> few < 99
            True
            >>> model = FVSBN(epochs=2, schedule="constant").fit(X, checkpoint=path)
            >>> model = model.set_params(epochs=5).fit(X, checkpoint=path)  # three more
            >>> [record["epoch"] for record in model.history_]
            [1, 2, 3, 4, 5]
            >>> model = RNN(8, context=8, steps=4, eval_every=2).fit("to be or not to " * 9)
            >>> tuned = RNN(8, context=8, steps=2).fit("not to be " * 9, start=model)
        """
        data = {"X": X, "y": y, "X_valid": X_valid, "y_valid": y_valid}
        return self._fit(data, callback, checkpoint, start)

    def _prepare(
        self, X: Any, y: Any = None, X_valid: Any = None, y_valid: Any = None, start: Any = None
    ) -> tuple[Source]:
        self._check_hyperparameters()
        runtime.array_module(self.backend)  # now, not after the data have been read
        if not self.heeds_y and not self._model().ABILITIES.labels:
            y = y_valid = None
        data, valid = self._learn(X, X_valid, start)
        if y is not None and not (self._model().ABILITIES.labels and self._labelled(data)):
            raise ValueError("y are the labels of rows, and one text has none; leave y out")
        if y_valid is not None and X_valid is None:
            raise ValueError("y_valid are the labels of X_valid; give both")
        n, self.classes_, self.class_prior_ = self._size(data), None, None
        if start is not None:
            self.classes_ = start.classes_
        elif y is not None:
            self.classes_ = labels.learn(y, n)
        numbers = self._labels(y, n, wanted=True)
        if numbers is not None and self.classes_ is not None:
            self.class_prior_ = labels.prior(numbers, len(self.classes_))
        if valid is not None:
            y_valid = self._labels(y_valid, self._size(valid), "y_valid", wanted=True)
        return (self._source(data, numbers, valid, y_valid),)

    @property
    def _n_classes(self) -> int:
        """How many labels the model is told of; 1 where it is not."""
        return 1 if self.classes_ is None else len(self.classes_)

    def _labels(
        self, y: Any, n: int, name: str = "y", wanted: bool = False
    ) -> NDArray[np.int32] | None:
        """Return labels as the numbers of classes, (n,); None without, for the marginal.

        wanted: of a model with labels there must be some.
        """
        if y is None and wanted and self.classes_ is not None:
            raise ValueError(f"this model was fitted with labels; give {name}, one for each row")
        if y is None or not (self.heeds_y or self._model().ABILITIES.labels):
            return None
        if self.classes_ is None:
            raise ValueError(f"this model was fitted without labels; leave {name} out")
        return labels.encode(y, n, self.classes_, name)
