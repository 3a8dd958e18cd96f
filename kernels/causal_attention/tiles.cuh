// A tile of scores, rows × columns, and its products with what the rows and the columns stand for.
//
// A block owns ROWS rows of the T×T scores of one head and walks over the columns that the mask
// leaves, SLICES · COLS at a time. Rows are queries and columns keys, or the other way round: every
// product below is of one of two forms, so that no tile is ever transposed.
//
//     products     s[i][j]  = row i of A · row j of B          scores, and dP
//     add_rows     out[i]  += Σ_j p[i][j] · row j of B         o, dq, dk and dv
//
// A warp owns WARP_ROWS rows and, of every SLICES · COLS columns, the COLS of its slice. Its lanes
// are ROW_LANES × SIDE: a lane has the rows lane / SIDE, + ROW_LANES, … (MINE of them), the columns
// lane % SIDE, + SIDE, …, and of an output row every SIDE-th pack. So sums and maxima over a row
// are over SIDE neighbouring lanes, and no warp needs what another computes before the end, where
// the slices' outputs are added up.
//
// In shared memory a row of PADDED ≥ d numbers, with zeros past d, takes a pack more, which puts the
// packs that 8 lanes read at once, one below the other, in 32 different banks.

#include "heads.cuh"

constexpr int SIDE = 8, ROW_LANES = LANES / SIDE;
constexpr int WARP_ROWS = ROW_LANES * MINE, ROWS = ROW_WARPS * WARP_ROWS;
constexpr int WARPS_A_BLOCK = ROW_WARPS * SLICES, THREADS = WARPS_A_BLOCK * LANES;
constexpr int STEP = SLICES * COLS;          // columns that a block has in shared memory at a time
constexpr int MY_COLS = COLS / SIDE;         // of a lane
constexpr int MY_PACKS = PADDED / (SIDE * PACK);
constexpr int STRIDE = PADDED + PACK;        // of a row of a tile
constexpr int P_STRIDE = COLS + SIDE;        // of a row of scores: 4 rows of 8 in 32 banks

using Scores = REAL[MINE][MY_COLS];
using Output = Pack[MINE][MY_PACKS];

// Where a thread stands in its block. Rows and columns count from the first of the block's tile.
struct Place {
    int lane_row, lane_col, warp, slice, first_row, last_row;  // of its warp

    __device__ __forceinline__ Place()
        : lane_row(threadIdx.x % LANES / SIDE),
          lane_col(threadIdx.x % SIDE),
          warp(threadIdx.x / LANES),
          slice(warp / ROW_WARPS),
          first_row(warp % ROW_WARPS * WARP_ROWS),
          last_row(first_row + WARP_ROWS - 1) {}

    __device__ __forceinline__ int row(int i) const { return first_row + i * ROW_LANES + lane_row; }
    __device__ __forceinline__ int col(int j) const { return slice * COLS + j * SIDE + lane_col; }
};

__device__ __forceinline__ REAL side_sum(REAL v) {
#pragma unroll
    for (int step = 1; step < SIDE; step *= 2) v += __shfl_xor_sync(ALL_LANES, v, step);
    return v;
}

__device__ __forceinline__ REAL side_max(REAL v) {
#pragma unroll
    for (int step = 1; step < SIDE; step *= 2) v = fmax(v, __shfl_xor_sync(ALL_LANES, v, step));
    return v;
}

// Rows first … first + COUNT - 1 of a head into a tile; zeros past T. SIDE lanes share a row.
template <int COUNT>
__device__ __forceinline__ void load_tile(REAL* tile, Rows<const REAL> head, int first, int T,
                                          int d) {
    constexpr int AT_ONCE = THREADS / SIDE, UNROLL = MY_PACKS < 8 ? 8 / MY_PACKS : 1;
    constexpr int PACKS = PADDED > 128 ? 4 : MY_PACKS;  // large heads leave registers for no more
    static_assert(COUNT % AT_ONCE == 0);
#pragma unroll UNROLL
    for (int n = 0; n < COUNT / AT_ONCE; ++n) {
        const int row = n * AT_ONCE + threadIdx.x / SIDE;
        const bool there = first + row < T;
        const REAL* const from = head.at(there ? first + row : 0);
#pragma unroll PACKS
        for (int p = 0; p < MY_PACKS; ++p) {
            const int c = (p * SIDE + threadIdx.x % SIDE) * PACK;
            store(tile + row * STRIDE + c, load_pack(from, c, d, there));
        }
    }
}

