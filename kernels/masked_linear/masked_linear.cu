// The masked linear map: F1, B1, B3 of kernels/masked_linear/__init__.py.
//
// Products run over tiles of 32 x 32 outputs, 32 deep: a lane a column, a warp every eighth row.
// Which depths a tile needs follows from the stairs, and no other block of W is read; in the blocks
// that the stairs cross, what is below them is replaced by 0 on the way to shared memory. So sums
// run in one order, without atomics.

#include "../device.cuh"

constexpr int TILE = LANES;
constexpr int WARPS = 8;
constexpr int EACH = TILE / WARPS;  // rows of a tile that are a thread's

struct Tile {
    REAL left[TILE][TILE + 1];   // [row][depth]
    REAL right[TILE][TILE + 1];  // [depth][column]; a number of padding a row, against bank conflicts
};

// Add to sum the products of depths begin … end - 1, for this thread's rows. left and right write one
// number of the tile each, told where the 32 depths start and two numbers below 32, the second of
// them the lane's; 0 where there is nothing.
template <typename Left, typename Right>
__device__ __forceinline__ void multiply(REAL (&sum)[EACH], Tile& tile, int begin, int end,
                                         Left left, Right right) {
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    for (int at = begin; at < end; at += TILE) {
        for (int r = warp; r < TILE; r += WARPS) {
            left(at, r, lane);
            right(at, r, lane);
        }
        __syncthreads();  // both are there before they are read
#pragma unroll 8
        for (int k = 0; k < TILE; ++k) {
            const REAL b = tile.right[k][lane];
#pragma unroll
            for (int q = 0; q < EACH; ++q) sum[q] += tile.left[warp + q * WARPS][k] * b;
        }
        __syncthreads();  // all have read them before they are overwritten
    }
}

// x: (N, K), the numbers. y becomes b plus their sum; itself plus it where `more`.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
masked_forward(const REAL* __restrict__ x, const REAL* __restrict__ W, const REAL* b,
               const int* __restrict__ rows, const int* __restrict__ first,
               const int* __restrict__ numbers, const int* __restrict__ seen, REAL* y, int N, int K,
               int O, int more) {
    __shared__ Tile tile;
    const int n0 = blockIdx.y * TILE, j0 = blockIdx.x * TILE;
    REAL sum[EACH] = {};
    multiply(
        sum, tile, 0, seen[min(O, j0 + TILE) - 1],
        [&](int at, int r, int lane) {
            const bool inside = n0 + r < N && at + lane < K;
            tile.left[r][lane] = inside ? x[(size_t)(n0 + r) * K + at + lane] : REAL(0);
        },
        [&](int at, int r, int lane) {
            const int i = at + r < K ? numbers[at + r] : 0, j = j0 + lane;
            const bool visible = at + r < K && j < O && j >= first[i];
            tile.right[r][lane] = visible ? W[(size_t)rows[i] * O + j] : REAL(0);
        });
    const int j = j0 + threadIdx.x % LANES;
#pragma unroll
    for (int q = 0; q < EACH; ++q) {
        const int n = n0 + threadIdx.x / LANES + q * WARPS;
        if (n < N && j < O) {
            REAL& y_nj = y[(size_t)n * O + j];
            y_nj = (more ? y_nj : b[j]) + sum[q];  // F1
        }
    }
}

// x: (N, D). Adds the rows that codes choose to y; a thread owns an output of a row.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
masked_codes(const int* __restrict__ x, const REAL* __restrict__ W, const int* __restrict__ rows,
             const int* __restrict__ first, REAL* __restrict__ y, int D, int O) {
    const int n = blockIdx.y, j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= O) return;
    REAL sum = y[(size_t)n * O + j];
    for (int i = 0; i < D && first[i] <= j; ++i)  // first never falls: nothing is seen after that
        if (rows[i + 1] - rows[i] != 1)
            sum += W[(size_t)(rows[i] + x[(size_t)n * D + i]) * O + j];  // F1
    y[(size_t)n * O + j] = sum;
}

