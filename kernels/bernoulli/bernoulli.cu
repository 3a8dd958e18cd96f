// Bernoulli negative log-likelihood from logits: F1-F3, B1, B2 of kernels/bernoulli/__init__.py.
//
// One warp a row, lanes along the row: loads and stores are coalesced, the sum over the row is a
// warp sum, and no barrier is needed.

#include "../device.cuh"

extern "C" __global__ void __launch_bounds__(256)
bernoulli_forward(const REAL* __restrict__ s, const Bit* __restrict__ x, REAL* __restrict__ nll,
                  int N, int D) {
    const int n = row_of_warp(), lane = threadIdx.x % LANES;
    if (n >= N) return;
    s += (size_t)n * D;
    x += (size_t)n * D;
    REAL sum = 0;
#pragma unroll 4
    for (int i = lane; i < D; i += LANES) sum += softplus(s[i]) - (x[i] ? s[i] : REAL(0));  // F1, F2
    sum = warp_sum(sum);
    if (lane == 0) nll[n] = sum;
}

// log_p may be s: a lane reads and writes the same places, and nobody else's. So in the backward.
extern "C" __global__ void __launch_bounds__(256)
bernoulli_terms(const REAL* s, const Bit* __restrict__ x, REAL* log_p, int N, int D) {
    const int n = row_of_warp(), lane = threadIdx.x % LANES;
    if (n >= N) return;
    const size_t row = (size_t)n * D;
#pragma unroll 4
    for (int i = lane; i < D; i += LANES) {
        const REAL of_x = s[row + i], wrong = x[row + i] ? -of_x : of_x;
        log_p[row + i] = -softplus(wrong);  // F2, F3
    }
}

extern "C" __global__ void __launch_bounds__(256)
bernoulli_backward(const REAL* __restrict__ dnll, const REAL* s, const Bit* __restrict__ x,
                   REAL* ds, int N, int D) {
    const int n = row_of_warp(), lane = threadIdx.x % LANES;
    if (n >= N) return;
    const REAL upstream = dnll[n];
    const size_t row = (size_t)n * D;
#pragma unroll 4
    for (int i = lane; i < D; i += LANES)
        ds[row + i] = upstream * (sigmoid(s[row + i]) - REAL(x[row + i]));  // B1, B2
}
