"""Build the study site: python docs/build.py. It comes to stand in build/site/html.

Pages are written from the sources into build/site/source, then Sphinx makes HTML of them; any
warning is an error. Nothing is read from the network, by the build or by the pages.
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SITE = ROOT / "build" / "site"


def stage(folder: Path) -> None:
    """Write all pages, those of docs/ and those made from the sources, into a fresh folder."""
    from study import by_hand, notebooks, pages

    shutil.rmtree(folder, ignore_errors=True)
    left_out = shutil.ignore_patterns("study", "static", "notebooks", "*.py", "__pycache__")
    shutil.copytree(HERE, folder, ignore=left_out)
    pages.write(folder)
    notebooks.write(HERE / "notebooks", folder / "doing")
    by_hand.write(folder / "numbers")


def build(site: Path) -> int:
    """Build the site into a folder, and return Sphinx's status."""
    from sphinx.cmd.build import main as sphinx

    started = time.perf_counter()
    stage(site / "source")
    settings = ["-q", "-W", "--keep-going", "-E", "-c", str(HERE), "-b", "html"]
    status = sphinx([*settings, str(site / "source"), str(site / "html")])
    print(f"{site / 'html' / 'index.html'}, {time.perf_counter() - started:.0f} s")
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=SITE, help="where; build/site if not given")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path.insert(0, str(HERE))
    sys.exit(build(parser.parse_args().out))
