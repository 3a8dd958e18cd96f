"""Hidden layers on top of each other, fully connected, from the first one's inputs to the last.

Shapes      a_l, h_l: (N, H_l), l = 1 … L    W_l: (H_{l-1}, H_l)   c_l: (H_l,)   for l ≥ 2

            a_1 is the model's to make, and with it the first layer's weights.

Forward     (F1)  h_l = φ(a_l)                          chainrule.kernels.activation
            (F2)  a_{l+1} = h_l W_{l+1} + c_{l+1}       chainrule.kernels.linear

Backward    From dh_L, for l = L … 1:
            (B1)  da_l = dh_l ∘ φ'(a_l), by h_l         undoes F1: chainrule.kernels.activation
            (B2)  dW_l, dc_l and dh_{l-1}, for l ≥ 2    undoes F2: chainrule.kernels.linear

Cost        2 N Σ_l H_l H_{l+1} FLOPs forward, twice that backward. Memory: the h_l.
"""

from collections.abc import Mapping

from chainrule.engine.arena import New
from chainrule.engine.params import Shapes
from chainrule.kernels import activation, linear
from chainrule.kernels.types import Array


def shapes(hidden: tuple[int, ...]) -> tuple[Shapes, Shapes]:
    """Return the names and shapes of the weights and of the biases of layers 2 … L."""
    sizes = [(l, hidden[l - 2], hidden[l - 1]) for l in range(2, len(hidden) + 1)]
    weights = {f"W{l}": (below, H) for l, below, H in sizes}
    return weights, {f"c{l}": (H,) for l, _, H in sizes}


def forward(
    kind: int, a: Array, params: Mapping[str, Array], n_layers: int, new: New
) -> list[Array]:
    """Return h_1 … h_L, of which h_1 overwrites a, (N, H_1); kind: of φ."""
    layers = [a]
    activation.forward(kind, a)  # F1
    for l in range(2, n_layers + 1):
        W, c = params[f"W{l}"], params[f"c{l}"]
        h = new((len(a), len(c)))
        linear.forward(layers[-1], W, c, h)  # F2
        activation.forward(kind, h)
        layers.append(h)
    return layers


def backward(
    kind: int,
    dh: Array,
    layers: list[Array],
    params: Mapping[str, Array],
    grad: Mapping[str, Array],
    new: New,
) -> Array:
    """Return da_1, (N, H_1), and overwrite the gradients of layers 2 … L in `grad`.

    dh: dL/dh_L, (N, H_L); its memory is used up. layers: of `forward`.
    """
    for l in range(len(layers), 0, -1):
        activation.backward(kind, layers[l - 1], dh)  # B1
        if l > 1:
            below = layers[l - 2]
            d_below = new(below.shape)
            linear.backward(dh, below, params[f"W{l}"], d_below, grad[f"W{l}"], grad[f"c{l}"])  # B2
            dh = d_below
    return dh
