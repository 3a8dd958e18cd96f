// The hidden units of NADE's forward sweep and sampling: F1, F2, F4 of kernels/nade/__init__.py.
//
// A block works on GROUP samples. Each of its THREADS threads owns UNITS hidden units and keeps
// their a and h = σ(a), for all samples of the block, in registers; so a row of W or V is loaded
// once for GROUP samples, coalesced, and where VECTOR is 1 in 16-byte accesses. Only the outputs
// mix the units: their sums go through shuffles and, among warps, through shared memory.
//
// A step in which no sample of the block has an event needs no row of W and no σ. Which steps these
// are is the same for the whole block, so no warp diverges. What an event is, is the head's to say.

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

    // c: a row for each class, y: the samples' classes, read where there are several.
    __device__ __forceinline__ void start(const REAL* c, const int* y, int N, int H, int n_classes) {
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
            const int n = blockIdx.x * GROUP + g, k = n_classes > 1 && n < N ? y[n] : 0;
            load_row(c + (size_t)k * H, H, a[g]);  // F1
#pragma unroll
            for (int u = 0; u < UNITS; ++u) h[g][u] = sigmoid(a[g][u]);  // F2
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
