"""Find data files on this machine, or download them once, checked by length and SHA-256.

Files are looked for in the folder CHAINRULE_DATA, then in the cache: $XDG_CACHE_HOME/chainrule,
by default ~/.cache/chainrule, which is also where downloads go.
"""

import hashlib
import os
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError

from chainrule import progress
from chainrule.kernels.compiled import user_folder

BLOCK = 2**18
TIMEOUT = 20  # seconds without an answer


class Remote(NamedTuple):
    """A file on the net, and what it must be."""

    url: str
    size: int
    sha256: str


def find(name: str) -> Path | None:
    """Return the path of a data file on this machine, or None."""
    folder = os.environ.get("CHAINRULE_DATA")
    places = [Path(folder)] if folder else []
    with suppress(OSError):  # no home, no cache
        places.append(user_folder())
    return next((place / name for place in places if (place / name).is_file()), None)


def fetch(remote: Remote, instead: str) -> bytes:
    """Return the content of a file on the net, if it is what it must be.

    instead: what to do where there is no net, for the error text.

    Raises:
        OSError: it cannot be reached, or is not the file that it was.
    """
    digest, content = hashlib.sha256(), bytearray()
    name, n_blocks = remote.url.rpartition("/")[2], -(-remote.size // BLOCK)
    try:
        for block in progress.track(_blocks(remote), f"downloading {name}", total=n_blocks):
            digest.update(block)
            content += block
    except (URLError, TimeoutError, ConnectionError) as error:
        raise OSError(f"{remote.url} cannot be reached ({error}); {instead}") from error
    if len(content) != remote.size or digest.hexdigest() != remote.sha256:
        raise OSError(f"{remote.url} is not the file it was (its checksum differs); {instead}")
    return bytes(content)


def _blocks(remote: Remote) -> Iterator[bytes]:
    """Yield the file, at most one block more of it than it should have."""
    n_read = 0
    with urllib.request.urlopen(remote.url, timeout=TIMEOUT) as answer:
        while n_read <= remote.size and (block := answer.read(BLOCK)):
            n_read += len(block)
            yield block


def keep(name: str, content: bytes) -> Path:
    """Write a file into the cache, whole or not at all, and return its path."""
    from chainrule.engine.storage.files import replacing

    folder = user_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / name) as temporary:
        temporary.write_bytes(content)
    return folder / name
