// Masked convolution: F1, B1, B3 of kernels/masked_conv/__init__.py.
//
// Each is a product of matrices, one of which nobody writes down: what the window shows of each
// pixel, tap after tap, T · C numbers in the order of W's rows, 0 beyond the image.
//
//     conv_forward   y  (pixels, O)  =  seen of x (pixels, T·C)              ·  W (T·C, O)
//     conv_inputs    dx (pixels, C)  =  seen of dy, mirrored (pixels, T·O)   ·  W_tᵀ (T·O, C)
//     conv_weights   dW (T·C, O)     =  seen of x, transposed (T·C, pixels)  ·  dy (pixels, O)
//
// With the taps in one row of T·C numbers a piece (products.cuh) is full of them, however few channels
// there are. Pieces that the staircase hides from the whole block are passed over; in others, hidden
// weights are replaced by 0 on the way to shared memory. Sums run in one order, without atomics.
//
// WIDE_X, WIDE_Y: whether rows of C, of x and dx, and of O, of W, y and dy, are read and written
// in 16-byte accesses.

#include "products.cuh"

constexpr int X_WIDTH = WIDE_X ? PACK : 1, Y_WIDTH = WIDE_Y ? PACK : 1;
constexpr int NOWHERE = -(1 << 30);  // a row that no tap leads back into an image from

// A number by its digits, low + A (middle + B high), counted up by DEPTH without a division.
struct Counter {
    int low, middle, high;
    const int A, B, more_low, more_middle, more_high;

    __device__ __forceinline__ Counter(int value, int A, int B)
        : low(value % A), middle(value / A % B), high(value / A / B), A(A), B(B),
          more_low(DEPTH % A), more_middle(DEPTH / A % B), more_high(DEPTH / A / B) {}

    __device__ __forceinline__ void advance() {
        low += more_low;
        middle += more_middle;
        high += more_high;
        if (low >= A) low -= A, ++middle;
        if (middle >= B) middle -= B, ++high;
    }
};

// Tap t is at distances u = u0 + t / width and v = v0 + t % width; `centre` is the pixel itself, or
// -1. Of it, output o sees channels of groups below o's, and `own` of o's own.
struct Window {
    int C, O, u0, v0, width, taps, centre, groups, own;

    // Rows of W, depths t · C + c, that output o does not see.
    __device__ __forceinline__ Range hidden_from_output(int o) const {
        const int seen = (o / (O / groups) + own) * (C / groups);
        return {centre * C + seen, centre * C + C};
    }
    // Depths t · O + o that do not see input channel c.
    __device__ __forceinline__ Range hidden_from_input(int c) const {
        const int first = (c / (C / groups) + 1 - own) * (O / groups);
        return {centre * O, centre * O + first};
    }
};

struct Images {
    int M, R, S;  // pixels of all of them, rows and columns of one

    __device__ __forceinline__ bool inside(int i, int j) const {
        return (unsigned)i < (unsigned)R && (unsigned)j < (unsigned)S;
    }
};

// The left factor of conv_forward and conv_inputs: what the window (SIGN 1) or the mirrored one (-1)
// shows of pixels blockIdx.x · TILE …, F features a tap.
template <int WIDTH, int SIGN>
struct Seen : Turned<WIDTH> {
    using Turned<WIDTH>::LOADS, Turned<WIDTH>::place;
    const Images images;
    const int F, u0, v0, K;
    Counter at;  // feature, column and row in the window, of the thread's depth
    int i[LOADS], j[LOADS];
    const REAL* pixel[LOADS];

