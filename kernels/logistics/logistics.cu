// Mixtures of logistics, one of each row: kernels/logistics/__init__.py. TEAM lanes a row; no barrier.
//
// Component j is lane j % TEAM's alone: it reads μ_j, t_j and a_j and writes their gradients, so ds
// may be s. What a pass over the components needs, it makes of them anew: an exponential costs less
// than a place to keep it.
//
// A sum over a team is asked by whole warps; `on` says whether the team has a row.

#include "../device.cuh"
#include "../team.cuh"

constexpr int THREADS = 256;
constexpr double T_MAX = 40, Z_MAX = 1e18;
constexpr REAL LEAST = REAL(sizeof(REAL) == 4 ? -3e38 : -1e308);

struct Levels {
    int K, n;      // components; levels less one
    double least;  // of log scales
};

// v between two bounds; a NaN stays one.
template <typename T>
__device__ __forceinline__ T held(T v, T least, T most) {
    return v < least ? least : v > most ? most : v;
}

// Where the row's component j has the middle of level v: k and z, in T.
template <typename T>
struct Place {
    T k, z;

    __device__ __forceinline__ Place(const REAL* s, int j, int v, const Levels& of)
        : k(exp(-held(T(s[of.K + j]), T(of.least), T(T_MAX))) / T(of.n)),                   // F1
          z(held((T(2 * v - of.n) - T(of.n) * T(s[j])) * k, -T(Z_MAX), T(Z_MAX))) {}        // F2
};

// M = e^{-d} g of one component in level v.
struct Mass {
    Place<REAL> at;
    bool first, edge;
    REAL c, d;  // c of edges alone

    __device__ __forceinline__ Mass(const REAL* s, int j, int v, const Levels& of)
        : at(s, j, v, of), first(v == 0), edge(first || v == of.n) {
        c = first ? at.k + at.z : at.k - at.z;
        d = edge ? fmax(-c, REAL(0)) : fabs(at.z);
    }

    __device__ __forceinline__ REAL g() const {
        const REAL E = exp(-(edge ? fabs(c) : d)), q = exp(-at.k);
        if (edge) return REAL(1) / (REAL(1) + E);                                     // F4
        return -expm1(-at.k) * (REAL(1) + q) / ((REAL(1) + E * q) * (E + q));         // F3
    }

    // g, and ∂(log M)/∂μ over n k and -∂(log M)/∂t.
    __device__ __forceinline__ REAL g(REAL& slope, REAL& curve) const {
        const REAL E = exp(-(edge ? fabs(c) : d)), q = exp(-at.k);
        if (edge) {
            const REAL over = REAL(1) / (REAL(1) + E), beyond = c < 0 ? over : E * over;  // B3
            slope = first ? -beyond : beyond, curve = c * beyond;
            return over;
        }
        const REAL less = -expm1(-at.k) * (REAL(1) + q);
        const REAL over = REAL(1) / ((REAL(1) + E * q) * (E + q));
        const REAL apart = q * over * (-expm1(-d) * (REAL(1) + E));                       // B2
        const REAL both = q * over * (REAL(1) + E * (E + 2 * q));                         // B2
        slope = at.z < 0 ? -apart : apart, curve = at.k * (both + 2 * q * q / less) - d * apart;
        return less * over;
    }
};

// The row of this lane's team, and whether there is one that is asked about.
struct Row {
    Team team;
    int m;
    bool on;

    __device__ __forceinline__ explicit Row(int M)
        : m((blockIdx.x * THREADS + threadIdx.x) / TEAM), on(m < M) {}

    // The largest weight logit and A (F5), in every lane of the team.
    __device__ __forceinline__ void weigh(const REAL* a, int K, REAL& most, REAL& A) const {
        most = LEAST, A = 0;
        for (int j = team.me; on && j < K; j += TEAM) most = fmax(most, a[j]);
        most = team.most(most);
        for (int j = team.me; on && j < K; j += TEAM) A += exp(a[j] - most);  // F5
        A = team.sum(A);
    }
};

