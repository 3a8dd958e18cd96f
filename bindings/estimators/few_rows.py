"""How densities of rows are trained unless they are told: by how many rows there are.

Fifty epochs of minibatches of 100 are a hundred steps where there are 200 rows, after which a model
has hardly moved from where it began. Smaller minibatches and a higher learning rate get it as far
as it can come: of tables with some hundreds of rows that is past where it overfits, often after ten
epochs of MADE and twenty of NADE, and what it has become after fifty may be worse than what it
began as. Only validation rows tell when; so where there are none the training of few rows ends
there.

Tables are trained so always; models of bits where there are labels. Without labels these end nearer
to where they began, and stay as they were; but with labels what tells classes apart, a bias a class
and unit, each class's rows alone move: after the usual hundreds of steps of 0.001, ten of a hundred
rows a class, `predict` is hardly better than guessing.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from chainrule.estimators.by_rows import ByRows
from chainrule.estimators.row_density import RowDensity

USUAL = {"epochs": 50, "batch_size": 100, "learning_rate": 1e-3}


@dataclass(kw_only=True, eq=False, repr=False)
class FewRows(ByRows, RowDensity):
    """Base class: a training whose length, minibatches and learning rate go by the number of rows.

    Args:
        epochs: passes over the data, at most; None is 50, or of fewer than 5,000 rows without
            X_valid 20, and of MADE 10, as nothing would tell when they overfit.
        batch_size: rows a minibatch; None is 100, or of fewer than 5,000 rows a fiftieth of them,
            10 at least.
        learning_rate: of Adam, after the warm-up; None is 0.001, or of fewer than 5,000 rows 0.01.
    """

    _least: ClassVar[int] = 10  # rows of a minibatch
    _rate: ClassVar[float] = 1e-2  # of few rows
    _alone: ClassVar[int] = 20  # epochs of few rows without validation rows
    _always: ClassVar[bool] = True  # or of rows with labels alone
    _usual = USUAL

    def _of_few(self, n: int) -> dict[str, Any]:
        if not (self._always or self._with_labels):
            return USUAL
        return {
            "epochs": USUAL["epochs"] if self._validated else self._alone,
            "batch_size": max(self._least, n * 100 // self._many),
            "learning_rate": self._rate,
        }


@dataclass(kw_only=True, eq=False, repr=False)
class FewLabelled(FewRows):
    """Base class: a training that goes by the number of rows where these have labels.

    Args:
        epochs: passes over the data, at most; None is 50, or of fewer than 5,000 rows with labels
            and without X_valid 20, as nothing would tell when they overfit.
        batch_size: rows a minibatch; None is 100, or of fewer than 5,000 rows with labels a
            fiftieth of them, 10 at least.
        learning_rate: of Adam, after the warm-up; None is 0.001, or of fewer than 5,000 rows with
            labels 0.01: biases that tell classes apart are learnt from each class's rows alone.
    """

    _always = False
    _one = "rows with labels"
