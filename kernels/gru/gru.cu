// One step of the GRU's pass, forward or back: F1-F4, B1-B4, B6 of kernels/gru/__init__.py.
//
// A launch a step; h[t] and z[t], gates[t], m[t], dh[t], dz[t] belong to the step from t to t + 1.
// A lane's part is its gate: 0, 1, 2 for r, u, n; the fourth part's lanes idle in the gates.

#include "../steps.cuh"

extern "C" __global__ void __launch_bounds__(WARPS * LANES, 1)
gru_forward(REAL* z, const REAL* __restrict__ W, const REAL* __restrict__ b, REAL* h, REAL* m,
            int t, int N, int H, long long z_step, long long z_row, long long h_step,
            long long h_row, long long m_step, long long m_row) {
    const Steps<REAL> zs{z, z_step, z_row}, hs{h, h_step, h_row}, ms{m, m_step, m_row};
    const Place place;
    const int j = place.j, column = place.part * H + j;
    const bool inside = j < H && place.part < 3;
    auto before = [&](int n, int k) { return hs(t, n)[k]; };
    struct Given {
        REAL z, h;
    };
    auto fetch = [&](int n) { return inside ? Given{zs(t, n)[column], hs(t, n)[j]} : Given{}; };
    const size_t width = (size_t)3 * H;
    auto use = [&](int n, Given at, REAL p) {
        const REAL gate = sigmoid(at.z + p);  // F2
        const REAL r = place.of_part(gate, 0), u = place.of_part(gate, 1);
        if (!inside) return;
        if (place.part < 2) {
            zs(t, n)[column] = gate;
            return;
        }
        const REAL m_t = p + b[j];              // F1
        const REAL n_t = tanh(at.z + r * m_t);  // F3
        ms(t, n)[j] = m_t;
        zs(t, n)[column] = n_t;
        hs(t + 1, n)[j] = (1 - u) * n_t + u * at.h;  // F4
    };
    product<false>(place, before, N, H, W + column, width, inside, fetch, use);  // F1: h W
}

// t = T - 1 … 0, then t = -1, which leaves dh0. W_T: Wᵀ. dz may be gates: a lane reads its own gate
// before it writes there. dh0 holds u_{t+1} ∘ δ_{t+1}; one lane reads and replaces it, and m.
extern "C" __global__ void __launch_bounds__(WARPS * LANES, 1)
gru_backward(const REAL* dh, const REAL* gates, const REAL* __restrict__ W_T, const REAL* h,
             REAL* m, REAL* dz, REAL* dh0, int t, int T, int N, int H, long long dh_step,
             long long dh_row, long long gates_step, long long gates_row, long long h_step,
             long long h_row, long long m_step, long long m_row, long long dz_step,
             long long dz_row) {
    const Steps<const REAL> dhs{dh, dh_step, dh_row}, gs{gates, gates_step, gates_row};
    const Steps<const REAL> hs{h, h_step, h_row};
    const Steps<REAL> ms{m, m_step, m_row}, dzs{dz, dz_step, dz_row};
    const Place place;
    const int j = place.j, column = place.part * H + j;
    const bool inside = j < H && place.part < 3, first = j < H && place.part == 0;
    const bool last_step = t + 1 == T;
    auto after = [&](int n, int k) {  // dz but for its last block
        return k < 2 * H ? dzs(t + 1, n)[k] : ms(t + 1, n)[k - 2 * H];  // q of B1
    };
    struct Given {
        REAL kept, gate, dh, h_or_m;  // m for part 0, h for part 1
    };
    auto fetch = [&](int n) {
        Given at = {};
        if (first && !last_step) at.kept = dh0[(size_t)n * H + j];
        if (inside && t >= 0) {
            at.gate = gs(t, n)[column], at.dh = dhs(t, n)[j];
            at.h_or_m = first ? ms(t, n)[j] : hs(t, n)[j];
        }
        return at;
    };
    auto use = [&](int n, Given at, REAL p) {
        const size_t entry = (size_t)n * H + j;
        const REAL kept = place.of_part(at.kept, 0);
        if (t < 0) {
            if (first) dh0[entry] = kept + p;  // B6
            return;
        }
        const REAL r = place.of_part(at.gate, 0), u = place.of_part(at.gate, 1);
        const REAL n_t = place.of_part(at.gate, 2);
        if (!inside) return;
        const REAL delta = at.dh + p + kept;                          // B1
        const REAL dz_n = delta * (1 - u) * (1 - n_t * n_t);          // B2, B3
        if (first) {
            dzs(t, n)[column] = dz_n * at.h_or_m * r * (1 - r);       // B3, B4
            ms(t, n)[j] = dz_n * r;                                   // B3: dm
            dh0[entry] = u * delta;  // B1: u ∘ δ, for step t - 1
        } else if (place.part == 1) {
            dzs(t, n)[column] = delta * (at.h_or_m - n_t) * u * (1 - u);  // B2, B4
        } else {
            dzs(t, n)[column] = dz_n;  // B3
        }
    };
    // B1: q Wᵀ of step t + 1
    product<true>(place, after, N, last_step ? 0 : 3 * H, W_T + j, H, j < H, fetch, use);
}
