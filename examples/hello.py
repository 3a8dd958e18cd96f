"""p(hello) = p(h) p(e|h) p(l|h,e) p(l|h,e,l) p(o|h,e,l,l), by an RNN whose weights are set by hand.

    h_{t+1} = tanh(W_hh h_t + W_xh x_{t+1}),   o_{t+1} = W_hy h_{t+1},   h_0 = b_0

Units 0-3 say which of h, e, l, o was read last; unit 4 is 1 after a second l in a row, else -1.
Then a second RNN learns to spell the word. Run: python examples/hello.py
"""

import numpy as np

from chainrule.engine.models import rnn

ALPHABET = "helo"
WORD = np.array([[ALPHABET.index(letter) for letter in "hello"]], np.int32)
# The logits over h, e, l, o after reading h, e, l, o, and after the second l.
LOGITS = np.array(
    [[1.0, 2.2, -3.0, 4.1], [0.5, 0.3, -1.0, 1.2], [0.1, 0.5, 1.9, -1.1], [0.0, 0.0, 0.0, 0.0]]
)
SECOND_L = np.array([0.2, -1.5, -0.1, 2.2])
L = ALPHABET.index("l")


def by_hand():
    """Return the config and parameters of the RNN that has these logits."""
    config = rnn.Config(n_symbols=4, n_hidden=5)
    params = rnn.init(config, np.random.default_rng(0), np.float64)
    params.flat[:] = 0
    params["W_xh"][:, :4] = 20 * np.eye(4)  # tanh(20) is 1 to 17 digits: unit v is on after v
    params["W_xh"][L, 4] = params["W_hh"][0, L, 4] = 40  # unit 4: an l now, and an l before,
    params["b_h"][0, 4] = -60  # or else it is off, at -1
    params["b_0"][0, 4] = -1
    half = (SECOND_L - LOGITS[L]) / 2  # on or off, unit 4 moves the logits by this much
    params["W_hy"][:] = np.vstack([LOGITS, half])
    params["b_y"][:] = half
    return config, params


def trained(steps=300, rate=0.5):
    """Return the config and parameters of an RNN that has learnt to spell the word."""
    config = rnn.Config(n_symbols=4, n_hidden=8)
    params = rnn.init(config, np.random.default_rng(0), np.float64)
    grad = params.like()
    for _ in range(steps):
        rnn.loss_and_grad(config, params, WORD, grad, total=WORD.size)
        params.flat[:] -= rate * grad.flat
    return config, params


def show(config, params):
    """Print each conditional of the word and their product."""
    p = rnn.conditionals(config, params, WORD)[0]  # (5, 4): of every letter at every position
    for t, letter in enumerate(WORD[0]):
        past = ",".join("hello"[:t])
        print(f"p({ALPHABET[letter]}{'|' if past else ''}{past}) = {p[t, letter]:.4f}")
    product = p[np.arange(5), WORD[0]].prod()
    print(f"p(hello) = {product:.6f}, log p = {rnn.log_prob(config, params, WORD)[0]:.4f} nats")
    print("the likeliest letters:", "".join(ALPHABET[v] for v in p.argmax(axis=1)), end="\n\n")


if __name__ == "__main__":
    print("Weights set by hand")
    show(*by_hand())
    print("Weights learnt from the word alone")
    show(*trained())
