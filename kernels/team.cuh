// TEAM neighbouring lanes of a warp, a constant 1, 2, 4 … 32, that work on one thing together.
//
// A sum, a maximum or a question is asked by whole warps: every lane calls it, also those whose team
// has nothing to do. So nothing that calls one stands behind a branch that is not the whole warp's.
//
// Included after device.cuh.

struct Team {
    int me;  // this lane's number in the team

    __device__ __forceinline__ Team() : me(threadIdx.x % TEAM) {}

    // The sum of v over the team, in every lane of it.
    template <typename T>
    __device__ __forceinline__ T sum(T v) const {
#pragma unroll
        for (int step = 1; step < TEAM; step *= 2) v += __shfl_xor_sync(ALL_LANES, v, step);
        return v;
    }

    // The largest v of the team; a NaN loses against any number.
    template <typename T>
    __device__ __forceinline__ T most(T v) const {
#pragma unroll
        for (int step = 1; step < TEAM; step *= 2) v = fmax(v, __shfl_xor_sync(ALL_LANES, v, step));
        return v;
    }

    // The smallest v of the team; a NaN loses against any number.
    template <typename T>
    __device__ __forceinline__ T least(T v) const {
#pragma unroll
        for (int step = 1; step < TEAM; step *= 2) v = fmin(v, __shfl_xor_sync(ALL_LANES, v, step));
        return v;
    }

    // v of the team's lane l.
    template <typename T>
    __device__ __forceinline__ T of(T v, int l) const {
        return __shfl_sync(ALL_LANES, v, int(threadIdx.x % LANES) - me + l);
    }
};

// Whether any lane of the warp says yes.
__device__ __forceinline__ bool anybody(bool yes) { return __ballot_sync(ALL_LANES, yes); }
