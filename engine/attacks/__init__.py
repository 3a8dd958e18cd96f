"""Attacks: small changes of what a classifier reads, chosen so that it errs. Functions of arrays.

    signs               one step by the sign of the loss's gradient, or many: FGSM, BIM, PGD
    deepfool            the nearest side of a classifier that is straight, again and again
    carlini_wagner      the least change that some classifier errs by, as an optimisation
    knowing             by who knows of the defence: a detector, a purifier, or both at once
    random              changes of the same size that heed no gradient: the control

All of them take x, (N, …) of any float dtype, and keep it; y, (N,) int32, classes; and a `Range`,
which numbers are allowed. What they know of a classifier is a `Victim`, two functions. Rows that
the classifier gets wrong without any attack are left as they are, and rows that are done leave the
batch, so that the work left is that of the rows left.

What an attack follows may be more than a classifier: `Slope`s are functions, and may be sums
(`chainrule.engine.attacks.knowing`).
"""
