// Runs CUDA C++ kernels on the CPU, for correctness tests only.
//
// Included before an unchanged .cu file, it gives g++ the part of CUDA C++ that the kernels use.
// Every thread of a block is a fiber: it runs until it meets a barrier or a warp operation, then
// the scheduler in cuda_on_cpu.cpp takes up another one. So a barrier that is missing shows as a
// wrong result in some order of the threads, and one that not everybody reaches as an error.
#pragma once
#include <math.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

// --- Qualifiers -----------------------------------------------------------------------------

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __restrict__ __restrict
// One block runs at a time, so its shared memory may be static. It gets a section of its own, which
// the scheduler fills with NaN before each block: reading before writing shows.
#define __shared__ static __attribute__((section("cuda_shared")))

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

// --- The scheduler's side ---------------------------------------------------------------------

namespace cuda_on_cpu {

constexpr int LANES = 32;

struct Warp {
    int live = 0;            // threads that have not returned
    int arrived = 0;         // threads waiting at the warp operation
    int site = 0;            // the place in the source where they wait
    unsigned round = 0;      // warp operations finished so far
    uint64_t slot[2][LANES]; // what each lane hands over; double-buffered by round
};

extern dim3 thread_index, block_index, block_dim, grid_dim;
extern void* dynamic_shared;

int lane();
Warp& warp();
void block_barrier(int site);
void warp_barrier(int site, unsigned mask);  // of shuffles and ballots: lanes meet, memory does not
void warp_fence(int site);                   // __syncwarp: what a lane wrote, the others then see
void fail(const char* why);
int run_grid(dim3 grid, dim3 block, size_t shared_bytes, int order, void (*body)(void*), void* kernel);

// When something happens: two moments are ordered only by what both have passed (races.cpp).
struct Moment {
    unsigned block, thread, barriers, fences;  // blocks as they run, from 1
};
Moment moment();

// Look at accesses to these bytes, in grains of so many, until `unwatch`; shared: each block's own.
// In a library that is not built to be watched nothing calls what looks.
void watch(const void* start, size_t bytes, size_t grain, bool shared);
void unwatch();

// Each lane hands over `value`; `take(slots)` then reads what all lanes handed over.
template <class T, class Take>
auto exchange(int site, unsigned mask, T value, Take take) {
    static_assert(sizeof(T) <= sizeof(uint64_t));
    Warp& w = warp();
    uint64_t* slots = w.slot[w.round & 1];
    memcpy(&slots[lane()], &value, sizeof value);
    warp_barrier(site, mask);
    return take(slots);
}

template <class T>
T shuffle(int site, unsigned mask, T value, int from) {
    return exchange(site, mask, value, [&](const uint64_t* slots) {
        T taken;
        memcpy(&taken, &slots[from >= 0 && from < LANES ? from : lane()], sizeof taken);
        return taken;
    });
}

inline unsigned ballot(int site, unsigned mask, bool predicate) {
    return exchange(site, mask, uint64_t(predicate), [&](const uint64_t* slots) {
        unsigned bits = 0;
        for (int l = 0; l < LANES; ++l)
            if (mask >> l & 1 && slots[l] == 1) bits |= 1u << l;
        return bits;
    });
}

// Call `kernel` with arguments given as pointers to their values, as cuLaunchKernel takes them.
template <class... A, size_t... I>
void call(void (*kernel)(A...), void** args, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_reference_t<A>*>(args[I])...);
}

template <class... A>
int launch(void (*kernel)(A...), const dim3* grid, dim3 block, size_t shared_bytes, int order, void** args) {
    auto body = [&] { call(kernel, args, std::index_sequence_for<A...>{}); };
    auto run = [](void* f) { (*static_cast<decltype(body)*>(f))(); };
    return run_grid(*grid, block, shared_bytes, order, run, &body);
}

}  // namespace cuda_on_cpu

// A C function that launches `kernel`; 0 if all went well, else see cuda_on_cpu_message().
#define CUDA_ON_CPU_EXPORT(kernel)                                                              \
    extern "C" __attribute__((visibility("default"))) int kernel##_on_cpu(                      \
        const dim3* grid, int block, size_t shared_bytes, int order, void** args) {             \
        return cuda_on_cpu::launch(kernel, grid, {unsigned(block)}, shared_bytes, order, args); \
    }

// --- The kernel's side --------------------------------------------------------------------------

#define threadIdx cuda_on_cpu::thread_index
#define blockIdx cuda_on_cpu::block_index
#define blockDim cuda_on_cpu::block_dim
#define gridDim cuda_on_cpu::grid_dim

// __COUNTER__ numbers the places in the source, so threads that meet at different ones are found.
#define __syncthreads() cuda_on_cpu::block_barrier(__COUNTER__)
#define __syncwarp() cuda_on_cpu::warp_fence(__COUNTER__)
#define __ballot_sync(mask, predicate) cuda_on_cpu::ballot(__COUNTER__, mask, predicate)
#define __shfl_sync(mask, value, from) cuda_on_cpu::shuffle(__COUNTER__, mask, value, from)
#define __shfl_xor_sync(mask, value, bits) \
    cuda_on_cpu::shuffle(__COUNTER__, mask, value, cuda_on_cpu::lane() ^ (bits))

using std::max;
using std::min;
inline int __ffs(unsigned bits) { return __builtin_ffs(int(bits)); }
// Of erfcx(x), x ≥ 0, which C++ has not: the quotient, then the continued fraction of a far tail.
inline double erfcx(double x) {
    if (x < 5) return double(expl((long double)x * x) * erfcl(x));
    long double f = x;
    for (int k = 60; k > 0; --k) f = x + k / 2.0L / f;
    return double(0.564189583547756286948L / f);
}
inline float erfcx(float x) { return float(erfcx(double(x))); }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }

template <class T>
__attribute__((no_sanitize("thread"))) T atomicAdd(T* p, T value) {  // not watched; fibers switch at barriers only, so this cannot be interrupted
    T old = *p;
    *p = old + value;
    return old;
}
