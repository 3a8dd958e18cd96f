"""Titles of the pages of derivations, in words; no two pages of the site have the same one."""

from chainrule.registry import HOMES as MODELS

WORDS = {
    "kernels/activation": "Activations",
    "kernels/adam": "Adam",
    "kernels/bernoulli": "Bits: the Bernoulli loss",
    "kernels/categorical": "Drawing a symbol",
    "kernels/causal_attention": "Causal attention",
    "kernels/columns": "Columns of any kinds",
    "kernels/dense": "Dense layers",
    "kernels/dropout": "Dropout",
    "kernels/embedding": "Embedding",
    "kernels/gate": "Gated activation",
    "kernels/gelu": "GELU",
    "kernels/grid_lstm": "LSTM over an image",
    "kernels/gru": "GRU layer",
    "kernels/layer_norm": "Layer normalisation",
    "kernels/linear": "Linear map",
    "kernels/logistics": "Mixture of logistics",
    "kernels/lstm": "LSTM layer",
    "kernels/masked_bits": "MADE of bits in one pass",
    "kernels/masked_conv": "Masked convolution",
    "kernels/masked_linear": "Masked linear map",
    "kernels/mixture": "Mixture of Gaussians or Laplacians",
    "kernels/nade": "NADE of bits",
    "kernels/nade_columns": "NADE of columns",
    "kernels/rnn": "RNN layer",
    "kernels/rotary": "Rotary positions",
    "kernels/samplers/pixel_cnn": "Sampling from a PixelCNN",
    "kernels/samplers/pixel_rnn": "Sampling from a PixelRNN",
    "kernels/samplers/recurrent": "Sampling from a recurrent network",
    "kernels/samplers/transformer": "Sampling from a Transformer",
    "kernels/softmax_cross_entropy": "Softmax cross-entropy",
    "kernels/triangular": "Triangular map",
    "engine/attacks/carlini_wagner": "Carlini and Wagner's attack",
    "engine/attacks/deepfool": "DeepFool",
    "engine/attacks/knowing": "Attacks that know of the defence",
    "engine/attacks/random": "Random changes",
    "engine/attacks/signs": "FGSM, BIM and PGD",
    "engine/averages": "The mean of several densities",
    "engine/classifiers/cnn": "Convolutional classifier",
    "engine/classifiers/functions": "What classifiers have in common",
    "engine/classifiers/mlp": "Multi-layer perceptron",
    "engine/greys": "Bits and mirrors of images",
    "engine/labels": "Labels that nobody gives",
    "engine/layers/any_order": "Any-order network",
    "engine/layers/any_order_mean": "Several orderings",
    "engine/layers/any_order_walk": "Any order, variable by variable",
    "engine/layers/gated_pixels": "Gated PixelCNN layer",
    "engine/layers/grid_lstm": "PixelRNN layer",
    "engine/layers/masked_network": "Masked network",
    "engine/layers/masks": "MADE's masks",
    "engine/layers/pixels": "Networks over images",
    "engine/layers/pooling": "Pooling",
    "engine/layers/recurrent": "Recurrent layers, stacked",
    "engine/layers/residual_pixels": "Residual PixelCNN block",
    "engine/layers/tied_output": "Symbols in, logits out",
    "engine/layers/transformer_block": "Transformer block",
    "engine/models/nade_untied": "NADE without ties",
    "engine/purification": "Purification",
    "engine/subsets": "Random subsets",
    "engine/training/averaging": "Averages of weights",
}


def titled(name: str) -> str:
    """Return the title of a derivation's page; of one that is not listed its name's words."""
    last = name.rpartition("/")[2]
    if name.startswith("engine/models/") and last in MODELS:
        return f"{MODELS[last][1]}, the model"
    return WORDS.get(name, last.replace("_", " ").capitalize())
