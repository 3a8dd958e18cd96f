"""Hand-derived models, distributions, training, checkpoints; arrays in, arrays out."""
