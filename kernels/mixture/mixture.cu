// Mixtures, one of each row: kernels/mixture/__init__.py. TEAM lanes a row; no barrier.

#include "../device.cuh"
#include "../team.cuh"
#include "steps.cuh"
#include "mixture.cuh"
#include "quantile.cuh"

constexpr int THREADS = 256;

// The row of this lane's team, and whether there is one.
struct Row {
    Team team;
    int m;
    bool on;

    __device__ __forceinline__ explicit Row(int M)
        : m((blockIdx.x * THREADS + threadIdx.x) / TEAM), on(m < M) {}

    __device__ __forceinline__ bool first() const { return on && team.me == 0; }
};

// Both directions; of nll and ds, what is null is not wanted. rate: dnll, or scale where that is null.
__device__ __forceinline__ void directions(const REAL* dnll, const REAL* s, const REAL* x, REAL half,
                                           REAL scale, REAL sign, REAL* nll, REAL* ds, int M, int n,
                                           const Mixture& of) {
    const Row row(M);
    const size_t at = (size_t)row.m * n;
    const REAL rate = row.on && dnll ? dnll[row.m] : scale, of_x = row.on ? x[row.m] : REAL(0);
    const REAL loss = mixture_loss(row.team, row.on, s + at, of_x, half, of, rate, ds ? ds + at : nullptr);
    if (nll && row.first()) nll[row.m] = sign * loss;
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
mixture_terms(const REAL* s, const REAL* x, REAL* log_p, int M, int n, int K, int family,
              int learned, REAL half) {
    directions(nullptr, s, x, half, 0, -1, log_p, nullptr, M, n, {K, family != 0, learned != 0});
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
mixture_backward(const REAL* dnll, const REAL* s, const REAL* x, REAL* ds, int M, int n, int K,
                 int family, int learned, REAL half) {
    directions(dnll, s, x, half, 0, 1, nullptr, ds, M, n, {K, family != 0, learned != 0});
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
mixture_nll_and_grad(const REAL* s, const REAL* x, REAL* nll, REAL* ds, int M, int n, int K,
                     int family, int learned, REAL half, REAL scale) {
    directions(nullptr, s, x, half, scale, 1, nll, ds, M, n, {K, family != 0, learned != 0});
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
mixture_input_gradient(const REAL* ds, REAL* dx, int M, int n, int K) {
    const Row row(M);
    const Mixture of{K, false, false};
    const REAL sum = mixture_dx(row.team, row.on, ds + (size_t)row.m * n, of);
    if (row.first()) dx[row.m] = sum;
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
mixture_cdf(const REAL* s, const REAL* x, double* u, int M, int n, int K, int family, int learned) {
    const Row row(M);
    const Mixture of{K, family != 0, learned != 0};
    const Quantile quantile(row.team, row.on, s + (size_t)row.m * n, of);
    const double below = quantile.cdf(row.on ? x[row.m] : REAL(0));
    if (row.first()) u[row.m] = below;
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
mixture_draw(const REAL* s, const double* u, REAL* x, int M, int n, int K, int family, int learned) {
    Row row(M);
    const double of_row = row.on ? u[row.m] : 0;
    row.on = row.on && !(of_row < 0);
    const Mixture of{K, family != 0, learned != 0};
    const Quantile quantile(row.team, row.on, s + (size_t)row.m * n, of);
    const double drawn = quantile.draw(of_row);
    if (row.first()) x[row.m] = drawn;
}
