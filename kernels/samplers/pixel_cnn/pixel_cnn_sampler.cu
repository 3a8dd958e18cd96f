// PixelCNN's sampler: F1-F5 of kernels/samplers/pixel_cnn/__init__.py, a block an image.
//
// Outputs are logits here; of mixtures this file finds s alone (`peek`). A block goes over its image's channels alone. A map's outputs are shared out over its threads; where
// there are fewer of them than threads, several threads have a part of one sum each. Features lie in
// the image's own stretch of `features`, by rows of pixels; GATED: which of the two networks it is.

#include "../../device.cuh"

constexpr int THREADS = 256;

struct Sizes {
    int R, S, C, half, first, L, F;

    __device__ int Q() const { return GATED ? F : 2 * F; }
};

// Features of pixels: layers, of slots for rows of the image, of pixels, `left` before the first one.
struct Grid {
    REAL* begin;
    int slots, width, left, channels;

    __device__ REAL* at(int layer, int i, int j) const {
        const int slot = (i + slots) % slots;
        return begin + (((size_t)layer * slots + slot) * width + left + j) * channels;
    }
    // What lies behind so many layers.
    __device__ REAL* end(int layers) const {
        return begin + (size_t)layers * slots * width * channels;
    }
};

// An image's features, as kernels/samplers/pixel_cnn/memory.py has them: at first all of it is 0.
struct Memory {
    Grid z, rows, h, beside, u, m, t, stream, p;

    __device__ Memory(REAL* from, const Sizes& n) {
        const int F = n.F, Q = n.Q(), L = n.L, gated = GATED;
        z = {from, n.R + n.first, n.S + 2 * n.first, n.first, n.C};
        rows = {z.end(1), n.half + 1, n.S + 2 * n.half, n.half, F};
        h = {rows.end(L), 1, n.S + n.half, n.half, F};
        beside = {h.end(gated * L), 1, n.S, 0, 2 * F};
        u = {beside.end(gated * (L + 1)), 1, 1, 0, Q};
        m = {u.end(L + 1), 1, 1, 0, F};
        t = {m.end(L + 1), 1, 1, 0, Q};
        stream = {t.end(1), 1, 1, 0, Q};
        p = {stream.end(1), 1, n.S, 0, 2 * F};
    }
};

// What a map sees: `above` whole rows of 2 half + 1 pixels, and of the own row, from the pixel `half`
// to the left on, so many numbers.
struct Window {
    int above, half, own;
};

// Part `part` of `parts` of pixel (i, j)'s sum for one column of W, (inputs, O).
__device__ __forceinline__ REAL seen(Grid x, int layer, int i, int j, Window w, const REAL* W, int O, int column,
                     int part, int parts) {
    const int wide = (2 * w.half + 1) * x.channels;
    const REAL* from = W + column;
    REAL sum = 0;
    for (int dy = -w.above; dy <= 0; ++dy) {
        const REAL* numbers = x.at(layer, i + dy, j - w.half);
        const int n = dy < 0 ? wide : w.own;
#pragma unroll 4
        for (int k = part; k < n; k += parts) sum += numbers[k] * from[(size_t)k * O];
        from += (size_t)n * O;
    }
    return sum;
}

// Calls finish(item, Σ_part partial(item, part, parts)) for each item, a thread each; ends with a
// barrier, behind which all see what finish wrote.
template <typename Partial, typename Finish>
__device__ __forceinline__ void share(int items, REAL* sums, Partial partial, Finish finish) {
    const int parts = items < THREADS ? THREADS / items : 1, per = THREADS / parts;
    const int part = threadIdx.x / per, mine = threadIdx.x % per;
    for (int first = 0; first < items; first += per) {
        const int item = first + mine;
        const bool in = item < items && part < parts;
        REAL sum = in ? partial(item, part, parts) : REAL(0);
        if (parts > 1) {
            sums[threadIdx.x] = sum;
            __syncthreads();  // every part is written before they are added
            for (int k = 1; in && part == 0 && k < parts; ++k) sum += sums[k * per + mine];
        }
        if (in && part == 0) finish(item, sum);
    }
    __syncthreads();  // what is finished is read next, and `sums` is written again
}

__device__ REAL positive(REAL v) { return v > 0 ? v : REAL(0); }

// Of a row of Q numbers two, q[c] and q[c + n]: the gate.
__device__ REAL gate(REAL p, REAL q) { return tanh(p) * sigmoid(q); }

// F5 of levels that are more than two, by thread 0 but for the exponentials: as derived in
// kernels/categorical/__init__.py. w: K numbers.
__device__ int pick(const REAL* s, int K, double u, double* w) {
    __shared__ double top;
    if (threadIdx.x == 0) {
        top = s[0];
        for (int v = 1; v < K; ++v) top = s[v] > top ? s[v] : top;
    }
    __syncthreads();  // the largest is known to all
    for (int v = threadIdx.x; v < K; v += THREADS) w[v] = exp((double)s[v] - top);
    __syncthreads();  // all weights are written, and `top` has been read
    if (threadIdx.x) return 0;
    double whole = 0, below = 0;
    for (int v = 0; v < K; ++v) whole += w[v];
    int last = 0;
    for (int v = 0; v < K; ++v) {
        below += w[v];
        if (below > u * whole) return v;
        if (w[v] > 0) last = v;
    }
    return last;
}

