"""The cost model of a sum over ranks, that a sum is timed, and what struck trainings lose."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench import team, team_ends
from chainrule.engine.team import ALONE

MPIEXEC = find_spec("mpi4py") and shutil.which("mpiexec", path=Path(sys.executable).parent)


def test_the_model_says_what_its_formula_says():
    """Two rounds of three messages, and three additions."""
    network = team.Network(latency=1e-3, bandwidth=1e6, adding=1e7)
    assert team.seconds(4e6, 1, network) == 0
    assert team.seconds(4e6, 4, network) == pytest.approx(2 * 3 * (1e-3 + 1) + 3 * 0.1)


@pytest.mark.parametrize("name", team.NETWORKS)
def test_a_faster_network_keeps_more_and_more_nodes_less(name):
    """From all of it alone downwards."""
    kept = [team.efficiency(0.06, 3e6, n, team.NETWORKS[name]) for n in (1, *team.NODES)]
    assert kept[0] == 1 and sorted(kept, reverse=True) == kept and kept[-1] > 0.3
    twice = team.NETWORKS[name]._replace(bandwidth=2 * team.NETWORKS[name].bandwidth)
    assert team.efficiency(0.06, 3e6, 8, twice) > kept[3]


def test_a_step_is_timed_alone_and_together():
    """In turn."""
    found = team._step(ALONE, rows=2)
    assert found["alone_ms"] > 0 and 0.05 < found["kept"] < 20


def test_the_prediction_is_drawn(tmp_path):
    """As a picture."""
    team.draw(0.06, 3_000_000, tmp_path / "team.png")
    assert (tmp_path / "team.png").stat().st_size > 1000


def test_an_end_is_well_if_it_is_soon_told_and_loses_nothing():
    """Each of the three."""
    end = team_ends.End("training", 0, seconds=2.0, status=9, step=30, saved=30)
    assert team_ends.well(end) and not team_ends.well(end._replace(status=0))
    assert not team_ends.well(end._replace(seconds=11.0)) and not team_ends.well(
        end._replace(saved=45)
    )


@pytest.mark.slow
@pytest.mark.skipif(not MPIEXEC, reason="no mpiexec beside Python; pip install chainrule[mpi]")
def test_a_struck_training_loses_nothing():
    """Each kind once, on each rank; `python -m bench.team_ends` does so more often."""
    found = team_ends.struck(1, MPIEXEC, list(team_ends.KINDS), 0)
    assert found["wrong"] == [] and found["same_bits"] and found["struck"]["saving"] == 2
