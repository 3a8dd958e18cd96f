"""Samplers: the compiled loops that draw from a model symbol by symbol, in the memory of its past.

They know models, which no other kernel does: what a step computes is an operation's own inlined
body (kernels/layer_norm, gelu, rotary, lstm, gru, rnn, causal_attention), called for a few rows.

All of them update x, (N, k) int32, column by column, and their memory with it:

    u ≥ 0               the row's symbol is drawn and written into x
    u < 0 and x ≥ 0     the row moves on by the symbol that stands in x
    u < 0 and x = -1    there is no symbol: the row waits, its memory stays as it is

so prompts of different lengths are columns in front; images are of one length and never wait. A
symbol that is given costs what the state needs and no logits; nothing else is computed before the
next draw.
"""
