// NADE's forward sweep and sampling: F1-F4 of kernels/nade/__init__.py.
//
// A block works on GROUP samples. Each of its THREADS threads owns UNITS hidden units and keeps
// their a and h = σ(a), for all samples of the block, in registers; so a row of W or V is loaded
// once for GROUP samples, coalesced, and where VECTOR is 1 in 16-byte accesses. Only the logits
// mix the units: their sums go through shuffles and, among warps, through shared memory.
//
// A step in which no sample of the block has a one ("event") needs no row of W and no σ. Which
// steps these are is the same for the whole block, so no warp diverges.

#include "../device.cuh"

constexpr int WARPS = THREADS / LANES;
constexpr int UNITS = PACK * CHUNKS;
constexpr int AT_ONCE = AHEAD * GROUP;   // dot products a thread works on at once

constexpr int TILE = LANES;              // logits between two barriers of the forward sweep
constexpr int STEPS = TILE / GROUP;      // for each sample
constexpr int GUESSES = 8;               // logits between two barriers of the sampler
constexpr int WINDOW = GUESSES / GROUP;  // for each sample

// Bit g * steps of a word, for every sample g: shifted by k, the bits of step k.
__host__ __device__ constexpr unsigned every_sample(int steps) {
    unsigned bits = 0;
    for (int g = 0; g < GROUP; ++g) bits |= 1u << (g * steps);
    return bits;
}

// This thread's entries of a row of H numbers; zeros past its end. A thread owns PACK neighbours in
// each chunk if accesses are wide, else every THREADS-th unit, so that a warp's are neighbours.
__device__ __forceinline__ void load_row(const REAL* __restrict__ row, int H, REAL (&out)[UNITS]) {
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c) {
        if constexpr (VECTOR) {
            const int j = (c * THREADS + threadIdx.x) * PACK;
            Pack pack = {};
            if (j < H) pack = load<PACK>(row + j);
#pragma unroll
            for (int k = 0; k < PACK; ++k) out[c * PACK + k] = pack.v[k];
        } else {
#pragma unroll
            for (int k = 0; k < PACK; ++k) {
                const int j = (c * PACK + k) * THREADS + threadIdx.x;
                out[c * PACK + k] = j < H ? row[j] : REAL(0);
            }
        }
    }
}

__device__ __forceinline__ void store_row(REAL* __restrict__ row, int H, const REAL (&in)[UNITS]) {
#pragma unroll
    for (int u = 0; u < UNITS; ++u) {
        const int j = VECTOR ? (u / PACK * THREADS + threadIdx.x) * PACK + u % PACK
                             : u * THREADS + threadIdx.x;
        if (j < H) row[j] = in[u];
    }
}

// The hidden state of the block's samples, as far as this thread owns it.
struct Hidden {
    REAL a[GROUP][UNITS], h[GROUP][UNITS];

    __device__ __forceinline__ void start(const REAL* c, int H) {
        load_row(c, H, a[0]);
#pragma unroll
        for (int u = 0; u < UNITS; ++u) {
            const REAL first = a[0][u], sigma = sigmoid(first);
#pragma unroll
            for (int g = 0; g < GROUP; ++g) a[g][u] = first, h[g][u] = sigma;  // F1, F2
        }
    }

    // This thread's part of V_i·h_i.
    __device__ __forceinline__ REAL dot(int g, const REAL (&v)[UNITS]) const {
        REAL sum = 0;
#pragma unroll
        for (int u = 0; u < UNITS; ++u) sum += v[u] * h[g][u];  // F3
        return sum;
    }

    // x_i = 1 for the samples whose bit is set: bit 0 for sample 0, bit `steps` for sample 1, …
    __device__ __forceinline__ void event(unsigned ones, int steps, const REAL (&w)[UNITS]) {
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
            if (!(ones >> (g * steps) & 1)) continue;
#pragma unroll
            for (int u = 0; u < UNITS; ++u) {
                a[g][u] += w[u];             // F4
                h[g][u] = sigmoid(a[g][u]);  // F2
            }
        }
    }
};

