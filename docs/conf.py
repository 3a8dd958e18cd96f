"""Sphinx's settings. The site is built by docs/build.py, which writes most of its pages."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "chainrule"
author = "the authors of chainrule"
version = release = version_of("chainrule")
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser", "study.directives"]
extensions += ["study.source_pages", "study.api", "study.way", "study.excerpts"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "chainrule"
html_static_path = [str(HERE / "static")]
html_css_files = ["study.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "native"
default_role = "code"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Cost", ("Raises", "params_style")]
nitpicky = False
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {"font-stack": "system-ui, sans-serif"},
}
