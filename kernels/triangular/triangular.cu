// The strictly lower triangular map: F1, B1, B2 of kernels/triangular/__init__.py, and sampling.
//
// Column j of α is contiguous in i, so neighbouring lanes take neighbouring logits i and every
// access to α, ds and s is coalesced. Sums run over the ones of x alone.

#include "../device.cuh"

// Where α_j^0 would be in the packed column j, so that α_j^i is at base(j) + i for i > j.
__device__ __forceinline__ long long base(int j, int D) {
    return (long long)j * (2 * D - j - 1) / 2 - j - 1;
}

// A block computes blockDim.x logits of GROUP samples; a thread one logit, for all of them. A
// column is loaded once for the group, and only if one of its samples has a one there.
extern "C" __global__ void __launch_bounds__(128, 1)
triangular_forward(const Bit* __restrict__ x, const REAL* __restrict__ alpha,
                   const REAL* __restrict__ b, const int* __restrict__ y, REAL* __restrict__ s,
                   int N, int D, int n_classes) {
    constexpr int AT_ONCE = 4;  // loads on their way at any time
    const int lane = threadIdx.x % LANES;
    const int i = blockIdx.y * blockDim.x + threadIdx.x, n0 = blockIdx.x * GROUP;
    const int end = min(D, (int)((blockIdx.y + 1) * blockDim.x));  // of the block's logits

    REAL sum[GROUP];
#pragma unroll
    for (int g = 0; g < GROUP; ++g) {
        const int k = n_classes > 1 && n0 + g < N ? y[n0 + g] : 0;
        sum[g] = i < D ? b[(size_t)k * D + i] : REAL(0);
    }

    for (int j0 = 0; j0 < end; j0 += LANES) {  // 32 inputs at a time, one a lane
        unsigned ones[GROUP], any = 0;
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
            const bool inside = n0 + g < N && j0 + lane < D;
            ones[g] = __ballot_sync(ALL_LANES, inside && x[(size_t)(n0 + g) * D + j0 + lane]);
            any |= ones[g];
        }
        while (any) {  // the same in all lanes
            int k[AT_ONCE];
            REAL column[AT_ONCE];
#pragma unroll
            for (int q = 0; q < AT_ONCE; ++q) {
                k[q] = any ? __ffs(any) - 1 : LANES;
                any &= any - 1;  // 0 stays 0
                const int j = j0 + k[q];
                column[q] = k[q] < LANES && j < i && i < D ? alpha[base(j, D) + i] : REAL(0);
            }
#pragma unroll
            for (int q = 0; q < AT_ONCE; ++q) {
                if (k[q] == LANES) break;
#pragma unroll
                for (int g = 0; g < GROUP; ++g)
                    if (ones[g] >> k[q] & 1) sum[g] += column[q];  // F1
            }
        }
    }
#pragma unroll
    for (int g = 0; g < GROUP; ++g)
        if (i < D && n0 + g < N) s[(size_t)(n0 + g) * D + i] = sum[g];
}

// Row i of class k's db, by the blocks behind those of dα's columns.
__device__ __forceinline__ void bias(const REAL* __restrict__ ds, const int* __restrict__ y,
                                     REAL* __restrict__ db, int i, int k, int N, int D,
                                     int n_classes) {
    constexpr int AT_ONCE = 4;  // loads on their way at any time
    REAL total = 0;
    for (int n0 = 0; n0 < N; n0 += AT_ONCE) {
        REAL g[AT_ONCE];
#pragma unroll
        for (int r = 0; r < AT_ONCE; ++r) {
            const int n = n0 + r;
            g[r] = n < N && (n_classes == 1 || y[n] == k) ? ds[(size_t)n * D + i] : REAL(0);
        }
#pragma unroll
        for (int r = 0; r < AT_ONCE; ++r) total += g[r];
    }
    db[(size_t)k * D + i] = total;  // B2
}

