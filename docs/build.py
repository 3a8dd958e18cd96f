"""Build the study site: python docs/build.py. It comes to stand in build/site/html.

Pages are written from the sources into build/site/source, then Sphinx makes HTML of them; any
warning is an error. Nothing is read from the network, by the build or by the pages.
"""

import argparse
import os
import re
import shutil
import sys
import time
from pathlib import Path
from urllib.parse import unquote

# What a page fetches as it is opened, its own links, and the places in it that links lead to.
FETCHED = re.compile(r'<(?:script|img|iframe|link)\b[^>]*?(?:src|href)="((?:https?:)?//[^"]+)"')
LINK = re.compile(r'href="((?!https?:|mailto:|//|javascript:)[^"]+)"')
NAME = re.compile(r'(?:id|name)="([^"]+)"')

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


def faults(html: Path) -> list[str]:
    """Return what is wrong with the pages: what is fetched from elsewhere, links to nowhere."""
    found = []
    texts = {path: path.read_text("utf-8") for path in sorted(html.rglob("*.html"))}
    names = {path.resolve(): set(NAME.findall(text)) for path, text in texts.items()}
    for path, text in texts.items():
        here = path.relative_to(html)
        found += [f"{here} fetches {url}" for url in FETCHED.findall(text)]
        for link in set(LINK.findall(text)):
            place, _, name = unquote(link).partition("#")
            to = (path.parent / place.partition("?")[0]).resolve() if place else path.resolve()
            if not to.exists():
                found.append(f"{here} leads to {link}, which is not there")
            elif name and to in names and name not in names[to]:
                found.append(f"{here} leads to {link}, which has no such place")
    return found


def build(site: Path) -> int:
    """Build the site into a folder, and return Sphinx's status."""
    from sphinx.cmd.build import main as sphinx

    started = time.perf_counter()
    stage(site / "source")
    settings = ["-q", "-W", "--keep-going", "-E", "-c", str(HERE), "-b", "html"]
    status = sphinx([*settings, str(site / "source"), str(site / "html")])
    if status == 0:
        found = faults(site / "html")
        print(*found, sep="\n", end="\n" if found else "")
        status = int(bool(found))
    print(f"{site / 'html' / 'index.html'}, {time.perf_counter() - started:.0f} s")
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=SITE, help="where; build/site if not given")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path.insert(0, str(HERE))
    sys.exit(build(parser.parse_args().out))
