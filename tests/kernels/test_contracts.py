"""What every kernel folder must keep to. A new operation is found and tested by itself."""

import inspect
import pkgutil
import sys
from importlib import import_module
from pathlib import Path
from typing import get_args, get_origin

import numpy as np
import pytest

from chainrule import kernels
from chainrule.kernels import dispatch, use_backend
from chainrule.kernels.types import Array, Bits, Ids, Table


def operations():
    """Return the folders of operations; a wing of several has a name before a dot."""
    ops = []
    for info in pkgutil.walk_packages(kernels.__path__, "chainrule.kernels."):
        op = info.name.removeprefix("chainrule.kernels.")
        if info.ispkg and Path(contract(op).__file__).with_name("reference.py").exists():
            ops.append(op)
    return ops


def contract(op):
    return import_module(f"chainrule.kernels.{op}")


OPS = operations()


def dispatched(op):
    """Return the functions of a contract that choose a backend, by name."""
    functions = inspect.getmembers(contract(op), inspect.isfunction)
    return {name: f for name, f in functions if "select" in f.__code__.co_names}


TWINS = [
    (op, twin)
    for op in OPS
    for twin in ("reference", "cpu", "cuda")
    if twin != "cuda" or Path(contract(op).__file__).with_name("cuda.py").exists()
]
FUNCTIONS = [(op, name) for op in OPS for name in dispatched(op)]


@pytest.fixture(autouse=True)
def nothing_imported_yet():
    dispatch._imported.cache_clear()


class OnDevice:
    """Just enough of a CuPy array to be taken for one."""

    @property
    def __cuda_array_interface__(self):
        return {"shape": (1,), "typestr": "<f4", "data": (0, False), "version": 3}


def arguments(function, on_device):
    """Return arguments for a contract's function, arrays on the GPU where on_device(name)."""

    def argument(name, kind):
        if is_named_tuple(kind):
            return kind(*(argument(f"{name}.{f}", k) for f, k in kind.__annotations__.items()))
        if get_origin(kind) is tuple:  # as many of one kind as there are layers
            return tuple(argument(f"{name}.{k}", get_args(kind)[0]) for k in range(2))
        if kind not in ARRAYS:
            return 1
        return OnDevice() if on_device(name) else np.zeros(1, np.float32)

    return [argument(p.name, p.annotation) for p in inspect.signature(function).parameters.values()]


def arrays_of(function):
    """Return the names of a contract's arrays, weights.E for one in a named tuple."""
    names = []
    arguments(function, lambda name: names.append(name))
    return names


ARRAYS = (Array, Bits, Ids, Table)


def is_named_tuple(kind):
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def test_operations_are_found():
    assert {"adam", "bernoulli", "nade", "triangular"} <= set(OPS)
    assert all(dispatched(op) for op in OPS)


@pytest.mark.parametrize(("op", "twin"), TWINS)
def test_same_signature(op, twin):
    module = import_module(f"chainrule.kernels.{op}.{twin}")
    for name, function in dispatched(op).items():
        theirs = inspect.signature(getattr(module, name))
        assert theirs == inspect.signature(function), f"{op}.{twin}.{name}"


@pytest.mark.parametrize("op", OPS)
def test_cpu_has_no_public_function_that_the_contract_lacks(op):
    cpu = import_module(f"chainrule.kernels.{op}.cpu")
    own = [f for f in vars(cpu).values() if getattr(f, "__module__", None) == cpu.__name__]
    own = [f for f in own if not hasattr(f, "py_func")]  # compiled ones may be shared by kernels
    names = {f.__name__ for f in own if callable(f) and not f.__name__.startswith("_")}
    assert names == set(dispatched(op))


@pytest.mark.parametrize("op", OPS)
def test_contract_derives_its_operation(op):
    headings = [line.split("  ")[0] for line in contract(op).__doc__.splitlines() if line]
    assert {"Shapes", "Cost", "Source"} <= set(headings)
    assert {"Forward", "Backward"} <= set(headings) or {"Step t", "Draw"} & set(headings)


@pytest.mark.parametrize(("op", "name"), FUNCTIONS)
def test_outputs_come_last_and_are_overwritten(op, name):
    """No function hands out an array. A number may come back, as of `adam.step`."""
    function = dispatched(op)[name]
    assert function.__doc__.split()[0] in {"Overwrite", "Update"}
    assert inspect.signature(function).return_annotation in (None, float)


@pytest.mark.parametrize(("op", "name"), FUNCTIONS)
def test_arrays_on_both_sides_raise(op, name):
    function = dispatched(op)[name]
    arrays = arrays_of(function)
    for lone in arrays if len(arrays) > 1 else []:
        with pytest.raises(
            TypeError, match=f"^{op.rpartition('.')[2]}: arrays are on both host and GPU"
        ):
            function(*arguments(function, lambda array, lone=lone: array == lone))


@pytest.mark.parametrize("host_backend", dispatch.HOST_BACKENDS)
@pytest.mark.parametrize(("op", "name"), FUNCTIONS)
def test_arrays_on_the_gpu_never_fall_back_to_the_host(op, name, host_backend, monkeypatch):
    monkeypatch.setitem(sys.modules, f"chainrule.kernels.{op}.cuda", None)  # cannot be imported
    function = dispatched(op)[name]
    with use_backend(host_backend), pytest.raises(ImportError, match="cuda"):
        function(*arguments(function, lambda array: True))


@pytest.mark.parametrize("name", ["cuda", "gpu", "CPU", "", None])
def test_only_host_backends_can_be_chosen_for_host_arrays(name):
    with pytest.raises(ValueError, match="backend must be one of"), use_backend(name):
        pass


def test_host_backend_is_cpu_until_asked_and_restored_after():
    def chosen():
        return dispatch.select("chainrule.kernels.adam", np.zeros(1)).__name__.rpartition(".")[2]

    assert chosen() == "cpu"
    with use_backend("reference"):
        assert chosen() == "reference"
        with use_backend("cpu"):
            assert chosen() == "cpu"
        with pytest.raises(KeyError), use_backend("cpu"):
            raise KeyError
        assert chosen() == "reference"
    assert chosen() == "cpu"


def test_a_host_backend_never_falls_back_to_another(monkeypatch):
    monkeypatch.setitem(sys.modules, "chainrule.kernels.adam.cpu", None)
    with pytest.raises(ImportError, match="cpu"):
        dispatch.select("chainrule.kernels.adam", np.zeros(1))