// AHEAD rows of V and, where an event will need them, of W.
struct Rows {
    REAL v[AHEAD][UNITS], w[AHEAD][UNITS];

    // Rows i … i + AHEAD - 1; `ones` holds their events in bits 0 … AHEAD - 1 of each sample.
    __device__ __forceinline__ void load(const REAL* W, const REAL* V, int i, unsigned ones, int D,
                                         int H) {
#pragma unroll
        for (int k = 0; k < AHEAD; ++k) {
            const size_t row = (size_t)(i + k) * H;
            if (i + k < D) load_row(V + row, H, v[k]);
            if (ones >> k & every_sample(STEPS)) load_row(W + row, H, w[k]);
        }
    }
};

// The block's dynamic shared memory: [2][WARPS][numbers a warp]. While one half is read, the other
// fills, so one barrier between writing and reading is enough.
__device__ __forceinline__ REAL* shared_sums() {
    extern __shared__ REAL sums[];
    return sums;
}

// What a tile's logits are: sample g, step k in lane g * STEPS + k of every warp.
struct Place {
    int n, k;  // the sample's row, the step within the tile

    __device__ __forceinline__ Place(int steps, int lane)
        : n(blockIdx.x * GROUP + lane / steps), k(lane % steps) {}
};

// The sweep behind all three forward kernels; outputs that are null are not wanted. One barrier a
// tile: its logits need the partial sums of all warps, the next tile does not need its logits.
__device__ __forceinline__ void sweep(
    const Bit* __restrict__ x, const REAL* __restrict__ W, const REAL* __restrict__ V,
    const REAL* __restrict__ b, const REAL* __restrict__ c, int N, int D, int H, REAL scale,
    REAL* __restrict__ s, REAL* __restrict__ ds, REAL* __restrict__ nll, REAL* __restrict__ a_end,
    REAL sign) {
    REAL* const both_halves = shared_sums();
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const Place place(STEPS, lane);
    const Bit* my_x = x + (size_t)place.n * D;

    Hidden hidden;
    hidden.start(c, H);
    auto is_one = [&](int i) { return place.n < N && i < D && my_x[i]; };
    bool one = is_one(place.k);
    unsigned ones = __ballot_sync(ALL_LANES, one);  // bit g * STEPS + k: x of sample g at step k
    Rows next;
    next.load(W, V, 0, ones, D, H);
    REAL loss = 0;

    for (int i = 0, half = 0; i < D; i += STEPS, half ^= 1) {
        const bool next_one = is_one(i + STEPS + place.k);
        const unsigned next_ones = __ballot_sync(ALL_LANES, next_one);
        REAL* const sums = both_halves + half * WARPS * TILE;
#pragma unroll 1
        for (int first = 0; first < STEPS; first += AHEAD) {
            const Rows rows = next;
            const int later = first + AHEAD;
            next.load(W, V, i + later, later < STEPS ? ones >> later : next_ones, D, H);
            REAL dots[AT_ONCE];
#pragma unroll
            for (int k = 0; k < AHEAD; ++k) {
#pragma unroll
                for (int g = 0; g < GROUP; ++g) dots[g * AHEAD + k] = hidden.dot(g, rows.v[k]);
                hidden.event(ones >> (first + k), STEPS, rows.w[k]);
            }
            const REAL sum = warp_sums<AT_ONCE>(dots);
            if (lane < AT_ONCE)
                sums[warp * TILE + lane / AHEAD * STEPS + first + lane % AHEAD] = sum;
        }
        __syncthreads();  // every warp's sums of this tile are written before warp 0 reads them, and
                          // those of the last but one, in the same half, were read before that
        if (warp == 0 && place.n < N && i + place.k < D) {
            REAL logit = b[i + place.k];
            for (int w = 0; w < WARPS; ++w) logit += sums[w * TILE + lane];  // F3
            const size_t at = (size_t)place.n * D + i + place.k;
            if (s) s[at] = logit;
            if (ds) ds[at] = scale * (sigmoid(logit) - REAL(one));             // bernoulli's B2
            if (nll) loss += softplus(logit) - (one ? logit : REAL(0));        // bernoulli's F1
        }
        one = next_one;
        ones = next_ones;
    }
    if (nll && warp == 0) {
#pragma unroll
        for (int k = 1; k < STEPS; k *= 2) loss += __shfl_xor_sync(ALL_LANES, loss, k);
        if (place.k == 0 && place.n < N) nll[place.n] = sign * loss;
    }
    if (a_end) {
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
            const int n = blockIdx.x * GROUP + g;
            if (n < N) store_row(a_end + (size_t)n * H, H, hidden.a[g]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_forward(const Bit* x, const REAL* W, const REAL* V, const REAL* b, const REAL* c, REAL* s,
             REAL* a_end, int N, int D, int H) {
    sweep(x, W, V, b, c, N, D, H, 0, s, nullptr, nullptr, a_end, 0);
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_log_prob(const Bit* x, const REAL* W, const REAL* V, const REAL* b, const REAL* c,
              REAL* log_p, int N, int D, int H) {
    sweep(x, W, V, b, c, N, D, H, 0, nullptr, nullptr, log_p, nullptr, -1);
}

// The loss of each row, and ds of scale times their sum: what nade_backward needs.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_loss(const Bit* x, const REAL* W, const REAL* V, const REAL* b, const REAL* c, REAL* nll,
          REAL* ds, REAL* a_end, int N, int D, int H, REAL scale) {
    sweep(x, W, V, b, c, N, D, H, scale, nullptr, ds, nll, a_end, 1);
}

// A round guesses that no sample draws a one before the end of a window of WINDOW steps. Under that
// guess h stays as it is, and the window's logits do not depend on each other. The steps up to and
// including the first one drawn by any sample stand, W's row is added, and the next round starts
// after it. Without ones the chain of dependent steps is thus WINDOW times shorter than D.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_sample(const REAL* __restrict__ u, const REAL* __restrict__ W, const REAL* __restrict__ V,
            const REAL* __restrict__ b, const REAL* __restrict__ c, Bit* __restrict__ x, int N,
            int D, int H) {
    REAL* const both_halves = shared_sums();
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const Place place(WINDOW, lane);
    const bool in_use = lane < GUESSES && place.n < N;
    Hidden hidden;
    hidden.start(c, H);

    for (int i = 0, half = 0; i < D; half ^= 1) {
        REAL dots[GUESSES];
#pragma unroll
        for (int k = 0; k < WINDOW; ++k) {
            REAL v[UNITS] = {};
            if (i + k < D) load_row(V + (size_t)(i + k) * H, H, v);
#pragma unroll
            for (int g = 0; g < GROUP; ++g) dots[g * WINDOW + k] = hidden.dot(g, v);
        }
        const REAL sum = warp_sums<GUESSES>(dots);
        REAL* const sums = both_halves + half * WARPS * GUESSES;
        if (lane < GUESSES) sums[warp * GUESSES + lane] = sum;
        __syncthreads();  // as in the forward sweep; here every warp reads, and all draw the same x

        const bool wanted = in_use && i + place.k < D;
        const size_t at = (size_t)place.n * D + i + place.k;
        REAL logit = wanted ? b[i + place.k] : REAL(0);
        if (wanted)
            for (int w = 0; w < WARPS; ++w) logit += sums[w * GUESSES + lane];  // F3
        const bool one = wanted && u[at] < sigmoid(logit);
        const unsigned ones = __ballot_sync(ALL_LANES, one);
        int last = WINDOW - 1;  // the last step that stands
#pragma unroll
        for (int k = WINDOW - 1; k >= 0; --k)
            if (ones >> k & every_sample(WINDOW)) last = k;
        if (warp == 0 && wanted && place.k <= last) x[at] = one;
        if (ones >> last & every_sample(WINDOW)) {
            REAL w[UNITS];
            load_row(W + (size_t)(i + last) * H, H, w);
            hidden.event(ones >> last, WINDOW, w);
        }
        i += last + 1;
    }
}
