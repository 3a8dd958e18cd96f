"""What one observation is: columns, a sequence, or an image. Every model's Config declares it.

    Columns     D variables in a row; of each, how many values it has. 2 is a bit, more are
                categories 0 … K-1, and CONTINUOUS (0) is a real number; one with half steps
                h > 0 takes the values 2 h k alone, k whole, as standardised whole numbers do,
                and one with an atom has that value with a probability of its own
    Sequence    symbols 0 … n_symbols - 1, any number of them
    Image       height × width pixels of so many channels, each one of so many levels
    RealInputs  real numbers of which a class is to be told: what a classifier reads

x is one array, whose dtype and shape the event decides, and how a model that takes rows with
missing values is told of one (`Abilities.any_order`):

    Columns, all bits               (N, D) uint8 of 0 and 1; missing: 255
    Columns, bits and categories    (N, D) int32; missing: -1
    Columns, one of them real       (N, D) float, category codes exact in it; missing: NaN
    Sequence                        (N, T) int32; -1 behind the end of a shorter row
    Image                           (N, H, W, C) uint8 up to 256 levels, int32 beyond
    RealInputs                      (N, *shape) float

Everything that asks what kind of data a model is for asks here: sources, scores, encoders, the
command line. A new kind of variable is a new number in `values`, not a new kind of model.
"""

from dataclasses import dataclass
from math import inf, isfinite, log, prod
from typing import Any

import numpy as np

CONTINUOUS = 0  # the number of values of a variable that is a real number
LEVELS = 256  # of an image that are kept in a byte
NO_BIT = 255  # in a byte that could hold a bit


@dataclass(frozen=True)
class Columns:
    """D variables a row, in the model's order.

    Args:
        values: how many values each variable has; CONTINUOUS for a real number.
        half_steps: h of each variable, 0 of those that are not on a lattice; () where none is.
        atoms: the atom of each variable, None of those without; () where none has one.

    Raises:
        ValueError: a number of values below 0, or no variable; half steps or atoms that cannot be.
    """

    values: tuple[int, ...]
    half_steps: tuple[float, ...] = ()
    atoms: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no row can be."""
        if not self.values or min(self.values) < 0:
            raise ValueError(f"each variable has 1 value or more, or is real, got {self.values}")
        if self.half_steps:
            self._check_half_steps()
        if self.atoms:
            self._check_atoms()

    def _check_half_steps(self) -> None:
        steps = dict(enumerate(self.half_steps))
        if len(steps) != len(self.values) or not all(0 <= h < inf for h in self.half_steps):
            raise ValueError(f"half steps are numbers from 0 on, one a variable, got {steps}")
        if any(h and self.values[i] != CONTINUOUS for i, h in steps.items()):
            raise ValueError(f"half steps are of real variables alone, got {steps}")

    def _check_atoms(self) -> None:
        atoms = {i: atom for i, atom in enumerate(self.atoms) if atom is not None}
        if len(self.atoms) != len(self.values) or not all(map(isfinite, atoms.values())):
            raise ValueError(f"atoms are numbers or None, one a variable, got {self.atoms}")
        if any(self.values[i] != CONTINUOUS for i in atoms):
            raise ValueError(f"atoms are of real variables alone, got {atoms}")

    @classmethod
    def bits(cls, D: int) -> "Columns":
        """Return D bits."""
        return cls((2,) * D)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation: (D,)."""
        return (len(self.values),)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of x; of real columns the narrowest that may be, float32."""
        if CONTINUOUS in self.values:
            return np.dtype(np.float32)
        return np.dtype(np.uint8 if set(self.values) <= {2} else np.int32)

    def dtype_with(self, real: Any) -> np.dtype[Any]:
        """Return the dtype of x beside parameters of the dtype `real`, which real columns have."""
        return np.dtype(real) if CONTINUOUS in self.values else self.dtype

    @property
    def missing(self) -> Any:
        """What stands in x for a missing value."""
        return {"u": NO_BIT, "i": -1, "f": np.nan}[self.dtype.kind]

    @staticmethod
    def known(x: Any) -> Any:
        """Return which values of x are not missing, bool of x's shape."""
        if x.dtype.kind == "f":
            return x == x
        return x != NO_BIT if x.dtype.kind == "u" else x >= 0

    @property
    def n_outputs(self) -> int:
        """How many probabilities the conditionals of one observation are; a real one counts 1."""
        return sum(1 if K in (2, CONTINUOUS) else K for K in self.values)

    @property
    def guessing(self) -> float:
        """What an observation costs where all values are equally likely, nats; real ones: 0."""
        return sum(log(K) for K in self.values if K != CONTINUOUS)

    per = "row"  # what a loss is a mean over


