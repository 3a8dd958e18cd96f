// Rows of columns of any kinds: kernels/columns/__init__.py. ROW_WARPS warps a row, 1 or all of a
// block's, in teams of TEAM lanes that go along its variables side by side.

#include "../device.cuh"
#include "../team.cuh"
#include "../mixture/steps.cuh"
#include "../mixture/mixture.cuh"
#include "../mixture/quantile.cuh"
#include "columns.cuh"

constexpr int WARPS = 8;
constexpr int THREADS = WARPS * LANES;
constexpr int TEAMS = ROW_WARPS * LANES / TEAM;  // of a row

struct Row {
    Team team;
    int n, number, D;  // this team's row; its number among those of the row
    bool on;           // whether there is such a row

    __device__ __forceinline__ Row(int N, int D)
        : n(blockIdx.x * (WARPS / ROW_WARPS) + threadIdx.x / (ROW_WARPS * LANES)),
          number(threadIdx.x % (ROW_WARPS * LANES) / TEAM),
          D(D),
          on(n < N) {}

    // Calls f(i, on, whether this lane speaks for the team, where (n, i) is) for the team's variables,
    // as often in all of its warp's.
    template <typename F>
    __device__ __forceinline__ void variables(F f) const {
        for (int first = 0; first < D; first += TEAMS) {
            const int i = first + number;
            const bool has = on && i < D;
            f(has ? i : 0, has, has && team.me == 0, (size_t)n * D + i);
        }
    }

    // The sum of the row's lanes' v, in the row's first lane.
    __device__ __forceinline__ REAL sum(REAL v) const {
        v = warp_sum(v);
        if constexpr (ROW_WARPS > 1) {
            __shared__ REAL of_warp[WARPS];
            if (threadIdx.x % LANES == 0) of_warp[threadIdx.x / LANES] = v;
            __syncthreads();  // every warp's is written before they are added
            v = 0;
#pragma unroll
            for (int w = 0; w < WARPS; ++w) v += of_warp[w];
        }
        return v;
    }
};

__device__ __forceinline__ Layout layout_of(const int* values, const int* first,
                                            const double* half_steps, const double* atoms, int K,
                                            int family, int learned) {
    return {values, first, half_steps, atoms, {K, family != 0, learned != 0}};
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
columns_terms(const int* values, const int* first, const double* half_steps, const double* atoms,
              const REAL* s, const Value* x, REAL* log_p, int N, int D, int S, int K, int family,
              int learned) {
    const Layout layout = layout_of(values, first, half_steps, atoms, K, family, learned);
    const Row row(N, D);
    row.variables([&](int i, bool on, bool speaks, size_t at) {
        const REAL* const of_i = s + (size_t)row.n * S + first[i];
        const Value value = on ? x[at] : Value(0);
        const REAL loss = variable_loss(row.team, layout, i, on, of_i, value, 0, nullptr);
        if (speaks) log_p[at] = -loss;
    });
}

// weights null: all are 1. Of those that are not, rows times scale.
__device__ __forceinline__ void directions(const Layout& layout, const REAL* s, const Value* x,
                                           const REAL* weights, REAL scale, REAL* nll, REAL* ds, int N,
                                           int D, int S) {
    const Row row(N, D);
    REAL total = 0;
    row.variables([&](int i, bool on, bool speaks, size_t at) {
        const size_t of_i = (size_t)row.n * S + layout.first[i];
        const REAL weight = on && weights ? weights[at] : REAL(1);
        const bool counts = on && weight != 0;
        for (int j = row.team.me; on && !counts && j < layout.first[i + 1] - layout.first[i]; j += TEAM)
            ds[of_i + j] = 0;  // B1, without a look at x
        const Value value = counts ? x[at] : Value(0);
        const REAL dnll = scale * weight;
        const REAL loss = variable_loss(row.team, layout, i, counts, s + of_i, value, dnll, ds + of_i);
        if (speaks && counts) total += weight * loss;  // F4
    });
    total = row.sum(total);
    if (row.on && row.number == 0 && row.team.me == 0) nll[row.n] = total;
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
columns_nll_and_grad(const int* values, const int* first, const double* half_steps, const double* atoms,
                     const REAL* s, const Value* x, REAL* nll, REAL* ds, int N, int D, int S, int K,
                     int family, int learned, REAL scale) {
    const Layout layout = layout_of(values, first, half_steps, atoms, K, family, learned);
    directions(layout, s, x, nullptr, scale, nll, ds, N, D, S);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
columns_weighted_nll_and_grad(const int* values, const int* first, const double* half_steps,
                              const double* atoms, const REAL* s, const Value* x, const REAL* weights,
                              REAL* nll, REAL* ds, int N, int D, int S, int K, int family,
                              int learned) {
    const Layout layout = layout_of(values, first, half_steps, atoms, K, family, learned);
    directions(layout, s, x, weights, 1, nll, ds, N, D, S);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
columns_input_gradient(const int* values, const int* first, const double* half_steps,
                       const double* atoms, const REAL* ds, REAL* dx, int N, int D, int S, int K) {
    const Layout layout = layout_of(values, first, half_steps, atoms, K, 0, 0);
    const Row row(N, D);
    row.variables([&](int i, bool on, bool speaks, size_t at) {
        const REAL sum = variable_dx(row.team, layout, i, on, ds + (size_t)row.n * S + first[i]);
        if (speaks) dx[at] = sum;
    });
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
columns_cdf_interval(const int* values, const int* first, const double* half_steps, const double* atoms,
                     const REAL* s, const Value* x, double* lo, double* hi, int N, int D, int S, int K,
                     int family, int learned) {
    const Layout layout = layout_of(values, first, half_steps, atoms, K, family, learned);
    const Row row(N, D);
    row.variables([&](int i, bool on, bool speaks, size_t at) {
        const REAL* const of_i = s + (size_t)row.n * S + first[i];
        const Value value = on ? x[at] : Value(0);
        const Interval interval = variable_interval(row.team, layout, i, on, of_i, value);
        if (speaks) lo[at] = interval.lo, hi[at] = interval.hi;
    });
}

// One variable of N rows, a team each; s: (N, n).
extern "C" __global__ void __launch_bounds__(THREADS, 1)
columns_draw(const int* values, const int* first, const double* half_steps, const double* atoms,
             const REAL* s, const double* u, Value* x, int i, int N, int n, int K, int family,
             int learned) {
    const Layout layout = layout_of(values, first, half_steps, atoms, K, family, learned);
    const Team team;
    const int row = (blockIdx.x * THREADS + threadIdx.x) / TEAM;
    const double of_row = row < N ? u[row] : -1;
    const bool on = row < N && !(of_row < 0);
    const Value drawn = variable_draw(team, layout, i, on, s + (size_t)row * n, of_row);
    if (on && team.me == 0) x[row] = drawn;
}
