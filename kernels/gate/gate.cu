// The gated activation: F1, B1, B2 of kernels/gate/__init__.py.
//
// Row r of y, H / G = `size` numbers of one group of one pixel, comes of row r of a, `size` of p and
// then as many of q. A thread takes WIDTH neighbours of y, and every gridDim.x · blockDim.x-th such.

#include "../device.cuh"

constexpr int WIDTH = VECTOR ? PACK : 1;

// Where the p of y's number i lies in a; its q lies `size` further.
__device__ __forceinline__ long long place_of_p(long long i, int size) {
    return i + i / size * size;
}

extern "C" __global__ void __launch_bounds__(256)
gate_forward(const REAL* __restrict__ a, REAL* __restrict__ y, long long total, int size) {
    const long long step = (long long)gridDim.x * blockDim.x * WIDTH;
    long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * WIDTH;
    for (; i < total; i += step) {
        const long long at = place_of_p(i, size);
        const Numbers<WIDTH> p = load<WIDTH>(a + at), q = load<WIDTH>(a + at + size);
        Numbers<WIDTH> out;
#pragma unroll
        for (int k = 0; k < WIDTH; ++k) out.v[k] = tanh(p.v[k]) * sigmoid(q.v[k]);  // F1
        store(y + i, out);
    }
}

// No __restrict__ on a and da: they may be one. A thread reads its p and q before it writes there,
// and no other thread reads them.
extern "C" __global__ void __launch_bounds__(256)
gate_backward(const REAL* __restrict__ dy, const REAL* a, REAL* da, long long total, int size) {
    const long long step = (long long)gridDim.x * blockDim.x * WIDTH;
    long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * WIDTH;
    for (; i < total; i += step) {
        const long long at = place_of_p(i, size);
        Numbers<WIDTH> p = load<WIDTH>(a + at), q = load<WIDTH>(a + at + size);
        const Numbers<WIDTH> d = load<WIDTH>(dy + i);
#pragma unroll
        for (int k = 0; k < WIDTH; ++k) {
            const REAL u = tanh(p.v[k]), v = sigmoid(q.v[k]), dv = d.v[k] * v;  // B1, B2
            p.v[k] = dv * (1 - u * u);  // B1
            q.v[k] = dv * u * (1 - v);  // B2
        }
        store(da + at, p);
        store(da + at + size, q);
    }
}
