// Activations, in place: F1-F3, B1-B3 of kernels/activation/__init__.py. A thread takes every
// gridDim.x · blockDim.x-th number.

#include "../device.cuh"

constexpr int RELU = 0, TANH = 1;  // else the logistic function

extern "C" __global__ void __launch_bounds__(256)
activation_forward(REAL* __restrict__ h, long long size, int kind) {
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step) {
        const REAL a = h[i];
        if (kind == RELU)
            h[i] = a < 0 ? REAL(0) : a;  // F1; not a number stays
        else
            h[i] = kind == TANH ? tanh(a) : sigmoid(a);  // F2, F3
    }
}

extern "C" __global__ void __launch_bounds__(256)
activation_backward(const REAL* __restrict__ h, REAL* __restrict__ dh, long long size, int kind) {
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step) {
        const REAL y = h[i], d = dh[i];
        if (kind == RELU)
            dh[i] = y <= 0 ? REAL(0) : d;  // B1
        else
            dh[i] = d * (kind == TANH ? 1 - y * y : y * (1 - y));  // B2, B3
    }
}
