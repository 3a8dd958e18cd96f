// The end of F2 of kernels/samplers/transformer/__init__.py: from x W_qkv to q, and to k and v in
// their place in the cache. A thread an entry of a row.

#include "../../device.cuh"

// Entry c of a row of queries or keys, turned by its position where there are angles (F2 of
// kernels/rotary): cosine and sine are those of the position, `half` numbers of a head.
__device__ __forceinline__ REAL turned(const REAL* row, const REAL* b, int c, const REAL* cosine,
                                       const REAL* sine, int half) {
    const REAL own = row[c] + b[c];
    if (half == 0) return own;
    const int i = c % (2 * half);
    const int partner = i < half ? c + half : c - half;
    const REAL other = row[partner] + b[partner];
    return i < half ? own * cosine[i] - other * sine[i]
                    : other * sine[i - half] + own * cosine[i - half];
}

// qkv: (N, 3C), b: (3C,), cosine, sine: (S, half), at: (N,) positions; q: (N, C), keys, values:
// (N, L, S, C), of which layer l's row at[n] is written.
extern "C" __global__ void __launch_bounds__(256)
sampler_append(const REAL* __restrict__ qkv, const REAL* __restrict__ b,
               const REAL* __restrict__ cosine, const REAL* __restrict__ sine,
               const int* __restrict__ at, REAL* __restrict__ q, REAL* __restrict__ keys,
               REAL* __restrict__ values, int C, int L, int S, int half, int l) {
    const int blocks_a_row = (C + blockDim.x - 1) / blockDim.x;
    const int n = blockIdx.x / blocks_a_row;
    const int c = blockIdx.x % blocks_a_row * blockDim.x + threadIdx.x;
    if (c >= C) return;
    const REAL* const row = qkv + (size_t)n * 3 * C;
    const REAL *const cosines = cosine + (size_t)at[n] * half, *const sines = sine + (size_t)at[n] * half;
    const size_t place = (((size_t)n * L + l) * S + at[n]) * C + c;
    q[(size_t)n * C + c] = turned(row, b, c, cosines, sines, half);
    keys[place] = turned(row + C, b + C, c, cosines, sines, half);
    values[place] = row[2 * C + c] + b[2 * C + c];
}