    __device__ __forceinline__ Seen(const REAL* x, const Images& images, const Window& window, int F)
        : images(images), F(F), u0(window.u0), v0(window.v0), K(window.taps * F),
          at(Turned<WIDTH>::depth(), F, window.width) {
#pragma unroll
        for (int n = 0; n < LOADS; ++n) {
            const int p = blockIdx.x * TILE + place(n);
            i[n] = p < images.M ? p / images.S % images.R : NOWHERE;
            j[n] = p % images.S;
            pixel[n] = x + (size_t)p * F;
        }
    }
    // k: the thread's depth now, which `at` tells in parts.
    __device__ __forceinline__ void fetch(int k) {
        const int u = SIGN * (u0 + at.high), v = SIGN * (v0 + at.middle);
        const int shift = (u * images.S + v) * F + at.low;
#pragma unroll
        for (int n = 0; n < LOADS; ++n) {
            const bool there = k < K && images.inside(i[n] + u, j[n] + v);
            this->v[n] = there ? load<WIDTH>(pixel[n] + shift) : Numbers<WIDTH>{};
        }
    }
};

// y becomes b plus what it sees; itself plus it where `more`.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
conv_forward(const REAL* __restrict__ x, const REAL* __restrict__ W, const REAL* b, REAL* y, int M,
             int R, int S, int C, int O, int u0, int v0, int width, int taps, int centre,
             int groups, int own, int more) {
    __shared__ Tiles tiles;
    using Weights = Straight<Y_WIDTH>;
    const Window window = {C, O, u0, v0, width, taps, centre, groups, own};
    const int o0 = blockIdx.y * TILE, K = taps * C;
    Seen<X_WIDTH, 1> seen(x, {M, R, S}, window, C);
    Weights weights;
    Range hidden[Weights::LOADS][Y_WIDTH];
#pragma unroll
    for (int n = 0; n < Weights::LOADS; ++n)
#pragma unroll
        for (int e = 0; e < Y_WIDTH; ++e)
            hidden[n][e] = window.hidden_from_output(o0 + Weights::place(n) + e);
    Sums sum = {};
    multiply(
        sum, tiles, 0, K, window.hidden_from_output(min(O, o0 + TILE) - 1),
        [&](int at) {
            const int k = at + Weights::depth();
            seen.fetch(at + seen.depth());
#pragma unroll
            for (int n = 0; n < Weights::LOADS; ++n) {
                const int o = o0 + Weights::place(n);
                const bool there = k < K && o < O;
                weights.v[n] = there ? load<Y_WIDTH>(W + (size_t)k * O + o) : Numbers<Y_WIDTH>{};
#pragma unroll
                for (int e = 0; e < Y_WIDTH; ++e)
                    if (hidden[n][e].has(k)) weights.v[n].v[e] = 0;
            }
        },
        [&] {
            seen.put(tiles.left);
            weights.put(tiles.right);
        },
        [&] { seen.at.advance(); });
    write<Y_WIDTH>(sum, y, blockIdx.x * TILE, M, o0, O, [&](int p, int o, Numbers<Y_WIDTH>& y_po) {
        Numbers<Y_WIDTH> before;
        if (more) before = load<Y_WIDTH>(y + (size_t)p * O + o);
#pragma unroll
        for (int e = 0; e < Y_WIDTH; ++e) y_po.v[e] += more ? before.v[e] : b[o + e];  // F1
    });
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
conv_inputs(const REAL* __restrict__ dy, const REAL* __restrict__ W, REAL* __restrict__ dx, int M,
            int R, int S, int C, int O, int u0, int v0, int width, int taps, int centre, int groups,
            int own) {
    __shared__ Tiles tiles;
    using Weights = Turned<Y_WIDTH>;
    const Window window = {C, O, u0, v0, width, taps, centre, groups, own};
    const int c0 = blockIdx.y * TILE, K = taps * O;
    Seen<Y_WIDTH, -1> seen(dy, {M, R, S}, window, O);
    Weights weights;
    Range hidden[Weights::LOADS];
#pragma unroll
    for (int n = 0; n < Weights::LOADS; ++n)
        hidden[n] = window.hidden_from_input(c0 + Weights::place(n));
    Sums sum = {};
    multiply(
        sum, tiles, 0, K, window.hidden_from_input(c0),
        [&](int at) {
            const int k = at + Weights::depth(), o = seen.at.low;  // k = t · O + o
            seen.fetch(k);
#pragma unroll
            for (int n = 0; n < Weights::LOADS; ++n) {
                const int c = c0 + Weights::place(n);
                const size_t row = (size_t)(k - o) * C + (size_t)c * O;  // (t · C + c) · O
                const bool there = k < K && c < C;
                weights.v[n] = there ? load<Y_WIDTH>(W + row + o) : Numbers<Y_WIDTH>{};
#pragma unroll
                for (int e = 0; e < Y_WIDTH; ++e)
                    if (hidden[n].has(k + e)) weights.v[n].v[e] = 0;
            }
        },
        [&] {
            seen.put(tiles.left);
            weights.put(tiles.right);
        },
        [&] { seen.at.advance(); });
    write<X_WIDTH>(sum, dx, blockIdx.x * TILE, M, c0, C, [](int, int, Numbers<X_WIDTH>&) {});  // B3
}

// dW of a group of pixels, one of gridDim.z, into partial: (groups of pixels, T·C, O).
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
conv_weights(const REAL* __restrict__ dy, const REAL* __restrict__ x, REAL* __restrict__ partial,
             int M, int R, int S, int C, int O, int u0, int v0, int width, int taps, int centre,
             int groups, int own) {
    __shared__ Tiles tiles;
    using Left = Straight<X_WIDTH>;
    using Right = Straight<Y_WIDTH>;
    const Window window = {C, O, u0, v0, width, taps, centre, groups, own};
    const Images images = {M, R, S};
    const int k0 = blockIdx.x * TILE, o0 = blockIdx.y * TILE, K = taps * C;
    const int each = ((M - 1) / (int)gridDim.z / DEPTH + 1) * DEPTH;  // a multiple, to be full
    const int begin = min(M, (int)blockIdx.z * each), end = min(M, begin + each);
    const Range below = window.hidden_from_output(min(O, o0 + TILE) - 1);
    const bool any = k0 < below.begin || min(K, k0 + TILE) > below.end;

    Left left;
    Right right;
    Counter at(begin + Left::depth(), S, R);  // column and row of the thread's pixel
    int u[Left::LOADS], v[Left::LOADS], shift[Left::LOADS];
#pragma unroll
    for (int n = 0; n < Left::LOADS; ++n) {
        const int k = k0 + Left::place(n);
        const Counter tap(k, C, width);
        u[n] = k < K ? u0 + tap.high : NOWHERE;
        v[n] = v0 + tap.middle;
        shift[n] = k < K ? (u[n] * S + v[n]) * C + tap.low : 0;
    }
    Sums sum = {};
    multiply(
        sum, tiles, begin, any ? end : begin, {0, 0},
        [&](int first) {
            const int p = first + Left::depth();
#pragma unroll
            for (int n = 0; n < Left::LOADS; ++n) {
                const bool there = p < end && images.inside(at.middle + u[n], at.low + v[n]);
                const REAL* const x_pk = x + ((long long)p * C + shift[n]);
                left.v[n] = there ? load<X_WIDTH>(x_pk) : Numbers<X_WIDTH>{};
            }
#pragma unroll
            for (int n = 0; n < Right::LOADS; ++n) {
                const int o = o0 + Right::place(n);
                const bool there = p < end && o < O;
                right.v[n] = there ? load<Y_WIDTH>(dy + (size_t)p * O + o) : Numbers<Y_WIDTH>{};
            }
        },
        [&] {
            left.put(tiles.left);
            right.put(tiles.right);
        },
        [&] { at.advance(); });
    REAL* const mine = partial + (size_t)blockIdx.z * K * O;
    write<Y_WIDTH>(sum, mine, k0, K, o0, O, [&](int k, int o, Numbers<Y_WIDTH>& dW_ko) {
#pragma unroll
        for (int e = 0; e < Y_WIDTH; ++e)
            if (window.hidden_from_output(o + e).has(k)) dW_ko.v[e] = 0;  // B1
    });
}

// dW = the sum over the groups of pixels, in their order. A thread an entry, of n.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
conv_weights_sum(const REAL* __restrict__ partial, REAL* __restrict__ dW, int n, int n_groups) {
    const int k = blockIdx.x * THREADS + threadIdx.x;
    if (k < n) dW[k] = sum_of_groups(partial + k, n_groups, n);  // B1
}
