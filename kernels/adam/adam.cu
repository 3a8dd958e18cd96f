// Adam with decoupled weight decay and clipping: A1-A9 of kernels/adam/__init__.py.
//
// Grid-stride loops over the flat buffers, 16 bytes an access where VECTOR is 1. The norm is taken
// in two launches, block partials and their sum, in a fixed order: the same bits every time, which
// atomic additions do not give.

#include "../device.cuh"

constexpr int WIDTH = VECTOR ? PACK : 1;  // entries a thread handles at once
using Entries = Numbers<WIDTH>;
constexpr REAL TINY = sizeof(REAL) == 4 ? REAL(1.17549435e-38) : REAL(2.2250738585072014e-308);

// The sum over the block of each thread's value, in thread 0. Called once a kernel.
__device__ __forceinline__ double block_sum(double v) {
    __shared__ double warps[LANES];
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    v = warp_sum(v);
    if (lane == 0) warps[warp] = v;
    __syncthreads();  // all warps' sums are written before warp 0 reads them
    if (warp > 0) return 0;
    return warp_sum(lane < blockDim.x / LANES ? warps[lane] : 0.0);
}

// partial[block] = Σ g² over the block's entries, in float64 like the reference.
extern "C" __global__ void __launch_bounds__(256)
adam_norm_partial(const REAL* __restrict__ g, double* __restrict__ partial, long long n) {
    const long long stride = (long long)gridDim.x * blockDim.x * WIDTH;
    double sum = 0;
    for (long long p = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * WIDTH; p < n; p += stride) {
        if (p + WIDTH <= n) {
            const Entries e = load<WIDTH>(g + p);
#pragma unroll
            for (int k = 0; k < WIDTH; ++k) sum += (double)e.v[k] * e.v[k];
        } else {
            for (long long q = p; q < n; ++q) sum += (double)g[q] * g[q];
        }
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// norm[0] = √ Σ partial; one block.
extern "C" __global__ void __launch_bounds__(256)
adam_norm_total(const double* __restrict__ partial, double* __restrict__ norm, int n_partial) {
    double sum = 0;
    for (int k = threadIdx.x; k < n_partial; k += blockDim.x) sum += partial[k];
    sum = block_sum(sum);
    if (threadIdx.x == 0) norm[0] = sqrt(sum);
}

struct Settings {
    REAL beta1, rest1, beta2, rest2, correct1, correct2, lr, eps, weight_decay, threshold;
};

// A2-A9 for one entry.
__device__ __forceinline__ void update(REAL& theta, REAL g, REAL& m, REAL& v, REAL r, bool decayed,
                                       const Settings& set) {
    g *= r;                                                                        // A2
    m = set.beta1 * m + set.rest1 * g;                                             // A3
    v = set.beta2 * v + set.rest2 * g * g;                                         // A4
    const REAL m_hat = m / set.correct1, v_hat = v / set.correct2;                 // A5, A6
    const REAL decay = decayed ? set.weight_decay : REAL(0);
    const REAL threshold = decayed ? set.threshold : REAL(0);
    theta -= set.lr * (m_hat / (sqrt(v_hat) + set.eps) + decay * theta);           // A7
    const REAL excess = fabs(theta) - threshold;
    theta = excess > 0 ? copysign(excess, theta) : REAL(0) * theta;                // A8; keeps a NaN
    if (fabs(m) < TINY) m = 0;                                                     // A9
    if (v < TINY) v = 0;                                                           // A9
}

// norm is read only if max_norm is not 0.
extern "C" __global__ void __launch_bounds__(256)
adam_step(REAL* __restrict__ theta, const REAL* __restrict__ g, REAL* __restrict__ m,
          REAL* __restrict__ v, const double* __restrict__ norm, long long n, long long n_decay,
          REAL beta1, REAL rest1, REAL beta2, REAL rest2, REAL correct1, REAL correct2, REAL lr,
          REAL eps, REAL weight_decay, REAL threshold, double max_norm) {
    const Settings set = {beta1, rest1, beta2, rest2, correct1, correct2, lr, eps, weight_decay, threshold};
    REAL r = 1;
    if (max_norm > 0 && norm[0] > max_norm) r = REAL(max_norm / norm[0]);  // A1
    const long long stride = (long long)gridDim.x * blockDim.x * WIDTH;
    for (long long p = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * WIDTH; p < n; p += stride) {
        if (p + WIDTH <= n) {
            Entries th = load<WIDTH>(theta + p), mp = load<WIDTH>(m + p), vp = load<WIDTH>(v + p);
            const Entries gp = load<WIDTH>(g + p);
#pragma unroll
            for (int k = 0; k < WIDTH; ++k)
                update(th.v[k], gp.v[k], mp.v[k], vp.v[k], r, p + k < n_decay, set);
            store(theta + p, th);
            store(m + p, mp);
            store(v + p, vp);
        } else {
            for (long long q = p; q < n; ++q)
                update(theta[q], g[q], m[q], v[q], r, q < n_decay, set);
        }
    }
}
