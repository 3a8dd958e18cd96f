// NADE of bits, forward and sampling: the kernels of the Bernoulli head.

#include "sweep.cuh"
#include "heads/bernoulli.cuh"

extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_forward(const Bit* x, const REAL* W, const REAL* V, const REAL* b, const REAL* c, const int* y,
             REAL* s, REAL* a_end, int N, int D, int H, int n_classes) {
    sweep(Bernoulli{s, nullptr, nullptr, 0, 0}, x, W, V, b, c, y, N, D, H, n_classes, a_end);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_log_prob(const Bit* x, const REAL* W, const REAL* V, const REAL* b, const REAL* c, const int* y,
              REAL* log_p, int N, int D, int H, int n_classes) {
    sweep(Bernoulli{nullptr, nullptr, log_p, 0, -1}, x, W, V, b, c, y, N, D, H, n_classes, nullptr);
}

// The loss of each row, and ds of scale times their sum: what nade_backward needs.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_loss(const Bit* x, const REAL* W, const REAL* V, const REAL* b, const REAL* c, const int* y,
          REAL* nll, REAL* ds, REAL* a_end, int N, int D, int H, int n_classes, REAL scale) {
    sweep(Bernoulli{nullptr, ds, nll, scale, 1}, x, W, V, b, c, y, N, D, H, n_classes, a_end);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_sample(const REAL* u, const REAL* W, const REAL* V, const REAL* b, const REAL* c, const int* y,
            Bit* x, int N, int D, int H, int n_classes) {
    sample<Bernoulli>(u, W, V, b, c, y, x, N, D, H, n_classes);
}
