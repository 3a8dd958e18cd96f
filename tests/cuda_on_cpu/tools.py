"""Skip a test, saying why, where a tool is missing; fail where CI promises to have it."""

import os
import shutil
from importlib.util import find_spec

import pytest

REQUIRE = "CHAINRULE_REQUIRE_CUDA_TOOLS"


def need_program(name: str) -> None:
    """Skip or fail unless `name` is on the PATH."""
    if shutil.which(name) is None:
        _missing(f"{name} is not on the PATH")


def need_module(name: str) -> None:
    """Skip or fail unless `name` can be imported."""
    if find_spec(name.partition(".")[0]) is None:
        _missing(f"{name} is not installed")


def _missing(why: str) -> None:
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{why}, and {REQUIRE}=1")
    pytest.skip(why)
