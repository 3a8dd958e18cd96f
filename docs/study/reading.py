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
    (
        "engine/models/nade",
        "The model around that kernel: log p(x), its gradient, and what a label does.",
        ("kernels/nade",),
    ),
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
    (
        "kernels/mixture",
        "Real variables: a density from means, scales and weights.",
        ("kernels/softmax_cross_entropy",),
    ),
    (
        "kernels/columns",
        "The three kinds side by side in one row, and a value that has a mass of its own.",
        ("kernels/bernoulli", "kernels/categorical", "kernels/mixture"),
    ),
    (
        "kernels/nade_columns",
        "NADE of tables: bits, categories and real columns.",
        ("kernels/nade", "kernels/columns"),
    ),
    (
        "engine/labels",
        "The model without its label, and the label from the row.",
        ("engine/models/nade", "kernels/columns"),
    ),
    ("engine/averages", "The mean of several models is a model, too.", ("engine/labels",)),
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
    (
        "engine/layers/masked_network",
        "The same of many layers, and a sample for the price of one pass.",
        ("kernels/masked_bits",),
    ),
    (
        "engine/models/made",
        "MADE: all factors in one pass.",
        ("engine/layers/masked_network", "kernels/columns", "engine/averages"),
    ),
    (
        "kernels/dense",
        "Layers of a linear map and an activation, one after the other.",
        ("kernels/linear", "kernels/activation"),
    ),
    (
        "engine/layers/any_order",
        "One network that is told which variables it may see.",
        ("kernels/dense", "kernels/columns"),
    ),
    (
        "engine/layers/any_order_walk",
        "It reveals one variable after the other, and pays for what changes alone.",
        ("engine/layers/any_order",),
    ),
    (
        "engine/layers/any_order_mean",
        "Orderings contradict each other: their mean.",
        ("engine/layers/any_order_walk", "engine/averages"),
    ),
    (
        "engine/models/orderless_nade",
        "One network for all orderings.",
        ("engine/layers/any_order_mean",),
    ),
    (
        "engine/subsets",
        "Which sets of variables its training looks at, and how they are weighed.",
        ("engine/models/orderless_nade",),
    ),
    ("kernels/embedding", "Symbols become rows.", ("kernels/linear",)),
    (
        "kernels/rnn",
        "Time: a state, and back-propagation through it.",
        ("kernels/linear", "kernels/activation"),
    ),
    ("kernels/lstm", "A state that is added to: why gradients live longer.", ("kernels/rnn",)),
    ("kernels/gru", "The same idea with one state.", ("kernels/lstm",)),
    ("kernels/dropout", "Numbers dropped, the same ones forward and back.", ()),
    (
        "engine/layers/recurrent",
        "States that read the states below: one gradient, back in time and down.",
        ("kernels/rnn", "kernels/embedding", "kernels/dropout"),
    ),
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
    (
        "engine/layers/transformer_block",
        "Attention and an MLP, each added to what it reads.",
        (
            "kernels/causal_attention",
            "kernels/rotary",
            "kernels/layer_norm",
            "kernels/gelu",
            "kernels/dropout",
        ),
    ),
    (
        "engine/layers/tied_output",
        "One table at both ends: its gradient is the sum over two paths.",
        ("kernels/embedding", "kernels/linear"),
    ),
    (
        "engine/models/transformer",
        "The Transformer: blocks between two ends, all positions in one pass.",
        ("engine/layers/transformer_block", "engine/layers/tied_output"),
    ),
    ("kernels/masked_conv", "Masks in two dimensions.", ("kernels/masked_linear",)),
    ("kernels/gate", "tanh times σ.", ("kernels/lstm",)),
    ("kernels/logistics", "Levels as steps of logistics.", ("kernels/mixture",)),
    (
        "engine/layers/pixels",
        "Levels in and distributions out, which all networks over images share.",
        ("kernels/masked_conv", "kernels/activation"),
    ),
    (
        "engine/layers/residual_pixels",
        "A block of the plain PixelCNN: three maps, added to what they read.",
        ("engine/layers/pixels", "kernels/dropout"),
    ),
    (
        "engine/layers/gated_pixels",
        "Two stacks without a blind spot.",
        ("engine/layers/pixels", "kernels/gate"),
    ),
    (
        "kernels/grid_lstm",
        "Cells that see cells above and beside them, front by front instead of step by step.",
        ("kernels/lstm", "kernels/masked_conv"),
    ),
    (
        "engine/layers/grid_lstm",
        "Why two directions, one of them a row lower, see all that comes before.",
        ("kernels/grid_lstm", "engine/layers/pixels", "kernels/dropout"),
    ),
    (
        "engine/models/pixel_rnn",
        "Pixels seen however far away, by states instead of windows.",
        ("engine/layers/grid_lstm", "kernels/logistics"),
    ),
    (
        "engine/models/pixel_cnn",
        "All factors of an image in one pass: the end of the path.",
        ("engine/layers/residual_pixels", "engine/layers/gated_pixels", "kernels/logistics"),
    ),
)

BEFORE = {
    "kernels/bernoulli": (
        "foundations/chain-rule-of-probability",
        "foundations/nats-and-bits",
        "foundations/gradients-by-indices",
        "foundations/finite-differences",
    ),
    "kernels/triangular": ("foundations/labels",),
    "kernels/adam": ("foundations/optimising",),
    "engine/models/nade_untied": ("foundations/initial-weights",),
    "kernels/softmax_cross_entropy": ("foundations/softmax",),
    "kernels/categorical": ("foundations/sampling",),
    "engine/layers/recurrent": ("foundations/truncation",),
    "engine/models/rnn": ("foundations/initial-weights-of-states",),
    "engine/models/transformer": ("foundations/initial-weights-of-streams",),
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
