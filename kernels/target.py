"""The processor that kernels are compiled for: the vector registers that loops are written for.

It is Numba's target: this processor, or what NUMBA_CPU_NAME and NUMBA_CPU_FEATURES say, which may
be any that it can execute.
"""

import platform
from typing import Any

from numba.core import codegen as _codegen
from numba.core import config as _config

codegen: Any = _codegen
config: Any = _config


def vector_bytes(features: str) -> int:
    """Return how wide a vector register is, given LLVM's list of a processor's features."""
    has = features.split(",")
    return 64 if "+avx512f" in has else 32 if "+avx" in has else 16


def registers(features: str) -> int:
    """Return how many there are: 32 with AVX-512 and on Arm, 16 on other x86 processors."""
    return 32 if {"+avx512f", "+neon"} & set(features.split(",")) else 16


def _features() -> str:
    """Return the features that Numba compiles for."""
    chosen: str | None = config.CPU_FEATURES
    if chosen is not None:
        return chosen
    # LLVM does not list what every 64-bit Arm processor has on all of their systems.
    arm = ",+neon" if platform.machine().lower() in ("arm64", "aarch64") else ""
    return str(codegen.get_host_cpu_features()) + arm


VECTOR_BYTES, REGISTERS = vector_bytes(_features()), registers(_features())
