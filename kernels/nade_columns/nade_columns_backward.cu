// NADE's backward sweep over columns: B1-B8 of kernels/nade_columns/__init__.py, given ds and a_{D+1}.
//
// Hidden units never mix, but in dx: a block owns UNITS of them for all rows of data, and so every
// gradient's columns of them, which nobody else writes. Its threads are UNITS along the units by
// ROW_LANES along the rows, ROWS rows each; what is more than CHUNK rows comes after, and is added.
// a and δ stay in registers. Sums over rows go through shuffles and shared memory, SUMS of them
// between two barriers, in a fixed order: the same bits every time.

#include "../device.cuh"
#include "../team.cuh"
#include "../mixture/steps.cuh"
#include "../mixture/mixture.cuh"
#include "../mixture/quantile.cuh"
#include "../columns/columns.cuh"
#include "input.cuh"

constexpr int THREADS = 256, WARPS = THREADS / LANES;
constexpr int UNITS = 8;                   // 32 bytes of a row of V in float32: one sector
constexpr int ROW_LANES = THREADS / UNITS;
constexpr int CHUNK = ROW_LANES * ROWS;
constexpr int SUMS = 8;

// This block's columns of gradients, of H numbers a row.
struct Units {
    REAL (*sums)[WARPS][SUMS][UNITS];  // two halves: one fills while the other is read
    int half, unit, lane, warp, first, H;

    __device__ __forceinline__ Units(REAL (*sums)[WARPS][SUMS][UNITS], int H)
        : sums(sums),
          half(0),
          unit(threadIdx.x % UNITS),
          lane(threadIdx.x % LANES),
          warp(threadIdx.x / LANES),
          first(blockIdx.x * UNITS),
          H(H) {}

    __device__ __forceinline__ bool owns() const { return first + unit < H; }

    // out[k · H + own unit] = or += the sum over the rows of every thread's mine(k), k < n.
    template <typename Mine>
    __device__ __forceinline__ void sum_rows(REAL* out, int n, bool anew, Mine mine) {
        for (int from = 0; from < n; from += SUMS, half ^= 1) {
            const int here = n - from < SUMS ? n - from : SUMS;
            for (int k = 0; k < here; ++k) {
                const REAL of_warp = warp_sum<UNITS>(mine(from + k));
                if (lane < UNITS) sums[half][warp][k][lane] = of_warp;
            }
            __syncthreads();  // every warp's are written before they are added, and those of the last
                              // but one round, in the same half, were read before that
            const int k = threadIdx.x / UNITS;
            if (k < here && owns()) {
                REAL sum = 0;
#pragma unroll
                for (int w = 0; w < WARPS; ++w) sum += sums[half][w][k][unit];
                REAL* const to = out + (size_t)(from + k) * H + first + unit;
                *to = anew ? sum : *to + sum;
            }
        }
    }
};

// of_units: (D, H), each unit's part of dρ, where rescaled. dx: (blocks, N, D), each block's part of B2
// in numbers, where wanted; else 0.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
nade_columns_backward(const int* values, const int* first, const REAL* W, const REAL* V,
                      const REAL* rho, const Value* x, const int* y, const REAL* ds, const REAL* end,
                      REAL* dW, REAL* dV, REAL* dc, REAL* of_units, REAL* dx, int N, int D, int H,
                      int R, int S, int n_classes, int rescaled, int told, int wants_dx) {
    __shared__ REAL sums[2][WARPS][SUMS][UNITS];
    Units units(sums, H);
    const int j = units.first + units.unit, lane_row = threadIdx.x / UNITS;
    const bool owns = units.owns();
    int start = 0;
    do {  // once where there are no rows, too: gradients are 0
        const bool anew = start == 0;
        REAL a[ROWS], delta[ROWS];
        int n[ROWS];
        bool on[ROWS];  // whether there is such a row
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            n[r] = start + r * ROW_LANES + lane_row;
            on[r] = n[r] < N;
            a[r] = on[r] && owns ? end[(size_t)n[r] * H + j] : REAL(0);
            delta[r] = 0;
        }
        for (int i = D - 1, row = R; i >= 0; --i) {
            const int K = values[i], o = first[i], n_i = first[i + 1] - o;
            row -= rows_of(K);
            const bool number = K == REAL_VALUES || K == BIT_VALUES;
            Value x_i[ROWS];
#pragma unroll
            for (int r = 0; r < ROWS; ++r) x_i[r] = on[r] ? x[(size_t)n[r] * D + i] : Value(0);
            units.sum_rows(dW + (size_t)row * H, rows_of(K), anew, [&](int k) {
                REAL sum = 0;
#pragma unroll
                for (int r = 0; r < ROWS; ++r)
                    // B1
                    sum += number ? REAL(x_i[r]) * delta[r] : int(x_i[r]) == k + 1 ? delta[r] : 0;
                return sum;
            });
            if (wants_dx) {
#pragma unroll
                for (int r = 0; r < ROWS; ++r) {
                    REAL part = number && owns ? W[(size_t)row * H + j] * delta[r] : REAL(0);  // B2
                    for (int step = 1; step < UNITS; step *= 2)
                        part += __shfl_xor_sync(ALL_LANES, part, step);
                    if (on[r] && units.unit == 0)
                        dx[((size_t)blockIdx.x * N + n[r]) * D + i] = part;  // B2
                }
            }
            const REAL rate = rescaled ? rho[i] : REAL(1);
            REAL h[ROWS], t[ROWS];
#pragma unroll
            for (int r = 0; r < ROWS; ++r) {
                const Input input(K, x_i[r], row);
                if (input.row != NO_ROW && owns) a[r] -= input.times * W[(size_t)input.row * H + j];  // B3
                h[r] = sigmoid(rate * a[r]);
                t[r] = 0;
            }
            units.sum_rows(dV + (size_t)o * H, n_i, anew, [&](int k) {
                const REAL v = owns ? V[(size_t)(o + k) * H + j] : REAL(0);
                REAL sum = 0;
#pragma unroll
                for (int r = 0; r < ROWS; ++r) {
                    const REAL g = on[r] ? ds[(size_t)n[r] * S + o + k] : REAL(0);
                    sum += g * h[r];  // B4
                    t[r] += g * v;  // B5
                }
                return sum;
            });
#pragma unroll
            for (int r = 0; r < ROWS; ++r) {
                t[r] *= h[r] * (1 - h[r]);  // B5
                delta[r] += rate * t[r];    // B7
            }
            if (rescaled)
                units.sum_rows(of_units + (size_t)i * H, 1, anew, [&](int) {
                    REAL sum = 0;
#pragma unroll
                    for (int r = 0; r < ROWS; ++r) sum += a[r] * t[r];  // B6
                    return sum;
                });
        }
        units.sum_rows(dc, n_classes, anew, [&](int k) {
            REAL sum = 0;
#pragma unroll
            for (int r = 0; r < ROWS; ++r)
                sum += on[r] && (!told || y[n[r]] == k) ? delta[r] : REAL(0);  // B8
            return sum;
        });
        start += CHUNK;
    } while (start < N);
}