// A block computes COLUMNS columns of dα at blockDim.x rows i; a thread owns one i, keeps its
// COLUMNS sums in registers and walks over the samples, in order: no atomics, no partial sums.
extern "C" __global__ void __launch_bounds__(128, 1)
triangular_backward(const REAL* __restrict__ ds, const Bit* __restrict__ x,
                    const int* __restrict__ y, REAL* __restrict__ dalpha, REAL* __restrict__ db,
                    int N, int D, int n_classes) {
    constexpr int COLUMNS = 8, ROWS = LANES / COLUMNS;  // a lane stands for one x of a tile of them
    const int lane = threadIdx.x % LANES;
    const int i = blockIdx.x * blockDim.x + threadIdx.x, j0 = blockIdx.y * COLUMNS;
    const int k = (int)blockIdx.y - (D + COLUMNS - 1) / COLUMNS;  // a class, behind the columns
    if (k >= 0) {
        if (i < D) bias(ds, y, db, i, k, N, D, n_classes);
        return;
    }
    if ((int)((blockIdx.x + 1) * blockDim.x) <= j0) return;  // the whole block is above the diagonal

    REAL sum[COLUMNS] = {};
    for (int n0 = 0; n0 < N; n0 += ROWS) {
        const int my_n = n0 + lane / COLUMNS, my_j = j0 + lane % COLUMNS;
        const bool inside = my_n < N && my_j < D;
        const unsigned ones = __ballot_sync(ALL_LANES, inside && x[(size_t)my_n * D + my_j]);
        REAL g[ROWS];
#pragma unroll
        for (int r = 0; r < ROWS; ++r)
            g[r] = i < D && n0 + r < N ? ds[(size_t)(n0 + r) * D + i] : REAL(0);
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
#pragma unroll
            for (int c = 0; c < COLUMNS; ++c)
                if (ones >> (r * COLUMNS + c) & 1) sum[c] += g[r];  // B1
        }
    }
    if (i >= D) return;
#pragma unroll
    for (int c = 0; c < COLUMNS; ++c)
        if (j0 + c < i) dalpha[base(j0 + c, D) + i] = sum[c];
}

// One warp a sample, its D logits in shared memory. All start at its class's b; each one drawn adds its column.
// The lanes draw the next 32 variables at once, or read them where u < 0: up to and including the
// first one, they stand. What is kept is never written.
extern "C" __global__ void __launch_bounds__(LANES)
triangular_sample(const REAL* __restrict__ u, const REAL* __restrict__ alpha,
                  const REAL* __restrict__ b, const int* __restrict__ y, Bit* x, int D,
                  int n_classes) {
    extern __shared__ REAL s[];
    const int lane = threadIdx.x;
    if (n_classes > 1) b += (size_t)y[blockIdx.x] * D;
    u += (size_t)blockIdx.x * D;
    x += (size_t)blockIdx.x * D;
    for (int i = lane; i < D; i += LANES) s[i] = b[i];
    __syncwarp();  // the logits are written before other lanes read them

    for (int i = 0; i < D;) {
        const int my_i = i + lane;
        const bool inside = my_i < D, drawn = inside && !(u[my_i] < 0);
        const bool one = drawn ? u[my_i] < sigmoid(s[my_i]) : inside && x[my_i];
        const unsigned ones = __ballot_sync(ALL_LANES, one);
        __syncwarp();  // every lane has read its s before another adds to it: a ballot is no fence
        const int last = ones ? __ffs(ones) - 1 : LANES - 1;  // the last lane whose draw stands
        if (lane <= last && drawn) x[my_i] = one;
        if (ones) {
            const int j = i + last;
            const REAL* column = alpha + base(j, D);
#pragma unroll 4
            for (int k = j + 1 + lane; k < D; k += LANES) s[k] += column[k];  // F1
        }
        __syncwarp();  // the logits are updated before other lanes read them
        i += last + 1;
    }
}
