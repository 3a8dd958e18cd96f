"""`chainrule compile`: kernels compiled beforehand, so that a first training begins at once."""

import time

from chainrule import compilation
from chainrule.commands.common import Common
from chainrule.registry import estimator_class


def run(common: Common, models: list[str], dtype: str) -> None:
    """Compile what is not compiled yet, and say how many functions that were."""
    began = time.monotonic()
    chosen = tuple(estimator_class(name).__name__ for name in models)
    names = dict.fromkeys(task.model for task in compilation.tasks(chosen))
    common.say(f"kernels of {', '.join(names)} for {dtype} …")
    count = compilation.compile_kernels(
        *chosen, dtype=dtype, n_processes=common.threads, verbose=not common.quiet
    )
    if count:
        spent = time.monotonic() - began
        common.say(f"… {count} functions compiled in {spent:.1f} s; they are kept for next time")
    else:
        common.say("… are all there")
