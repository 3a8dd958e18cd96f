"""What all pictures are drawn on, and how words get into them.

Words in pictures are names of files and symbols of texts. None is read as a formula: matplotlib
takes what stands between two dollar signs for mathematics, and fails where it is none. Characters
that its own font lacks come from a font of the machine, if it has one of FONTS.
"""

from io import BytesIO
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from chainrule.plots.palette import DPI

FONTS = (  # with Chinese, Japanese and Korean in them, or with a bit of everything
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "NanumGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Hiragino Sans",
    "Yu Gothic",
    "Microsoft YaHei",
    "PingFang SC",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
    "Noto Sans",
    "Unifont",
)


class Picture(Figure):
    """A `Figure` with a canvas of its own. It has no part in pyplot's list of open windows."""

    def __init__(self, size: tuple[float, float], **options: Any) -> None:
        """Begin an empty white picture of so many inches, width and height."""
        super().__init__(figsize=size, dpi=DPI, facecolor="white", **options)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        """Return the picture as PNG: what Jupyter asks for to show the value of a cell."""
        png = BytesIO()
        self.savefig(png, format="png", dpi=DPI)
        return png.getvalue()


def words() -> dict[str, Any]:
    """Return the options of a matplotlib text that shows its words as they are."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    others = [name for name in FONTS if name in installed]
    return {"parse_math": False, "fontfamily": [*matplotlib.rcParams["font.family"], *others]}


def visible(text: str) -> str:
    """Return text with an escape such as \\n or \\ud800 for each character that has no picture."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
