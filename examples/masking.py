"""What masks add to an autoencoder, side by side: the pictures and the numbers of masking.md.

Run: python examples/masking.py
"""

import os
import sys
from itertools import product

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


def sums(x, epochs=100):
    """Return mean loss and Σ exp(-loss) over all 256 rows of 8 bits, of two networks by name."""
    every = np.array(list(product((0, 1), repeat=8)), np.uint8)
    settings = {"epochs": epochs, "learning_rate": 0.01, "seed": 0}
    models = {
        "autoencoder, 6 units": cr.Autoencoder(6, **settings).fit(x),
        "MADE": cr.MADE((100,), **settings).fit(x),
    }
    return {
        name: (losses(model, x).mean(), np.exp(-losses(model, every)).sum())
        for name, model in models.items()
    }


def entropy(x):
    """Return that of the rows' frequencies, nats: no density has a smaller mean loss on them."""
    p = np.unique(x, axis=0, return_counts=True)[1] / len(x)
    return -(p * np.log(p)).sum()


def masks(x):
    """Return the picture of a small MADE's masks."""
    return plots.masks(cr.MADE((12, 12), epochs=1, seed=0).fit(x).masks_[0])


def main():
    """Fit, print what the page quotes, and draw its pictures."""
    train, test = small_digits()
    models = fitted(train)
    known = np.unique(np.vstack([train, test]), axis=0)
    for name, model in models.items():
        mean, total = losses(model, test).mean(), np.exp(-losses(model, known)).sum()
        print(f"{name:22} {mean:6.2f} nats held out, Σ exp(-loss) of {len(known)} rows {total:.3g}")
    picture = plots.influence_maps(seen(models, test[:10]))
    plots.save(picture, os.path.join(HOME, "masking.png"))
    middle = train[:, 32:40]
    for name, (mean, total) in sums(middle).items():
        print(f"{name:22} {mean:6.3f} nats on 8 bits, Σ exp(-loss) of all 256 rows {total:.6f}")
    print(f"entropy of the 8 bits  {entropy(middle):6.3f} nats")
    plots.save(masks(middle), os.path.join(HOME, "masking_masks.png"))


if __name__ == "__main__":
    sys.exit(main())
