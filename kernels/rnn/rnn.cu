// One step of the recurrent pass, forward or back: F1, F2, B1, B2, B4 of kernels/rnn/__init__.py.
//
// A launch a step; h[t] and z[t], dh[t], dz[t] belong to the step from t to t + 1.

#include "../steps.cuh"

extern "C" __global__ void __launch_bounds__(WARPS * LANES, 1)
rnn_forward(const REAL* z, const REAL* __restrict__ W, REAL* h, int t, int N, int H,
            long long z_step, long long z_row, long long h_step, long long h_row) {
    const Steps<const REAL> zs{z, z_step, z_row};
    const Steps<REAL> hs{h, h_step, h_row};
    const Place place;
    const int j = place.j;
    auto before = [&](int n, int k) { return hs(t, n)[k]; };
    const bool mine = j < H && place.part == 0;
    auto fetch = [&](int n) { return mine ? zs(t, n)[j] : REAL(0); };
    // F1: h W
    product<true>(place, before, N, H, W + j, H, j < H, fetch, [&](int n, REAL z_t, REAL p) {
        if (mine) hs(t + 1, n)[j] = tanh(z_t + p);  // F1, F2
    });
}

// t = T - 1 … 0, then t = -1, which leaves dh0. W_T: Wᵀ. dz may be dh.
extern "C" __global__ void __launch_bounds__(WARPS * LANES, 1)
rnn_backward(const REAL* dh, const REAL* h, const REAL* __restrict__ W_T, REAL* dz, REAL* dh0,
             int t, int T, int N, int H, long long dh_step, long long dh_row, long long h_step,
             long long h_row, long long dz_step, long long dz_row) {
    const Steps<const REAL> dhs{dh, dh_step, dh_row}, hs{h, h_step, h_row};
    const Steps<REAL> dzs{dz, dz_step, dz_row};
    const Place place;
    const int j = place.j;
    const bool mine = j < H && place.part == 0;
    struct Given {
        REAL dh, h;
    };
    auto after = [&](int n, int k) { return dzs(t + 1, n)[k]; };
    auto fetch = [&](int n) {
        return mine && t >= 0 ? Given{dhs(t, n)[j], hs(t + 1, n)[j]} : Given{};
    };
    const int K = t + 1 < T ? H : 0;
    // B1: dz Wᵀ of step t + 1
    product<true>(place, after, N, K, W_T + j, H, j < H, fetch, [&](int n, Given at, REAL p) {
        if (!mine) return;
        if (t < 0) {
            dh0[(size_t)n * H + j] = p;  // B4
            return;
        }
        const REAL delta = at.dh + p;              // B1
        dzs(t, n)[j] = delta * (1 - at.h * at.h);  // B2
    });
}
