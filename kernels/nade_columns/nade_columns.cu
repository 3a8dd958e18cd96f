// NADE over columns, forward and sampling: F1-F4 of kernels/nade_columns/__init__.py.
//
// A block works on GROUP rows of data, variable by variable. Its a, h and one variable's outputs lie
// in shared memory; a thread owns every THREADS-th hidden unit of each of the rows, and a warp every
// WARPS-th output:
//
//     h = σ(ρ_i a)       of the rows whose a has moved, or of all where ρ_i has     F2
//     barrier            outputs read every unit's h
//     s_i = b_i + V_i h  a row of V is read once for the block's rows               F3
//     barrier            outputs are read by other warps
//     use                what becomes of them: stored, a loss, or a draw
//     a += f W_r         own units again                                            F4

#include "../device.cuh"
#include "../team.cuh"
#include "../mixture/steps.cuh"
#include "../mixture/mixture.cuh"
#include "../mixture/quantile.cuh"
#include "../columns/columns.cuh"
#include "input.cuh"

constexpr int THREADS = 256, WARPS = THREADS / LANES;

struct Weights {
    const REAL *W, *V, *b, *c, *rho;
    bool rescaled;  // else ρ_i = 1, and rho is not read
};

struct Sizes {
    int N, D, H, most;  // most: outputs that a variable may have
};

// The block's rows of data.
struct Rows {
    REAL *a, *h, *s;  // (GROUP, H), (GROUP, H), (GROUP, most)
    Sizes size;
    Team team;      // of GROUP teams, one for each row, the first warps hold
    int number, n;  // this thread's team's; its row's
    bool on;

    __device__ __forceinline__ explicit Rows(Sizes size)
        : size(size),
          number(threadIdx.x / TEAM),
          n(blockIdx.x * GROUP + number),
          on(number < GROUP && n < size.N) {
        extern __shared__ REAL shared[];
        a = shared, h = a + GROUP * size.H, s = h + GROUP * size.H;
    }

    // Whether this thread's warp has teams of rows.
    __device__ __forceinline__ bool has_teams() const {
        return threadIdx.x / LANES * LANES < GROUP * TEAM;
    }

    __device__ __forceinline__ const REAL* outputs() const { return s + (on ? number : 0) * size.most; }

    // Where x_i of the team's row is.
    __device__ __forceinline__ size_t at(int i) const { return (size_t)n * size.D + i; }

    // Calls f(g, n) for each row g of the block that there is.
    template <typename F>
    __device__ __forceinline__ void each(F f) const {
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
            const int row = blockIdx.x * GROUP + g;
            if (row < size.N) f(g, row);
        }
    }

    // F3 of n rows of V from o on.
    __device__ __forceinline__ void find_outputs(const Weights& of, int o, int n) const {
        const int lane = threadIdx.x % LANES, H = size.H;
        for (int k = threadIdx.x / LANES; k < n; k += WARPS) {
            const REAL* const v = of.V + (size_t)(o + k) * H;
            REAL dots[GROUP] = {};
            for (int j = lane; j < H; j += LANES) {
                const REAL v_j = v[j];
#pragma unroll
                for (int g = 0; g < GROUP; ++g) dots[g] += v_j * h[g * H + j];  // F3
            }
            const REAL sum = warp_sums<GROUP>(dots);  // of row lane % GROUP
            if (lane < GROUP) s[lane * size.most + k] = of.b[o + k] + sum;  // F3
        }
    }
};

