"""Pictures of data and of what a model makes of it.

Every function returns a matplotlib `Figure` with a canvas of its own: no window, no pyplot, no
global state. Notebooks show it, `save` writes it.

    import chainrule as cr
    from chainrule import plots

    x = model.sample(64, seed=1)
    plots.save(plots.samples_with_probabilities(x, model.conditionals(x)), "samples.png")
"""

from chainrule.plots.attacked import attacked
from chainrule.plots.calibrating import calibration
from chainrule.plots.charts import attention_maps, training_curve
from chainrule.plots.densities import density
from chainrule.plots.detecting import drift, roc, sets
from chainrule.plots.fields import receptive_field
from chainrule.plots.images import (
    class_grid,
    completions,
    conditional_maps,
    infer_shape,
    sample_grid,
    samples_with_probabilities,
    save,
    weight_maps,
    with_nearest,
)
from chainrule.plots.masking import masks
from chainrule.plots.oddities import costs, lines
from chainrule.plots.palette import DPI
from chainrule.plots.pixels import conditional_probability, entropy, surprise
from chainrule.plots.seeing import influence, influence_maps
from chainrule.plots.tables import marginals

__all__ = [
    "DPI",
    "attacked",
    "attention_maps",
    "calibration",
    "class_grid",
    "completions",
    "conditional_maps",
    "conditional_probability",
    "costs",
    "density",
    "drift",
    "entropy",
    "infer_shape",
    "influence",
    "influence_maps",
    "lines",
    "marginals",
    "masks",
    "receptive_field",
    "roc",
    "sample_grid",
    "samples_with_probabilities",
    "save",
    "sets",
    "surprise",
    "training_curve",
    "weight_maps",
    "with_nearest",
]