// dW of the numbers' rows; tiles that nothing is seen in are zeros without a product.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
masked_weights(const REAL* __restrict__ dy, const REAL* __restrict__ x,
               const int* __restrict__ rows, const int* __restrict__ first,
               const int* __restrict__ numbers, REAL* __restrict__ dW, int N, int K, int O) {
    __shared__ Tile tile;
    const int k0 = blockIdx.y * TILE, j0 = blockIdx.x * TILE;
    REAL sum[EACH] = {};
    const bool any = first[numbers[k0]] < j0 + TILE;
    multiply(
        sum, tile, 0, any ? N : 0,
        [&](int at, int r, int lane) {
            const bool inside = at + r < N && k0 + lane < K;
            tile.left[lane][r] = inside ? x[(size_t)(at + r) * K + k0 + lane] : REAL(0);
        },
        [&](int at, int r, int lane) {
            const bool inside = at + r < N && j0 + lane < O;
            tile.right[r][lane] = inside ? dy[(size_t)(at + r) * O + j0 + lane] : REAL(0);
        });
    const int j = j0 + threadIdx.x % LANES;
#pragma unroll
    for (int q = 0; q < EACH; ++q) {
        const int k = k0 + threadIdx.x / LANES + q * WARPS;
        if (k < K && j < O) {
            const int i = numbers[k];
            dW[(size_t)rows[i] * O + j] = j >= first[i] ? sum[q] : REAL(0);  // B1
        }
    }
}

// dW of the rows of codes: a thread owns column j of all rows of input i, and goes down the samples.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
masked_code_weights(const REAL* __restrict__ dy, const int* __restrict__ x,
                    const int* __restrict__ rows, const int* __restrict__ first,
                    REAL* __restrict__ dW, int N, int D, int O) {
    const int i = blockIdx.y, j = blockIdx.x * blockDim.x + threadIdx.x;
    const int begin = rows[i], end = rows[i + 1];
    if (end - begin == 1 || j >= O) return;
    for (int r = begin; r < end; ++r) dW[(size_t)r * O + j] = 0;
    if (j < first[i]) return;
    for (int n = 0; n < N; ++n)
        dW[(size_t)(begin + x[(size_t)n * D + i]) * O + j] += dy[(size_t)n * O + j];  // B1
}

// dx: (N, D), of the numbers' columns.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
masked_inputs(const REAL* __restrict__ dy, const REAL* __restrict__ W,
              const int* __restrict__ rows, const int* __restrict__ first,
              const int* __restrict__ numbers, REAL* __restrict__ dx, int N, int D, int K, int O) {
    __shared__ Tile tile;
    const int n0 = blockIdx.y * TILE, k0 = blockIdx.x * TILE;
    REAL sum[EACH] = {};
    multiply(
        sum, tile, first[numbers[k0]], O,
        [&](int at, int r, int lane) {
            const bool inside = n0 + r < N && at + lane < O;
            tile.left[r][lane] = inside ? dy[(size_t)(n0 + r) * O + at + lane] : REAL(0);
        },
        [&](int at, int r, int lane) {
            const int i = k0 + r < K ? numbers[k0 + r] : 0, j = at + lane;
            const bool visible = k0 + r < K && j < O && j >= first[i];
            tile.right[lane][r] = visible ? W[(size_t)rows[i] * O + j] : REAL(0);
        });
    const int k = k0 + threadIdx.x % LANES;
#pragma unroll
    for (int q = 0; q < EACH; ++q) {
        const int n = n0 + threadIdx.x / LANES + q * WARPS;
        if (n < N && k < K) dx[(size_t)n * D + numbers[k]] = sum[q];  // B3
    }
}

// x: (N, m), values of inputs lo … lo + m - 1, codes exact in REAL. A thread owns an output of a row.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
masked_add_inputs(const REAL* __restrict__ x, const REAL* __restrict__ W,
                  const int* __restrict__ rows, const int* __restrict__ first,
                  REAL* __restrict__ y, int m, int lo, int O) {
    const int n = blockIdx.y, j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= O) return;
    REAL sum = y[(size_t)n * O + j];
    for (int k = 0; k < m && first[lo + k] <= j; ++k) {
        const int begin = rows[lo + k];
        const REAL value = x[(size_t)n * m + k];
        if (rows[lo + k + 1] - begin == 1)
            sum += value * W[(size_t)begin * O + j];  // F1
        else
            sum += W[(size_t)(begin + (int)value) * O + j];  // F1
    }
    y[(size_t)n * O + j] = sum;
}
