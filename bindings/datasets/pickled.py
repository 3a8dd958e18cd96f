"""Numbers, texts and rows of bytes in a pickle, read without unpickling it: nothing in it is run.

`pickletools.genops` parses: it names one opcode after the other and calls nothing. What a few of
them would make is made here, of plain values alone: whole numbers, None, texts, bytes, tuples,
lists, dictionaries. An array of bytes, uint8, comes in a pickle as calls of NumPy's functions, so
that their names are known here, as words that stand for what they would return: no name is ever
looked up. Any other opcode, name or call is an error, which leaves nothing behind.

| a pickle has | of | and here it is |
|---|---|---|
| _reconstruct(ndarray, (0,), b"b"), then its state | protocols 2 to 4 | an array's rows |
| _frombuffer(bytes, dtype, shape, order) | protocol 5 | the same |
| dtype("u1", …), then its state | all | the word for uint8 |
| _codecs.encode(text, "latin1") | Python 3, protocol 2 | bytes |

Memory: an opcode of one byte can make an object of some 60, so there are MOST_OPCODES at most; a
text that was read once can be encoded again and again, so all of that is counted. What is made is
then a few times the pickle's size, and 13 MB. Arrays are views of the bytes.
"""

import pickletools
from collections.abc import Callable
from enum import Enum
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.encoders.cells import shown

MOST_OPCODES = 200_000  # CIFAR-10's 10,000 rows, with a label and a file's name each, take 31,000


class _Word(Enum):
    """What a name in a pickle stands for."""

    RECONSTRUCT, FROM_BUFFER, ARRAY, DTYPE, ENCODE, BYTES = range(6)


