"""Skip a test, saying why, where a tool is missing; fail where CI promises to have it."""

import os
import shutil
from typing import Any, NoReturn

import pytest

REQUIRE = "CHAINRULE_REQUIRE_CUDA_TOOLS"


def need_program(name: str) -> None:
    """Skip or fail unless `name` is on the PATH."""
    if shutil.which(name) is None:
        _missing(f"{name} is not on the PATH")


def need_nvrtc() -> Any:
    """Return CuPy's binding of NVRTC, or skip or fail; it needs no device."""
    try:
        import cupy  # noqa: F401  (which finds NVRTC's library)
        from cupy_backends.cuda.libs import nvrtc

        nvrtc.getVersion()
    except (ImportError, OSError, RuntimeError) as error:
        _missing(f"NVRTC cannot be loaded through CuPy: {error}")
    return nvrtc


def _missing(why: str) -> NoReturn:
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{why}, and {REQUIRE}=1")
    pytest.skip(why)
