"""`chainrule detect`: which rows, images or lines are odd, and where in them the odd is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.commands import calibrated, inputs, oddities, runs, together
from chainrule.commands.common import PICTURES, Common, check_output, write_rows
from chainrule.commands.line_material import numbered_lines
from chainrule.commands.requests import DetectRequest, LabelRequest, Written
from chainrule.commands.standard_input import DASH, as_file
from chainrule.datasets import rowfiles
from chainrule.detection import codes, pixels, ranks
from chainrule.detection.detector import Detector
from chainrule.detection.methods import METHODS
from chainrule.detection.methods import scores as scores_of
from chainrule.encoders import validation
from chainrule.encoders.texts import UNITS
from chainrule.engine.team.dealing import dealing

NOT_OF_VERBS = ("ratio",)  # methods that learn from what was trained on


class Seen(NamedTuple):
    """Observations that were read: what they are called, their numbers in the file, and where."""

    x: Any
    what: str
    numbers: NDArray[np.int64]
    origin: rowfiles.Origin | None = None

    @property
    def heading(self) -> str:
        """What the first column of a CSV is called; images are rows there, as ever."""
        return "line" if self.what == "line" else "row"


class Detected(NamedTuple):
    """What was found, by which detector; clean: what was read to calibrate by."""

    detector: Any
    seen: Seen
    clean: Seen | None
    measured: oddities.Measured


def detect(common: Common, run: Path, x: Path, asked: DetectRequest, written: Written) -> None:
    """Say which observations are odd; write scores, p-values and decisions, and a picture.

    Of a team each rank scores some of the observations, and rank 0 tells of all.
    """
    with together.joined(common.backend) as team:
        for option, path in (("-", x), ("--clean -", asked.clean)):
            if str(path) == DASH:
                together.refuse(team, option)
        common, tells = together.hushed(common, team), team.rank == 0
        found = _detect(common, run, x, asked, written, tells)
        if tells:  # what the few oddest cost it works out alone
            _tell(common, run, asked, found)


def _detect(
    common: Common, run: Path, x: Path, asked: DetectRequest, written: Written, tells: bool
) -> Detected:
    """Score; `tells`: what came of it will be written."""
    if asked.out is not None and tells:
        check_output(asked.out, ".csv")
    if asked.picture is not None and tells:
        check_output(asked.picture, *PICTURES)
    found = runs.open_kept(run)
    model = found.model_ if isinstance(found, Detector) else found
    if not hasattr(model, "log_prob"):
        inputs.check_density(model, "detect")
        name = type(model).__name__
        raise ValueError(f"detect is for densities, and {name} is none; take a made in its place")
    common.show(model)
    seen = _read(common, x, model, run, written)
    clean = None if asked.clean is None else _read(common, asked.clean, model, run, written)
    loud = tells and not common.quiet
    with dealing():
        detector = _calibrated(found, model, run, asked, clean, loud)
        with _named(seen, loud):
            values = detector._values(seen.x)
    centre, rates = detector.centre_, np.atleast_1d(np.asarray(detector.false_alarm, float))
    scores = scores_of(values, centre)
    likely = None if centre is None else values > centre
    measured = oddities.Measured(scores, *_ranked(detector, scores), rates, likely)
    return Detected(detector, seen, clean, measured)


def _tell(common: Common, run: Path, asked: DetectRequest, found: Detected) -> None:
    """Write what was found, and print it."""
    detector, seen, clean, measured = found
    if asked.out is not None:
        columns = (f"odd_{rate:g}" for rate in measured.rates)
        table = np.empty((len(measured.p), 3 + len(measured.rates)), object)
        table[:, 0], table[:, 1], table[:, 2] = seen.numbers, measured.scores, measured.p
        table[:, 3:] = measured.odd.astype(int)
        write_rows(asked.out, table, [seen.heading, "score", "p_value", *columns])
    drawn = 0
    if asked.picture is not None:  # before anything is said, which nobody may read to its end
        drawn = oddities.picture(asked.picture, detector, seen, measured, run, clean)
    oddities.tell(common, detector, seen, measured)
    if asked.out is not None:
        common.say(f"score, p-value and decision of each {seen.what}; {asked.out}")
    if asked.picture is not None:
        oddest = oddities.some(drawn, f"oddest {seen.what}")
        common.say(f"the {oddest.removeprefix('1 ')}; {asked.picture}")


def _ranked(detector: Any, scores: Any) -> tuple[Any, NDArray[np.bool_]]:
    """Return p-values, (N,), and what is odd at each rate, (N, R), of scores."""
    offsets = np.atleast_1d(detector.offset_)
    return ranks.p_values(detector.clean_scores_, scores), scores[:, None] < offsets


@contextmanager
def _named(seen: Seen, loud: bool) -> Iterator[None]:
    """Let errors and, if loud, warnings about cells call them as the file has them."""
    origins = {} if seen.origin is None else {"X": seen.origin}
    with inputs.said_warnings(loud, seen.origin), rowfiles.naming(origins):
        yield


def _calibrated(
    found: Any, model: Any, run: Path, asked: DetectRequest, clean: Seen | None, loud: bool
) -> Any:
    """Return a detector: that of a file, or one calibrated by clean rows or what a run keeps.

    Raises:
        ValueError: there is nothing to calibrate by, or a method that needs more.
    """
    rates = tuple(dict.fromkeys(asked.false_alarm)) or (0.01,)  # each once
    if isinstance(found, Detector):
        if asked.method is not None or asked.clean is not None:
            given = "--method" if asked.method is not None else "--clean"
            raise ValueError(
                f"{run} holds a detector that has its own method and clean rows; leave {given} out"
            )
        if asked.false_alarm:
            found.set_params(false_alarm=rates)
        return found
    method = asked.method or "likelihood"
    if method in NOT_OF_VERBS:
        raise ValueError(
            f"--method {method} fits a second model to the rows that the first has learnt from; in "
            f"Python save a chainrule.Detector with method={method!r}, and give its file in place "
            "of the run"
        )
    taken = [one for one in METHODS if one not in NOT_OF_VERBS]
    validation.choice("--method", method, taken)
    if method == "complexity":
        codes.check(model)  # before it is asked to be given clean rows
    if clean is not None:
        detector = Detector(model, method=method, false_alarm=rates)
        with _named(clean, loud):
            return detector.fit(X_clean=clean.x, X=None)
    if method == "complexity":
        raise ValueError(f"--method {method} calibrates by rows as they are; give --clean, a file")
    kept = calibrated.by_run(model, run, method=method, false_alarm=rates)
    if kept is None:
        raise ValueError(
            f"{run} keeps no validation rows to calibrate by; give --clean, a file of clean "
            "rows or lines that the model has not learnt from"
        )
    return kept


def _read(common: Common, x: Path, model: Any, run: Path, written: Written) -> Seen:
    """Return the rows, images or lines of a file, or of a data set's test rows."""
    if model.encoder_.unit in UNITS:
        if written != Written():
            option = "--header" if written.header is not None else "--decimal"
            raise ValueError(f"{option} is of tables, and this model reads text; leave it out")
        with as_file(x, text=True) as path:
            numbered, n_empty = numbered_lines(path, model.encoder_.unit)
        if n_empty and not common.quiet:
            words = "lines, which are" if n_empty > 1 else "line, which is"
            common.warn(f"{x} has {n_empty:,} empty {words} left out")
        return Seen([line for _, line in numbered], "line", np.array([n for n, _ in numbered]))
    lacking = inputs.may_lack(model)
    found = inputs.read_rows(common, x, model, LabelRequest(), lacking, written)
    inputs.check_columns(model, found.origin, run)
    pictured = inputs.of_images(model)
    rows = _in_levels(common, x, model, found.x) if pictured else found.x
    what = "image" if pictured else "row"
    return Seen(rows, what, np.arange(1, len(rows) + 1), found.origin)


def _in_levels(common: Common, x: Path, model: Any, rows: Any) -> Any:
    """Return images as a density of grey levels reads them: what attacks write are shares of white.

    Whole numbers, and what a density of bits or shares reads, stay as they are.
    """
    encoder = model.encoder_
    if encoder.shares or encoder.settings.binarize is not None or encoder.of == 2:
        return rows
    if rows.dtype.kind != "f" or not rows.size or not (rows.min() >= 0 and rows.max() <= 1):
        return rows
    if (rows == np.rint(rows)).all():
        return rows
    if not common.quiet:
        top = encoder.of - 1
        common.warn(f"{x} holds floats from 0 to 1, read as shares of {top}, to the nearest of it")
    return pixels.to_pixels(model, rows)
