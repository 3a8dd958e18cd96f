"""The colours of all pictures, and how fine they are."""

from matplotlib.colors import Colormap, LinearSegmentedColormap

DPI = 200
PAPER, INK, BLUE, RED, GREY = "#f3f1ec", "#1c2138", "#27508f", "#b5352c", "#6b6f7b"
PALE, LINE, CLEAR = "#c4c8d0", "#c9cbd1", "#ffffff00"
VEIL = "#d9c9b4"  # over what is not seen


def _ramp(*colours: str, bad: str = "white") -> Colormap:
    """Return a colour map through `colours`, and `bad` where there is no tile."""
    ramp = LinearSegmentedColormap.from_list("chainrule", list(colours))
    return ramp.with_extremes(bad=bad)


INKS = _ramp(PAPER, INK)
SOFT = _ramp(PAPER, "#8fa6cf", BLUE, "#0f2347")
SURPRISE = _ramp(PAPER, "#eebd84", RED, "#4d0d12")
VEILED = _ramp(VEIL, PAPER, INK)  # -1: not seen
GREYS = _ramp("black", "white")
VEILED_GREYS = _ramp(VEIL, "black", "white")
SIGNED = _ramp(BLUE, "#b9c9e4", "#fbfaf7", "#edc0ae", RED)
BLUES = _ramp("#cfdaec", "#8fa6cf", BLUE, "#0f2347", bad=CLEAR)  # where the least is something
REDS = _ramp("#f5d3bd", "#e39a78", RED, "#4d0d12", bad=CLEAR)
