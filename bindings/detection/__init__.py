"""Detection: a classifier to be attacked, attacks on it, and what a density makes of them."""
