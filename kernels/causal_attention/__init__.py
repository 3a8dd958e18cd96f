"""Causal attention: every position looks back at itself and at what stands before it.

Shapes      q, k, v, o and do, dq, dk, dv: (N, T, n, d), N sequences of T positions, n heads of size
            d; the last axis contiguous, the others strided at will, so that q, k and v may be views
            of one fused projection. lse: (N, n, T), contiguous. Below, one head of one sequence:
            q_i, k_j, v_j, o_i in R^d, i the position that looks and j the one looked at.

Forward     (F1)  s_ij = q_i·k_j / √d                  for j ≤ i; the others are masked
            (F2)  ℓ_i  = log Σ_{j≤i} e^{s_ij}          the log-sum-exp, kept for the backward
            (F3)  P_ij = e^{s_ij - ℓ_i}                for j ≤ i, and 0 for j > i: rows sum to one
            (F4)  o_i  = Σ_{j≤i} P_ij v_j

            Why a masked score is left out rather than set to -∞: the two are the same, since
            e^{-∞} = 0 adds nothing to F2 and F4; left out, it costs nothing either. Half of the
            T² scores are never computed.

            In pieces. A row's scores need not be in memory at once. Let the keys come in blocks,
            one after the other; keep m, the largest score so far, z = Σ e^{s_j - m} and
            a = Σ e^{s_j - m} v_j. With the next block's largest score m' > m, every old term has to
            be multiplied by e^{m - m'}, and that is one number for all of them:
                z ← e^{m-m'} z + Σ_j e^{s_j - m'},   a ← e^{m-m'} a + Σ_j e^{s_j - m'} v_j
            with sums over the block's keys. At the end o = a / z and ℓ = m + log z, whatever the
            blocks were. As e^{s - m} ≤ 1 and the largest is 1, no score, however large, overflows,
            and z ≥ 1.

Backward    With upstream do_i = dL/do_i. P is made again from s and ℓ, by F1 and F3: T numbers a
            head were kept instead of T².
            (B1)  dv_j  = Σ_{i≥j} P_ij do_i                                     undoes F4
            (B2)  dP_ij = do_i·v_j                          for j ≤ i           undoes F4
            (B3)  ds_ij = P_ij (dP_ij - μ_i),   μ_i = do_i·o_i                  undoes F2, F3
            (B4)  dq_i  = Σ_{j≤i} ds_ij k_j / √d                                undoes F1
            (B5)  dk_j  = Σ_{i≥j} ds_ij q_i / √d                                undoes F1

            B3, step by step. Row i is P_j = e^{s_j} / Z with Z = Σ_{l≤i} e^{s_l}. Then
                ∂P_j/∂s_l = [j = l] e^{s_j} / Z - e^{s_j} e^{s_l} / Z² = P_j ([j = l] - P_l)
            for j, l ≤ i: the softmax's Jacobian. A masked j has P_j = 0 whatever the scores are,
            and P depends on no masked score, so the Jacobian's other entries are 0: the mask needs
            no case of its own, multiplication by P_ij = 0 does it. Hence
                ds_l = Σ_j dP_j ∂P_j/∂s_l = dP_l P_l - P_l Σ_j dP_j P_j = P_l (dP_l - Σ_j P_j dP_j)
            and the sum over the row, the mean of dP under P, is the μ of B3:
                Σ_j P_j dP_j = Σ_j P_j (do·v_j) = do · Σ_j P_j v_j = do·o
            by B2 and F4. This is why d numbers, do_i and o_i, suffice where the sum asks for a
            whole row of P and dP: no row has to be complete before its first ds is known, and the
            backward, too, can go block by block in any order.

Decoding    One query a row, over a cache: F1-F4 for i = length - 1 alone. Keys and values of the
            past do not change as a sequence grows (F1-F4 of position i read positions j ≤ i only).

Cost        Forward 4 d FLOPs a pair (i, j), backward 10 d: 2 d for each of the scores, dP, dv, dq,
            dk. With T(T + 1)/2 pairs a head, in all 7 N n d T² FLOPs, and one exponential a pair in
            each direction. Memory: T numbers a head beside inputs and outputs. Bytes: each of q, k,
            v, o (and their gradients) once is 4·12 N T n d in float32; so 7 T / 48 FLOPs a byte:
            bound by arithmetic from T ≈ 100 on. A decoding step reads 2 n d t numbers for 4 n d t
            FLOPs: bound by memory.

Source      Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762; Milakov and
            Gimelshein 2018, "Online normalizer calculation for softmax", arXiv:1805.02867; Dao et
            al. 2022, "FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness",
            arXiv:2205.14135, for μ_i and the recomputing backward.

`reference` (NumPy) defines the result; `cpu` and `cuda` must match it.
"""

from chainrule.kernels.dispatch import select
from chainrule.kernels.types import Array, Ids


def forward(q: Array, k: Array, v: Array, o: Array, lse: Array) -> None:
    """Overwrite o and lse by F1-F4."""
    select(__name__, q, k, v, o, lse).forward(q, k, v, o, lse)


def backward(
    do: Array,
    q: Array,
    k: Array,
    v: Array,
    o: Array,
    lse: Array,
    dq: Array,
    dk: Array,
    dv: Array,
) -> None:
    """Overwrite dq, dk and dv by B1-B5, given the forward's o and lse; they overlap nothing."""
    op = select(__name__, do, q, k, v, o, lse, dq, dk, dv)
    op.backward(do, q, k, v, o, lse, dq, dk, dv)


def decode(q: Array, keys: Array, values: Array, length: Ids, o: Array) -> None:
    """Overwrite o by what one query a row sees of its cache.

    q, o: (N, n, d)    keys, values: (N, S, n, d), of whose positions row r has the first length[r],
    0 … S; o is 0 where it has none. The last axis is contiguous.
    """
    select(__name__, q, keys, values, length, o).decode(q, keys, values, length, o)
