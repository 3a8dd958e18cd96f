// One head of one sequence in an array of many, whose last axis alone has to be contiguous.
//
// VECTOR comes from the plan: 1 where every row of every array starts on a 16-byte boundary and has
// a whole number of packs.

#include "../device.cuh"

// How far apart in array `a`, in numbers, two sequences, two positions and two heads are.
#define STRIDES(a) long long a##_n, long long a##_t, long long a##_h

// The head `pair` of array `a`.
#define HEAD(a) head_of(a, a##_n, a##_t, a##_h, pair)

constexpr REAL LOWEST = sizeof(REAL) == 4 ? REAL(-3e38) : REAL(-1e308);  // below every score

struct Pair {
    int r, h;  // the sequence, its head
};

template <typename T>
struct Rows {
    T* start;
    long long stride;

    __device__ __forceinline__ T* at(int t) const { return start + t * stride; }
};

template <typename T>
__device__ __forceinline__ Rows<T> head_of(T* a, long long a_n, long long a_t, long long a_h,
                                           Pair pair) {
    return {a + pair.r * a_n + pair.h * a_h, a_t};
}

// PACK numbers from column c of a row of d on; zeros past its end, and nothing but zeros where the
// row is not `there`. It is read all the same, so that no branch comes between several such loads,
// which then are on their way together: `row` has to be some row of the array.
__device__ __forceinline__ Pack load_pack(const REAL* row, int c, int d, bool there) {
    Pack pack;
    if constexpr (VECTOR) pack = load<PACK>(row + (c < d ? c : 0));
#pragma unroll
    for (int e = 0; e < PACK; ++e) {
        const bool inside = VECTOR ? c < d : c + e < d;
        if constexpr (!VECTOR) pack.v[e] = row[inside ? c + e : 0];
        pack.v[e] = there && inside ? pack.v[e] : REAL(0);
    }
    return pack;
}

__device__ __forceinline__ void store_pack(REAL* row, int c, int d, const Pack& pack) {
    if constexpr (VECTOR) {
        if (c < d) store(row + c, pack);
    } else {
#pragma unroll
        for (int e = 0; e < PACK; ++e)
            if (c + e < d) row[c + e] = pack.v[e];
    }
}

__device__ __forceinline__ REAL dot(const Pack& a, const Pack& b) {
    REAL sum = 0;
#pragma unroll
    for (int e = 0; e < PACK; ++e) sum += a.v[e] * b.v[e];
    return sum;
}
