"""Training: what is learnt from, how, and how well: sources, recipe, the loop, scores."""