// Both directions; of nll and ds, what is null is not wanted. rate: dnll, or scale where that is null.
__device__ __forceinline__ void directions(const REAL* dnll, const REAL* s, const int* x, REAL scale,
                                           REAL* nll, REAL* ds, int M, const Levels& of) {
    const Row row(M);
    const int K = of.K, v = row.on ? x[row.m] : 0, level = v < 0 ? 0 : v;
    s += (size_t)row.m * 3 * K;
    const REAL* const a = s + 2 * K;
    REAL most, A, top = LEAST, Z = 0;
    row.weigh(a, K, most, A);
    for (int j = row.team.me; row.on && j < K; j += TEAM)
        top = fmax(top, a[j] - most - Mass(s, j, level, of).d);
    top = row.team.most(top);
    for (int j = row.team.me; row.on && j < K; j += TEAM) {
        const Mass mass(s, j, level, of);
        Z += exp(a[j] - most - mass.d - top) * mass.g();  // F6
    }
    Z = row.team.sum(Z);
    if (nll && row.on && row.team.me == 0) nll[row.m] = v < 0 ? REAL(0) : log(A) - log(Z) - top;  // F7
    if (!ds || !row.on) return;
    ds += (size_t)row.m * 3 * K;
    const REAL rate = dnll ? dnll[row.m] : scale;
    for (int j = row.team.me; j < K; j += TEAM) {
        const Mass mass(s, j, level, of);
        REAL slope, curve;
        const REAL g = mass.g(slope, curve), b = a[j] - most, t = s[K + j];
        const REAL share = rate * exp(b - mass.d - top) * g / Z;                      // B1
        const bool is_held = t < REAL(of.least) || t > REAL(T_MAX);
        ds[j] = v < 0 ? REAL(0) : -share * (slope * (REAL(of.n) * mass.at.k));        // B4
        ds[K + j] = v < 0 || is_held ? REAL(0) : share * curve;                       // B5
        ds[2 * K + j] = v < 0 ? REAL(0) : rate * exp(b) / A - share;                  // B6
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
logistics_forward(const REAL* s, const int* x, REAL* nll, int M, int K, int levels, double least) {
    directions(nullptr, s, x, 0, nll, nullptr, M, {K, levels - 1, least});
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
logistics_backward(const REAL* dnll, const REAL* s, const int* x, REAL* ds, int M, int K, int levels,
                   double least) {
    directions(dnll, s, x, 0, nullptr, ds, M, {K, levels - 1, least});
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
logistics_nll_and_grad(const REAL* s, const int* x, REAL* nll, REAL* ds, int M, int K, int levels,
                       double least, REAL scale) {
    directions(nullptr, s, x, scale, nll, ds, M, {K, levels - 1, least});
}

// A thread a probability.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
logistics_conditionals(const REAL* s, REAL* p, int M, int K, int levels, double least) {
    const size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= (size_t)M * levels) return;
    const REAL* const a = s + i / levels * 3 * K + 2 * K;
    REAL most = LEAST, A = 0, sum = 0;
    for (int j = 0; j < K; ++j) most = fmax(most, a[j]);
    for (int j = 0; j < K; ++j) {
        const Mass mass(a - 2 * K, j, int(i % levels), {K, levels - 1, least});
        const REAL weight = exp(a[j] - most);
        A += weight, sum += weight * (exp(-mass.d) * mass.g());  // C1
    }
    p[i] = sum / A;
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
logistics_draw(const REAL* s, const double* u, int* x, int M, int K, int levels, double least) {
    Row row(M);
    const double of_row = row.on ? u[row.m] : 0;
    row.on = row.on && !(of_row < 0);
    s += (size_t)row.m * 3 * K;
    const REAL* const a = s + 2 * K;
    const Levels of{K, levels - 1, least};
    REAL most = LEAST;
    double A = 0;
    for (int j = row.team.me; row.on && j < K; j += TEAM) most = fmax(most, a[j]);
    most = row.team.most(most);
    for (int j = row.team.me; row.on && j < K; j += TEAM) A += exp(double(a[j]) - double(most));
    A = row.team.sum(A);
    int low = 0, high = levels - 1;
    for (int left = levels - 1; left > 0; left >>= 1) {  // D3
        const int v = (low + high) / 2;
        double below = 0;
        for (int j = row.team.me; row.on && j < K; j += TEAM) {
            const Place<double> at(s, j, v, of);
            below += exp(double(a[j]) - double(most)) / (1 + exp(-at.z - at.k));
        }
        const bool beyond = row.team.sum(below) > of_row * A;  // D1, D2
        if (low < high) (beyond ? high : low) = beyond ? v : v + 1;
    }
    if (row.on && row.team.me == 0) x[row.m] = low;
}
