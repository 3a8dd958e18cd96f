"""What verbs with many options were asked for, as `chainrule.cli` hands it on.

Like all that the command line needs before a verb begins, this imports nothing heavy.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple


class LabelRequest(NamedTuple):
    """Whose probability is asked for: that given one label for all rows, or each row's of a file.

    source: a file of labels, or the column that they are. Neither: the marginal over all labels.
    """

    label: str | None = None
    source: str | None = None


class Written(NamedTuple):
    """How a table of text is written, as far as it was said.

    header: whether its first line holds column names; None: as it seems. decimal: what stands
    before the decimals of a number.
    """

    header: bool | None = None
    decimal: str = "."


class Reading(NamedTuple):
    """How data are to be read: the share that validates, characters or bytes, labels, lines, names.

    labels: True: the data set's own; a str: a file of them, or the column that they are.
    lines: each line of a text file is a sequence of its own. header, decimal: as of `Written`.
    """

    valid: float = 0.1
    unit: str = "character"
    labels: bool | str = False
    lines: bool = False
    header: bool | None = None
    decimal: str = "."


class TrainRequest(NamedTuple):
    """A training: a new run, or with `resume` one that goes on.

    options: settings with an option of their own, None where not given; assignments: those of
    --set, "name=value" each. reading: the fields of `Reading` that were given. samples_every: after
    how many records samples are drawn; None: never.
    """

    model: str
    data: str | None
    out: Path
    options: dict[str, Any]
    assignments: Sequence[str]
    reading: dict[str, Any]
    resume: bool = False
    force: bool = False
    samples_every: int | None = None


class DetectRequest(NamedTuple):
    """What is to be found odd, and where that is written; None where not given.

    false_alarm: rates, none of them: 0.01. clean: a file of rows or lines to calibrate by.
    """

    false_alarm: tuple[float, ...] = ()
    clean: Path | None = None
    method: str | None = None
    out: Path | None = None
    picture: Path | None = None


class SampleRequest(NamedTuple):
    """What to draw, and where it goes; None where not given.

    n: how many rows or lines, or symbols of a text. columns: of a picture. by_label: n rows of each
    label. size: of images, "ROWSxCOLUMNS". The rest is of sequences; stop: what a sequence stops
    before.
    """

    n: int | None = None
    out: Path | None = None
    columns: int | None = None
    label: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    stop: Sequence[str] | None = None
    by_label: bool = False
    size: str | None = None


class AttackRequest(NamedTuple):
    """An attack: its method, size, norm and steps, the file of results, and a defence it knows of.

    None: as they are unless said. density: a run; purify_eps: how far images are purified.
    """

    method: str
    eps: float | None
    norm: str
    steps: int | None
    out: Path
    density: Path | None = None
    purify_eps: float | None = None

    @property
    def size(self) -> float:
        """How far images are moved."""
        return 0.1 if self.eps is None else self.eps

    @property
    def reach(self) -> float:
        """How far they are purified."""
        return 16 / 255 if self.purify_eps is None else self.purify_eps
