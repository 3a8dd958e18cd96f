"""Exercises: an operation's backward with one line wrong or missing, for the reader to mend.

An exercise is no file of its own but the operation's NumPy reference with one line replaced, so it
is always of the code that is there. The reader edits a copy of it; `judging` imports the copy and
holds its gradients against central differences. Which of them fail is the hint.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

WRITE = "write this line"
HIDDEN = f"pass  # {{label}}: {WRITE}"
BACKWARD = {  # where the backward begins, of an operation whose functions are called otherwise
    "masked_conv": "def weight_gradient(",
}


@dataclass(frozen=True)
class Exercise:
    """One line of an operation's reference that is wrong, or missing.

    Attributes:
        name: what it is called on the command line.
        operation: the folder in kernels.
        label: the step that the line takes; "B4, B5" where it takes two.
        right: the line as it should stand. wrong: as it stands; None: it is missing.
        fails: whose gradients are wrong because of it, all others being right.
        why: what there is to learn, told when it is solved.
        asked: of a missing line, what it does, where the label alone does not say it.
    """

    name: str
    operation: str
    label: str
    right: str
    wrong: str | None
    fails: frozenset[str]
    why: str
    asked: str = ""

    @property
    def task(self) -> str:
        """What the reader has to do, in a sentence."""
        if self.missing:
            return f"write the line {self.asked or 'that takes'} {self.label}".strip()
        return "find the step whose line is wrong, and mend it"

    @property
    def missing(self) -> bool:
        """Whether the line has to be written, rather than found."""
        return self.wrong is None or WRITE in self.wrong

    @property
    def labels(self) -> set[str]:
        """The steps that count as found."""
        return set(self.label.split(", "))

    def start_of_backward(self) -> str:
        """Return what the backward's definition begins with, in the reference."""
        return BACKWARD.get(self.operation, "def backward(")

    def broken(self, source: str) -> str:
        """Return what the two directions need of the reference's source, this line replaced.

        Raises:
            ValueError: the reference has no such line.
        """
        source = both_directions(source)
        begin = source.find(self.start_of_backward())
        at = source.find(self.right, begin)
        if begin < 0 or at < 0:
            raise ValueError(f"the reference of {self.operation} has no line {self.right!r}")
        wrong = HIDDEN.format(label=self.label) if self.wrong is None else self.wrong
        end = source.index("\n", at) if self.missing else at + len(self.right)
        return source[:at] + wrong + source[end:]


def both_directions(source: str) -> str:
    """Return a reference without the functions that neither forward nor backward calls.

    Another way back, as NADE's in its input, repeats lines of the backward.
    """
    functions = {f.name: f for f in ast.parse(source).body if isinstance(f, ast.FunctionDef)}
    needed, new = set[str](), {"forward", "backward"} & functions.keys()
    while new:
        needed |= new
        nodes = [node for name in new for node in ast.walk(functions[name])]
        called = {node.id for node in nodes if isinstance(node, ast.Name)}
        new = (called & functions.keys()) - needed
    lines = source.splitlines(keepends=True)
    for f in functions.values():
        if f.name not in needed:
            lines[f.lineno - 1 : f.end_lineno] = [""] * ((f.end_lineno or 0) - f.lineno + 1)
    return re.sub(r"\n{4,}", "\n\n\n", "".join(lines)).rstrip("\n") + "\n"


Row = tuple[str, str, str | None, str, str] | tuple[str, str, str | None, str, str, str]


def _of(operation: str, *rows: Row) -> Iterator[Exercise]:
    """Yield an operation's exercises from (label, right, wrong, fails, why[, asked]), from 1 on."""
    for k, (label, right, wrong, fails, *said) in enumerate(rows, 1):
        name = f"{operation.removeprefix('causal_').removeprefix('masked_')}-{k}"
        yield Exercise(name, operation, label, right, wrong, frozenset(fails.split()), *said)


