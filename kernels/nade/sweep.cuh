// NADE's forward sweep and its sampler, for any head: F1-F4 of kernels/nade/__init__.py.

#include "hidden.cuh"

// The sweep behind all three forward kernels of a head. One barrier a tile: its outputs need the
// partial sums of all warps, the next tile does not need its outputs. a_end may be null.
template <typename Head>
__device__ __forceinline__ void sweep(
    const Head head, const typename Head::X* __restrict__ x, const REAL* __restrict__ W,
    const REAL* __restrict__ V, const REAL* __restrict__ b, const REAL* __restrict__ c,
    const int* __restrict__ y, int N, int D, int H, int n_classes, REAL* __restrict__ a_end) {
    REAL* const both_halves = shared_sums();
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const Place place(STEPS, lane);
    const typename Head::X* my_x = x + (size_t)place.n * D;

    Hidden hidden;
    hidden.start(c, y, N, H, n_classes);
    auto is_event = [&](int i) { return place.n < N && i < D && Head::event(my_x[i]); };
    bool event = is_event(place.k);
    unsigned events = __ballot_sync(ALL_LANES, event);  // bit g * STEPS + k: of sample g at step k
    Rows next;
    next.load(W, V, 0, events, D, H);
    REAL loss = 0;

    for (int i = 0, half = 0; i < D; i += STEPS, half ^= 1) {
        const bool next_event = is_event(i + STEPS + place.k);
        const unsigned next_events = __ballot_sync(ALL_LANES, next_event);
        REAL* const sums = both_halves + half * WARPS * TILE;
#pragma unroll 1
        for (int first = 0; first < STEPS; first += AHEAD) {
            const Rows rows = next;
            const int later = first + AHEAD;
            next.load(W, V, i + later, later < STEPS ? events >> later : next_events, D, H);
            REAL dots[AT_ONCE];
#pragma unroll
            for (int k = 0; k < AHEAD; ++k) {
#pragma unroll
                for (int g = 0; g < GROUP; ++g) dots[g * AHEAD + k] = hidden.dot(g, rows.v[k]);
                hidden.event(events >> (first + k), STEPS, rows.w[k]);
            }
            const REAL sum = warp_sums<AT_ONCE>(dots);
            if (lane < AT_ONCE)
                sums[warp * TILE + lane / AHEAD * STEPS + first + lane % AHEAD] = sum;
        }
        __syncthreads();  // every warp's sums of this tile are written before warp 0 reads them, and
                          // those of the last but one, in the same half, were read before that
        if (warp == 0 && place.n < N && i + place.k < D) {
            REAL logit = b[i + place.k];
            for (int w = 0; w < WARPS; ++w) logit += sums[w * TILE + lane];  // F3
            loss += head.take(logit, event, (size_t)place.n * D + i + place.k);
        }
        event = next_event;
        events = next_events;
    }
    if (head.nll && warp == 0) {
#pragma unroll
        for (int k = 1; k < STEPS; k *= 2) loss += __shfl_xor_sync(ALL_LANES, loss, k);
        if (place.k == 0 && place.n < N) head.nll[place.n] = head.sign * loss;
    }
    if (a_end) {
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
            const int n = blockIdx.x * GROUP + g;
            if (n < N) store_row(a_end + (size_t)n * H, H, hidden.a[g]);
        }
    }
}

// A round guesses that no sample has an event before the end of a window of WINDOW steps. Under that
// guess h stays as it is, and the window's outputs do not depend on each other. The steps up to and
// including the first event of any sample stand, W's row is added, and the next round starts after
// it. Without events the chain of dependent steps is thus WINDOW times shorter than D.
//
// x is drawn where u ≥ 0. Where u < 0 it is read, by every warp, and never written.
template <typename Head>
__device__ __forceinline__ void sample(const REAL* __restrict__ u, const REAL* __restrict__ W,
                                       const REAL* __restrict__ V, const REAL* __restrict__ b,
                                       const REAL* __restrict__ c, const int* __restrict__ y,
                                       typename Head::X* x, int N, int D, int H, int n_classes) {
    REAL* const both_halves = shared_sums();
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES;
    const Place place(WINDOW, lane);
    const bool in_use = lane < GUESSES && place.n < N;
    Hidden hidden;
    hidden.start(c, y, N, H, n_classes);

    for (int i = 0, half = 0; i < D; half ^= 1) {
        REAL dots[GUESSES];
#pragma unroll
        for (int k = 0; k < WINDOW; ++k) {
            REAL v[UNITS] = {};
            if (i + k < D) load_row(V + (size_t)(i + k) * H, H, v);
#pragma unroll
            for (int g = 0; g < GROUP; ++g) dots[g * WINDOW + k] = hidden.dot(g, v);
        }
        const REAL sum = warp_sums<GUESSES>(dots);
        REAL* const sums = both_halves + half * WARPS * GUESSES;
        if (lane < GUESSES) sums[warp * GUESSES + lane] = sum;
        __syncthreads();  // as in the forward sweep; here every warp reads, and all draw the same x

        const bool wanted = in_use && i + place.k < D;
        const size_t at = (size_t)place.n * D + i + place.k;
        REAL logit = wanted ? b[i + place.k] : REAL(0);
        if (wanted)
            for (int w = 0; w < WARPS; ++w) logit += sums[w * GUESSES + lane];  // F3
        const REAL my_u = wanted ? u[at] : REAL(0);
        const bool event = wanted && Head::draw(my_u, logit, x + at);
        const unsigned events = __ballot_sync(ALL_LANES, event);
        int last = WINDOW - 1;  // the last step that stands
#pragma unroll
        for (int k = WINDOW - 1; k >= 0; --k)
            if (events >> k & every_sample(WINDOW)) last = k;
        if (warp == 0 && wanted && place.k <= last && !(my_u < 0)) x[at] = event;
        if (events >> last & every_sample(WINDOW)) {
            REAL w[UNITS];
            load_row(W + (size_t)(i + last) * H, H, w);
            hidden.event(events >> last, WINDOW, w);
        }
        i += last + 1;
    }
}
