"""How the lines of a table are cut up: the delimiter, the columns' names, an index before them.

It is told from the first lines of a text. The delimiter is the first of comma, semicolon and tab
that cuts all of them into as many fields, two at least, quotes respected. But commas that all stand
between digits, where another delimiter cuts as well, are decimal ones. A blank is a delimiter only
if none of these is, and if all that it cuts below the first line are numbers, as many in each. Else
each line is one field. Where none cuts all lines alike, the one that cuts most of them so is taken,
so that an error names the line that it cuts otherwise.

`headers` has what is taken for names. A line before all others that begins with # is a comment;
the last of them, if it has as many fields as the rows, with a word among them, holds the names.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from chainrule.datasets import fields, headers
from chainrule.datasets.fields import Names
from chainrule.datasets.lines import Line
from chainrule.encoders.cells import shown

DELIMITERS = (",", ";", "\t")
BLANKS = " "  # any number of them
QUOTED = re.compile('"[^"]*"')
DECIMAL = re.compile(r"(?<=\d),(?=\d)")
AN_INDEX = "the first column has no name: it was taken for an index, not for a variable"
NO_BLANKS = (
    "its lines were taken for one column, as there are words among them; if blanks set columns "
    "apart, write commas in their place"
)


class Dialect(NamedTuple):
    """How lines are cut up.

    Attributes:
        delimiter: as `fields.cut` takes it. width: how many fields a line has.
        names: of the columns; None without a header. left_out: how many columns stand before them.
        n_above: how many of the first lines hold names, 0 or 1.
        decimal: what stands before the decimals of a number.
        doubts: what may be meant otherwise, a sentence each.
    """

    delimiter: str
    width: int
    names: Names | None = None
    left_out: int = 0
    n_above: int = 0
    doubts: tuple[str, ...] = ()
    decimal: str = fields.POINT

    def column(self, k: int) -> str:
        """Return what column k of those that are kept is called."""
        name = f" ({shown(self.names[k])})" if self.names else ""
        return f"column {k + self.left_out + 1}{name}"

    def ahead(self, line: str) -> str:
        """Return the first field of a line."""
        if '"' in line:
            return fields.cut(line, self.delimiter)[0]
        return line.partition(self.delimiter)[0].strip()

    def fields(self, number: int, line: str) -> Names:
        """Return the fields of a line, as many as there are to be.

        Raises:
            ValueError: there are others, or quotes that are not closed.
        """
        if line.count('"') % 2:
            raise ValueError(f"line {number} ends within quotes; a field has to end in its line")
        found = fields.cut(line, self.delimiter)
        if len(found) != self.width:
            hint = ""
            if line.startswith("#"):
                hint = "; a line that begins with # is a comment above all others alone"
            elif self.width == 1:
                hint = "; if the first is a title, begin it with #"
            elif self.delimiter == "," and len(found) > self.width:
                hint = "; a field with a comma in it stands in quotes"
            raise ValueError(f"line {number} has {len(found)} fields, the first {self.width}{hint}")
        return found if self.decimal == fields.POINT else self._pointed(number, found)

    def _pointed(self, number: int, found: Names) -> Names:
        """Return the fields of a line with points in place of decimal commas.

        Raises:
            ValueError: one has a point.
        """
        points = list(found)
        for k in range(self.left_out, len(found)):
            try:
                points[k] = fields.pointed(found[k])
            except ValueError as error:
                where = f"line {number}, {self.column(k - self.left_out)}"
                raise ValueError(f"{where} holds {error}; write all of them alike") from error
        return tuple(points)


def dialect(
    head: Sequence[Line],
    comments: Sequence[Line] = (),
    header: bool | None = None,
    decimal: str = fields.POINT,
    delimiter: str | None = None,
) -> Dialect:
    """Return how lines are cut up.

    head: the first lines. comments: those before them, which begin with #. header: whether the
    first line holds names; None: as it seems. decimal: what stands before decimals. delimiter: as
    the text itself says; None: to be told.

    Raises:
        ValueError: two columns have one name.
    """
    texts = [line for _, line in head]
    delimiter = delimiter or _delimiter(texts, decimal)
    rows = [fields.cut(line, delimiter) for line in texts]
    if decimal != fields.POINT:
        rows = [tuple(_number(field) for field in row) for row in rows]
    first, width = rows[0], len(rows[0])
    below = [row for row in rows[1:] if len(row) == width]
    doubts = [NO_BLANKS] if not delimiter and _may_be_blanks(texts) else []
    if header is False:
        return Dialect(delimiter, width, doubts=tuple(doubts), decimal=decimal)
    names = _commented(comments, delimiter, rows) if comments else None
    n_above = left_out = 0
    if names is None or (header and fields.are_names(first)):
        names, n_above, left_out, doubt = _above(first, below, delimiter, header)
        doubts += [doubt] if doubt else []
        doubts += _dropped(comments, delimiter, width)
    if names is not None:
        _check(names)
    return Dialect(delimiter, width, names, left_out, n_above, tuple(doubts), decimal)


def _above(
    first: Names, below: Sequence[Names], delimiter: str, header: bool | None
) -> tuple[Names | None, int, int, str]:
    """Return the names in the first line, or None; as `Dialect`: n_above, left_out; and a doubt."""
    counts, rest = delimiter != BLANKS, first[1:]
    inner = [row[1:] for row in below]
    if rest and not first[0] and "" not in rest:
        if header or headers.guess(rest, inner, counts).names:
            return rest, 1, 1, AN_INDEX
    if header:
        return first, 1, 0, ""
    guess = headers.guess(first, below, counts)
    return (first, 1, 0, guess.doubt) if guess.names else (None, 0, 0, guess.doubt)


def _commented(comments: Sequence[Line], delimiter: str, rows: Sequence[Names]) -> Names | None:
    """Return the names in the last of the comments, if it holds some; else None.

    It does not if the line below it is one of names: of words, with numbers below.
    """
    found = fields.cut(comments[-1][1].lstrip("#"), delimiter)
    alone = len(rows[0]) == 1 and len(found[0].split()) > 1
    if len(found) != len(rows[0]) or alone:
        return None
    if all(fields.number(field) is not None for field in found):
        below = [row for row in rows if len(row) == len(found)]
        return found if headers.guess(found, below).names else None
    numbers = any(fields.number(field) is not None for row in rows[1:] for field in row)
    return None if fields.are_names(rows[0]) and numbers else found


def _dropped(comments: Sequence[Line], delimiter: str, width: int) -> list[str]:
    """Return what is to be said of comments that may be rows."""
    alike = [n for n, line in comments if len(fields.cut(line, delimiter)) == width > 1]
    if not alike or delimiter == BLANKS:
        return []
    return [
        f"line {alike[-1]} begins with # and was taken for a comment, though it has as many fields "
        "as the rows; write no # before a row"
    ]


def _check(names: Names) -> None:
    """Raise ValueError if two columns have one name."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        called = f"are called {shown(twice)}" if twice else "have no name"
        raise ValueError(
            f"two columns {called}; rename one of them, or say header=False if the first line is a "
            "row"
        )


