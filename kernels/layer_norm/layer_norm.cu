// Layer normalisation: F1-F4, B1-B4 of kernels/layer_norm/__init__.py.
//
// One warp a row, lanes along it, for what goes along rows: y and dx. A row is read again for each
// sum it needs, from the nearest cache. dg and db are sums of columns, with a lane a column.

#include "../device.cuh"

constexpr int WARPS = 8;
constexpr int WIDTH = VECTOR ? PACK : 1;

// Calls f(j) for the first of each WIDTH neighbouring columns that are this lane's.
template <typename F>
__device__ __forceinline__ void along_row(int C, F f) {
#pragma unroll 2
    for (int j = threadIdx.x % LANES * WIDTH; j < C; j += LANES * WIDTH) f(j);
}

extern "C" __global__ void __launch_bounds__(WARPS * LANES)
layer_norm_forward(const REAL* __restrict__ x, const REAL* __restrict__ g,
                   const REAL* __restrict__ b, REAL* __restrict__ y, REAL* __restrict__ mean,
                   REAL* __restrict__ rstd, int N, int C, REAL eps) {
    const int n = row_of_warp();
    if (n >= N) return;
    x += (size_t)n * C;
    y += (size_t)n * C;
    REAL sum = 0, squares = 0;
    along_row(C, [&](int j) {
        const Numbers<WIDTH> xs = load<WIDTH>(x + j);
#pragma unroll
        for (int k = 0; k < WIDTH; ++k) sum += xs.v[k];
    });
    const REAL m = warp_sum(sum) / REAL(C);  // F1
    along_row(C, [&](int j) {
        const Numbers<WIDTH> xs = load<WIDTH>(x + j);
#pragma unroll
        for (int k = 0; k < WIDTH; ++k) squares += (xs.v[k] - m) * (xs.v[k] - m);
    });
    const REAL r = REAL(1) / sqrt(warp_sum(squares) / REAL(C) + eps);  // F2
    along_row(C, [&](int j) {
        Numbers<WIDTH> xs = load<WIDTH>(x + j);
        const Numbers<WIDTH> gs = load<WIDTH>(g + j), bs = load<WIDTH>(b + j);
#pragma unroll
        for (int k = 0; k < WIDTH; ++k) xs.v[k] = (xs.v[k] - m) * r * gs.v[k] + bs.v[k];  // F3, F4
        store(y + j, xs);
    });
    if (threadIdx.x % LANES == 0) mean[n] = m, rstd[n] = r;
}

// dx alone.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
layer_norm_backward(const REAL* __restrict__ dy, const REAL* __restrict__ x,
                    const REAL* __restrict__ g, const REAL* __restrict__ mean,
                    const REAL* __restrict__ rstd, REAL* __restrict__ dx, int N, int C) {
    const int n = row_of_warp();
    if (n >= N) return;
    dy += (size_t)n * C;
    x += (size_t)n * C;
    dx += (size_t)n * C;
    const REAL m = mean[n], r = rstd[n];
    REAL p = 0, q = 0;
    along_row(C, [&](int j) {
        const Numbers<WIDTH> ds = load<WIDTH>(dy + j), xs = load<WIDTH>(x + j);
        const Numbers<WIDTH> gs = load<WIDTH>(g + j);
#pragma unroll
        for (int k = 0; k < WIDTH; ++k) {
            const REAL t = ds.v[k] * gs.v[k];  // B3
            p += t;  // B4's sums
            q += t * ((xs.v[k] - m) * r);  // B4's sums
        }
    });
    p = warp_sum(p) / REAL(C);  // B4's means
    q = warp_sum(q) / REAL(C);  // B4's means
    along_row(C, [&](int j) {
        const Numbers<WIDTH> ds = load<WIDTH>(dy + j), xs = load<WIDTH>(x + j);
        const Numbers<WIDTH> gs = load<WIDTH>(g + j);
        Numbers<WIDTH> d = load<WIDTH>(dx + j);
#pragma unroll
        for (int k = 0; k < WIDTH; ++k)
            d.v[k] += r * (ds.v[k] * gs.v[k] - p - (xs.v[k] - m) * r * q);  // B4
        store(dx + j, d);
    });
}

// partial: (2, groups, C), the sums of B1 and of B2.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
layer_norm_columns(const REAL* __restrict__ dy, const REAL* __restrict__ x,
                   const REAL* __restrict__ mean, const REAL* __restrict__ rstd,
                   REAL* __restrict__ partial, int N, int C) {
    __shared__ REAL sums[2][WARPS * LANES * WIDTH];
    const Columns<WARPS, WIDTH> own;
    REAL dg[WIDTH] = {}, db[WIDTH] = {};
    if (own.j < C) {
#pragma unroll 4
        for (int n = own.n; n < N; n += own.step) {
            const size_t at = (size_t)n * C + own.j;
            const Numbers<WIDTH> ds = load<WIDTH>(dy + at), xs = load<WIDTH>(x + at);
            const REAL m = mean[n], r = rstd[n];
#pragma unroll
            for (int k = 0; k < WIDTH; ++k) {
                db[k] += ds.v[k];                         // B1
                dg[k] += ds.v[k] * ((xs.v[k] - m) * r);  // B2
            }
        }
    }
    own.store_sums(db, sums[0], partial + (size_t)blockIdx.y * C, C);
    own.store_sums(dg, sums[1], partial + (size_t)(gridDim.y + blockIdx.y) * C, C);
}

extern "C" __global__ void __launch_bounds__(256)
layer_norm_sum(const REAL* __restrict__ partial, REAL* __restrict__ dg, REAL* __restrict__ db,
               int n_groups, int C) {
    const int j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= C) return;
    db[j] = sum_of_groups(partial + j, n_groups, C);
    dg[j] = sum_of_groups(partial + (size_t)n_groups * C + j, n_groups, C);
}
