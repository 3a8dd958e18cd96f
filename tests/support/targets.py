"""Other processors than this one: what kernels are compiled for there, and for Arm at least tried.

A process of its own compiles for a narrower x86 processor, by Numba's two variables, and runs what
it compiled. For Arm it can only compile: Numba's LLVM here makes x86 code alone, but what Numba
hands to it, before any optimisation, is nobody's; llvmlite's LLVM knows all processors.
"""

import os
import re
from typing import Any

from llvmlite import binding as llvm
from numba.core.codegen import get_host_cpu_features

WIDER = {"avx2": ("avx512", "avx10", "amx"), "sse": ("avx", "amx", "fma", "f16c", "vaes", "vpcl")}
WIDER["arm's registers"] = WIDER["sse"]  # code for 32 of 16 bytes runs here too, if not fast
NAMES = {"avx2": "haswell", "sse": "nehalem", "arm's registers": "nehalem"}
ARM, ARM_PROCESSOR = "aarch64-unknown-linux-gnu", "neoverse-n1"


def here() -> list[str]:
    """Return which narrower processors' code this one can run."""
    features = str(get_host_cpu_features()).split(",")
    needs = {"avx2": "+avx2", "sse": "+sse4.2", "arm's registers": "+sse4.2"}
    return [name for name, has in needs.items() if has in features]


def variables(name: str, folder: Any) -> dict[str, str]:
    """Return this process' environment, but for what Numba compiles for, and a cache of its own."""
    features = str(get_host_cpu_features()).split(",")
    held = [f"-{f[1:]}" if f[1:].startswith(WIDER[name]) else f for f in features]
    if name == "arm's registers":
        held.append("+neon")  # LLVM says that it knows no such thing, and goes on
    wanted = {"NUMBA_CPU_NAME": NAMES[name], "NUMBA_CPU_FEATURES": ",".join(held)}
    return os.environ | wanted | {"NUMBA_CACHE_DIR": str(folder)}


def arm(ir: str) -> str:
    """Return the assembly that LLVM makes of Numba's unoptimised text for an Arm processor."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(ARM)
    machine = target.create_target_machine(cpu=ARM_PROCESSOR, opt=3)
    ir = re.sub(r'target triple = ".*"', f'target triple = "{ARM}"', ir)
    ir = re.sub(r'target datalayout = ".*"', f'target datalayout = "{machine.target_data}"', ir)
    ir = re.sub(r'"target-(cpu|features)"="[^"]*"', "", ir)
    module = llvm.parse_assembly(ir)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return str(machine.emit_assembly(module))
