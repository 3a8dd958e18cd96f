// Kernels with one mistake each, and some without, to prove that the rig tells them apart.
// Every one is launched with 64 threads a block and reads x, n numbers, into y, n numbers.

// --- Right ----------------------------------------------------------------------------------

extern "C" __global__ void right_rotate(const float* x, float* y, int n) {
    __shared__ float s[64];
    const int t = threadIdx.x;
    s[t] = x[t];
    __syncthreads();
    y[t] = s[(t + 1) % 64];
}

extern "C" __global__ void right_warp_sum(const float* x, float* y, int n) {
    float v = x[threadIdx.x];
    for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(0xffffffffu, v, step);
    y[threadIdx.x] = v + __popc(__ballot_sync(0xffffffffu, threadIdx.x % 2));
}

extern "C" __global__ void right_dynamic(const float* x, float* y, int n) {
    extern __shared__ float d[];
    d[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = d[63 - threadIdx.x];
}

extern "C" __global__ void right_atomic(const float* x, float* y, int n) {
    if (threadIdx.x == 0) y[0] = 0;
    __syncthreads();
    atomicAdd(&y[0], 1.f);
}

extern "C" __global__ void right_fence(const float* x, float* y, int n) {
    __shared__ float s[64];
    const int t = threadIdx.x;
    for (int round = 0; round < 3; ++round) {
        s[t] = x[t] * round;
        __syncwarp();
        y[t] = s[t ^ 1];
        __syncwarp();
    }
}

// --- Wrong, seen as an error or as a result that is not right in every order ----------------------

extern "C" __global__ void no_barrier(const float* x, float* y, int n) {
    __shared__ float s[64];
    const int t = threadIdx.x;
    s[t] = x[t];
    y[t] = s[(t + 1) % 64];
}

extern "C" __global__ void overwritten_too_early(const float* x, float* y, int n) {  // the loop needs a second barrier, or two buffers
    __shared__ float s[64];
    const int t = threadIdx.x;
    float v = x[t];
    for (int round = 0; round < 4; ++round) {
        s[t] = v;
        __syncthreads();
        v = s[(t + 1) % 64];
    }
    y[t] = v;
}

extern "C" __global__ void one_buffer_for_a_slow_reader(const float* x, float* y, int n) {
    __shared__ float s[2];  // 4 with the buffers taken in turn would do
    const int t = threadIdx.x;
    float sum = 0;
    for (int round = 0; round < 3; ++round) {
        const unsigned lanes = __ballot_sync(0xffffffffu, true);
        if (t % 32 == 0) s[t / 32] = x[t] * (round + 1) + __popc(lanes);
        __syncthreads();
        if (t < 32) sum += s[0] + s[1];
    }
    y[t] = sum;
}

extern "C" __global__ void barrier_for_some(const float* x, float* y, int n) {
    if (threadIdx.x < 32) __syncthreads();
    y[threadIdx.x] = 1;
}

extern "C" __global__ void different_barriers(const float* x, float* y, int n) {
    if (threadIdx.x < 32) {
        y[threadIdx.x] = 1;
        __syncthreads();
    } else {
        y[threadIdx.x] = 2;
        __syncthreads();
    }
}

extern "C" __global__ void read_before_written(const float* x, float* y, int n) {
    __shared__ float s[64];
    const int t = threadIdx.x;
    if (t < 63) s[t] = x[t];
    __syncthreads();
    y[t] = s[t];
}

extern "C" __global__ void assumes_lockstep(const float* x, float* y, int n) {
    __shared__ volatile float s[64];
    const int t = threadIdx.x;
    s[t] = x[t];
    if (t < 32) s[t] = s[t] + s[t + 32];
    y[t] = s[t ^ 1];
}

extern "C" __global__ void shuffle_for_some(const float* x, float* y, int n) {
    const int t = threadIdx.x;
    float v = x[t];
    if (t % 32 < 16) v += __shfl_xor_sync(0xffffffffu, v, 1);
    y[t] = v;
}

extern "C" __global__ void different_shuffles(const float* x, float* y, int n) {
    const int t = threadIdx.x;
    if (t % 2)
        y[t] = __shfl_sync(0xffffffffu, x[t], 0);
    else
        y[t] = __shfl_sync(0xffffffffu, x[t], 1);
}

extern "C" __global__ void blocks_depend(const float* x, float* y, int n) {  // launched with two blocks
    if (blockIdx.x == 1)
        y[threadIdx.x] = y[64 + threadIdx.x];
    else
        y[64 + threadIdx.x] = x[threadIdx.x];
}

// --- Wrong, and right in every order; seen by looking for races -----------------------------------

extern "C" __global__ void adds_without_atomics(const float* x, float* y, int n) { y[0] += x[threadIdx.x]; }

extern "C" __global__ void blocks_add(const float* x, float* y, int n) {  // launched with two blocks
    if (threadIdx.x == 0) y[0] += x[blockIdx.x];
}

extern "C" __global__ void shuffle_for_a_fence(const float* x, float* y, int n) {
    __shared__ float s[64];
    const int t = threadIdx.x;
    s[t] = x[t];
    const float other = __shfl_xor_sync(0xffffffffu, x[t], 2);
    y[t] = s[t ^ 1] + other;
}

extern "C" __global__ void ballot_for_a_fence(const float* x, float* y, int n) {  // as triangular_sample once had it
    __shared__ float s[32];
    const int lane = threadIdx.x % 32;
    if (threadIdx.x < 32) s[lane] = x[lane];
    __syncthreads();
    if (threadIdx.x >= 32) return;
    const float mine = s[lane];
    const unsigned large = __ballot_sync(0xffffffffu, mine > 9);
    s[lane ^ 1] = __popc(large);
    y[lane] = mine;
}

extern "C" __global__ void blocks_read_and_write(const float* x, float* y, int n) {  // launched with two blocks
    if (threadIdx.x > 0) return;
    const float before = y[64];
    if (blockIdx.x == 1) y[64] = before + x[0];
    y[blockIdx.x] = before;
}

// --- Wrong, seen by the sanitizers -------------------------------------------------------------

extern "C" __global__ void past_shared(const float* x, float* y, int n) {
    extern __shared__ float d[];
    d[threadIdx.x + 1] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = d[threadIdx.x + 1];
}

extern "C" __global__ void past_global(const float* x, float* y, int n) { y[threadIdx.x + 65] = x[threadIdx.x]; }

struct alignas(16) Four {
    float v[4];
};

extern "C" __global__ void misaligned(const float* x, float* y, int n) {
    if (threadIdx.x < 8) {
        const Four four = *reinterpret_cast<const Four*>(x + 1 + 4 * threadIdx.x);
        y[threadIdx.x] = four.v[0];
    }
}
