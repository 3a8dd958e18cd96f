// One step of the LSTM's pass, forward or back: F1-F4, B1-B4, B6 of kernels/lstm/__init__.py.
//
// A launch a step; h[t], c[t] and z[t], gates[t], dh[t], dz[t] belong to the step from t to t + 1.
// A lane's part is its gate: 0, 1, 2, 3 for i, f, g, o.

#include "../steps.cuh"

extern "C" __global__ void __launch_bounds__(WARPS * LANES, 1)
lstm_forward(REAL* z, const REAL* __restrict__ W, REAL* h, REAL* c, int t, int N, int H,
             long long z_step, long long z_row, long long h_step, long long h_row,
             long long c_step, long long c_row) {
    const Steps<REAL> zs{z, z_step, z_row}, hs{h, h_step, h_row}, cs{c, c_step, c_row};
    const Place place;
    const int j = place.j, column = place.part * H + j;
    const bool inside = j < H;
    struct Given {
        REAL z, c;
    };
    auto before = [&](int n, int k) { return hs(t, n)[k]; };
    auto fetch = [&](int n) { return inside ? Given{zs(t, n)[column], cs(t, n)[j]} : Given{}; };
    const size_t width = (size_t)4 * H;
    auto use = [&](int n, Given at, REAL p) {
        const REAL a = at.z + p;                                   // F1
        const REAL gate = place.part == 2 ? tanh(a) : sigmoid(a);  // F2
        if (inside) zs(t, n)[column] = gate;
        const REAL i = place.of_part(gate, 0), f = place.of_part(gate, 1);
        const REAL g = place.of_part(gate, 2), o = place.of_part(gate, 3);
        if (inside && place.part == 0) {
            const REAL c_t = f * at.c + i * g;  // F3
            cs(t + 1, n)[j] = c_t;
            hs(t + 1, n)[j] = o * tanh(c_t);  // F4
        }
    };
    product<false>(place, before, N, H, W + column, width, inside, fetch, use);  // F1: h W
}

// t = T - 1 … 0, then t = -1, which leaves dh0 and dc0. W_T: Wᵀ. dz may be gates: a lane reads its own gate
// before it writes there. dc holds f_{t+1} ∘ ε_{t+1}, which one lane reads and replaces.
extern "C" __global__ void __launch_bounds__(WARPS * LANES, 1)
lstm_backward(const REAL* dh, const REAL* gates, const REAL* __restrict__ W_T, const REAL* c,
              REAL* dz, REAL* dh0, REAL* dc, int t, int T, int N, int H, long long dh_step,
              long long dh_row, long long gates_step, long long gates_row, long long c_step,
              long long c_row, long long dz_step, long long dz_row) {
    const Steps<const REAL> dhs{dh, dh_step, dh_row}, gs{gates, gates_step, gates_row};
    const Steps<const REAL> cs{c, c_step, c_row};
    const Steps<REAL> dzs{dz, dz_step, dz_row};
    const Place place;
    const int j = place.j, column = place.part * H + j;
    const bool inside = j < H, first = inside && place.part == 0, last_step = t + 1 == T;
    struct Given {
        REAL kept, gate, dh, c, c_before;
    };
    auto after = [&](int n, int k) { return dzs(t + 1, n)[k]; };
    auto fetch = [&](int n) {
        Given at = {};
        if (first && !last_step) at.kept = dc[(size_t)n * H + j];
        if (inside && t >= 0) {
            at.gate = gs(t, n)[column], at.dh = dhs(t, n)[j];
            at.c = cs(t + 1, n)[j], at.c_before = cs(t, n)[j];
        }
        return at;
    };
    auto use = [&](int n, Given at, REAL p) {
        const size_t entry = (size_t)n * H + j;
        const REAL kept = place.of_part(at.kept, 0);
        if (t < 0) {
            if (first) dh0[entry] = p, dc[entry] = kept;  // B6
            return;
        }
        const REAL i = place.of_part(at.gate, 0), f = place.of_part(at.gate, 1);
        const REAL g = place.of_part(at.gate, 2), o = place.of_part(at.gate, 3);
        if (!inside) return;
        const REAL tanh_c = tanh(at.c);
        const REAL delta = at.dh + p;                                   // B1
        const REAL epsilon = kept + delta * o * (1 - tanh_c * tanh_c);  // B2
        const REAL of_gate[PARTS] = {epsilon * g, epsilon * at.c_before, epsilon * i,  // B3
                                     delta * tanh_c};                                  // B2: do
        const REAL slope = place.part == 2 ? 1 - at.gate * at.gate : at.gate * (1 - at.gate);  // B4
        REAL mine = of_gate[0];
#pragma unroll
        for (int q = 1; q < PARTS; ++q) mine = place.part == q ? of_gate[q] : mine;
        dzs(t, n)[column] = mine * slope;  // B4
        if (first) dc[entry] = epsilon * f;  // B2: f ∘ ε, for step t - 1
    };
    // B1: dz Wᵀ of step t + 1
    product<true>(place, after, N, last_step ? 0 : 4 * H, W_T + j, H, inside, fetch, use);
}
