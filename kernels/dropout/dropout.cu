// Dropout: F2-F4, B1 of kernels/dropout/__init__.py.
//
// A warp has a line, the C numbers of one row and position; a lane four neighbours at a time, which
// are one call of the generator.

#include "../device.cuh"

constexpr int WARPS = 8;
constexpr int WIDTH = VECTOR ? PACK : 1;

struct Words {
    unsigned v[4];
};

__device__ __forceinline__ Words philox(Words c, unsigned k_0, unsigned k_1) {
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const unsigned long long p = 0xD2511F53ull * c.v[0], q = 0xCD9E8D57ull * c.v[2];  // P1
        c = {unsigned(q >> 32) ^ c.v[1] ^ k_0, unsigned(q),                               // P2
             unsigned(p >> 32) ^ c.v[3] ^ k_1, unsigned(p)};                              // P2
        k_0 += 0x9E3779B9u;  // P3
        k_1 += 0xBB67AE85u;  // P3
    }
    return c;
}

// x, y: (lines / B, B, C). No __restrict__: y may be x. A thread reads each number before it writes
// there.
extern "C" __global__ void __launch_bounds__(WARPS * LANES)
dropout_apply(const REAL* x, REAL* y, int lines, int B, int C, int time_major, unsigned tau,
              REAL kappa, unsigned k_0, unsigned k_1, unsigned step, unsigned site, unsigned row) {
    const int line = row_of_warp();
    if (line >= lines) return;
    const unsigned t = time_major ? line / B : line % B, n = time_major ? line % B : line / B;
    const int packs = (C + 3) / 4;
    x += (size_t)line * C;
    y += (size_t)line * C;
    for (int q = threadIdx.x % LANES; q < packs; q += LANES) {
        const Words w = philox({t * packs + q, row + n, step, site}, k_0, k_1);  // F2
#pragma unroll
        for (int k = 0; k < 4; k += WIDTH) {
            const int j = 4 * q + k;
            if (j >= C) break;
            Numbers<WIDTH> a = load<WIDTH>(x + j);
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) {
                const REAL M = w.v[k + i] >= tau ? kappa : REAL(0);  // F3
                a.v[i] *= M;                                         // F4, B1
            }
            store(y + j, a);
        }
    }
}
