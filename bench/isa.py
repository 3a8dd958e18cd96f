"""One set of vector instructions for everybody: what a narrower processor does, tried on this one.

`hold_to("avx2")` starts the run anew with the variables that hold our kernels, the BLAS of NumPy
and of PyTorch, oneDNN and XLA to vectors of 32 bytes. A processor that has no wider ones has other
clocks and caches too: ratios carry over to it, times hardly.
"""

import os
import platform
import sys

from numba.core.codegen import get_host_cpu_features

CHOICES = ("native", "avx2")
WIDER = ("avx512", "amx")  # how the features begin that AVX2 has not
WIDTHS = {"avx512f": "AVX512", "avx2": "AVX2", "avx": "AVX", "sve": "SVE", "neon": "NEON"}
OF_NUMBA = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")
OF_OTHERS = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    # The first alone holds what XLA compiles, but not the library that it takes products from:
    # without that, it takes oneDNN's, which is held above. jaxlib 0.10 knows both.
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type=",
}


def variables(isa: str) -> dict[str, str]:
    """Return the environment variables that hold a run to one of CHOICES.

    Raises:
        ValueError: the processor has no such instructions.
    """
    if isa == "native":
        return {}
    features = str(get_host_cpu_features()).split(",")
    if "+avx2" not in features:
        raise ValueError(f"this processor ({platform.machine()}) has no AVX2; leave --isa out")
    held = [f"-{name[1:]}" if name[1:].startswith(WIDER) else name for name in features]
    return {**dict(zip(OF_NUMBA, ("haswell", ",".join(held)), strict=True)), **OF_OTHERS}


def widest() -> str:
    """Return this processor's widest vectors, of which LLVM has a list as in "+avx2,-avx512f"."""
    features = str(get_host_cpu_features()).split(",")
    found = (name for feature, name in WIDTHS.items() if f"+{feature}" in features)
    return next(found, platform.machine())


def hold_to(isa: str) -> None:
    """Go on if this process is held to the instructions, else start it anew so that it is."""
    wanted = variables(isa)
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | wanted)
