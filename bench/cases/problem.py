"""What a workload and its numbers are."""

from typing import Any, NamedTuple


class Workload(NamedTuple):
    """One line of the comparison; `size` is a named tuple of the model's case file."""

    model: str
    operation: str
    size_name: str
    size: Any

    @property
    def name(self) -> str:
        """As in `nade/grad`, the spelling that --cases takes."""
        return f"{self.model}/{self.operation}"


class Problem(NamedTuple):
    """Everything a rival needs: the same numbers for all of them, float32 unless said otherwise."""

    workload: Workload
    x: Any  # what is read: (N, D) uint8 rows, (B, T) int32 symbols, (T, B, I) inputs, or None
    u: Any  # uniforms, one for each variable or symbol to draw, or None
    theta: dict[str, Any]  # parameters by name, as the engine lays them out, or a kernel's inputs
    dy: Any = None  # upstream gradient of a kernel's or a layer's output
