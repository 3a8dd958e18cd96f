"""What mpiexec and srun say, in environment variables, of the processes that they started.

Of Open MPI, of MPICH and its kin, of MVAPICH, and of srun: how many they are, and which is this.
CHAINRULE_ALONE=1 tells that each has a task of its own, such as a seed.
"""

import os
import time

HEARD = 2.0  # seconds in which rank 0, which may be slower, says what goes wrong
SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
ALONE = "CHAINRULE_ALONE"
RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID")


def size() -> int:
    """Return how many processes were started together; 1 where nothing says more."""
    return 1 if _number(ALONE) else max(1, *(_number(name) for name in SIZES))


def rank() -> int:
    """Return which of them this is, counted from 0."""
    return max(_number(name) for name in RANKS) if size() > 1 else 0


def let_rank_0_speak() -> None:
    """Wait on other ranks where all say the same alone: launchers end all when one has failed."""
    if rank() > 0:
        time.sleep(HEARD)


def by_pmix() -> bool:
    """Return whether the launcher speaks PMIx alone: Open MPI's mpiexec, or srun --mpi=pmix."""
    return "PMIX_RANK" in os.environ and not any(_number(name) for name in SIZES[1:3])


def by_srun_alone() -> bool:
    """Return whether srun started this process, and neither speaks PMIx nor came by mpiexec."""
    return _number("SLURM_STEP_NUM_TASKS") > 1 and not {"PMIX_RANK", SIZES[0]} & os.environ.keys()


def _number(name: str) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else 0
