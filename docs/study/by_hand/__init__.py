"""Pages of numbers: one tiny case each, all that a reader with a pocket calculator needs.

The numbers come from the NumPy references. What a page shows between their inputs and outputs is
worked out beside them by the derivation's steps, and the build fails where the two differ.
"""
