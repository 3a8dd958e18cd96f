// Rotary positions: F2, B1 of kernels/rotary/__init__.py, in place.
//
// A thread turns WIDTH neighbouring points: entries i … of a head's first half and of its second.

#include "../device.cuh"

constexpr int WIDTH = VECTOR ? PACK : 1;

// x: (B, T, heads, 2 half), rows of a token `of_token` numbers apart, of a sequence `of_sequence`.
// cosine, sine: (T, half). direction: 1 or -1.
extern "C" __global__ void __launch_bounds__(256)
rotary_rotate(REAL* __restrict__ x, const REAL* __restrict__ cosine, const REAL* __restrict__ sine,
              int B, int T, int heads, int half, long long of_sequence, long long of_token,
              REAL direction) {
    const int of_head = half / WIDTH;  // threads
    long long e = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    const int i = e % of_head * WIDTH;
    e /= of_head;
    const int head = e % heads;
    e /= heads;
    const int t = e % T, n = e / T;
    if (n >= B) return;
    REAL* const at = x + n * of_sequence + t * of_token + (size_t)head * 2 * half + i;
    Numbers<WIDTH> a = load<WIDTH>(at), b = load<WIDTH>(at + half);
    const Numbers<WIDTH> c = load<WIDTH>(cosine + (size_t)t * half + i);
    const Numbers<WIDTH> s = load<WIDTH>(sine + (size_t)t * half + i);
#pragma unroll
    for (int k = 0; k < WIDTH; ++k) {
        const REAL old = a.v[k], sin = direction * s.v[k];
        a.v[k] = old * c.v[k] - b.v[k] * sin;  // F2, or B1 with the sine negated
        b.v[k] = old * sin + b.v[k] * c.v[k];  // F2, B1
    }
    store(at, a);
    store(at + half, b);
}
