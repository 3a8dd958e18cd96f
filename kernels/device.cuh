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

// Neighbours in memory, read or written in one access.
template <int WIDTH>
struct alignas(WIDTH * sizeof(REAL)) Numbers {
    REAL v[WIDTH];
};
using Pack = Numbers<PACK>;

template <int WIDTH>
__device__ __forceinline__ Numbers<WIDTH> load(const REAL* p) {
    return *reinterpret_cast<const Numbers<WIDTH>*>(p);
}

template <int WIDTH>
__device__ __forceinline__ void store(REAL* p, const Numbers<WIDTH>& numbers) {
    *reinterpret_cast<Numbers<WIDTH>*>(p) = numbers;
}

// The row that is the calling warp's where each warp has one. A row past the last one leaves the
// whole warp at once.
__device__ __forceinline__ int row_of_warp() {
    return blockIdx.x * (blockDim.x / LANES) + threadIdx.x / LANES;
}

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

// The largest v of the warp; a NaN loses against any number.
template <typename T>
__device__ __forceinline__ T warp_max(T v) {
#pragma unroll
    for (int step = 1; step < LANES; step *= 2) v = fmax(v, __shfl_xor_sync(ALL_LANES, v, step));
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

// Calls use(c, the sum over the block's WARPS warps of column c) for each of LANES · WIDTH columns, of
// which every lane has WIDTH neighbours. sums: WARPS · LANES · WIDTH numbers of shared memory; a
// barrier has to come before they are used again.
template <int WARPS, int WIDTH, typename Use>
__device__ __forceinline__ void add_warps(const REAL (&mine)[WIDTH], REAL* sums, Use use) {
    constexpr int COLUMNS = LANES * WIDTH;
#pragma unroll
    for (int k = 0; k < WIDTH; ++k) sums[threadIdx.x * WIDTH + k] = mine[k];
    __syncthreads();  // every warp's sums are written before they are added
    for (int c = threadIdx.x; c < COLUMNS; c += WARPS * LANES) {
        REAL sum = 0;
#pragma unroll
        for (int w = 0; w < WARPS; ++w) sum += sums[w * COLUMNS + c];
        use(c, sum);
    }
}

// Column sums of a matrix take two launches, each in a fixed order: the same bits every time, which
// atomic additions do not give. In the first a lane owns WIDTH neighbouring columns from j on, a
// warp the rows n, n + step, …, and a block adds up its warps; the second adds up the blocks.
template <int WARPS, int WIDTH>
struct Columns {
    int j, n, step;

    __device__ __forceinline__ Columns()
        : j((blockIdx.x * LANES + threadIdx.x % LANES) * WIDTH),
          n(blockIdx.y * WARPS + threadIdx.x / LANES),
          step(gridDim.y * WARPS) {}

    // out[j] = the sum of the block's warps' `mine`, for its columns j; `sums` as above.
    __device__ __forceinline__ void store_sums(const REAL (&mine)[WIDTH], REAL* sums, REAL* out,
                                               int C) const {
        const int first = blockIdx.x * LANES * WIDTH;
        add_warps<WARPS>(mine, sums, [&](int c, REAL sum) {
            if (first + c < C) out[first + c] = sum;
        });
    }
};

// Σ_g partial[g · stride]: the second launch's part.
__device__ __forceinline__ REAL sum_of_groups(const REAL* partial, int n_groups, size_t stride) {
    REAL sum = 0;
#pragma unroll 4
    for (int g = 0; g < n_groups; ++g) sum += partial[g * stride];
    return sum;
}
