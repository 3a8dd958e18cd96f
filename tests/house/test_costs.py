"""What a derivation says of bytes adds up, array by array, and is what the arrays' shapes say."""

import re

import numpy as np
import pytest

from study import derivations

CELLS = {"rnn": 1, "lstm": 4, "gru": 3}  # blocks of z, H wide
SUM = re.compile(r"([a-zA-Z0-9]+)(?:'s product)? +(\d+) +\(([^()]*)\)")
PART = re.compile(r"\b(\d+)\b")


def sums(name):
    """Return the figures of a derivation's Cost that it splits up: {what: (sum, parts)}."""
    cost = derivations.kernel(name).text.partition("\nCost ")[2].partition("\n\nSource")[0]
    cost = " ".join(cost.partition("In T·N·H bytes:")[2].split())
    return {
        what: (int(total), [int(part) for part in PART.findall(inside)])
        for what, total, inside in SUM.findall(cost)
    }


@pytest.mark.parametrize("name", CELLS)
def test_bytes_add_up(name):
    found = sums(name)
    assert {"forward", "backward"} <= found.keys() and len(found) >= 3
    assert all(total == sum(parts) for total, parts in found.values()), found


@pytest.mark.parametrize("name", CELLS)
def test_bytes_are_those_of_the_arrays(name):
    """Every array of a pass once, a state of T + 1 steps as one of T."""
    T, N, H, G = 64, 3, 8, CELLS[name]
    arrays = {"z": (T, N, G * H), "gates": (T, N, G * H), "h": (T, N, H), "dh": (T, N, H)}
    arrays |= {"dz": (T, N, G * H), "c": (T, N, H), "m": (T, N, H), "dm": (T, N, H)}
    passes = {
        "rnn": (("z", "h"), ("dh", "h", "dz")),
        "lstm": (("z", "gates", "h", "c"), ("gates", "c", "dh", "dz")),
        "gru": (("z", "gates", "h", "m"), ("gates", "h", "m", "dh", "dz", "dm")),
    }[name]
    for which, names in zip(("forward", "backward"), passes, strict=True):
        size = sum(np.empty(arrays[key], np.float32).nbytes for key in names)
        assert size == sums(name)[which][0] * T * N * H
