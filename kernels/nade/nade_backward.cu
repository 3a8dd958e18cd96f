// NADE's backward sweep: B1-B6 of kernels/nade/__init__.py, for any upstream gradient ds and any head
// with one output a variable.
//
// Given ds, hidden units never mix: a lane owns one unit and walks i = D … 1 for SAMPLES samples
// whose a, h and δ it keeps in registers; a warp is 32 neighbouring units, so rows of W and V, and
// the gradients, are read and written coalesced. The gradients are sums over samples: first in
// registers, then over the block's warps in shared memory, then, since blocks may not wait for each
// other, over the rows of `partial` that nade_backward_sum adds up. Float atomics would save that
// second launch and cost the order of the additions, hence the same bits every time.

#include "../device.cuh"
#include "heads/bernoulli.cuh"

constexpr int WARPS = 8;
constexpr int STEPS = LANES / SAMPLES;         // steps a tile: a lane stands for one (sample, step)
constexpr int BLOCK_SAMPLES = WARPS * SAMPLES;  // that a block holds at once

// One group's share of the gradients: [dW (D, H), dV (D, H), dc (n_classes, H), db (D)].
__host__ __device__ constexpr size_t share_size(size_t D, size_t H, size_t n_classes) {
    return (2 * D + n_classes) * H + D;
}

// Row 0 … STEPS-1: dW at the tile's steps. STEPS … 2 STEPS-1: dV. One number a unit and warp.
// In the end dc of as many classes as there are rows.
constexpr int ROWS = 2 * STEPS;
struct Shared {
    REAL row[WARPS][ROWS][LANES];
    REAL db[WARPS][STEPS];
};

// out = or += the sum over the warps, in the order of their numbers.
__device__ __forceinline__ void add_to(REAL* out, bool first, const REAL* of_warp0, int stride) {
    REAL sum = first ? REAL(0) : *out;
#pragma unroll
    for (int w = 0; w < WARPS; ++w) sum += of_warp0[w * stride];
    *out = sum;
}