EXERCISES = {
    exercise.name: exercise
    for exercise in (
        *_of(
            "nade",
            (
                "B6",
                "delta[y == k if len(dc) > 1 else slice(None)].sum(axis=0)",
                "delta[y == k if len(dc) > 1 else slice(None)].mean(axis=0)",
                "c",
                "what all rows share has the sum of their gradients, and not the mean",
            ),
            (
                "B3",
                "dV[i] = ds[:, i] @ h",
                "dV[i] = ds[:, i] @ sigmoid(a_end)",
                "V",
                "V_i was multiplied by h_i, of the i that it was at, not by the last one",
            ),
            (
                "B4, B5",
                "delta += ds[:, i, None] * V[i] * h * (1 - h)",
                "delta += ds[:, i, None] * V[i] * h",
                "W c",
                "σ' = σ (1 - σ): δ is what W and c are reached by, V and b are not",
            ),
            (
                "B2",
                "a -= x[:, i, None] * W[i]",
                "a += x[:, i, None] * W[i]",
                "W V c",
                "F4 has to be undone on the way back, or every h is one of another place",
            ),
            (
                "B4, B5",
                "delta += ds[:, i, None] * V[i] * h * (1 - h)",
                None,
                "W c",
                "δ_i = δ_{i+1} + g_i V_i ∘ h_i ∘ (1 - h_i): what comes later, and this one's own",
            ),
        ),
        *_of(
            "rnn",
            (
                "B3",
                "dW += h[t].T @ dz[t]",
                "dW += h[t + 1].T @ dz[t]",
                "W",
                "W multiplied the state before: h[t] is h_{t-1} of step t + 1 in the array",
            ),
            (
                "B2",
                "dz[t] = delta * (1 - h[t + 1] ** 2)",
                "dz[t] = delta * (1 - h[t + 1])",
                "z W h0",
                "tanh' = 1 - tanh²; everything comes through it",
            ),
            (
                "B4",
                "dh0[...] = from_next",
                None,
                "h0",
                "the first state is read by the first step alone",
            ),
        ),
        *_of(
            "lstm",
            (
                "B6",
                "dh0[...], dc0[...] = from_next, dc",
                "dh0[...], dc0[...] = dc, from_next",
                "h0 c0",
                "δ and ε are two gradients, of h and of c",
            ),
            (
                "B2",
                "dc = dc + delta * o * (1 - tanh_c**2)",
                "dc = delta * o * (1 - tanh_c**2)",
                "z W h0 c0",
                "c is read twice, by h and by the next c: the second is the path that remembers",
            ),
            (
                "B5",
                "dW += h[t].T @ dz[t]",
                None,
                "W",
                "one matrix serves every step, so its gradient is the sum over all of them",
            ),
        ),
        *_of(
            "causal_attention",
            (
                "B1",
                "dv[r, :, h] = P.T @ do_",
                "dv[r, :, h] = P @ do_",
                "v",
                "o = P v, so dv = Pᵀ do: v_j is read by every i ≥ j",
            ),
            (
                "B4",
                "dq[r, :, h] = ds @ k_ * scale",
                "dq[r, :, h] = ds @ k_",
                "q",
                "1/√d stands in F1, and so in both of its gradients",
            ),
            (
                "B3",
                "ds = P * (dP - mean[:, None])",
                "ds = P * dP",
                "q k",
                "the softmax's Jacobian: raising one score lowers the other probabilities",
            ),
            (
                "B3",
                "ds = P * (dP - mean[:, None])",
                "ds = 0 * P  # B3: write this line",
                "q k",
                "P_ij (dP_ij - μ_i), μ_i being the mean of dP under P, for which do·o stands in",
            ),
        ),
        *_of(
            "masked_conv",
            (
                "B3",
                "dx[:, *there] += dy[:, *here] @ W[t].T",
                "dx[:, *here] += dy[:, *there] @ W[t].T",
                "x",
                "what a pixel gave goes back to where it stood: the mirrored window",
            ),
            (
                "B1",
                'dW[t] = np.einsum("nijc,nijo->co", x[:, *there], dy[:, *here])',
                'dW[t] = np.einsum("nijc,nijo->co", x[:, *here], dy[:, *here])',
                "W",
                "a tap's weight met the pixel at its distance, not the pixel itself",
            ),
            (
                "B1",
                "dW[~window.mask(*dW.shape[1:])] = 0",
                "pass  # B1, hidden entries of W: write this line",
                "W",
                "what the mask hides has no gradient, or an optimiser would open it",
                "that gives hidden entries of W the gradient 0, a part of",
            ),
        ),
    )
}
