"""chainrule: exact autoregressive density models with hand-derived gradients."""
