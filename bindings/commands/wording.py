"""Errors of the library, in the command line's own words.

The library names what its caller wrote in Python: X, unit='byte', binarize. Whoever wrote a
command line knows options and files. Each rule is a pattern and what stands in its place.
"""

import re

from chainrule.commands.fields import NAMED

_SUBJECTS = {"X": "the data", "X_valid": "the validation data", "given": "the observed columns"}
_VERBS = {"has": "have", "is": "are", "must": "must", "holds": "hold", "contains": "contain"}
OPTIONS = {*NAMED, "backend", "seed", "valid", "temperature", "top_k", "top_p", "prompt"}
OPTIONS |= {"false_alarm", "method"}
RULES = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"or read its bytes: unit='byte'", "or, where bytes are learnt from, train with --bytes"),
        (r"with unit=character, not byte; leave that out", "without --bytes; leave it out"),
        (r"with labels=False, not True; leave that out", "without --labels; leave it out"),
        (r"backend='(\w+)'", r"--backend \1"),
        (
            r"binarize it first, for example .+ > (\S+) as (.+), or set binarize to \S+",
            r"\2, so train with --binarize \1, above which a value is a one",
        ),
        (r"[.;] (Reshape your data|flatten each image).*", "; save rows (N, D)"),
        (r"with labels; give (y|labels), one for each row", "with labels; give --label"),
        (r"without labels; leave (y|labels) out", "without labels; leave --label out"),
        (r"^(y|y_valid|labels) holds (.+), a label never", r"\2 is a label never"),
        (r"(or let OrderlessNADE fill them in): load the file with missing=True", r"\1"),
        (r"or let OrderlessNADE fill them in", "or train orderless_nade, which fills them in"),
        (r"load it with datasets\.load_text", "train rnn, attention_rnn or transformer on it"),
        (r"; read it with chainrule\.\S+ or save the estimator again", "; train it again"),
        (r"^column \[:, (\d+)\] of X\b", lambda one: f"column {int(one[1]) + 1} of the data"),
        (r"^(column '.*?') of X\b", r"\1 of the data"),
        (r"\btemperature=0\b", "--temperature 0"),
        (
            r"column_types=\{['\"]?([^{}]+?)['\"]?: \"?(\w+(?:\(\d+\))?)\"?\}",
            r"--column-types '\1:\2'",
        ),
        (r"column_types=(range\(\d+\))", r"--column-types '\1'"),
        (r"\bthe categories in column_types\b", "the categories in --column-types"),
        (r"\bsay header=True\b", "give --header"),
        (r"\bsay header=False\b", "give --no-header"),
        (r"^header=(?:True|False) is", "--header is"),
        (r"^decimal='(.)' is", r"--decimal is"),
        (r"\bsay decimal=','", "give --decimal ,"),
        (r"^decimal must", "--decimal must"),
        (
            r"fit with all that it may be: column_types=\{(.+?): \[… all categories …\]\}",
            lambda one: "train with all that it may be: --column-types '{"
            + one[1].replace("'", '"')
            + ": [… all categories …]}'",
        ),
        (r"\bfalse_alarm=", "--false-alarm "),
        (r"^method='complexity' compares", "--method complexity compares"),
        (
            r"; give more of them or a higher rate",
            "; give a run --clean, a file of more, or a higher rate",
        ),
        (r"\breduce_from=256", "--set reduce_from=256"),
        (r"\bset binarize=0\.5", "train with --binarize 0.5"),
        (r"\bset context=(\d+)", r"give --set context=\1"),
        (
            r"\bsay image_shape=\((\d+), (\d+), (\d+)\), which a loaded Dataset has, or give",
            r"give --set image_shape=\1,\2,\3, or",
        ),
        (r"\band if not, image_shape=\(1, (\d+)\)", r"and if not, --set image_shape=1,\1"),
        (r"; colour=True keeps the colours", "; pixel_cnn and pixel_rnn keep the colours"),
    )
)  # fmt: skip


def in_options(text: str) -> str:
    """Return what an error of the library says to whoever wrote a command line."""
    for pattern, words in RULES:
        text = pattern.sub(words, text)
    subject, _, rest = text.partition(" ")
    verb, _, more = rest.partition(" ")
    line = re.fullmatch(r"X(?:_valid)?\[(\d+)\]", subject)  # of a list, made of a file's lines
    if subject in _SUBJECTS and verb in _VERBS:
        return f"{_SUBJECTS[subject]} {_VERBS[verb]} {more}"
    if line:
        return f"line {int(line[1]) + 1} {rest}"
    if subject in OPTIONS and verb == "must":
        return f"--{subject.replace('_', '-')} {rest}"
    return text
