"""Trainings whose length, minibatches and learning rate go by how many observations there are.

What they are for so many is a subclass's business: rows in `few_rows`, images in `images`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from chainrule.engine.training.sources import Source
from chainrule.estimators.fixed_density import FixedDensity


@dataclass(kw_only=True, eq=False, repr=False)
class ByRows(FixedDensity):
    """Base class: settings that are None are chosen at `fit`, by the number of observations.

    Args:
        epochs: passes over the data, at most; None is as many as their number asks for.
        batch_size: rows a minibatch; None as well.
        learning_rate: of Adam, after the warm-up; None as well.
    """

    _many: ClassVar[int] = 5000  # from which on there is no need to hurry
    _usual: ClassVar[dict[str, Any]]  # what settings are then
    _one: ClassVar[str] = "rows"  # what observations are called

    epochs: int | None = None  # type: ignore[assignment]
    batch_size: int | None = None  # type: ignore[assignment]
    learning_rate: float | None = None  # type: ignore[assignment]

    def _of_few(self, n: int) -> dict[str, Any]:
        """Return what settings are for so few observations, which `_noted` has seen."""
        raise NotImplementedError

    def _noted(self, source: Source, y: Any) -> Source:
        """Return what is learnt from, once it is known how much that is."""
        self._n_rows, self._validated = source.size, source.has_valid
        self._with_labels = y is not None
        return source

    def _source(self, data: Any, y: Any, valid: Any, y_valid: Any) -> Source:
        return self._noted(super()._source(data, y, valid, y_valid), y)

    def _in_use(self, name: str) -> Any:
        value = super()._in_use(name)
        return self._by_rows().get(name, value) if value is None else value

    def _by_rows(self) -> dict[str, Any]:
        """Return what settings that are None are, for the rows at hand."""
        n = getattr(self, "_n_rows", self._many)
        return self._usual if n >= self._many else self._of_few(n)

    def _chosen(self) -> str | None:
        settings = {
            name: value
            for name, value in self._by_rows().items()
            if getattr(self, name) is None and value != self._usual[name]
        }
        if not settings:
            return None
        words = ", ".join(f"{name}={value:g}" for name, value in settings.items())
        alone = "" if self._validated else " alone"
        return f"{words}: as there are {self._n_rows:,} {self._one}{alone}"
