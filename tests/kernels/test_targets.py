"""Other processors: the narrower ones whose code this one runs, and Arm, compiled alone."""

import subprocess
import sys
from pathlib import Path

import pytest
from support import targets

from chainrule.kernels.target import registers, vector_bytes

TESTS = Path(__file__).parents[1]
# Whatever is made of vectors by hand, and what is built on it.
FILES = (
    *("tiles", "stacks", "linear", "dense", "chosen_rows", "transposed", "inline", "masked_linear"),
    *(
        "masked_bits",
        "nade",
        "nade_products",
        "nade_columns",
        "nade_columns_products",
        "mixture",
        "columns",
    ),
    *("causal_attention", "lstm", "gru", "rnn", "triangular", "sums", "softmax_cross_entropy"),
    *("logistics", "grid_lstm", "masked_conv"),
)


def compiled_for_arm(what, folder):
    """Return what `support.fits` prints, split into words."""
    # A bare x86-64, whose vectors have 16 bytes as Arm's do, with its number of registers, and no
    # optimisation.
    of_nobody = {"NUMBA_OPT": "0", "NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse2,+neon"}
    environment = targets.variables("sse", folder) | of_nobody
    done = subprocess.run(
        [sys.executable, str(TESTS / "support" / "fits.py"), what],
        env=environment, capture_output=True, text=True, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("features", "width", "number"),
    [
        ("+sse4.2,+avx,+avx2,+avx512f,+avx512vl", 64, 32),
        ("+sse4.2,+avx,+avx2,+fma,-avx512f", 32, 16),
        ("+sse4.2,-avx,-avx2,-avx512f", 16, 16),
        ("+fp-armv8,+neon", 16, 32),
        ("", 16, 16),
    ],
)
def test_the_widest_registers_are_used_and_all_of_them(features, width, number):
    assert (vector_bytes(features), registers(features)) == (width, number)


def test_products_compile_for_arm(tmp_path):
    vectors = {name: int(n) for _, name, _, n in compiled_for_arm("product", tmp_path)}
    assert vectors["multiply_panel"] > 100


@pytest.mark.slow
def test_every_kernel_compiles_for_arm(tmp_path):
    found = compiled_for_arm("models", tmp_path)
    assert len(found) > 200
    modules = {module for module, *_, vectors in found if int(vectors)}
    with_tiles = ("linear.panels", "masked_linear.panels", "causal_attention.heads")
    for name in (*with_tiles, "nade.sweeps", "nade_columns.sums"):
        assert f"kernels.{name}" in modules


@pytest.mark.slow
@pytest.mark.parametrize("name", list(targets.WIDER))
@pytest.mark.parametrize("file", FILES)
def test_kernels_hold_on_a_narrower_processor(file, name, tmp_path_factory):
    if name not in targets.here():
        pytest.skip(f"this processor cannot run {name}'s code")
    folder = tmp_path_factory.getbasetemp() / name.replace(" ", "_")  # of all files
    # What g++ makes of CUDA's twins is nobody's here, and their libraries need pytest's cache.
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not cuda and not gpu"]
    words.append(f"kernels/test_{file}.py")
    done = subprocess.run(
        [sys.executable, *words],
        env=targets.variables(name, folder), cwd=TESTS, capture_output=True, text=True,
        timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
