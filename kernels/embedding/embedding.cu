// Embedding: F1, B1 of kernels/embedding/__init__.py. Lanes go along a row of the table.

#include "../device.cuh"

constexpr int WARPS = 8;
constexpr int WIDTH = VECTOR ? PACK : 1;
constexpr int TILE = LANES * WIDTH;  // columns of a block

// One warp a symbol.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
embedding_forward(const int* __restrict__ ids, const REAL* __restrict__ W, REAL* __restrict__ x,
                  int N, int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    const REAL* const row = W + (size_t)ids[n] * C;
#pragma unroll 2
    for (int j = threadIdx.x % LANES * WIDTH; j < C; j += TILE)
        store(x + (size_t)n * C + j, load<WIDTH>(row + j));  // F1
}

// A block finds symbol v among the ids of its group and adds up TILE columns of their dx. A single
// group adds into dW; several write partial, (groups, V, C), for embedding_sum to add.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
embedding_backward(const REAL* __restrict__ dx, const int* __restrict__ ids, REAL* __restrict__ dW,
                   REAL* __restrict__ partial, int N, int V, int C) {
    constexpr int AT_ONCE = 4;  // rows on their way at any time
    __shared__ REAL sums[WARPS * TILE];
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const int n_tiles = gridDim.x / V, v = blockIdx.x / n_tiles;
    const int first = blockIdx.x % n_tiles * TILE, j = first + lane * WIDTH;
    REAL sum[WIDTH] = {};
    for (int n0 = (blockIdx.y * WARPS + warp) * LANES; n0 < N; n0 += gridDim.y * WARPS * LANES) {
        unsigned here = __ballot_sync(ALL_LANES, n0 + lane < N && ids[n0 + lane] == v);
        while (here) {  // the same in all lanes
            Numbers<WIDTH> row[AT_ONCE];
#pragma unroll
            for (int q = 0; q < AT_ONCE; ++q) {
                const bool wanted = here && j < C;
                const size_t n = n0 + (here ? __ffs(here) - 1 : 0);
                row[q] = wanted ? load<WIDTH>(dx + n * C + j) : Numbers<WIDTH>{};
                here &= here - 1;  // 0 stays 0
            }
#pragma unroll
            for (int q = 0; q < AT_ONCE; ++q)
#pragma unroll
                for (int k = 0; k < WIDTH; ++k) sum[k] += row[q].v[k];  // B1
        }
    }
    REAL* const out = (gridDim.y == 1 ? dW : partial + (size_t)blockIdx.y * V * C) + (size_t)v * C;
    add_warps<WARPS>(sum, sums, [&](int c, REAL total) {
        if (first + c >= C) return;
        if (gridDim.y > 1) out[first + c] = total;
        else if (total != 0) out[first + c] += total;  // rows of no symbol here are not even read
    });
}

extern "C" __global__ void __launch_bounds__(256)
embedding_sum(const REAL* __restrict__ partial, REAL* __restrict__ dW, int n_groups, int size) {
    const int e = blockIdx.x * blockDim.x + threadIdx.x;
    if (e < size) dW[e] += sum_of_groups(partial + e, n_groups, size);
}