def trailing(head: Sequence[Line], dialect: Dialect) -> str:
    """Return the delimiter with which all lines end, or all below names that do not; "" of none."""
    end = dialect.delimiter
    if end in (BLANKS, ""):
        return ""
    all_ = [line.rstrip("\r\n ").endswith(end) for _, line in head]
    below = head[1:]
    longer = all(len(fields.cut(line, end)) == dialect.width + 1 for _, line in below)
    return end if all(all_) or (below and all(all_[1:]) and longer) else ""


def _number(field: str) -> str:
    """Return a field with a point for a decimal comma, as far as it can be."""
    try:
        return fields.pointed(field)
    except ValueError:
        return field


def _delimiter(texts: Sequence[str], decimal: str) -> str:
    """Return the delimiter of lines, "" where each is one field."""
    bare = [QUOTED.sub("", line) for line in texts]
    if decimal == fields.COMMA:
        bare = [DECIMAL.sub("", line) for line in bare]
    counts = {d: [line.count(d) for line in bare] for d in DELIMITERS}
    alike = [d for d, found in counts.items() if len(set(found)) == 1 and found[0]]
    if len(DECIMAL.findall("\n".join(bare))) == sum(counts[","]) > 0:
        alike = [d for d in alike if d != ","] or ([BLANKS] if _are_blanks(texts) else alike)
    if alike:
        return alike[0]
    most = {d: _share(found) for d, found in counts.items()}
    best = max(most, key=lambda d: most[d])
    if 2 * most[best] >= len(texts):
        return best
    return BLANKS if _are_blanks(texts) else ""


def _share(counts: Sequence[int]) -> int:
    """Return how many lines a delimiter cuts alike, into two fields at least."""
    return max(Counter(count for count in counts if count).values(), default=0)


def _are_blanks(texts: Sequence[str]) -> bool:
    """Return whether blanks are delimiters: between as many numbers a line, names above apart."""
    rows = [fields.cut(line, BLANKS) for line in texts]
    below = rows[1:] if len(rows) > 1 and fields.are_names(rows[0]) else rows
    words = (field for row in below for field in row if fields.number(field) is None)
    if not all(map(fields.WITH_COMMA.fullmatch, words)):
        return False
    return 2 * _share([len(row) - 1 for row in rows]) >= len(rows) and len(rows[0]) > 1


def _may_be_blanks(texts: Sequence[str]) -> bool:
    """Return whether lines of one field may be several with blanks between: with numbers, alike."""
    rows = [fields.cut(line, BLANKS) for line in texts]
    with_number = (any(fields.number(field) is not None for field in row) for row in rows[1:])
    return (
        len(rows) > 1 and len({len(row) for row in rows}) == 1 < len(rows[0]) and all(with_number)
    )
