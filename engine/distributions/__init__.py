"""Distributions of one variable given the ones before it, one file each."""
