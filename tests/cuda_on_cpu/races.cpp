// A race detector for the scheduler of cuda_on_cpu.cpp: two accesses of one place, at least one of
// them a write, that nothing orders.
//
// g++'s -fsanitize=thread puts a call before every access of a kernel; the functions called are those
// below instead of ThreadSanitizer's, which knows no fibers. The schedule does not matter: two accesses
// are ordered if one thread makes both, if a __syncthreads of their block lies between, or a
// __syncwarp of their warp. Shuffles and ballots order nothing, and no two blocks are ordered.
//
// Of each place a few accesses are enough to remember: the last write; and of the reads since, one of
// an earlier block, and two that between them clash with whatever write clashes with any.
#include <dlfcn.h>

#include <cstdio>
#include <vector>

#include "cuda_on_cpu.h"

namespace cuda_on_cpu {

namespace {

struct Access {
    Moment at{};  // block 0: none, as blocks count from 1
    const void* code = nullptr;
    bool none() const { return at.block == 0; }
};

struct Place {
    Access write, elsewhere, reads[2];
};

struct Watched {
    uintptr_t start, bytes, grain;
    bool shared;
    std::vector<Place> places;
};

std::vector<Watched> watched;
size_t n_accesses;  // since the last launch began

bool same_warp(const Moment& a, const Moment& b) {
    return a.block == b.block && a.thread / LANES == b.thread / LANES;
}

// Whether `a`, which came first here, comes first on every GPU.
bool ordered(const Access& a, const Access& b, bool shared) {
    if (a.none()) return true;
    if (a.at.block != b.at.block) return shared;  // each block has a shared memory of its own
    return a.at.thread == b.at.thread || a.at.barriers < b.at.barriers ||
           (same_warp(a.at, b.at) && a.at.fences < b.at.fences);
}

void clash(const char* kind, const Access& a, const Access& b, bool shared) {
    Dl_info library;
    dladdr(b.code, &library);
    auto offset = [&](const Access& x) { return size_t(x.code) - size_t(library.dli_fbase) - 1; };
    char why[240];
    snprintf(why, sizeof why, "race of %s in %s memory: thread %u of block %u at +0x%zx, thread %u of block %u at +0x%zx",
             kind, shared ? "shared" : "global", a.at.thread, a.at.block - 1, offset(a), b.at.thread,
             b.at.block - 1, offset(b));
    fail(why);
}

void on_write(Place& place, const Access& now, bool shared) {
    if (!ordered(place.write, now, shared)) clash("write and write", place.write, now, shared);
    for (const Access& read : {place.elsewhere, place.reads[0], place.reads[1]})
        if (!ordered(read, now, shared)) clash("read and write", read, now, shared);
    place = {now, {}, {}};
}

void on_read(Place& place, const Access& now, bool shared) {
    if (!ordered(place.write, now, shared)) clash("write and read", place.write, now, shared);
    Access &first = place.reads[0], &second = place.reads[1];
    if (first.at.block != now.at.block) {
        if (!first.none()) place.elsewhere = first;
        first = now, second = {};
    } else if (ordered(first, now, shared)) {  // what clashes with it clashes with this one, too …
        if (second.none() || ordered(second, now, shared)) second = {};
        first = now;
    } else if (second.none() || ordered(second, now, shared) || !same_warp(first.at, now.at)) {
        second = now;
    }
}

void look(uintptr_t at, size_t size, bool write, const void* code) {
    for (Watched& range : watched) {
        if (at - range.start >= range.bytes) continue;
        ++n_accesses;
        const Access now{moment(), code};
        const size_t from = at - range.start;
        for (size_t p = from / range.grain; p <= (from + size - 1) / range.grain && p < range.places.size(); ++p)
            (write ? on_write : on_read)(range.places[p], now, range.shared);
        return;
    }
}

}  // namespace

void watch(const void* start, size_t bytes, size_t grain, bool shared) {
    if (bytes) watched.push_back({uintptr_t(start), bytes, grain, shared, std::vector<Place>((bytes + grain - 1) / grain)});
}

void unwatch() { watched.clear(); }

}  // namespace cuda_on_cpu

#define VISIBLE extern "C" __attribute__((visibility("default")))

VISIBLE void cuda_on_cpu_watch(const void* start, size_t bytes, size_t grain) {
    if (cuda_on_cpu::watched.empty()) cuda_on_cpu::n_accesses = 0;
    cuda_on_cpu::watch(start, bytes, grain, false);
}
VISIBLE size_t cuda_on_cpu_accesses() { return cuda_on_cpu::n_accesses; }

// --- What instrumented code calls -----------------------------------------------------------------------

#define LOOK(name, write, size) \
    VISIBLE void __tsan_##name(void* p) { cuda_on_cpu::look(uintptr_t(p), size, write, __builtin_return_address(0)); }
#define LOOKS(size)                                                         \
    LOOK(read##size, false, size) LOOK(unaligned_read##size, false, size)   \
    LOOK(write##size, true, size) LOOK(unaligned_write##size, true, size)
LOOKS(1) LOOKS(2) LOOKS(4) LOOKS(8) LOOKS(16)

VISIBLE void __tsan_read_range(void* p, size_t size) {
    cuda_on_cpu::look(uintptr_t(p), size, false, __builtin_return_address(0));
}
VISIBLE void __tsan_write_range(void* p, size_t size) {
    cuda_on_cpu::look(uintptr_t(p), size, true, __builtin_return_address(0));
}
VISIBLE void __tsan_init() {}
