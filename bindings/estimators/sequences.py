"""The public estimators of sequences: RNN, AttentionRNN and Transformer."""

from dataclasses import dataclass, field

from chainrule.encoders import validation
from chainrule.engine.models import attention_rnn, rnn, transformer
from chainrule.estimators.attentive import Attentive
from chainrule.estimators.generating import Generating

CELLS = ("tanh", "lstm", "gru")


@dataclass(kw_only=True, eq=False, repr=False)
class RNN(Generating):
    """Recurrent network: all the past in one state of fixed size.

    h_{t+1} = tanh(W_hh h_t + W_xh x_{t+1}) and p(x_{t+1} | x_1 … x_t) = softmax(W_hy h_t), or
    with an LSTM's or GRU's cell in place of tanh. Sequences may have any length, longer than any
    in training, at constant memory a symbol. On a text it is trained by truncated
    back-propagation through time: the state is carried on and the gradient reaches back `context`
    symbols. With labels y of rows it is a model of p(x | label), each class with a first state of
    its own. Without them it is the marginal Σ_c p(c) p(x | c) again, and `predict` says which is
    the likeliest.

    Args:
        n_hidden: H, units a layer.
        cell: "tanh", "lstm" or "gru".
        n_layers: L, recurrent layers on top of each other.
        dropout: share of each layer's outputs that a training step sets to zero, in [0, 1).

    Attributes:
        params_: mapping from name to array; `chainrule.engine.models.rnn` has names and shapes.
        vocabulary_: what the symbols are: `kind`, `size`, and `characters` of a text.
        ends_: whether sequences end with a symbol of their own, numbered vocabulary_.size.
        history_: a dict a record: step, train and valid (nats a symbol, lower is better; valid is
            None without X_valid), seconds, learning_rate.
        best_step_: the step whose parameters were kept; 0 if interrupted before the first record.
        classes_, class_prior_: the distinct labels, sorted, and how frequent each was; None if
            fitted without.
        encoder_: what stands between such data and the model's arrays; see `chainrule.encoders`.

    Example:
        >>> from chainrule import RNN
        >>> model = RNN(16, steps=200, context=10, batch_size=4, learning_rate=0.02)
        >>> model = model.fit("hello " * 50)
        >>> model.sample(10, "hell", temperature=0)
        'o hello he'
        >>> model.perplexity("hello hello ") < 1.5
        True

    Source:
        Elman 1990, "Finding structure in time"; Hochreiter and Schmidhuber 1997, "Long short-term
        memory"; Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder for
        statistical machine translation". Derivation: `chainrule.engine.models.rnn`.
    """

    n_hidden: int = field(default=256, kw_only=False)
    cell: str = "tanh"
    n_layers: int = 1
    dropout: float = 0.0

    def _model_name(self) -> str:
        return "rnn"

    def _config(self, n_symbols: int, n_classes: int) -> rnn.Config:
        return rnn.Config(
            n_symbols,
            validation.integer("n_hidden", self.n_hidden, 1),
            validation.integer("n_layers", self.n_layers, 1),
            validation.choice("cell", self.cell, CELLS),
            validation.share("dropout", self.dropout),
            n_classes,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class AttentionRNN(Attentive):
    """An RNN that looks back at all its past states, not at the last one alone.

    The state h_t (the query) is compared with all past states (the keys) by dot product, a
    softmax makes of that the attention distribution, and the states' mean under it joins h_t to
    predict the next symbol. It sees at most `context` symbols. With labels y of rows it is a model
    of p(x | label), as `RNN` is.

    Args:
        n_hidden: H, units; a multiple of n_heads.
        cell: "tanh", "lstm" or "gru".
        n_heads: parts of the state, each of which looks back for itself.
        context: most symbols that a prediction sees, and symbols of a training window; the end
            of a sequence counts.

    Attributes:
        params_: mapping from name to array; `chainrule.engine.models.attention_rnn` has the names.
        vocabulary_, ends_, encoder_, history_, best_step_, classes_, class_prior_: as in `RNN`.

    Example:
        >>> from chainrule import AttentionRNN
        >>> model = AttentionRNN(16, steps=200, context=10, batch_size=4, learning_rate=0.02)
        >>> model = model.fit("hello " * 50)
        >>> model.sample(10, "hell", temperature=0), model.attention_map("hello").shape
        ('o hello he', (1, 5, 5))

    Source:
        Bahdanau, Cho and Bengio 2015, "Neural Machine Translation by Jointly Learning to Align and
        Translate"; Cheng, Dong and Lapata 2016, "Long Short-Term Memory-Networks for Machine
        Reading". Derivation: `chainrule.engine.models.attention_rnn`.
    """

    n_hidden: int = field(default=256, kw_only=False)
    cell: str = "lstm"
    n_heads: int = 1

    def _model_name(self) -> str:
        return "attention_rnn"

    def _config(self, n_symbols: int, n_classes: int) -> attention_rnn.Config:
        return attention_rnn.Config(
            n_symbols,
            validation.integer("n_hidden", self.n_hidden, 1),
            validation.integer("context", self.context, 1),
            validation.choice("cell", self.cell, CELLS),
            validation.integer("n_heads", self.n_heads, 1),
            n_classes,
        )


@dataclass(kw_only=True, eq=False, repr=False)
class Transformer(Attentive):
    """Decoder-only Transformer: masked self-attention, all positions in one parallel pass.

    Pre-norm blocks of attention and a GELU network of four times the width, learned positions,
    the output matrix tied to the input's. It sees at most `context` symbols. With labels y it is
    a model of p(x | label): the label stands in front, in place of the start. Without them it is
    the marginal Σ_c p(c) p(x | c) again, and `predict` says which is the likeliest.

    Args:
        n_layers, n_heads, n_embd: blocks, heads of each, and width, a multiple of n_heads.
        context: most symbols that a prediction sees, and symbols of a training window; the end
            of a sequence counts.
        rotary: turn queries and keys by their position instead of adding learned positions.
        tied: the output matrix is the input's table.
        dropout: share of numbers that a training step sets to zero, in [0, 1).

    Attributes:
        params_: mapping from name to array; `chainrule.engine.models.transformer` has the names.
        vocabulary_, ends_, encoder_, history_, best_step_, classes_, class_prior_: as in `RNN`.

    Example:
        >>> from chainrule import Transformer
        >>> model = Transformer(1, 2, 16, context=12, steps=200, batch_size=4, learning_rate=0.01)
        >>> model = model.fit("hello " * 50)
        >>> model.sample(10, "hell", temperature=0), model.attention_map("hello").shape
        ('o hello he', (1, 2, 5, 5))
        >>> model.log_prob(["hello", "olleh"]).argmax()  # nats
        np.int64(0)

    Source:
        Vaswani et al. 2017, "Attention Is All You Need"; Radford et al. 2019, "Language Models are
        Unsupervised Multitask Learners". Derivation: `chainrule.engine.models.transformer`.
    """

    n_layers: int = field(default=4, kw_only=False)
    n_heads: int = field(default=4, kw_only=False)
    n_embd: int = field(default=128, kw_only=False)
    rotary: bool = False
    tied: bool = True
    dropout: float = 0.0
    batch_size: int = 12
    learning_rate: float = 1e-3
    weight_decay: float = 0.1

    def _model_name(self) -> str:
        return "transformer"

    def _config(self, n_symbols: int, n_classes: int) -> transformer.Config:
        return transformer.Config(
            n_symbols,
            validation.integer("context", self.context, 1),
            validation.integer("n_layers", self.n_layers, 1),
            validation.integer("n_heads", self.n_heads, 1),
            validation.integer("n_embd", self.n_embd, 1),
            n_classes,
            validation.flag("rotary", self.rotary),
            validation.flag("tied", self.tied),
            validation.share("dropout", self.dropout),
        )
