"""The two ends of a language model: symbols in, logits out; one table may serve both.

Shapes      ids: (M,) int32 rows of E    E: (V + k, C), k of its rows for start tokens
            x: (M, C)    W_y: (C, V)    h: (M, C)    s: (M, V) logits

Forward     (F1)  x_m = E_{ids_m}                  the input end: chainrule.kernels.embedding
            ...   a model between them makes h of x
            (F2)  s_m = h_m W_y                    the output end
                  tied: W_y = E[:V]ᵀ, so s_mi = h_m · E_i: a symbol is likely where h points
                  along that symbol's own embedding

Backward    (B1)  dW_y = hᵀ ds,  dh = ds W_yᵀ              undoes F2
            (B2)  dE_i += Σ_{m: ids_m = i} dx_m            undoes F1: chainrule.kernels.embedding

            Tied, L depends on E along two paths, L(E) = ℓ(E, E) with ℓ(E_in, E_out) the loss of
            the model with two tables. By the chain rule for a function of two arguments both set
            to one variable,
                dL/dE = ∂ℓ/∂E_in + ∂ℓ/∂E_out    at E_in = E_out = E:
            nudging an entry of E by ε nudges both tables, and to first order the effects add. So
            no path is worked out anew: B1 writes the output's part, dE[:V] = dsᵀ h, into the
            table's gradient, with zeros for the start tokens, which are never predicted; then B2,
            at the very end of the backward pass, adds the input's part.

Cost        2 M·V·C FLOPs for F2, twice that for B1; F1 and B2 move M·C numbers.

Source      Press and Wolf 2017, "Using the Output Embedding to Improve Language Models",
            arXiv:1608.05859.
"""

from chainrule.kernels import linear
from chainrule.kernels.types import Array


def output_matrix(E: Array, W_y: Array, V: int) -> Array:
    """Return the (C, V) matrix of F2: W_y, or a view of E where W_y is empty."""
    return W_y if W_y.size else E[:V].T  # F2, of which linear.product is the rest


def backward(ds: Array, h: Array, E: Array, W_y: Array, dE: Array, dW_y: Array, dh: Array) -> None:
    """Overwrite dh, dE and dW_y by B1; dE still lacks the input's part."""
    V = ds.shape[1]
    dE[...] = 0
    gradient = output_matrix(dE, dW_y, V)
    linear.product_backward(ds, h, output_matrix(E, W_y, V), dh, gradient)  # B1
