"""Where a model of sequences looks: attention as numbers and as a picture."""

from typing import TYPE_CHECKING, Any

from chainrule.encoders import validation
from chainrule.engine import ragged
from chainrule.estimators import runtime
from chainrule.estimators.generating import Generating
from chainrule.kernels.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

START = "▷"  # what stands for the start of a text in pictures


class Attentive(Generating):
    """Adds pictures of attention to an estimator of sequences that has it."""

    def attention_map(self, X: Any, y: Any = None, layer: int | None = None) -> Array:
        """Return where the model looks as it predicts each symbol of one text.

        Args:
            X: one text of at most `context` symbols. y: its label, of a model with labels.
            layer: the only one that is wanted, counted from 0, or from the last, -1, backwards;
                None is all. An AttentionRNN has one.

        Returns:
            (n_layers, n_heads, T, T), or (n_heads, T, T) of one layer: how much the
            prediction of symbol t looks at place j ≤ t, where place 0 is the start and place j
            comes with symbol j - 1, both counted from 0. Rows sum to 1, but for an AttentionRNN's
            first, which has no past to look at.

        Raises:
            NotFittedError: before `fit`.
            ValueError, TypeError: what is no text, or one longer than the context; a layer that
                the model lacks.
        """
        data = self._begin(X)
        wanted = None if layer is None else self._layer(layer)
        rows = data.rows()
        if len(rows) > 1:
            raise ValueError(f"X holds {len(rows)} sequences; give one, whose map is to be drawn")
        numbers = self._labels(y, 1, wanted=True)
        with self._evaluating() as params:
            xp = runtime.array_module(self.backend)
            rest = () if numbers is None else (xp.asarray(numbers),)
            x = xp.asarray(ragged.table(rows, slice(None)))
            maps: Array = self._engine().attention_maps(self.config_, params, x, *rest)[0]
            if maps.ndim == 4 and wanted is not None:
                maps = maps[wanted]
            return runtime.to_host(maps)

    def plot_attention(self, X: Any, y: Any = None, layer: int = -1) -> "Figure":
        """Return `attention_map` of one layer as a picture, a panel a head; see `plots.save`."""
        from chainrule.plots import charts  # matplotlib takes a while, and most never draw

        maps = self.attention_map(X, y, layer)
        names = [START, *self.vocabulary_.names(self._begin(X).rows()[0][:-1])]
        return charts.attention_maps(maps, names, f"{type(self).__name__}: where it looks")

    def _layer(self, layer: int) -> int:
        """Return which layer is meant, counted from 0."""
        n = int(getattr(self.config_, "n_layers", 1))
        layer = validation.integer("layer", layer, -n)
        if layer >= n:
            layers = "1 layer" if n == 1 else f"{n} layers"
            raise ValueError(
                f"the model has {layers}, counted from 0 to {n - 1}, and layer {layer} is none"
            )
        return layer % n
