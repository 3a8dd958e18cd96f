// A product of matrices by tiles: a block has TILE × TILE sums in registers and goes DEPTH deep at a
// time. Pieces of both factors lie in shared memory, and the next ones are on their way while these
// are multiplied. Where a factor's numbers come from is the caller's business.

#include "../device.cuh"

constexpr int TILE = 64, DEPTH = 16, THREADS = 128;
constexpr int BLOCKS = sizeof(REAL) == 4 ? 3 : 2;  // that a multiprocessor has registers for
constexpr int ROWS = 8, COLUMNS = 4;               // of a tile, that are a thread's
constexpr int STRIDE = TILE + COLUMNS;             // of a piece's depths, against bank conflicts

using Piece = REAL[DEPTH][STRIDE];
using Sums = REAL[ROWS][COLUMNS];

struct Tiles {
    alignas(COLUMNS * sizeof(REAL)) Piece left, right;  // [depth][row], [depth][column]
};

// What a thread brings of a piece, in accesses of WIDTH numbers.
template <int WIDTH>
struct Part {
    static constexpr int LOADS = TILE * DEPTH / THREADS / WIDTH;
    Numbers<WIDTH> v[LOADS];
};

// Of a piece whose depths lie one below the other in memory: neighbours along a row.
template <int WIDTH>
struct Straight : Part<WIDTH> {
    static constexpr int PARTNERS = THREADS / DEPTH;  // threads at one depth

    static __device__ __forceinline__ int depth() { return threadIdx.x / PARTNERS; }
    static __device__ __forceinline__ int place(int i) {
        return (threadIdx.x % PARTNERS + i * PARTNERS) * WIDTH;
    }
    __device__ __forceinline__ void put(Piece& piece) const {
#pragma unroll
        for (int i = 0; i < this->LOADS; ++i) store<WIDTH>(&piece[depth()][place(i)], this->v[i]);
    }
};

// Of one whose depths lie beside each other in memory: neighbours down a column.
template <int WIDTH>
struct Turned : Part<WIDTH> {
    static constexpr int PARTNERS = DEPTH / WIDTH;  // threads in one place

    static __device__ __forceinline__ int depth() { return threadIdx.x % PARTNERS * WIDTH; }
    static __device__ __forceinline__ int place(int i) {
        return threadIdx.x / PARTNERS + i * (THREADS / PARTNERS);
    }
    __device__ __forceinline__ void put(Piece& piece) const {
#pragma unroll
        for (int i = 0; i < this->LOADS; ++i)
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) piece[depth() + e][place(i)] = this->v[i].v[e];
    }
};

struct Range {
    int begin, end;

    __device__ __forceinline__ bool has(int at) const { return at >= begin && at < end; }
};

// The first of the thread's rows and columns of a tile, of which warps have quarters.
__device__ __forceinline__ int my_row() {
    return (threadIdx.x / (2 * LANES) * 4 + threadIdx.x % LANES / 8) * ROWS;
}
__device__ __forceinline__ int my_column() {
    return (threadIdx.x / LANES % 2 * 8 + threadIdx.x % 8) * COLUMNS;
}

__device__ __forceinline__ void add_products(Sums& sum, const Tiles& tiles) {
    const REAL *left = &tiles.left[0][my_row()], *right = &tiles.right[0][my_column()];
#pragma unroll
    for (int k = 0; k < DEPTH; ++k, left += STRIDE, right += STRIDE) {
        const Numbers<COLUMNS> columns = load<COLUMNS>(right);
#pragma unroll
        for (int first = 0; first < ROWS; first += COLUMNS) {
            const Numbers<COLUMNS> rows = load<COLUMNS>(left + first);
#pragma unroll
            for (int q = 0; q < COLUMNS; ++q)
#pragma unroll
                for (int r = 0; r < COLUMNS; ++r)
                    sum[first + q][r] += rows.v[q] * columns.v[r];  // F1, B1, B3: every product
        }
    }
}

// Add to sum the products of depths begin … end - 1, but for pieces that `hidden` covers. fetch(at)
// starts to read the pieces from depth `at` on into registers, put() brings them to the tiles,
// and advance() tells of every DEPTH that is done with or passed over.
template <typename Fetch, typename Put, typename Advance>
__device__ __forceinline__ void multiply(Sums& sum, Tiles& tiles, int begin, int end, Range hidden,
                                         Fetch fetch, Put put, Advance advance) {
    auto seek = [&](int at) {
        for (; at < end && at >= hidden.begin && min(at + DEPTH, end) <= hidden.end; at += DEPTH)
            advance();
        return at;
    };
    int at = seek(begin);
    if (at < end) fetch(at);
    while (at < end) {
        __syncthreads();  // all have read the tiles before they are overwritten
        put();
        __syncthreads();  // both are there before they are read
        advance();
        at = seek(at + DEPTH);
        if (at < end) fetch(at);
        add_products(sum, tiles);
    }
}

// Write the thread's sums to out, rows of n_columns, after finish(row, column, numbers).
template <int WIDTH, typename Finish>
__device__ __forceinline__ void write(const Sums& sum, REAL* out, int row0, int n_rows, int column0,
                                      int n_columns, Finish finish) {
#pragma unroll
    for (int q = 0; q < ROWS; ++q)
#pragma unroll
        for (int r = 0; r < COLUMNS; r += WIDTH) {
            const int row = row0 + my_row() + q, column = column0 + my_column() + r;
            if (row >= n_rows || column >= n_columns) continue;
            Numbers<WIDTH> result;
#pragma unroll
            for (int e = 0; e < WIDTH; ++e) result.v[e] = sum[q][r + e];
            finish(row, column, result);
            store<WIDTH>(out + (size_t)row * n_columns + column, result);
        }
}