// wants(i): whether anybody needs x_i's outputs; use(i, o, n) has them, n from output o on. Both are
// called by all threads, and wants(i) has one answer for all of a block's.
template <typename Wants, typename Use>
__device__ __forceinline__ void sweep(const Rows& rows, const Layout& layout, const Weights& of,
                                      const Value* x, const int* y, bool told, Wants wants, Use use) {
    const int H = rows.size.H, D = rows.size.D;
    rows.each([&](int g, int n) {
        const REAL* const c = of.c + (size_t)(told ? y[n] : 0) * H;
        for (int j = threadIdx.x; j < H; j += THREADS) rows.a[g * H + j] = c[j];  // F1
    });
    unsigned moved = ~0u;  // bit g: since h was found
    REAL before = 1;
    for (int i = 0, first_row = 0; i < D; ++i) {
        const int K = layout.values[i], o = layout.first[i], n_i = layout.first[i + 1] - o;
        if (wants(i)) {
            const REAL rate = of.rescaled ? of.rho[i] : REAL(1);
            if (rate != before) moved = ~0u;
            rows.each([&](int g, int) {
                if (!(moved >> g & 1)) return;
                for (int j = threadIdx.x; j < H; j += THREADS)
                    rows.h[g * H + j] = sigmoid(rate * rows.a[g * H + j]);  // F2
            });
            moved = 0, before = rate;
            __syncthreads();  // every unit's h is written before outputs read it, and the outputs of
                              // the variable before were read before they are overwritten
            rows.find_outputs(of, o, n_i);
            __syncthreads();  // outputs are written before they are used; h was read before the next
            use(i, o, n_i);
        }
        rows.each([&](int g, int n) {
            const Input input(K, x[(size_t)n * D + i], first_row);
            if (input.row == NO_ROW) return;
            const REAL* const w = of.W + (size_t)input.row * H;
            for (int j = threadIdx.x; j < H; j += THREADS) rows.a[g * H + j] += input.times * w[j];  // F4
            moved |= 1u << g;
        });
        first_row += rows_of(K);
    }
}

__device__ __forceinline__ bool always(int) { return true; }

// end: a_{D+1}, (N, H), where wanted.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_columns_forward(const int* values, const int* first, const double* half_steps, const double* atoms,
                     const REAL* W, const REAL* V, const REAL* b, const REAL* c, const REAL* rho,
                     const Value* x, const int* y, REAL* s, REAL* end, int N, int D, int H, int most,
                     int rescaled, int told, int components, int family, int learned, int S,
                     int wants_end) {
    const Rows rows({N, D, H, most});
    const Layout layout{values, first, half_steps, atoms, {components, family != 0, learned != 0}};
    sweep(rows, layout, {W, V, b, c, rho, rescaled != 0}, x, y, told, always, [&](int, int o, int n_i) {
        rows.each([&](int g, int n) {
            for (int k = threadIdx.x; k < n_i; k += THREADS)
                s[(size_t)n * S + o + k] = rows.s[g * most + k];
        });
    });
    if (!wants_end) return;
    rows.each([&](int g, int n) {
        for (int j = threadIdx.x; j < H; j += THREADS) end[(size_t)n * H + j] = rows.a[g * H + j];
    });
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_columns_log_prob(const int* values, const int* first, const double* half_steps,
                      const double* atoms, const REAL* W, const REAL* V, const REAL* b, const REAL* c,
                      const REAL* rho, const Value* x, const int* y, REAL* log_p, int N, int D, int H,
                      int most, int rescaled, int told, int components, int family, int learned) {
    const Rows rows({N, D, H, most});
    const Layout layout{values, first, half_steps, atoms, {components, family != 0, learned != 0}};
    REAL loss = 0;
    sweep(rows, layout, {W, V, b, c, rho, rescaled != 0}, x, y, told, always, [&](int i, int, int) {
        if (!rows.has_teams()) return;
        const Value x_i = rows.on ? x[rows.at(i)] : Value(0);
        loss += variable_loss(rows.team, layout, i, rows.on, rows.outputs(), x_i, 0, nullptr);
    });
    if (rows.on && rows.team.me == 0) log_p[rows.n] = -loss;
}

// x_i is drawn where u ≥ 0. Where u < 0 it is read, by every thread, and never written.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_columns_sample(const int* values, const int* first, const double* half_steps, const double* atoms,
                    const REAL* W, const REAL* V, const REAL* b, const REAL* c, const REAL* rho,
                    const double* u, const int* y, Value* x, int N, int D, int H, int most,
                    int rescaled, int told, int components, int family, int learned) {
    const Rows rows({N, D, H, most});
    const Layout layout{values, first, half_steps, atoms, {components, family != 0, learned != 0}};
    auto wants = [&](int i) {
        bool drawn = false;
        rows.each([&](int, int n) { drawn |= !(u[(size_t)n * D + i] < 0); });
        return drawn;
    };
    sweep(rows, layout, {W, V, b, c, rho, rescaled != 0}, x, y, told, wants, [&](int i, int, int) {
        if (rows.has_teams()) {
            const double of_row = rows.on ? u[rows.at(i)] : -1;
            const bool draws = rows.on && !(of_row < 0);
            const Value drawn = variable_draw(rows.team, layout, i, draws, rows.outputs(), of_row);
            if (draws && rows.team.me == 0) x[rows.at(i)] = drawn;
        }
        __syncthreads();  // x_i is drawn before all threads read it
    });
}