template <typename Head>
__device__ __forceinline__ void backward(const REAL* __restrict__ ds,
                                         const typename Head::X* __restrict__ x,
                                         const REAL* __restrict__ W, const REAL* __restrict__ V,
                                         const REAL* __restrict__ a_end,
                                         const int* __restrict__ y, REAL* __restrict__ partial,
                                         int N, int D, int H, int n_classes) {
    __shared__ Shared sums;
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const int j = blockIdx.x * LANES + lane;
    const bool owns = j < H;
    REAL* dW = partial + blockIdx.y * share_size(D, H, n_classes);
    REAL *dV = dW + (size_t)D * H, *dc = dV + (size_t)D * H, *db = dc + (size_t)n_classes * H;

    bool first = true;  // the share is written, then added to
    for (int block_n = blockIdx.y * BLOCK_SAMPLES; block_n < N; block_n += gridDim.y * BLOCK_SAMPLES) {
        const int n0 = block_n + warp * SAMPLES;
        REAL a[SAMPLES], h[SAMPLES], delta[SAMPLES];
#pragma unroll
        for (int n = 0; n < SAMPLES; ++n) {
            a[n] = owns && n0 + n < N ? a_end[(size_t)(n0 + n) * H + j] : REAL(0);
            h[n] = sigmoid(a[n]);
            delta[n] = 0;
        }
        for (int top = D - 1; top >= 0; top -= STEPS) {  // the tile is i = top, top - 1, …
            const int my_n = n0 + lane / STEPS, my_i = top - lane % STEPS;
            const bool inside = my_n < N && my_i >= 0;
            const size_t at = (size_t)my_n * D + my_i;
            const REAL my_g = inside ? ds[at] : REAL(0);
            const unsigned events = __ballot_sync(ALL_LANES, inside && Head::event(x[at]));
            REAL w[STEPS], v[STEPS];
#pragma unroll
            for (int k = 0; k < STEPS; ++k) {
                const bool there = owns && top - k >= 0;
                w[k] = there ? W[(size_t)(top - k) * H + j] : REAL(0);
                v[k] = there ? V[(size_t)(top - k) * H + j] : REAL(0);
            }
#pragma unroll
            for (int k = 0; k < STEPS; ++k) {
                REAL dw = 0, dv = 0;
#pragma unroll
                for (int n = 0; n < SAMPLES; ++n) {
                    const REAL g = __shfl_sync(ALL_LANES, my_g, n * STEPS + k);
                    if (events >> (n * STEPS + k) & 1) {  // the same for all lanes
                        dw += delta[n];                   // B1
                        a[n] -= w[k];                     // B2
                        h[n] = sigmoid(a[n]);
                    }
                    Head::undo(g, v[k], h[n], dv, delta[n]);  // B3-B5
                }
                sums.row[warp][k][lane] = dw;
                sums.row[warp][STEPS + k][lane] = dv;
            }
            const REAL of_step = warp_sum<STEPS>(my_g);  // over the samples, at step lane % STEPS
            if (lane < STEPS) sums.db[warp][lane] = of_step;
            __syncthreads();  // every warp's sums of this tile are written before they are added
            for (int r = warp; r < ROWS; r += WARPS) {
                const int i = top - r % STEPS;
                if (owns && i >= 0)
                    add_to((r < STEPS ? dW : dV) + (size_t)i * H + j, first, &sums.row[0][r][lane],
                           ROWS * LANES);
            }
            if (blockIdx.x == 0 && threadIdx.x < STEPS && top - lane >= 0)
                add_to(db + top - lane, first, &sums.db[0][lane], STEPS);  // B3
            __syncthreads();  // they are added before the next tile overwrites them
        }
        for (int class_0 = 0; class_0 < n_classes; class_0 += ROWS) {
            const int count = min(ROWS, n_classes - class_0);
            for (int r = 0; r < count; ++r) {
                REAL delta_1 = 0;
#pragma unroll
                for (int n = 0; n < SAMPLES; ++n)
                    if (n_classes == 1 || (n0 + n < N && y[n0 + n] == class_0 + r))
                        delta_1 += delta[n];
                sums.row[warp][r][lane] = delta_1;
            }
            __syncthreads();  // every warp's δ_1 is written before it is added
            for (int r = warp; r < count; r += WARPS)
                if (owns)
                    add_to(dc + (size_t)(class_0 + r) * H + j, first, &sums.row[0][r][lane],
                           ROWS * LANES);  // B6
            __syncthreads();  // it is added before the next classes' or samples' sums overwrite it
        }
        first = false;
    }
}

extern "C" __global__ void __launch_bounds__(WARPS * LANES, 1)
nade_backward(const REAL* ds, const Bit* x, const REAL* W, const REAL* V, const REAL* a_end,
              const int* y, REAL* partial, int N, int D, int H, int n_classes) {
    backward<Bernoulli>(ds, x, W, V, a_end, y, partial, N, D, H, n_classes);
}

// Add up the groups' shares, in order, into the four gradients.
extern "C" __global__ void __launch_bounds__(256)
nade_backward_sum(const REAL* __restrict__ partial, REAL* __restrict__ dW, REAL* __restrict__ dV,
                  REAL* __restrict__ db, REAL* __restrict__ dc, int n_groups, int D, int H,
                  int n_classes) {
    const size_t weights = (size_t)D * H, starts = (size_t)n_classes * H;
    const size_t size = share_size(D, H, n_classes);
    const size_t e = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= size) return;
    const REAL sum = sum_of_groups(partial + e, n_groups, size);
    if (e < weights) dW[e] = sum;
    else if (e < 2 * weights) dV[e - weights] = sum;
    else if (e < 2 * weights + starts) dc[e - 2 * weights] = sum;
    else db[e - 2 * weights - starts] = sum;
}
