"""Real processes: the command line under mpiexec, with a fault on one of the ranks."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

REQUIRED = "CHAINRULE_REQUIRE_MPI"  # set: no mpiexec is a failure, not a skip
CHOSEN = "CHAINRULE_MPIEXEC"  # another launcher than the environment's, else the machine's
HERE = os.path.dirname(sys.executable)
BESIDE = shutil.which("mpiexec", path=HERE)
MPIEXEC = shutil.which(os.environ.get(CHOSEN, "")) or BESIDE or shutil.which("mpiexec")
MPICH = os.path.join(os.path.dirname(HERE), "lib", "libmpi.so.12")
OPEN_MPI = shutil.which("mpiexec.openmpi")
# Of Open MPI, 4 and 5: as root, with more ranks than cores, none of them tied to one.
FREE = {f"OMPI_ALLOW_RUN_AS_ROOT{end}": "1" for end in ("", "_CONFIRM")}
FREE |= {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}
FREE |= {"OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none"}
FREE |= {"OMPI_MCA_odls_base_sigkill_timeout": "2"}  # seconds from its SIGTERM to its SIGKILL
# Its mpiexec ends with a status of its own where it was itself asked to end.
INTERRUPTED = 1 if MPIEXEC and os.path.realpath(MPIEXEC).endswith(("orterun", "prterun")) else 130

needs_mpiexec = pytest.mark.skipif(
    REQUIRED not in os.environ and (MPIEXEC is None or find_spec("mpi4py") is None),
    reason="no mpiexec, or no mpi4py; pip install chainrule[mpi]",
)
needs_both = pytest.mark.skipif(
    BESIDE is None or OPEN_MPI is None,
    reason="no two launchers; pip install mpich, and Open MPI from the system (openmpi-bin)",
)
CLI = ("-m", "chainrule")

# The program, in less haste, with a fault that strikes one rank at its fifth minibatch.
PLANTED = """
import errno, os, signal, sys, time
fault, rank, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
from chainrule import cli
from chainrule.commands import runs
from chainrule.engine.team.joining import joined
from chainrule.engine.training import summing
from chainrule.estimators import resuming

real, save, count = summing.gradient, runs.save, 0
resuming.AT_LEAST = 0.0

def strikes():
    if joined().rank == rank and not os.path.exists(when):
        open(when, "w").close()
        return True

def gradient(*arguments):
    global count
    time.sleep(0.02)
    count += 1
    if count == 5 and fault == "within":
        if strikes():
            raise ValueError("the fault")
        arguments[-1].sum(arguments[-2][0].flat)
    if count == 5 and fault == "raised" and strikes():
        raise ValueError("the fault")
    if count == 5 and fault == "killed" and strikes():
        os.kill(os.getpid(), signal.SIGKILL)
    loss = real(*arguments)
    if count == 20 and fault == "nan":
        strikes()
        return float("nan")
    return loss

def saved(*arguments):
    if fault == "full" and count > 20 and strikes():
        raise OSError(errno.ENOSPC, "No space left on device", "run")
    save(*arguments)

summing.gradient, runs.save = gradient, saved
cli.main(sys.argv[4:])
"""


def mpiexec(n, *command, **options):
    """Start a Python command on n ranks; return the process. launcher: another one."""
    launcher = options.pop("launcher", MPIEXEC)
    env = os.environ | FREE | options.pop("env", {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [launcher, "-n", str(n), sys.executable, *map(str, command)]
    return subprocess.Popen(command, env=env, **pipes, **options)


def alone(*command, **env):
    """Run a Python command in one process; return how it ended."""
    command = [sys.executable, *map(str, command)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | env
    )