@dataclass(frozen=True)
class Sequence:
    """Symbols of an alphabet, any number of them.

    Args:
        n_symbols: V, the size of the alphabet.
        context: how many symbols a model sees at most, where there is a limit.

    Raises:
        ValueError: no symbols, or a context of none.
    """

    n_symbols: int
    context: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no sequence can be."""
        if self.n_symbols < 1 or (self.context is not None and self.context < 1):
            raise ValueError(
                f"a sequence needs a symbol and a context of 1 or more, got {self.n_symbols} and "
                f"{self.context}"
            )

    dtype = np.dtype(np.int32)
    per = "symbol"

    @property
    def n_outputs(self) -> int:
        """How many probabilities the conditional of one symbol is."""
        return self.n_symbols

    @property
    def guessing(self) -> float:
        """What a symbol costs where all are equally likely, nats."""
        return log(self.n_symbols)


@dataclass(frozen=True)
class Image:
    """Pixels in raster order, the channels of a pixel one after the other.

    Args:
        height, width, channels: of an image.
        levels: of a channel, 2 to 256 or more.

    Raises:
        ValueError: a size below 1, or a level that is the only one.
    """

    height: int
    width: int
    channels: int = 1
    levels: int = 256

    def __post_init__(self) -> None:
        """Refuse what no image can be."""
        if min(self.shape) < 1 or self.levels < 2:
            raise ValueError(f"an image needs sizes of 1 or more and 2 levels or more, got {self}")

    per = "row"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation: (H, W, C)."""
        return (self.height, self.width, self.channels)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of x."""
        return np.dtype(np.uint8 if self.levels <= LEVELS else np.int32)

    @property
    def n_outputs(self) -> int:
        """How many probabilities the conditionals of one observation are."""
        return prod(self.shape) * (1 if self.levels == 2 else self.levels)

    @property
    def guessing(self) -> float:
        """What an image costs where all levels are equally likely, nats."""
        return prod(self.shape) * log(self.levels)


@dataclass(frozen=True)
class RealInputs:
    """Real numbers x of which a classifier says p(class | x); no distribution of x itself.

    Args:
        shape: of one observation, (D,) or an image's (R, S, C).
        n_classes: how many classes there are.

    Raises:
        ValueError: a size below 1.
    """

    shape: tuple[int, ...]
    n_classes: int

    def __post_init__(self) -> None:
        """Refuse what no row can be."""
        if not self.shape or min(*self.shape, self.n_classes) < 1:
            raise ValueError(f"features need sizes of 1 or more, and a class, got {self}")

    dtype = np.dtype(np.float32)
    per = "row"

    @property
    def n_outputs(self) -> int:
        """How many probabilities are told of one observation."""
        return self.n_classes

    @property
    def guessing(self) -> float:
        """What a label costs where all classes are equally likely, nats."""
        return log(self.n_classes)


Event = Columns | Sequence | Image | RealInputs


@dataclass(frozen=True)
class Abilities:
    """What a model can do beyond the contract of all: declared, so that nobody has to guess.

    Args:
        labels: it learns p(x | y); its Config has n_classes, 1 for none.
        dropout: its Config has dropout, and `loss_and_grad` takes noise.
        context: it sees so many symbols at most; its Config has context.
        state: it carries a state from one piece of a text to the next: `state_size`, and carry
            and fresh in `loss_and_grad` and `log_prob_terms`.
        attention: `attention_maps` says where it looks.
        noise: it draws when it trains, masks or orderings, whatever its Config: `loss_and_grad`
            takes noise, as of dropout; without it, the loss is that of `log_prob`.
        any_order: its rows may lack values, which it leaves out, and what is known of a row may
            stand anywhere in it: `log_prob_given`, `marginals`, and `sample` heeds whatever it
            keeps. Its exact likelihood costs D passes, so that while it trains it is validated by
            `nll_estimates`.
        whole: its kernels share out a minibatch over threads better than by rows: it is given
            whole.
    """

    labels: bool = False
    dropout: bool = False
    context: bool = False
    state: bool = False
    attention: bool = False
    noise: bool = False
    any_order: bool = False
    whole: bool = False
