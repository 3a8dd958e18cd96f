// GELU with its bias: F1-F3, B1-B3 of kernels/gelu/__init__.py.
//
// A lane owns WIDTH neighbouring columns, of which it keeps b in registers, and goes down its warp's
// rows; so the columns' sums, db, need no more than registers until the rows end.

#include "../device.cuh"

constexpr int WARPS = 8;
constexpr int WIDTH = VECTOR ? PACK : 1;

constexpr REAL TWO_ROOT = REAL(1.5957691216057308);  // 2 √(2/π)
constexpr REAL CUBIC = REAL(0.044715);

// No __restrict__ on y: it may be u. A thread reads each number before it writes there.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
gelu_forward(const REAL* u, const REAL* __restrict__ b, REAL* y, int N, int C) {
    const Columns<WARPS, WIDTH> own;
    if (own.j >= C) return;
    const Numbers<WIDTH> bias = load<WIDTH>(b + own.j);
#pragma unroll 2
    for (int n = own.n; n < N; n += own.step) {
        const size_t at = (size_t)n * C + own.j;
        Numbers<WIDTH> a = load<WIDTH>(u + at);
#pragma unroll
        for (int k = 0; k < WIDTH; ++k) {
            a.v[k] += bias.v[k];                                                     // F1
            const REAL z2 = TWO_ROOT * (a.v[k] + CUBIC * a.v[k] * a.v[k] * a.v[k]);  // F2
            a.v[k] *= sigmoid(z2);                                                   // F3
        }
        store(y + at, a);
    }
}

// partial: (groups, C), the sums of B3. No __restrict__ on du: it may be dy.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
gelu_backward(const REAL* dy, const REAL* __restrict__ u, const REAL* __restrict__ b, REAL* du,
              REAL* __restrict__ partial, int N, int C) {
    __shared__ REAL sums[WARPS * LANES * WIDTH];
    const Columns<WARPS, WIDTH> own;
    REAL db[WIDTH] = {};
    if (own.j < C) {
        const Numbers<WIDTH> bias = load<WIDTH>(b + own.j);
#pragma unroll 2
        for (int n = own.n; n < N; n += own.step) {
            const size_t at = (size_t)n * C + own.j;
            const Numbers<WIDTH> us = load<WIDTH>(u + at);
            Numbers<WIDTH> d = load<WIDTH>(dy + at);
#pragma unroll
            for (int k = 0; k < WIDTH; ++k) {
                const REAL a = us.v[k] + bias.v[k], a2 = a * a;
                const REAL s = sigmoid(TWO_ROOT * (a + CUBIC * a2 * a));  // B1: s
                const REAL slope =
                    s + a * s * (1 - s) * TWO_ROOT * (1 + 3 * CUBIC * a2);  // B1
                d.v[k] *= slope;                                              // B2
                db[k] += d.v[k];                                              // B3
            }
            store(du + at, d);
        }
    }
    own.store_sums(db, sums, partial + (size_t)blockIdx.y * C, C);
}

extern "C" __global__ void __launch_bounds__(256)
gelu_sum(const REAL* __restrict__ partial, REAL* __restrict__ db, int n_groups, int C) {
    const int j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j < C) db[j] = sum_of_groups(partial + j, n_groups, C);
}
