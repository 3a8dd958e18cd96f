// The scheduler of cuda_on_cpu.h: runs the threads of one block after another as fibers.
#include "cuda_on_cpu.h"

#include <cstdio>
#include <cstdlib>
#include <vector>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

// The section that __shared__ puts things in; absent when a file has no static shared memory.
extern "C" __attribute__((weak)) char __start_cuda_shared, __stop_cuda_shared;

extern "C" void cuda_on_cpu_switch(void** save, void* load);  // defined below, on x86-64

namespace cuda_on_cpu {

dim3 thread_index, block_index, block_dim, grid_dim;
void* dynamic_shared;

namespace {

enum State { READY, AT_BLOCK_BARRIER, AT_WARP_BARRIER, DONE };

struct Thread {
    State state;
    unsigned round;             // of its warp, when it began to wait there
    unsigned barriers, fences;  // __syncthreads and __syncwarp passed so far
};

constexpr size_t STACK = 64 << 10;  // bytes a fiber

std::vector<Thread> threads;
std::vector<Warp> warps;
std::vector<char*> stacks;  // kept from launch to launch
int current;                // the running thread
unsigned n_blocks_begun;    // of the launch
int n_live, n_at_barrier, barrier_site;
void (*kernel_body)(void*);
void* kernel_argument;
char message[256];
bool failed;

void fiber_main();

// --- Switching stacks: ten lines of assembly on x86-64, ucontext (15 times slower) elsewhere ---

#if defined(__x86_64__)
void* scheduler_stack;
std::vector<void*> fiber_stack;  // each fiber's stack pointer while it does not run

// Push the registers a callee must preserve, swap stack pointers, pop the other side's.
asm(R"(.text
.globl cuda_on_cpu_switch
cuda_on_cpu_switch:
  push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15
  mov %rsp,(%rdi); mov %rsi,%rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret
)");

void make_fiber(int t) {
    void** top = reinterpret_cast<void**>(stacks[t] + STACK);
    *--top = nullptr;  // keeps the stack aligned as after a call
    *--top = reinterpret_cast<void*>(fiber_main);
    for (int r = 0; r < 6; ++r) *--top = nullptr;
    fiber_stack[t] = top;
}
void make_fibers(int n) { fiber_stack.resize(n); }
void to_fiber(int t) { cuda_on_cpu_switch(&scheduler_stack, fiber_stack[t]); }
void to_scheduler() { cuda_on_cpu_switch(&fiber_stack[current], scheduler_stack); }
#else
ucontext_t scheduler_context;
std::vector<ucontext_t> fiber_context;

void make_fiber(int t) {
    ucontext_t& fiber = fiber_context[t];
    getcontext(&fiber);
    fiber.uc_stack.ss_sp = stacks[t];
    fiber.uc_stack.ss_size = STACK;
    fiber.uc_link = nullptr;
    makecontext(&fiber, fiber_main, 0);
}
void make_fibers(int n) { fiber_context.resize(n); }
void to_fiber(int t) { swapcontext(&scheduler_context, &fiber_context[t]); }
void to_scheduler() { swapcontext(&fiber_context[current], &scheduler_context); }
#endif

void fiber_main() {
    kernel_body(kernel_argument);
    threads[current].state = DONE;
    to_scheduler();
    abort();  // a finished fiber is never taken up again
}

// --- Barriers ------------------------------------------------------------------------------------

void run_thread(int t) {
    current = t;
    thread_index = {unsigned(t), 0, 0};
    to_fiber(t);
    if (threads[t].state != DONE) return;
    --n_live;
    --warps[t / LANES].live;
    if (n_at_barrier) fail("a thread returned while others waited at __syncthreads");
}

bool ready(int t) {
    if (threads[t].state == AT_WARP_BARRIER && warps[t / LANES].round != threads[t].round)
        threads[t].state = READY;
    return threads[t].state == READY;
}

bool open_block_barrier() {
    if (!n_live || n_at_barrier < n_live) return false;
    n_at_barrier = 0;
    for (Thread& t : threads)
        if (t.state == AT_BLOCK_BARRIER) t.state = READY;
    return true;
}

// --- The orders ----------------------------------------------------------------------------------
//
//   0, 1   every thread in turn, up or down, each until its next barrier or warp operation
//   2, 3   the same in an order shuffled afresh each time around
//   4, 5   the first warp, or the last, as far ahead of the others as barriers let it
//
// Odd orders run the blocks backwards. 4 and 5 find what needs one warp to overtake another, such as
// a buffer filled again while a slower warp still reads it.

struct Shuffler {
    unsigned state;
    unsigned below(unsigned n) {
        state = state * 1664525u + 1013904223u;
        return (state >> 8) % n;
    }
};

void run_block(int n, int order, Shuffler& random) {
    threads.assign(n, {READY, 0, 0, 0});
    ++n_blocks_begun;
    warps.assign((n + LANES - 1) / LANES, Warp{});
    n_live = n;
    n_at_barrier = 0;
    std::vector<int> turn(n);
    for (int t = 0; t < n; ++t) {
        make_fiber(t);
        ++warps[t / LANES].live;
        turn[t] = order % 2 ? n - 1 - t : t;
    }
    const bool greedy = order >= 4;
    while (n_live && !failed) {
        if (order == 2 || order == 3)
            for (int t = n - 1; t > 0; --t) std::swap(turn[t], turn[random.below(t + 1)]);
        bool progress = false;
        int favoured = -1;  // the one warp that a greedy order takes up before it looks again
        for (int t : turn) {
            if (favoured >= 0 && t / LANES != favoured) break;
            if (!ready(t)) continue;
            progress = true;
            if (greedy) favoured = t / LANES;
            run_thread(t);
        }
        if (!open_block_barrier() && !progress) fail("deadlock: not every thread reached a barrier");
    }
}

}  // namespace

// --- What the header declares --------------------------------------------------------------------------

void fail(const char* why) {
    if (failed) return;
    failed = true;
    snprintf(message, sizeof message, "%s", why);
}

int lane() { return current % LANES; }
Warp& warp() { return warps[current / LANES]; }

Moment moment() {
    const Thread& t = threads[current];
    return {n_blocks_begun, unsigned(current), t.barriers, t.fences};
}

void block_barrier(int site) {
    if (n_at_barrier == 0) barrier_site = site;
    if (site != barrier_site) fail("threads meet at different __syncthreads");
    threads[current].state = AT_BLOCK_BARRIER;
    ++threads[current].barriers;
    ++n_at_barrier;
    to_scheduler();
}

void warp_barrier(int site, unsigned mask) {
    Warp& w = warp();
    if (w.arrived == 0) w.site = site;
    if (site != w.site) fail("lanes meet at different warp operations");
    if (++w.arrived >= std::min(__builtin_popcount(mask), w.live)) {  // the last one opens it
        w.arrived = 0;
        ++w.round;
        return;
    }
    threads[current].state = AT_WARP_BARRIER;
    threads[current].round = w.round;
    to_scheduler();
}

void warp_fence(int site) {
    warp_barrier(site, ~0u);
    ++threads[current].fences;
}

int run_grid(dim3 grid, dim3 block, size_t shared_bytes, int order, void (*body)(void*), void* argument) {
    failed = false;
    n_blocks_begun = 0;
    grid_dim = grid;
    block_dim = block;
    kernel_body = body;
    kernel_argument = argument;
    const int n = block.x;
    while (int(stacks.size()) < n) stacks.push_back(static_cast<char*>(malloc(STACK)));
    make_fibers(n);
    // Its exact size, so that AddressSanitizer sees an overrun.
    dynamic_shared = malloc(shared_bytes);
    watch(dynamic_shared, shared_bytes, 4, true);
    if (&__start_cuda_shared)
        watch(&__start_cuda_shared, &__stop_cuda_shared - &__start_cuda_shared, 4, true);
    Shuffler random{unsigned(order)};
    const unsigned n_blocks = grid.x * grid.y * grid.z;
    for (unsigned k = 0; k < n_blocks && !failed; ++k) {
        const unsigned b = order % 2 ? n_blocks - 1 - k : k;
        block_index = {b % grid.x, b / grid.x % grid.y, b / (grid.x * grid.y)};
        memset(dynamic_shared, 0xFF, shared_bytes);  // NaN
        if (&__start_cuda_shared)
            memset(&__start_cuda_shared, 0xFF, &__stop_cuda_shared - &__start_cuda_shared);
        run_block(n, order, random);
    }
    unwatch();
    free(dynamic_shared);
    return failed;
}

}  // namespace cuda_on_cpu

extern "C" __attribute__((visibility("default"))) const char* cuda_on_cpu_message() { return cuda_on_cpu::message; }