// s = the thread's rows of A times its columns' rows of B.
__device__ __forceinline__ void products(const REAL* A, const REAL* B, const Place& at, Scores& s) {
    const REAL *a = A + at.row(0) * STRIDE, *b = B + at.col(0) * STRIDE;
#pragma unroll
    for (int i = 0; i < MINE; ++i)
#pragma unroll
        for (int j = 0; j < MY_COLS; ++j) s[i][j] = 0;
#pragma unroll 1  // long enough already
    for (int c = 0; c < PADDED; c += PACK) {
        Pack mine[MINE];
#pragma unroll
        for (int i = 0; i < MINE; ++i) mine[i] = load<PACK>(a + i * ROW_LANES * STRIDE + c);
#pragma unroll
        for (int j = 0; j < MY_COLS; ++j) {
            const Pack other = load<PACK>(b + j * SIDE * STRIDE + c);
#pragma unroll
            for (int e = 0; e < PACK; ++e)
#pragma unroll
                for (int i = 0; i < MINE; ++i) s[i][j] += mine[i].v[e] * other.v[e];
        }
    }
}

// out += the warp's rows of p times the rows of B that its columns stand for. p is handed around
// the warp through its part of `scratch`, which nobody else touches.
__device__ __forceinline__ void add_rows(const Scores& p, REAL* scratch, const REAL* B,
                                         const Place& at, Output& out) {
    REAL* const rows = scratch + (at.warp * WARP_ROWS + at.lane_row) * P_STRIDE;
    const REAL* const b = B + at.slice * COLS * STRIDE + at.lane_col * PACK;
    __syncwarp();  // what stood there has been read
#pragma unroll
    for (int i = 0; i < MINE; ++i)
#pragma unroll
        for (int j = 0; j < MY_COLS; ++j)
            rows[i * ROW_LANES * P_STRIDE + j * SIDE + at.lane_col] = p[i][j];
    __syncwarp();  // the warp's scores are written before they are read
#pragma unroll 1  // long enough already
    for (int j = 0; j < COLS; j += PACK) {
        Pack weight[MINE];
#pragma unroll
        for (int i = 0; i < MINE; ++i) weight[i] = load<PACK>(rows + i * ROW_LANES * P_STRIDE + j);
#pragma unroll
        for (int e = 0; e < PACK; ++e)
#pragma unroll
            for (int c = 0; c < MY_PACKS; ++c) {
                const Pack row = load<PACK>(b + (j + e) * STRIDE + c * SIDE * PACK);
#pragma unroll
                for (int i = 0; i < MINE; ++i)
#pragma unroll
                    for (int f = 0; f < PACK; ++f) out[i][c].v[f] += weight[i].v[e] * row.v[f];
            }
    }
}

// Multiply row i of the output by by(i).
template <typename By>
__device__ __forceinline__ void scale_rows(Output& out, By by) {
#pragma unroll
    for (int i = 0; i < MINE; ++i) {
        const REAL factor = by(i);
#pragma unroll
        for (int c = 0; c < MY_PACKS; ++c)
#pragma unroll
            for (int f = 0; f < PACK; ++f) out[i][c].v[f] *= factor;
    }
}

// Slice 0 gets the sum over the slices, in their order, of what the same lane holds in `out`.
// `scratch` is the block's shared memory, free to be used for it once all threads are here.
__device__ __forceinline__ void add_slices(Output& out, Pack* scratch, const Place& at) {
    if constexpr (SLICES > 1) {
        constexpr int A_SLICE = MINE * MY_PACKS * ROW_WARPS * LANES;
        Pack* const mine = scratch + threadIdx.x % (ROW_WARPS * LANES);
        __syncthreads();  // nobody reads what stands there any more
#pragma unroll
        for (int i = 0; i < MINE * MY_PACKS; ++i)
            if (at.slice)
                mine[(at.slice - 1) * A_SLICE + i * ROW_WARPS * LANES] =
                    out[i / MY_PACKS][i % MY_PACKS];
        __syncthreads();  // the other slices' sums are written before they are added
        for (int s = 1; s < SLICES && !at.slice; ++s)
#pragma unroll
            for (int i = 0; i < MINE * MY_PACKS; ++i) {
                const Pack other = mine[(s - 1) * A_SLICE + i * ROW_WARPS * LANES];
#pragma unroll
                for (int f = 0; f < PACK; ++f) out[i / MY_PACKS][i % MY_PACKS].v[f] += other.v[f];
            }
    }
}

// Write the block's rows, which slice 0 holds, to a head's rows from `first` on.
__device__ __forceinline__ void store_rows(const Output& out, Rows<REAL> head, int first, int T,
                                           int d, const Place& at) {
    if (at.slice) return;
#pragma unroll
    for (int i = 0; i < MINE; ++i) {
        const int t = first + at.row(i);
#pragma unroll
        for (int c = 0; c < MY_PACKS; ++c)
            if (t < T) store_pack(head.at(t), (c * SIDE + at.lane_col) * PACK, d, out[i][c]);
    }
}
