// Cells of one front of the LSTM over pixels, forward or back: F1-F4, B1-B4 of
// kernels/grid_lstm/__init__.py, but for the products. A thread a cell's unit, all of its gates.

#include "../device.cuh"

// An image's cells by fronts and lines: CellWalk of fronts.py.
struct CellWalk {
    int n_fronts, n_lines, n_pixels, wide, longest, origin, of_front, of_line;

    __device__ __forceinline__ bool has(int k, int line) const {
        return k >= 0 && k < n_fronts && line >= 0 && line < n_lines && line > k - longest &&
               line < k + wide;
    }
};

// Which unit of which cell a thread has: unit u of cell (k, line) of image n, the pixel q of all;
// r: its row among the front's, line by line. Gate g of it stands at column + g · w of its 4H.
struct Place {
    int u, n, line, column;
    long long r, q;
    bool inside;

    __device__ __forceinline__ Place(const CellWalk& walk, int k, int first, int lines, int N, int H,
                                     int w) {
        const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
        inside = i < (long long)lines * N * H;
        u = i % H;
        r = i / H;
        n = r % N;
        line = first + r / N;
        column = u / w * 4 * w + u % w;
        q = (long long)n * walk.n_pixels + walk.origin + k * walk.of_front + line * walk.of_line;
    }

    // Where tap p of the cell on a line of the next front finds this unit, in rows of T · H.
    __device__ __forceinline__ long long seen_from(int other, int p, int N, int T, int H) const {
        return (((long long)other * N + n) * T + p) * H + u;
    }
};

// p: x W of this front's cells, row after row. x: what the next front's cells see, (n_lines, N, T H),
// 0 where that is beyond the image: nobody writes there. a's row of image n, line l:
// a_first + n · a_image + l · a_line.
extern "C" __global__ void __launch_bounds__(256)
grid_lstm_forward(REAL* a, const REAL* __restrict__ p, REAL* h, REAL* c, REAL* __restrict__ x, int k,
                  int first, int lines, int N, int H, int w, int T, int n_fronts, int n_lines,
                  int n_pixels, int wide, int longest, int origin, int of_front, int of_line,
                  int a_first, int a_image, int a_line) {
    const CellWalk walk{n_fronts, n_lines, n_pixels, wide, longest, origin, of_front, of_line};
    const Place at(walk, k, first, lines, N, H, w);
    if (!at.inside) return;
    const REAL* const p_r = p + at.r * 4 * H + at.column;
    const long long a_row = a_first + (long long)at.n * a_image + (long long)at.line * a_line;
    REAL* const gates = a + a_row * 4 * H + at.column;
    const REAL i = sigmoid(gates[0] + p_r[0]);                  // F1, F2
    const REAL f = sigmoid(gates[w] + p_r[w]);                  // F1, F2
    const REAL g = tanh(gates[2 * w] + p_r[2 * w]);             // F1, F2
    const REAL o = sigmoid(gates[3 * w] + p_r[3 * w]);          // F1, F2
    gates[0] = i, gates[w] = f, gates[2 * w] = g, gates[3 * w] = o;
    const REAL before = walk.has(k - 1, at.line) ? c[(at.q - of_front) * H + at.u] : REAL(0);
    const REAL new_c = f * before + i * g;  // F3
    const REAL new_h = o * tanh(new_c);     // F4
    c[at.q * H + at.u] = new_c;
    h[at.q * H + at.u] = new_h;
    for (int tap = 0; tap < T; ++tap) {
        const int other = at.line + 1 - tap;
        if (walk.has(k + 1, other)) x[at.seen_from(other, tap, N, T, H)] = new_h;
    }
}

// back: da Wᵀ of the next front's cells, (n_lines, N, T H). dc: f ∘ ε of the cells after these,
// (n_lines, N, H), 0 at first; a thread reads and replaces its own. d: da once more, row after row.
// da may be gates: a thread reads its own before it writes there.
extern "C" __global__ void __launch_bounds__(256)
grid_lstm_backward(const REAL* __restrict__ dh, const REAL* gates, const REAL* __restrict__ c,
                   const REAL* __restrict__ back, REAL* __restrict__ dc, REAL* da,
                   REAL* __restrict__ d, int k, int first, int lines, int N, int H, int w, int T,
                   int n_fronts, int n_lines, int n_pixels, int wide, int longest, int origin,
                   int of_front, int of_line) {
    const CellWalk walk{n_fronts, n_lines, n_pixels, wide, longest, origin, of_front, of_line};
    const Place at(walk, k, first, lines, N, H, w);
    if (!at.inside) return;
    REAL delta = dh[at.q * H + at.u];
    for (int tap = 0; tap < T; ++tap) {
        const int other = at.line + 1 - tap;
        if (walk.has(k + 1, other)) delta += back[at.seen_from(other, tap, N, T, H)];  // B1
    }
    const REAL* const gate = gates + at.q * 4 * H + at.column;
    const REAL i = gate[0], f = gate[w], g = gate[2 * w], o = gate[3 * w];
    const REAL before = walk.has(k - 1, at.line) ? c[(at.q - of_front) * H + at.u] : REAL(0);
    const REAL tanh_c = tanh(c[at.q * H + at.u]);
    REAL* const kept = dc + ((long long)at.line * N + at.n) * H + at.u;
    const REAL epsilon = *kept + delta * o * (1 - tanh_c * tanh_c);  // B2
    *kept = epsilon * f;  // B2: f ∘ ε, for the cell before
    const REAL of_gates[4] = {epsilon * g * i * (1 - i),       // B3, B4: i
                              epsilon * before * f * (1 - f),  // B3, B4: f
                              epsilon * i * (1 - g * g),       // B3, B4: g
                              delta * tanh_c * o * (1 - o)};   // B2: do; B4: o
    REAL* const to[2] = {da + at.q * 4 * H + at.column, d + at.r * 4 * H + at.column};
#pragma unroll
    for (int s = 0; s < 4; ++s) to[0][s * w] = to[1][s * w] = of_gates[s];
}
