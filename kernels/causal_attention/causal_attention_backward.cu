// Causal attention backward: B1-B5 of kernels/causal_attention/__init__.py, P made again from lse.
//
// Two launches, each with outputs that no two blocks share: dq by blocks of queries, which also
// leave μ, `mean`, for the other; dk and dv by blocks of keys. Scores and dP are thus computed
// twice, 14 d FLOPs a pair instead of 10 d. One pass would have to add dq up over blocks: by atomics, in another
// order each time, or by way of memory that grows with T².

#include "tiles.cuh"

// P (F3) from products of queries and keys, with their scale and the query's ℓ.
__device__ __forceinline__ REAL probability(bool visible, REAL s, REAL scale, REAL l) {
    return exp(visible ? s * scale - l : LOWEST);
}

// Rows are queries, columns keys.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
attention_dq(const REAL* __restrict__ dO, const REAL* __restrict__ q, const REAL* __restrict__ k,
             const REAL* __restrict__ v, const REAL* __restrict__ o, const REAL* __restrict__ lse,
             REAL* __restrict__ dq, REAL* __restrict__ mean, int N, int T, int n, int d, REAL scale,
             STRIDES(dO), STRIDES(q), STRIDES(k), STRIDES(v), STRIDES(o), STRIDES(dq)) {
    extern __shared__ Pack shared[];
    REAL *const Q = reinterpret_cast<REAL*>(shared), *const dO_ = Q + ROWS * STRIDE;
    REAL *const K = dO_ + ROWS * STRIDE, *const V = K + STEP * STRIDE;
    REAL* const scratch = V + STEP * STRIDE;
    const int last_block = gridDim.x - 1 - blockIdx.x;  // the longest way first
    const Pair pair = {last_block % (N * n) / n, last_block % n};
    const int first = last_block / (N * n) * ROWS, end = min(T, first + ROWS);
    const size_t head = ((size_t)pair.r * n + pair.h) * T;
    const Place at;

    load_tile<ROWS>(Q, HEAD(q), first, T, d);
    load_tile<ROWS>(dO_, HEAD(dO), first, T, d);
    __syncthreads();  // dO is written before mean reads it
    REAL my_lse[MINE], my_mean[MINE];
#pragma unroll
    for (int i = 0; i < MINE; ++i) {
        const int t = first + at.row(i);
        my_lse[i] = t < T ? lse[head + t] : REAL(0);
        my_mean[i] = 0;
#pragma unroll
        for (int c = at.lane_col * PACK; c < PADDED; c += SIDE * PACK)
            my_mean[i] += dot(load<PACK>(dO_ + at.row(i) * STRIDE + c),
                           load_pack(HEAD(o).at(min(t, T - 1)), c, d, t < T));
        my_mean[i] = side_sum(my_mean[i]);
        if (at.slice == 0 && at.lane_col == 0 && t < T) mean[head + t] = my_mean[i];
    }

    Output out = {};
    for (int j0 = 0; j0 < end; j0 += STEP) {
        __syncthreads();  // the tiles before have been read
        load_tile<STEP>(K, HEAD(k), j0, T, d);
        load_tile<STEP>(V, HEAD(v), j0, T, d);
        __syncthreads();  // these ones are written
        if (j0 + at.slice * COLS > first + at.last_row) continue;  // masked for the whole warp
        Scores s, dP;
        products(Q, K, at, s);      // F1
        products(dO_, V, at, dP);   // B2
#pragma unroll
        for (int i = 0; i < MINE; ++i)
#pragma unroll
            for (int j = 0; j < MY_COLS; ++j) {
                const bool visible = j0 + at.col(j) <= first + at.row(i);
                // B3
                s[i][j] = probability(visible, s[i][j], scale, my_lse[i]) * (dP[i][j] - my_mean[i]);
            }
        add_rows(s, scratch, K, at, out);  // B4
    }
    scale_rows(out, [&](int) { return scale; });
    add_slices(out, shared, at);
    store_rows(out, HEAD(dq), first, T, d, at);
}

// Rows are keys, columns queries: P and dS transposed. The first keys are seen by most.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
attention_dk_dv(const REAL* __restrict__ dO, const REAL* __restrict__ q,
                const REAL* __restrict__ k, const REAL* __restrict__ v,
                const REAL* __restrict__ lse, const REAL* __restrict__ mean, REAL* __restrict__ dk,
                REAL* __restrict__ dv, int N, int T, int n, int d, REAL scale, STRIDES(dO),
                STRIDES(q), STRIDES(k), STRIDES(v), STRIDES(dk), STRIDES(dv)) {
    extern __shared__ Pack shared[];
    REAL *const K = reinterpret_cast<REAL*>(shared), *const V = K + ROWS * STRIDE;
    REAL *const Q = V + ROWS * STRIDE, *const dO_ = Q + STEP * STRIDE;
    REAL* const scratch = dO_ + STEP * STRIDE;
    const int block = blockIdx.x;
    const Pair pair = {block % (N * n) / n, block % n};
    const int first = block / (N * n) * ROWS;
    const size_t head = ((size_t)pair.r * n + pair.h) * T;
    const Place at;

    load_tile<ROWS>(K, HEAD(k), first, T, d);
    load_tile<ROWS>(V, HEAD(v), first, T, d);
    Output dk_ = {}, dv_ = {};
    for (int i0 = first; i0 < T; i0 += STEP) {
        __syncthreads();  // the tiles before have been read
        load_tile<STEP>(Q, HEAD(q), i0, T, d);
        load_tile<STEP>(dO_, HEAD(dO), i0, T, d);
        __syncthreads();  // these ones, K and V are written
        const int from = i0 + at.slice * COLS, to = from + COLS;  // the warp's queries
        if (to <= first + at.first_row || from >= T) continue;    // none that sees its keys
        REAL their_lse[MY_COLS], their_mean[MY_COLS];
#pragma unroll
        for (int i = 0; i < MY_COLS; ++i) {
            const int t = i0 + at.col(i);
            their_lse[i] = t < T ? lse[head + t] : REAL(0);  // past T, rows of dO are zeros, and so
            their_mean[i] = t < T ? mean[head + t] : REAL(0);      // is what P and dS are multiplied by
        }
        Scores p, dS;
        products(K, Q, at, p);  // F1
#pragma unroll
        for (int j = 0; j < MINE; ++j)
#pragma unroll
            for (int i = 0; i < MY_COLS; ++i)
                p[j][i] = probability(first + at.row(j) <= i0 + at.col(i), p[j][i], scale,
                                      their_lse[i]);
        add_rows(p, scratch, dO_, at, dv_);  // B1
        products(V, dO_, at, dS);            // B2
#pragma unroll
        for (int j = 0; j < MINE; ++j)
#pragma unroll
            for (int i = 0; i < MY_COLS; ++i) dS[j][i] = p[j][i] * (dS[j][i] - their_mean[i]);  // B3
        add_rows(dS, scratch, Q, at, dk_);  // B5
    }
    scale_rows(dk_, [&](int) { return scale; });
    add_slices(dk_, shared, at);
    add_slices(dv_, shared, at);
    store_rows(dk_, HEAD(dk), first, T, d, at);
    store_rows(dv_, HEAD(dv), first, T, d, at);
}
