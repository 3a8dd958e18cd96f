"""The colours of all pictures, and how fine they are."""

from matplotlib.colors import Colormap, LinearSegmentedColormap

DPI = 200
PAPER, INK, BLUE, RED, GREY = "#f3f1ec", "#1c2138", "#27508f", "#b5352c", "#6b6f7b"


def _ramp(*colours: str) -> Colormap:
    """Return a colour map through `colours`, white where there is no tile."""
    ramp = LinearSegmentedColormap.from_list("chainrule", list(colours))
    return ramp.with_extremes(bad="white")


INKS = _ramp(PAPER, INK)
SOFT = _ramp(PAPER, "#8fa6cf", BLUE, "#0f2347")
SURPRISE = _ramp(PAPER, "#eebd84", RED, "#4d0d12")
VEILED = _ramp("#d9c9b4", PAPER, INK)  # -1: not seen
SIGNED = _ramp(BLUE, "#b9c9e4", "#fbfaf7", "#edc0ae", RED)
