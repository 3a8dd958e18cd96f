// What every kernel file shares: the number type, wide loads, sums over a warp, σ and softplus.
//
// REAL (float or double) and the other constants in capitals come from the launch plan, as -D
// options. No standard headers: NVRTC, which compiles these files at run time, has none.
//
// Kernels with much in registers say __launch_bounds__(threads, 1): without the 1, the compiler at
// times spills a few bytes to fit one more block on a multiprocessor.

typedef unsigned char Bit;  // binary data: 0 or 1, one byte a variable

constexpr int LANES = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;
constexpr int PACK = 16 / sizeof(REAL);  // numbers in one 16-byte access

struct alignas(16) Pack {
    REAL v[PACK];
};

// σ(s) = 1 / (1 + e^-s). For s → -∞ the exponential becomes infinite and the quotient 0.
__device__ __forceinline__ REAL sigmoid(REAL s) { return REAL(1) / (REAL(1) + exp(-s)); }

// log(1 + e^s), which overflows for no s.
__device__ __forceinline__ REAL softplus(REAL s) {
    return fmax(s, REAL(0)) + log1p(exp(-fabs(s)));
}

// The sum of v over the lanes that differ from this one only in the bits FROM … LANES/2 of their
// number; over the whole warp by default. Every lane gets it.
template <int FROM = 1, typename T>
__device__ __forceinline__ T warp_sum(T v) {
#pragma unroll
    for (int step = FROM; step < LANES; step *= 2) v += __shfl_xor_sync(ALL_LANES, v, step);
    return v;
}

// A lane keeps half of its M values, gives the other half to its partner, and so on with what is
// left, until it has value `lane % M` of every lane in its group of M. v is used as scratch.
template <int M>
__device__ __forceinline__ REAL fold(REAL* v) {
    if constexpr (M > 1) {
        constexpr int HALF = M / 2;
        const bool upper = threadIdx.x & HALF;
#pragma unroll
        for (int k = 0; k < HALF; ++k) {
            const REAL keep = upper ? v[k + HALF] : v[k];
            const REAL give = upper ? v[k] : v[k + HALF];
            v[k] = keep + __shfl_xor_sync(ALL_LANES, give, HALF);
        }
        return fold<HALF>(v);
    }
    return v[0];
}

// M sums over the warp at once: lane l gets the sum of v[l % M] over all lanes. That is M - 1
// shuffles and log2(32 / M) more, where M single sums take 5 M.
template <int M>
__device__ __forceinline__ REAL warp_sums(REAL (&v)[M]) {
    return warp_sum<M>(fold<M>(v));
}
