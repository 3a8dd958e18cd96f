// What the recurrent passes' step kernels share: arrays over time, and one step's matrix product.
//
// A block computes a tile of ROWS rows of the batch by UNITS hidden units, a lane being one of UNITS
// units and one of PARTS parts. The block's warps share the product's long side k. ROWS is a constant
// of the launch plan.

#include "device.cuh"

constexpr int WARPS = 8;
constexpr int UNITS = 8;
constexpr int PARTS = LANES / UNITS;
constexpr int ROOM = 32768 / sizeof(REAL);  // numbers of shared memory
constexpr int MOST_K = ROOM / ROWS;         // of which this many a row hold a tile of the left side

// The block's shared memory: the tile, then the warps' sums, (WARPS, ROWS, LANES).
__device__ __forceinline__ REAL* shared_room() {
    __shared__ Pack room[ROOM / PACK];
    return room[0].v;
}

// A time-major array, (T, N, ·), whose steps and rows may lie apart.
template <typename T>
struct Steps {
    T* first;
    long long of_step, of_row;

    __device__ __forceinline__ T* operator()(int t, int n) const {
        return first + t * of_step + n * of_row;
    }
};

// Where this thread works: unit j of part `part`; rows n0 + warp, n0 + warp + WARPS, …
struct Place {
    int lane, warp, unit, part, j, n0;

    __device__ __forceinline__ Place()
        : lane(threadIdx.x % LANES), warp(threadIdx.x / LANES), unit(lane % UNITS),
          part(lane / UNITS), j(blockIdx.x * UNITS + unit), n0(blockIdx.y * ROWS) {}

    // The value of v that the lane of the same unit and part `from` has.
    __device__ __forceinline__ REAL of_part(REAL v, int from) const {
        return __shfl_sync(ALL_LANES, v, from * UNITS + unit);
    }
};

// acc[r] += Σ left(n0 + r, k) right[k · stride] over this lane's share of k = 0 … K - 1: a warp's,
// or, SPLIT, one part's of it. `left` is called for rows below N; `right` is the lane's column,
// `inside` whether it exists. The left side goes through shared memory, where all lanes read it; the
// right side comes from global memory, each number once a block, and is on its way while the left
// side, or the share before, is worked on.
template <bool SPLIT, typename Left>
__device__ __forceinline__ void multiply(const Place& place, Left left, int N, int K,
                                         const REAL* right, size_t stride, bool inside, REAL* room,
                                         REAL (&acc)[ROWS]) {
    constexpr int AT_ONCE = 16;                      // numbers of the right side on their way
    constexpr int LEAP = SPLIT ? PARTS * PACK : PACK;  // from one PACK of a lane's share to the next
    constexpr int SHARES = WARPS * LEAP / PACK;
    for (int k0 = 0; k0 < K; k0 += MOST_K) {
        const int of_share = (min(K - k0, MOST_K) + SHARES * PACK - 1) / (SHARES * PACK) * PACK;
        const int of_row = of_share * SHARES;
        const int base = place.warp * (of_row / WARPS) + (SPLIT ? place.part * PACK : 0);
        auto load_right = [&](int q0, REAL (&w)[AT_ONCE]) {
#pragma unroll
            for (int i = 0; i < AT_ONCE; ++i) {
                const int k = k0 + base + (q0 + i) / PACK * LEAP + i % PACK;
                w[i] = inside && q0 + i < of_share && k < K ? right[k * stride] : REAL(0);
            }
        };
        REAL next[AT_ONCE];
        load_right(0, next);
        for (int r = place.warp; r < ROWS; r += WARPS) {
#pragma unroll 8
            for (int k = place.lane; k < of_row; k += LANES) {
                const bool there = place.n0 + r < N && k0 + k < K;
                room[r * of_row + k] = there ? left(place.n0 + r, k0 + k) : REAL(0);
            }
        }
        __syncthreads();  // the tile is written before it is read
        for (int q0 = 0; q0 < of_share; q0 += AT_ONCE) {
            REAL w[AT_ONCE];
#pragma unroll
            for (int i = 0; i < AT_ONCE; ++i) w[i] = next[i];
            if (q0 + AT_ONCE < of_share) load_right(q0 + AT_ONCE, next);
#pragma unroll
            for (int i = 0; i < AT_ONCE; i += PACK) {
                if (q0 + i >= of_share) break;
                const REAL* const at = room + base + (q0 + i) / PACK * LEAP;
#pragma unroll
                for (int r = 0; r < ROWS; ++r) {
                    const Pack a = load<PACK>(at + r * of_row);
#pragma unroll
                    for (int p = 0; p < PACK; ++p) acc[r] += a.v[p] * w[i + p];
                }
            }
        }
        __syncthreads();  // the tile is read before the next one, or the sums, overwrite it
    }
}

// Calls use(n, given, p) for each row n of the block that is this warp's, p being the product's entry
// at (n, the lane's column); SPLIT, the same in all parts. given = fetch(n), what else the step needs
// from memory, is on its way while the product is worked on. A warp's lanes make the same calls.
template <bool SPLIT, typename Left, typename Fetch, typename Use>
__device__ __forceinline__ void product(const Place& place, Left left, int N, int K,
                                        const REAL* right, size_t stride, bool inside, Fetch fetch,
                                        Use use) {
    constexpr int MINE = ROWS / WARPS;  // rows of a warp
    REAL* const room = shared_room();
    decltype(fetch(0)) given[MINE] = {};
#pragma unroll
    for (int i = 0; i < MINE; ++i) {
        const int n = place.n0 + place.warp + i * WARPS;
        if (n < N) given[i] = fetch(n);
    }
    REAL acc[ROWS] = {};
    multiply<SPLIT>(place, left, N, K, right, stride, inside, room, acc);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) room[(place.warp * ROWS + r) * LANES + place.lane] = acc[r];
    __syncthreads();  // every warp's sums are written before they are added
#pragma unroll
    for (int i = 0; i < MINE; ++i) {
        const int r = place.warp + i * WARPS, n = place.n0 + r;
        if (n >= N) break;
        REAL sum = 0;
#pragma unroll
        for (int w = 0; w < WARPS; ++w) sum += room[(w * ROWS + r) * LANES + place.lane];
        use(n, given[i], SPLIT ? warp_sum<UNITS>(sum) : sum);
    }
}
