// Softmax cross-entropy: F1-F3, B1, B2 of kernels/softmax_cross_entropy/__init__.py.
//
// TEAM warps a row, 1 or all of a block's. A thread goes along the row keeping its largest logit m
// and Z = Σ e^{s - m}; where m grows, Z is multiplied by e^{m - m'}. The team then agrees on one m.
// Where a gradient is wanted the row is read once more, from the nearest cache. ds may be s: a
// thread reads and writes the same places, and nobody else's.

#include "../device.cuh"

constexpr int WARPS = 8;
constexpr int WIDTH = VECTOR ? PACK : 1;
constexpr int AT_ONCE = 4 / WIDTH;           // accesses on their way at any time
constexpr int STEP = TEAM * LANES * WIDTH;   // numbers the team reads in one
constexpr REAL LEAST = REAL(sizeof(REAL) == 4 ? -3e38 : -1e308);

struct Row {
    int n, me, y;  // this thread's row, its number in the team, the row's symbol

    __device__ __forceinline__ Row(const int* ids, int N)
        : n(blockIdx.x * (WARPS / TEAM) + threadIdx.x / (TEAM * LANES)),
          me(threadIdx.x % (TEAM * LANES)),
          y(n < N ? ids[n] : -1) {}

    // Calls f(i, j) for AT_ONCE accesses of this thread's, of WIDTH numbers from s_j on, j < V.
    template <typename F>
    __device__ __forceinline__ void accesses(int j0, int V, F f) const {
#pragma unroll
        for (int i = 0; i < AT_ONCE; ++i)
            if (j0 + i * STEP < V) f(i, j0 + i * STEP);
    }
};

struct Total {
    REAL m, Z, s_y;
};

// m, Z and s_y of the row, the same in every thread of the team.
__device__ __forceinline__ Total total_of(const Row& row, const REAL* s, int V) {
    REAL m = LEAST, Z = 0, s_y = 0;
    for (int j0 = row.me * WIDTH; j0 < V; j0 += AT_ONCE * STEP) {
        Numbers<WIDTH> at[AT_ONCE];
        REAL most = m;
        row.accesses(j0, V, [&](int i, int j) {
            at[i] = load<WIDTH>(s + j);
#pragma unroll
            for (int k = 0; k < WIDTH; ++k) most = fmax(most, at[i].v[k]);  // F1
        });
        Z *= exp(m - most);  // F2
        m = most;
        row.accesses(j0, V, [&](int i, int j) {
#pragma unroll
            for (int k = 0; k < WIDTH; ++k) {
                Z += exp(at[i].v[k] - m);  // F2
                if (j + k == row.y) s_y = at[i].v[k];  // F3
            }
        });
    }
    const REAL mine = m;
    m = warp_max(m);
    Z = warp_sum(Z * exp(mine - m));
    s_y = warp_sum(s_y);  // of which one lane's is not 0
    if constexpr (TEAM > 1) {
        __shared__ REAL of_warp[3][TEAM];
        if (threadIdx.x % LANES == 0) {
            const int warp = threadIdx.x / LANES;
            of_warp[0][warp] = m, of_warp[1][warp] = Z, of_warp[2][warp] = s_y;
        }
        __syncthreads();  // every warp's are written before they are put together
        m = of_warp[0][0], Z = 0, s_y = 0;
#pragma unroll
        for (int w = 1; w < TEAM; ++w) m = fmax(m, of_warp[0][w]);
#pragma unroll
        for (int w = 0; w < TEAM; ++w) {
            Z += of_warp[1][w] * exp(of_warp[0][w] - m);
            s_y += of_warp[2][w];
        }
    }
    return {m, Z, s_y};
}

// Both directions; of nll and ds, what is null is not wanted. rate: dnll, or scale where that is null.
__device__ __forceinline__ void directions(const REAL* s, const int* ids, const REAL* dnll,
                                           REAL scale, REAL* nll, REAL* ds, int N, int V) {
    const Row row(ids, N);
    if (row.n >= N) return;  // whole warps; a team of several always has a row
    const size_t first = (size_t)row.n * V;
    if (row.y < 0) {  // padding, the same for the whole team
        if (nll && row.me == 0) nll[row.n] = 0;  // F3
        for (int j = row.me; ds && j < V; j += TEAM * LANES) ds[first + j] = 0;  // B2
        return;
    }
    const Total total = total_of(row, s + first, V);
    if (nll && row.me == 0) nll[row.n] = log(total.Z) + (total.m - total.s_y);  // F3
    if (!ds) return;
    const REAL rate = dnll ? dnll[row.n] : scale, one_over_Z = REAL(1) / total.Z;
    for (int j0 = row.me * WIDTH; j0 < V; j0 += AT_ONCE * STEP) {
        Numbers<WIDTH> at[AT_ONCE];
        row.accesses(j0, V, [&](int i, int j) { at[i] = load<WIDTH>(s + first + j); });
        row.accesses(j0, V, [&](int i, int j) {
#pragma unroll
            for (int k = 0; k < WIDTH; ++k) {
                const REAL p = exp(at[i].v[k] - total.m) * one_over_Z;  // B1
                at[i].v[k] = rate * (j + k == row.y ? p - REAL(1) : p);  // B2
            }
            store(ds + first + j, at[i]);
        });
    }
}

extern "C" __global__ void __launch_bounds__(WARPS * LANES, 1)
cross_entropy_forward(const REAL* s, const int* ids, REAL* nll, int N, int V) {
    directions(s, ids, nullptr, 0, nll, nullptr, N, V);
}

extern "C" __global__ void __launch_bounds__(WARPS * LANES, 1)
cross_entropy_backward(const REAL* dnll, const REAL* s, const int* ids, REAL* ds, int N, int V) {
    directions(s, ids, dnll, 0, nullptr, ds, N, V);
}

extern "C" __global__ void __launch_bounds__(WARPS * LANES, 1)
cross_entropy_nll_and_grad(const REAL* s, const int* ids, REAL* nll, REAL* ds, int N, int V,
                           REAL scale) {
    directions(s, ids, nullptr, scale, nll, ds, N, V);
}
