"""The order in which to read: from the Bernoulli to the PixelCNN, and what each needs.

PATH has the derivations, each with what it needs of those before. BEFORE and BESIDE have the other
pages: foundations that a derivation takes for granted, numbers and notebooks that go with it.
"""

PATH = (
    ("kernels/bernoulli", "A bit from a logit; the gradient in it is the prediction's error.", ()),
    (
        "kernels/triangular",
        "Each bit a logistic regression on those before: FVSBN's arithmetic.",
        ("kernels/bernoulli",),
    ),
    (
        "engine/models/fvsbn",
        "The first model: the chain rule with a table of weights.",
        ("kernels/triangular",),
    ),
    ("kernels/adam", "How its parameters move, from their gradients.", ("engine/models/fvsbn",)),
    (
        "kernels/linear",
        "y = x W + b, and the three products that undo it; all networks stand on it.",
        (),
    ),
    ("kernels/activation", "What a unit does with its sum.", ()),
    (
        "engine/models/nade_untied",
        "A network of its own for each bit.",
        ("kernels/linear", "kernels/activation", "kernels/bernoulli"),
    ),
    (
        "kernels/nade",
        "The same networks with shared weights, O(D·H), and both directions in one sweep.",
        ("engine/models/nade_untied",),
    ),
    ("engine/models/nade", "NADE: the model around that kernel.", ("kernels/nade",)),
    (
        "kernels/masked_linear",
        "The other way to hide the future: masks, as staircases.",
        ("kernels/linear",),
    ),
    ("engine/layers/masks", "Why MADE's masks are enough.", ("kernels/masked_linear",)),
    (
        "kernels/masked_bits",
        "MADE of bits and one layer, loss and gradient.",
        ("engine/layers/masks", "kernels/activation", "kernels/bernoulli"),
    ),
    ("engine/models/made", "MADE: all factors in one pass.", ("kernels/masked_bits",)),
    (
        "kernels/softmax_cross_entropy",
        "From bits to symbols: softmax and log-sum-exp.",
        ("kernels/bernoulli",),
    ),
    (
        "kernels/categorical",
        "How a symbol is drawn, and why with the right probability.",
        ("kernels/softmax_cross_entropy",),
    ),
    ("kernels/mixture", "Real variables.", ("kernels/softmax_cross_entropy",)),
    (
        "kernels/nade_columns",
        "NADE of tables: bits, categories and real columns.",
        ("kernels/nade", "kernels/mixture"),
    ),
    (
        "engine/models/orderless_nade",
        "One network for all orderings.",
        ("engine/models/made",),
    ),
    ("kernels/embedding", "Symbols become rows.", ("kernels/linear",)),
    (
        "kernels/rnn",
        "Time: a state, and back-propagation through it.",
        ("kernels/linear", "kernels/activation"),
    ),
    ("kernels/lstm", "A state that is added to: why gradients live longer.", ("kernels/rnn",)),
    ("kernels/gru", "The same idea with one state.", ("kernels/lstm",)),
    ("engine/layers/recurrent", "Stacks of them.", ("kernels/rnn", "kernels/embedding")),
    (
        "engine/models/rnn",
        "The model of texts.",
        ("engine/layers/recurrent", "kernels/softmax_cross_entropy"),
    ),
    (
        "kernels/causal_attention",
        "Looking back at everything: B3, the softmax's Jacobian.",
        ("kernels/softmax_cross_entropy", "kernels/linear"),
    ),
    ("kernels/rotary", "Where a symbol stands, as angles.", ("kernels/causal_attention",)),
    (
        "engine/models/attention_rnn",
        "Attention over an RNN's own past.",
        ("engine/models/rnn", "kernels/causal_attention"),
    ),
    ("kernels/layer_norm", "Rows of mean 0 and variance 1.", ("kernels/linear",)),
    ("kernels/gelu", "A smooth gate.", ("kernels/activation",)),
    ("kernels/dropout", "Numbers dropped, the same ones forward and back.", ()),
    (
        "engine/layers/transformer_block",
        "All of them in one block.",
        (
            *("kernels/causal_attention", "kernels/rotary", "kernels/layer_norm"),
            *("kernels/gelu", "kernels/dropout"),
        ),
    ),
    (
        "engine/models/transformer",
        "The Transformer.",
        ("engine/layers/transformer_block", "kernels/embedding"),
    ),
    ("kernels/masked_conv", "Masks in two dimensions.", ("kernels/masked_linear",)),
    ("kernels/gate", "tanh times σ.", ("kernels/lstm",)),
    ("kernels/logistics", "Levels as steps of logistics.", ("kernels/mixture",)),
    (
        "engine/layers/gated_pixels",
        "Two stacks without a blind spot.",
        ("kernels/masked_conv", "kernels/gate"),
    ),
    ("kernels/grid_lstm", "An LSTM over an image.", ("kernels/lstm", "kernels/masked_conv")),
    ("engine/models/pixel_rnn", "PixelRNN.", ("kernels/grid_lstm",)),
    (
        "engine/models/pixel_cnn",
        "PixelCNN: the end of the path.",
        ("engine/layers/gated_pixels", "kernels/logistics"),
    ),
)

BEFORE = {
    "kernels/bernoulli": (
        *("foundations/chain-rule-of-probability", "foundations/nats-and-bits"),
        *("foundations/gradients-by-indices", "foundations/finite-differences"),
    ),
    "kernels/adam": ("foundations/optimising",),
    "kernels/activation": ("foundations/initial-weights",),
    "kernels/softmax_cross_entropy": ("foundations/softmax",),
    "kernels/categorical": ("foundations/sampling",),
    "engine/layers/recurrent": ("foundations/truncation",),
    "engine/models/rnn": ("foundations/labels",),
}
BESIDE = {
    "kernels/nade": ("numbers/nade", "doing/index", "doing/nade"),
    "engine/models/nade": ("numbers/nade",),
    "kernels/masked_bits": ("numbers/made",),
    "engine/models/made": ("numbers/made",),
    "kernels/lstm": ("numbers/lstm", "doing/lstm"),
    "kernels/causal_attention": ("doing/attention",),
    "engine/layers/transformer_block": ("numbers/transformer",),
    "engine/models/transformer": ("numbers/transformer",),
    "kernels/masked_conv": ("numbers/masked_conv", "doing/masked_conv"),
}
