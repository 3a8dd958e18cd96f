// Causal attention forward: F1-F4 of kernels/causal_attention/__init__.py, in pieces.
//
// A block has ROWS queries of one head (tiles.cuh) and walks over the keys up to its last query.
// The blocks with the longest way start first, so that short ones fill the gaps at the end.

#include "tiles.cuh"

// The online softmax of the thread's rows: m for all columns of its warp's slice so far, z for its
// own columns only.
struct Softmax {
    REAL m[MINE], z[MINE];

    // Turn scores s, by the key's position j ≤ i or masked, into e^{s - m}. What went before has to
    // be multiplied by factor[i].
    template <typename Visible>
    __device__ __forceinline__ void take(Scores& s, REAL scale, Visible visible,
                                         REAL (&factor)[MINE]) {
#pragma unroll
        for (int i = 0; i < MINE; ++i) {
            REAL top = LOWEST;
#pragma unroll
            for (int j = 0; j < MY_COLS; ++j) {
                s[i][j] = visible(i, j) ? s[i][j] * scale : LOWEST;  // F1
                top = fmax(top, s[i][j]);
            }
            top = fmax(m[i], side_max(top));
            factor[i] = exp(m[i] - top);
            m[i] = top;
            z[i] *= factor[i];
#pragma unroll
            for (int j = 0; j < MY_COLS; ++j) {
                s[i][j] = exp(visible(i, j) ? s[i][j] - top : LOWEST);
                z[i] += s[i][j];
            }
        }
    }

    // Make m and z those of all slices; factor[i] is what this slice's sums have to be multiplied
    // by. `scratch` is the block's shared memory, as for add_slices.
    __device__ __forceinline__ void unite(REAL* scratch, const Place& at, REAL (&factor)[MINE]) {
#pragma unroll
        for (int i = 0; i < MINE; ++i) {
            z[i] = side_sum(z[i]);
            factor[i] = 1;
        }
        if constexpr (SLICES > 1) {
            REAL *const all_m = scratch, *const all_z = scratch + SLICES * ROWS;
            __syncthreads();  // nobody reads what stands there any more
#pragma unroll
            for (int i = 0; i < MINE; ++i)
                if (at.lane_col == 0) {
                    all_m[at.slice * ROWS + at.row(i)] = m[i];
                    all_z[at.slice * ROWS + at.row(i)] = z[i];
                }
            __syncthreads();  // every slice's m and z are written before they are read
#pragma unroll
            for (int i = 0; i < MINE; ++i) {
                REAL top = LOWEST, sum = 0;
                for (int s = 0; s < SLICES; ++s) top = fmax(top, all_m[s * ROWS + at.row(i)]);
                for (int s = 0; s < SLICES; ++s) {
                    const int of_slice = s * ROWS + at.row(i);
                    sum += all_z[of_slice] * exp(all_m[of_slice] - top);
                }
                factor[i] = exp(m[i] - top);
                m[i] = top;
                z[i] = sum;
            }
        }
    }
};

extern "C" __global__ void __launch_bounds__(THREADS, 1)
attention_forward(const REAL* __restrict__ q, const REAL* __restrict__ k,
                  const REAL* __restrict__ v, REAL* __restrict__ o, REAL* __restrict__ lse, int N,
                  int T, int n, int d, REAL scale, STRIDES(q), STRIDES(k), STRIDES(v),
                  STRIDES(o)) {
    extern __shared__ Pack shared[];
    REAL *const Q = reinterpret_cast<REAL*>(shared), *const K = Q + ROWS * STRIDE;
    REAL *const V = K + STEP * STRIDE, *const scratch = V + STEP * STRIDE;
    const int last_block = gridDim.x - 1 - blockIdx.x;
    const Pair pair = {last_block % (N * n) / n, last_block % n};
    const int first = last_block / (N * n) * ROWS, end = min(T, first + ROWS);
    const Place at;

    load_tile<ROWS>(Q, HEAD(q), first, T, d);
    Softmax softmax;
    Output out = {};
    REAL factor[MINE];
#pragma unroll
    for (int i = 0; i < MINE; ++i) softmax.m[i] = LOWEST, softmax.z[i] = 0;

    for (int j0 = 0; j0 < end; j0 += STEP) {
        __syncthreads();  // the tiles before have been read
        load_tile<STEP>(K, HEAD(k), j0, T, d);
        load_tile<STEP>(V, HEAD(v), j0, T, d);
        __syncthreads();  // these ones, and Q, are written
        if (j0 + at.slice * COLS > first + at.last_row) continue;  // masked for the whole warp
        Scores s;
        products(Q, K, at, s);
        auto visible = [&](int i, int j) { return j0 + at.col(j) <= first + at.row(i); };
        softmax.take(s, scale, visible, factor);  // F2, F3
        scale_rows(out, [&](int i) { return factor[i]; });
        add_rows(s, scratch, V, at, out);  // F4
    }
    softmax.unite(Q, at, factor);
    scale_rows(out, [&](int i) { return factor[i] / softmax.z[i]; });
    add_slices(out, shared, at);
    store_rows(out, HEAD(o), first, T, d, at);
#pragma unroll
    for (int i = 0; i < MINE; ++i) {
        const int t = first + at.row(i);
        if (at.slice == 0 && at.lane_col == 0 && t < T)
            lse[((size_t)pair.r * n + pair.h) * T + t] = softmax.m[i] + log(softmax.z[i]);  // F2
    }
}