// Channels seen … end - 1 of every image; where peek, then s of channel `end`. u: (N, n_u), of channels
// from `begin` on; those before are given. features: (N, room). label: 1 where biases are of classes,
// placed: where pixels have biases of their own.
extern "C" __global__ void __launch_bounds__(256, 1)
pixel_cnn_sample(const double* __restrict__ all_u, const int* __restrict__ y,
                 const REAL* __restrict__ W_x, const REAL* __restrict__ W_i,
                 const REAL* __restrict__ W_m, const REAL* __restrict__ W_xv,
                 const REAL* __restrict__ W_xh, const REAL* __restrict__ W_v,
                 const REAL* __restrict__ W_h, const REAL* __restrict__ W_vh,
                 const REAL* __restrict__ W_o, const REAL* __restrict__ W_t,
                 const REAL* __restrict__ W_s, const REAL* __restrict__ b_x,
                 const REAL* __restrict__ b_i, const REAL* __restrict__ b_m,
                 const REAL* __restrict__ b_v, const REAL* __restrict__ b_h,
                 const REAL* __restrict__ b_t, const REAL* __restrict__ b_s,
                 const REAL* __restrict__ b_p, int* all_x,
                 REAL* features, REAL* all_s, double* all_w, int R, int S, int C, int half, int first,
                 int L, int F, int levels, int K, int begin, int seen_so_far, int end, int n_u, int peek,
                 int label, int placed, long long room) {
    __shared__ REAL sums[THREADS];
    const Sizes n{R, S, C, half, first, L, F};
    const Memory of(features + blockIdx.x * room, n);
    const int Q = n.Q(), wide = Q / C, narrow = F / C;
    const int y_n = label ? y[blockIdx.x] : 0, middle = 2 * half + 1, large = 2 * first + 1;
    const double* u = all_u + (size_t)blockIdx.x * n_u;
    int* x = all_x + (size_t)blockIdx.x * R * S * C;
    REAL* s = all_s + (size_t)blockIdx.x * K;
    for (int q = seen_so_far; q < end + peek; ++q) {
        const int g = q % C, j = q / C % S, i = q / C / S;
        // Whether any channel of the pixel from this one on may be drawn: only then are its outputs
        // wanted.
        bool tail = q - g < seen_so_far || q - g + C > end;
        for (int k = q - g; k < q - g + C && !tail; ++k) tail = k >= begin && !(u[k - begin] < 0);
        if constexpr (GATED) {
            if (j == 0 && g == 0) {
                for (int l = 0; l <= L; ++l) {
                    const Grid v = l ? of.rows : of.z;
                    const Window w{l ? half : first, l ? half : first, l ? middle * F : 0};
                    const REAL* W = l ? W_v + (size_t)(l - 1) * (half + 1) * middle * F * 2 * F : W_xv;
                    const REAL* b = b_v + ((size_t)y_n * (L + 1) + l) * 2 * F;
                    const auto bias = [&](int at) {
                        const REAL place = placed && !l ? b_p[(size_t)i * S * 2 * F + at] : REAL(0);
                        return b[at % (2 * F)] + place;
                    };
                    share(S * 2 * F, sums, [&](int at, int part, int parts) {
                        const int c = at % (2 * F);
                        return seen(v, l - (l > 0), i, at / (2 * F), w, W, 2 * F, c, part, parts);
                    }, [&](int at, REAL sum) { of.p.begin[at] = bias(at) + sum; });  // F2
                    share(S * 2 * F, sums, [&](int at, int part, int parts) {
                        const REAL* across = W_vh + (size_t)l * 2 * F * 2 * F;
                        const Window own{0, 0, 2 * F};
                        const int c = at % (2 * F);
                        return seen(of.p, 0, 0, at / (2 * F), own, across, 2 * F, c, part, parts);
                    }, [&](int at, REAL sum) { of.beside.at(l, 0, 0)[at] = sum; });  // F3: p W_vh
                    for (int k = threadIdx.x; l < L && k < S * F; k += THREADS) {
                        const REAL* p = of.p.at(0, 0, k / F) + k % F;
                        of.rows.at(l, i, k / F)[k % F] = gate(p[0], p[F]);  // F2
                    }
                    __syncthreads();  // v is read by the next layer, and p is written by it
                }
            }
            for (int l = 0; l < L + tail; ++l) {
                const Window w{0, l ? half : first, l ? half * F + (g + 1) * narrow : first * C + g};
                const REAL* W = l ? W_h + (size_t)(l - 1) * (half + 1) * F * 2 * F : W_xh;
                const REAL* b = b_h + ((size_t)y_n * (L + 1) + l) * 2 * F + 2 * g * narrow;
                REAL* const m = of.m.at(l, 0, 0);
                share(2 * narrow, sums, [&](int c, int part, int parts) {
                    const Grid h = l ? of.h : of.z;
                    const int row = l ? 0 : i, column = 2 * g * narrow + c;
                    return seen(h, l - (l > 0), row, j, w, W, 2 * F, column, part, parts);
                }, [&](int c, REAL sum) {
                    of.p.begin[c] = b[c] + sum + of.beside.at(l, 0, j)[2 * g * narrow + c];  // F3
                });
                for (int c = threadIdx.x; c < narrow; c += THREADS)
                    m[g * narrow + c] = gate(of.p.begin[c], of.p.begin[narrow + c]);  // F3
                __syncthreads();  // the gates are read by all, and p is written again
                share(narrow, sums, [&](int c, int part, int parts) {
                    const Window own{0, 0, (g + 1) * narrow};
                    const REAL* out = W_o + (size_t)l * F * F;
                    return seen(of.m, l, 0, 0, own, out, F, g * narrow + c, part, parts);
                }, [&](int c, REAL sum) {
                    const int column = g * narrow + c;
                    const REAL now = (l ? of.h.at(l - 1, 0, j)[column] : REAL(0)) + sum;  // F3
                    if (l < L) of.h.at(l, 0, j)[column] = now;  // F3
                    else of.u.at(L, 0, 0)[column] = positive(now);
                });
            }
        } else if (L > 0 || tail) {
            REAL* const h = of.stream.begin;
            share(wide, sums, [&](int c, int part, int parts) {
                const Window w{first, first, first * C + g};
                return seen(of.z, 0, i, j, w, W_x, Q, g * wide + c, part, parts);
            }, [&](int c, REAL sum) {
                const int column = g * wide + c;
                const REAL place = placed ? b_p[((size_t)i * S + j) * Q + column] : REAL(0);
                h[column] = b_x[(size_t)y_n * Q + column] + place + sum;  // F1
                of.u.at(0, 0, 0)[column] = positive(h[column]);
            });
            for (int l = 0; l < L; ++l) {
                share(narrow, sums, [&](int c, int part, int parts) {
                    const Window own{0, 0, (g + 1) * wide};
                    const REAL* W = W_i + (size_t)l * Q * F;
                    return seen(of.u, l, 0, 0, own, W, F, g * narrow + c, part, parts);
                }, [&](int c, REAL sum) {
                    const int column = g * narrow + c;
                    of.rows.at(l, i, j)[column] = positive(b_i[(size_t)l * F + column] + sum);  // F1
                });
                if (l == L - 1 && !tail) break;
                share(narrow, sums, [&](int c, int part, int parts) {
                    const Window w{half, half, half * F + (g + 1) * narrow};
                    const REAL* W = W_m + (size_t)l * (half * middle + half + 1) * F * F;
                    return seen(of.rows, l, i, j, w, W, F, g * narrow + c, part, parts);
                }, [&](int c, REAL sum) {
                    const int column = g * narrow + c;
                    const REAL b = b_m[((size_t)y_n * L + l) * F + column];
                    of.m.at(l, 0, 0)[column] = positive(b + sum);  // F1
                });
                share(wide, sums, [&](int c, int part, int parts) {
                    const Window own{0, 0, (g + 1) * narrow};
                    const REAL* W = W_o + (size_t)l * F * Q;
                    return seen(of.m, l, 0, 0, own, W, Q, g * wide + c, part, parts);
                }, [&](int c, REAL sum) {
                    const int column = g * wide + c;
                    h[column] += sum;  // F1
                    of.u.at(l + 1, 0, 0)[column] = positive(h[column]);
                });
            }
        }
        if (tail) {
            const Window own{0, 0, (g + 1) * wide};
            share(wide, sums, [&](int c, int part, int parts) {
                return seen(of.u, L, 0, 0, own, W_t, Q, g * wide + c, part, parts);
            }, [&](int c, REAL sum) {
                of.t.begin[g * wide + c] = positive(b_t[g * wide + c] + sum);  // F4
            });
            share(K, sums, [&](int c, int part, int parts) {
                return seen(of.t, 0, 0, 0, own, W_s, C * K, g * K + c, part, parts);
            }, [&](int c, REAL sum) { s[c] = b_s[(size_t)y_n * C * K + g * K + c] + sum; });  // F4
        }
        if (q == end) return;  // a look
        if (q >= begin && !(u[q - begin] < 0)) {
            const double v = u[q - begin];
            int level;
            if (levels == 2) level = v < (double)sigmoid(s[0]);          // F5
            else level = pick(s, K, v, all_w + (size_t)blockIdx.x * K);  // F5
            if (threadIdx.x == 0) x[q] = level;
        }
        if (threadIdx.x == 0) of.z.at(0, i, j)[g] = REAL(2) / (levels - 1) * x[q] - 1;
        __syncthreads();  // z is read by the next channel
    }
}
