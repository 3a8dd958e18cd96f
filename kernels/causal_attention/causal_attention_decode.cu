// One decoding step: F1-F4 of kernels/causal_attention/__init__.py for the last query of each row.
//
// Keys and values are read once, so all that counts is how many reads are on their way. KEY_LANES
// lanes share a key, PACKS_A_LANE packs each; such a group takes every GROUPS-th key, AT_ONCE of
// them at a time, with an online softmax of its own. A head's keys may be split among blocks; what
// groups, or blocks, have found are rows m, z, a_1 … a_d, which `merge` makes one of.

#include "heads.cuh"

constexpr int THREADS = 128, GROUPS = THREADS / KEY_LANES;
constexpr int AT_ONCE = 4;
constexpr int MOST = KEY_LANES * PACKS_A_LANE * PACK;  // d at most

// Σ over `count` rows m, z, a of what is found at the greatest m: a_c, and z by reference.
struct Merged {
    REAL m = LOWEST, z = 0, a = 0;

    __device__ __forceinline__ Merged(const REAL* rows, int count, int stride, int c) {
        for (int s = 0; s < count; ++s) m = fmax(m, rows[s * stride]);
        for (int s = 0; s < count; ++s) {
            const REAL* row = rows + s * stride;
            const REAL factor = exp(row[0] - m);
            z += factor * row[1];
            a += factor * row[2 + c];
        }
    }

    // F4; nothing to look at gives 0.
    __device__ __forceinline__ REAL mean() const { return z > 0 ? a / z : REAL(0); }
};

__device__ __forceinline__ REAL group_sum(REAL v) {
#pragma unroll
    for (int step = 1; step < KEY_LANES; step *= 2) v += __shfl_xor_sync(ALL_LANES, v, step);
    return v;
}

// partial: (N, n, splits, 2 + d), not used, as o is written at once, where splits is 1.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
attention_decode(const REAL* __restrict__ q, const REAL* __restrict__ keys,
                 const REAL* __restrict__ values, const int* __restrict__ length,
                 REAL* __restrict__ o, REAL* __restrict__ partial, int n, int d, int splits,
                 REAL scale, STRIDES(keys), STRIDES(values), long long q_n, long long q_h,
                 long long o_n, long long o_h) {
    __shared__ REAL found[GROUPS][2 + MOST];
    const int head = blockIdx.x / splits, part = blockIdx.x % splits;
    const Pair pair = {head / n, head % n};
    const Rows<const REAL> K = HEAD(keys), V = HEAD(values);
    const int a_part = (length[pair.r] + splits - 1) / splits;
    const int first = part * a_part, end = min(length[pair.r], first + a_part);
    const int group = threadIdx.x / KEY_LANES, lane = threadIdx.x % KEY_LANES;
    auto column = [&](int p) { return (p * KEY_LANES + lane) * PACK; };

    Pack my_q[PACKS_A_LANE], a[PACKS_A_LANE] = {};
#pragma unroll
    for (int p = 0; p < PACKS_A_LANE; ++p)
        my_q[p] = load_pack(q + pair.r * q_n + pair.h * q_h, column(p), d, true);
    REAL m = LOWEST, z = 0;

    for (int j0 = first; j0 < end; j0 += GROUPS * AT_ONCE) {
        Pack k[AT_ONCE][PACKS_A_LANE], v[AT_ONCE][PACKS_A_LANE];
#pragma unroll
        for (int u = 0; u < AT_ONCE; ++u) {
            const int j = j0 + u * GROUPS + group;
#pragma unroll
            for (int p = 0; p < PACKS_A_LANE; ++p) {
                k[u][p] = load_pack(K.at(min(j, end - 1)), column(p), d, j < end);
                v[u][p] = load_pack(V.at(min(j, end - 1)), column(p), d, j < end);
            }
        }
        REAL s[AT_ONCE], top = m;
#pragma unroll
        for (int u = 0; u < AT_ONCE; ++u) {
            s[u] = 0;
#pragma unroll
            for (int p = 0; p < PACKS_A_LANE; ++p) s[u] += dot(my_q[p], k[u][p]);
            s[u] = group_sum(s[u]) * scale;  // F1
            if (j0 + u * GROUPS + group < end) top = fmax(top, s[u]);
        }
        const REAL factor = exp(m - top);
        m = top;
        z *= factor;
#pragma unroll
        for (int p = 0; p < PACKS_A_LANE; ++p)
#pragma unroll
            for (int e = 0; e < PACK; ++e) a[p].v[e] *= factor;
#pragma unroll
        for (int u = 0; u < AT_ONCE; ++u) {
            const bool there = j0 + u * GROUPS + group < end;
            const REAL weight = there ? exp(s[u] - m) : REAL(0);
            z += weight;  // F2
#pragma unroll
            for (int p = 0; p < PACKS_A_LANE; ++p)
#pragma unroll
                for (int e = 0; e < PACK; ++e) a[p].v[e] += weight * v[u][p].v[e];  // F4
        }
    }
    if (lane == 0) found[group][0] = m, found[group][1] = z;
#pragma unroll
    for (int p = 0; p < PACKS_A_LANE; ++p)
#pragma unroll
        for (int e = 0; e < PACK; ++e) found[group][2 + column(p) + e] = a[p].v[e];
    __syncthreads();  // every group's row is written before they are merged

    for (int c = threadIdx.x; c < d; c += THREADS) {
        const Merged merged(found[0], GROUPS, 2 + MOST, c);
        REAL* const row = partial + (size_t)blockIdx.x * (2 + d);
        if (splits == 1)
            o[pair.r * o_n + pair.h * o_h + c] = merged.mean();
        else
            row[2 + c] = merged.a;
        if (splits > 1 && c == 0) row[0] = merged.m, row[1] = merged.z;
    }
}

// A block a head, a thread a number of it.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
attention_decode_merge(const REAL* __restrict__ partial, REAL* __restrict__ o, int n, int d,
                       int splits, long long o_n, long long o_h) {
    const int head = blockIdx.x;
    for (int c = threadIdx.x; c < d; c += THREADS) {
        const Merged merged(partial + (size_t)head * splits * (2 + d), splits, 2 + d, c);
        o[head / n * o_n + head % n * o_h + c] = merged.mean();
    }
}
