"""Compiled sampling loops: the kernels that know a model, one folder a kind of model."""
