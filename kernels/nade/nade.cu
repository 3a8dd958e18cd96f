// NADE of bits, forward and sampling: the kernels of the Bernoulli head.

#include "sweep.cuh"
#include "heads/bernoulli.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_forward(const Bit* x, const REAL* W, const REAL* V, const REAL* b, const REAL* c, REAL* s,
             REAL* a_end, int N, int D, int H) {
    sweep(Bernoulli{s, nullptr, nullptr, 0, 0}, x, W, V, b, c, N, D, H, a_end);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_log_prob(const Bit* x, const REAL* W, const REAL* V, const REAL* b, const REAL* c,
              REAL* log_p, int N, int D, int H) {
    sweep(Bernoulli{nullptr, nullptr, log_p, 0, -1}, x, W, V, b, c, N, D, H, nullptr);
}

// The loss of each row, and ds of scale times their sum: what nade_backward needs.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_loss(const Bit* x, const REAL* W, const REAL* V, const REAL* b, const REAL* c, REAL* nll,
          REAL* ds, REAL* a_end, int N, int D, int H, REAL scale) {
    sweep(Bernoulli{nullptr, ds, nll, scale, 1}, x, W, V, b, c, N, D, H, a_end);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_sample(const REAL* u, const REAL* W, const REAL* V, const REAL* b, const REAL* c, Bit* x, int N,
            int D, int H) {
    sample<Bernoulli>(u, W, V, b, c, x, N, D, H);
}
