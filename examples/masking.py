"""What masks add to an autoencoder, side by side: the picture and the numbers of masking.md.

Run: python examples/masking.py
"""

import os
import sys

import numpy as np

import chainrule as cr
from chainrule import plots

EPOCHS = 60
HOME = os.path.dirname(os.path.abspath(__file__))


def small_digits():
    """Return the embedded 8×8 digits as bits, 64 a row: those to learn and those held out."""
    data = cr.datasets.load("digits")
    return data.train.x, data.test.x


def fitted(x, epochs=EPOCHS):
    """Return three networks by name: two autoencoders, with more units than bits, and MADE."""
    settings = {"epochs": epochs, "learning_rate": 0.01, "batch_size": 50, "seed": 0}
    wide = {"n_linear": 200, **settings}
    return {
        "autoencoder": cr.Autoencoder(200, **wide).fit(x),
        "denoising autoencoder": cr.Autoencoder(200, noise=0.5, **wide).fit(x),
        "MADE": cr.MADE((200,), **settings).fit(x),
    }


def said(model, x):
    """Return what a model says of each bit: its reconstruction, or its p(x_i = 1 | x_<i)."""
    return model.conditionals(x) if hasattr(model, "log_prob") else model.reconstruct(x)


def losses(model, x):
    """Return the cross-entropy of each row, nats, in whose mean all three are trained."""
    return -model.log_prob(x) if hasattr(model, "log_prob") else model.errors(x)


def seen(models, x):
    """Return what each output of each model sees, (64, 64)."""
    return {
        name: plots.influence(lambda rows, model=model: said(model, rows), x)
        for name, model in models.items()
    }


def main():
    """Fit, print what the page quotes, and draw its picture."""
    train, test = small_digits()
    models = fitted(train)
    known = np.unique(np.vstack([train, test]), axis=0)
    for name, model in models.items():
        mean, total = losses(model, test).mean(), np.exp(-losses(model, known)).sum()
        print(f"{name:22} {mean:6.2f} nats held out, Σ exp(-loss) of {len(known)} rows {total:.3g}")
    picture = plots.influence_maps(seen(models, test[:10]))
    plots.save(picture, os.path.join(HOME, "masking.png"))


if __name__ == "__main__":
    sys.exit(main())
