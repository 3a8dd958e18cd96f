"""Layers: one forward and its mirror-image backward a file, derivation on top.

Every layer is a pair of functions

    forward(..., new) -> (out, cache)       `new` makes the arrays that live on: engine.arena
    backward(dout, cache, ...)              the gradients of parameters are overwritten in place

Arrays that one pass needs for itself alone are borrowed inside the function.
"""