_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): _Word.RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _Word.RECONSTRUCT,
    ("numpy.core.numeric", "_frombuffer"): _Word.FROM_BUFFER,
    ("numpy._core.numeric", "_frombuffer"): _Word.FROM_BUFFER,
    ("numpy", "ndarray"): _Word.ARRAY,
    ("numpy", "dtype"): _Word.DTYPE,
    ("_codecs", "encode"): _Word.ENCODE,
}
_AS_THEY_ARE = {"BININT", "BININT1", "BININT2", "LONG1"}
_AS_THEY_ARE |= {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_AS_THEY_ARE |= {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_OF_PYTHON_2 = {"BINSTRING", "SHORT_BINSTRING"}  # bytes or a text: nobody knows
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_KEEP, _AGAIN = {"BINPUT", "LONG_BINPUT"}, {"BINGET", "LONG_BINGET"}
_NOTHING = {"PROTO", "FRAME", "STOP"}
_STATE = (3, "|", None, None, None, -1, -1, 0)  # of the dtype uint8
_DAMAGED = "is damaged, cut short or no pickle"


def read(content: bytes) -> dict[str, Any]:
    """Return the dictionary in a pickle, its keys as texts; other texts of Python 2 are bytes.

    Raises:
        ValueError: it is damaged, or holds anything but what stands above. The sentence begins with
            the verb: whoever knows the pickle's name puts that before it.
    """
    machine, opcodes = _Machine(len(content)), pickletools.genops(content)
    for _ in range(MOST_OPCODES):
        try:
            opcode, argument, _ = next(opcodes)
        except StopIteration:
            return machine.result()
        except (ValueError, OverflowError) as error:
            raise ValueError(_DAMAGED) from error
        machine.step(opcode.name, argument)
    raise ValueError(f"has more than {MOST_OPCODES:,} opcodes")


class _Array:
    """An array of bytes, whose rows are not known before its state."""

    def __init__(self, rows: NDArray[np.uint8] | None = None) -> None:
        self.rows = rows


class _Machine:
    """What an unpickler has: a stack, those below the marks, and what was kept by number."""

    def __init__(self, most: int) -> None:
        """Begin with nothing; `most` bytes may be encoded."""
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._kept: dict[int, Any] = {}
        self._left = most

    def result(self) -> dict[str, Any]:
        """Return the dictionary that is left, if nothing else is."""
        if self._below or len(self._stack) != 1 or type(self._stack[0]) is not dict:
            raise ValueError("holds no dictionary")
        held = {_text(key): value for key, value in self._stack[0].items()}
        return {key: v.rows if isinstance(v, _Array) else v for key, v in held.items()}

    def step(self, name: str, argument: Any) -> None:
        """Do what one opcode says; see `read`."""
        push = self._stack.append
        if name in _AS_THEY_ARE:
            push(argument)
        elif name in _OF_PYTHON_2:
            push(argument.encode("latin-1"))
        elif name in _CONSTANTS:
            push(_CONSTANTS[name])
        elif name in _EMPTY:
            push(_EMPTY[name]())
        elif name in _TUPLES:
            push(tuple(self._pop(_TUPLES[name])))
        elif name in _KEEP or name == "MEMOIZE":
            self._kept[len(self._kept) if argument is None else argument] = self._top()
        elif name in _AGAIN:
            if argument not in self._kept:
                raise ValueError(_DAMAGED)
            push(self._kept[argument])
        elif name not in _NOTHING:
            self._act(name, argument)

    def _act(self, name: str, argument: Any) -> None:
        """Do what an opcode says that takes several values from the stack, or names something."""
        match name:
            case "MARK":
                self._below.append(self._stack)
                self._stack = []
            case "TUPLE":
                values = self._to_mark()
                self._stack.append(tuple(values))
            case "APPEND" | "APPENDS":
                values = self._pop(1) if name == "APPEND" else self._to_mark()
                self._top(list).extend(values)
            case "SETITEM" | "SETITEMS":
                values = self._pop(2) if name == "SETITEM" else self._to_mark()
                _put(self._top(dict), values)
            case "GLOBAL":
                self._stack.append(_word(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                self._stack.append(_word(*self._pop(2)))
            case "REDUCE":
                self._stack.append(self._call(*self._pop(2)))
            case "BUILD":
                [state] = self._pop(1)
                _build(state, self._top())
            case _:
                raise ValueError(f"has the opcode {name}, and numbers and bytes alone are read")

    def _pop(self, n: int) -> list[Any]:
        """Take n values from the stack, in the order in which they came."""
        if len(self._stack) < n:
            raise ValueError(_DAMAGED)
        taken = self._stack[-n:]
        del self._stack[-n:]
        return taken

    def _to_mark(self) -> list[Any]:
        """Take what came since the last mark."""
        if not self._below:
            raise ValueError(_DAMAGED)
        taken, self._stack = self._stack, self._below.pop()
        return taken

    def _top(self, kind: type | None = None) -> Any:
        """Return the last value, which stays; of this type, if one is wanted."""
        if not self._stack or (kind is not None and type(self._stack[-1]) is not kind):
            raise ValueError(_DAMAGED)
        return self._stack[-1]

    def _call(self, word: Any, values: Any) -> Any:
        """Return what a function of NumPy's, or `_codecs.encode`, would return."""
        n = len(values) if type(values) is tuple else 0
        if word is _Word.RECONSTRUCT and n and _alike(values, (_Word.ARRAY, (0,), "b")):
            return _Array()
        if word is _Word.DTYPE and n and _alike(values, ("u1", 0, 1)):
            return _Word.BYTES
        if word is _Word.FROM_BUFFER and n == 4 and values[1] is _Word.BYTES:
            content, _, shape, order = values
            return _Array(_rows(content, shape, order == "F"))
        if word is _Word.ENCODE and n == 2 and type(values[0]) is str and values[1] == "latin1":
            return self._encoded(values[0])
        raise ValueError("makes something else than arrays of bytes, uint8")

    def _encoded(self, text: str) -> bytes:
        """Return bytes that Python 3 wrote as a text."""
        self._left -= len(text)
        if self._left < 0:
            raise ValueError("makes more bytes than it has")
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError as error:
            raise ValueError(_DAMAGED) from error


def _word(module: Any, name: Any) -> _Word:
    """Return what a name stands for; it is never looked up."""
    known = type(module) is str and type(name) is str
    if not known or (module, name) not in _NAMES:
        where = f"{module}.{name}" if known else "something"
        raise ValueError(f"names {shown(where)}, and nothing in it is ever called")
    return _NAMES[module, name]


def _put(target: dict[Any, Any], values: list[Any]) -> None:
    """Put keys, each before its value, into a dictionary."""
    keys = values[::2]
    if len(values) % 2 or not all(isinstance(key, str | bytes) for key in keys):
        raise ValueError(_DAMAGED)  # of nested tuples a hash could take forever
    target.update(zip(keys, values[1::2], strict=True))


def _build(state: Any, target: Any) -> None:
    """Give an array its rows; that a dtype is uint8 was said before."""
    plain = type(state) is tuple
    if isinstance(target, _Array) and plain and len(state) == 5 and state[2] is _Word.BYTES:
        _, shape, _, by_columns, content = state
        target.rows = _rows(content, shape, bool(by_columns))
    elif target is not _Word.BYTES or not plain or not _alike(state, _STATE):
        raise ValueError("makes something else than arrays of bytes, uint8")


def _rows(content: Any, shape: Any, by_columns: bool) -> NDArray[np.uint8]:
    """Return bytes as rows, if they are as many as the shape says."""
    there = isinstance(content, bytes | bytearray) and type(shape) is tuple and len(shape) == 2
    if not there or any(type(n) is not int or n < 1 for n in shape) or prod(shape) != len(content):
        raise ValueError("holds an array that is no table of as many bytes as its shape says")
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if by_columns else "C")


def _alike(values: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    """Return whether values are these, whether their texts are Python 2's or 3's."""
    short = (_text(value) if type(value) is bytes and len(value) < 9 else value for value in values)
    return tuple(short) == wanted


def _text(value: str | bytes) -> str:
    """Return a text, which Python 2 wrote as bytes."""
    return value if isinstance(value, str) else value.decode("latin-1")
