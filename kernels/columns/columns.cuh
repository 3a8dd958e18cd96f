// One variable of one row, of a team of lanes: kernels/columns/__init__.py for the sweeps of kernels.
//
// VALUE says what x is in: 0 uint8, 1 int32, 2 REAL. A variable's outputs, s, may lie in shared or
// global memory; output j is lane j % TEAM's alone, of a real variable all outputs of component j, so
// ds may be s, and the logit of an atom is lane 0's.
//
// All functions are called by whole warps, whose teams may have variables of different kinds: a kind
// that no team has costs a ballot. `on` says whether the team has a variable; i has to be one anyhow.
//
// Included after device.cuh, team.cuh, mixture/steps.cuh, mixture/mixture.cuh, mixture/quantile.cuh.

#if VALUE == 0
typedef Bit Value;
#elif VALUE == 1
typedef int Value;
#else
typedef REAL Value;
#endif

constexpr int REAL_VALUES = 0, BIT_VALUES = 2, NO_VALUES = -1;

struct Layout {
    const int *values, *first;  // (D,), (D + 1,)
    const double* half_steps;   // (D,)
    const double* atoms;        // (D,): a NaN where there is none
    Mixture mixture;            // of every real variable

    __device__ __forceinline__ int values_of(int i, bool on) const {
        return on ? values[i] : NO_VALUES;
    }

    __device__ __forceinline__ bool has_atom(int i, bool real) const {
        return real && atoms[i] == atoms[i];
    }
    __device__ __forceinline__ int of_mixture() const { return (mixture.learned ? 3 : 2) * mixture.K; }
};

// -log p of category v, in every lane of the team: as softmax_cross_entropy has it (F2, B1).
__device__ __forceinline__ REAL category_loss(const Team& team, bool on, const REAL* s, int K,
                                              int v, REAL dnll, REAL* ds) {
    REAL top = REAL(sizeof(REAL) == 4 ? -3e38 : -1e308), Z = 0, of_v = 0;
    for (int j = team.me; on && j < K; j += TEAM) top = fmax(top, s[j]);
    top = team.most(top);
    for (int j = team.me; on && j < K; j += TEAM) {
        Z += exp(s[j] - top);
        if (j == v) of_v = s[j];
    }
    Z = team.sum(Z), of_v = team.sum(of_v);  // of which one lane's is not 0
    for (int j = team.me; on && ds && j < K; j += TEAM)
        ds[j] = dnll * (exp(s[j] - top) / Z - REAL(j == v));
    return log(Z) + (top - of_v);
}

// The logit of an atom, in every lane of the team: lane 0, which overwrites it, reads it.
__device__ __forceinline__ REAL logit_of(const Team& team, const Layout& layout, bool atom,
                                         const REAL* s) {
    return team.of(atom && team.me == 0 ? s[layout.of_mixture()] : REAL(0), 0);
}

// -log p of a variable with an atom, given that of its mixture, whose gradients each lane has written
// into its own of ds. at: whether x is the atom.
__device__ __forceinline__ REAL atom_loss(const Team& team, const Layout& layout, REAL a, bool at,
                                          bool whole, REAL of_mixture, REAL dnll, REAL* ds) {
    const REAL less = -of_mixture - a;                                // ℓ - a
    const REAL share = !at ? REAL(1) : whole ? sigmoid(less) : REAL(0);  // P5
    if (ds && team.me == 0)
        ds[layout.of_mixture()] = dnll * (at ? share - sigmoid(-a) : sigmoid(a));  // P7
    const int K = layout.mixture.K, parts = layout.mixture.learned ? 3 : 2;
    for (int j = team.me; ds && at && j < K; j += TEAM)
        for (int part = 0; part < parts; ++part) ds[part * K + j] *= share;  // P6
    if (!at) return softplus(a) + of_mixture;                         // P1, P2 by P3
    return softplus(-a) - (whole ? softplus(less) : REAL(0));         // P1, P2 by P4
}

// -log p(x_i), in every lane of the team; where ds is not null it becomes scale times the gradient
// (F1-F3, B1). 0 where the team has no variable.
__device__ __forceinline__ REAL variable_loss(const Team& team, const Layout& layout, int i,
                                              bool on, const REAL* s, Value x, REAL scale, REAL* ds) {
    const int K = layout.values_of(i, on);
    const bool bit = K == BIT_VALUES, real = K == REAL_VALUES, category = on && !bit && !real;
    REAL loss = 0;
    if (bit) {
        const REAL logit = team.me == 0 ? s[0] : REAL(0), wrong = x != 0 ? -logit : logit;
        loss = softplus(wrong);
        if (ds && team.me == 0) ds[0] = scale * (x != 0 ? -sigmoid(wrong) : sigmoid(wrong));
    }
    const REAL of_bit = team.of(loss, 0);
    if (bit) loss = of_bit;
    if (anybody(category)) {
        const REAL of_category = category_loss(team, category, s, K, int(x), scale, ds);
        if (category) loss = of_category;
    }
    if (anybody(real)) {
        const REAL half = real ? layout.half_steps[i] : 0;
        const bool atom = layout.has_atom(i, real), at = atom && REAL(x) == REAL(layout.atoms[i]);
        const REAL a = anybody(atom) ? logit_of(team, layout, atom, s) : REAL(0);
        REAL of_real = mixture_loss(team, real, s, REAL(x), half, layout.mixture, scale, ds);
        if (atom) of_real = atom_loss(team, layout, a, at, half > 0, of_real, scale, ds);
        if (real) loss = of_real;
    }
    return loss;
}

// What the loss itself gives of dL/dx_i, in every lane of the team: B2.
__device__ __forceinline__ REAL variable_dx(const Team& team, const Layout& layout, int i,
                                            bool on, const REAL* ds) {
    const bool real = layout.values_of(i, on) == REAL_VALUES;
    return mixture_dx(team, real, ds, layout.mixture);
}

// p(x_i = 1) of a bit's logit.
__device__ __forceinline__ double chance(double logit) {
    const double e = exp(-fabs(logit));
    return (logit >= 0 ? 1.0 : e) / (1 + e);
}

// The weights of categories, added up in their order as everywhere: lanes make TEAM of them at once,
// and all lanes add them one by one. Calls f(v, w_v, w_0 + … + w_v) for each v < K, in every lane;
// returns the sum.
template <typename F>
__device__ __forceinline__ double add_weights(const Team& team, bool on, const REAL* s, int K,
                                              double top, F f) {
    double sum = 0;
    for (int first = 0; anybody(on && first < K); first += TEAM) {
        const int j = first + team.me;
        const double mine = on && j < K ? exp(double(s[j]) - top) : 0;
#pragma unroll
        for (int l = 0; l < TEAM; ++l) {
            const double w = team.of(mine, l);
            sum += w;
            if (on && first + l < K) f(first + l, w, sum);
        }
    }
    return sum;
}

__device__ __forceinline__ double largest_of(const Team& team, bool on, const REAL* s, int K) {
    double top = -1e308;
    for (int j = team.me; on && j < K; j += TEAM) top = fmax(top, double(s[j]));
    return team.most(top);
}

// The first category v with w_0 + … + w_v > u Σ w, or the last that has weight (D1).
__device__ __forceinline__ int category_draw(const Team& team, bool on, const REAL* s, int K,
                                             double u) {
    const double top = largest_of(team, on, s, K);
    const double most = u * add_weights(team, on, s, K, top, [](int, double, double) {});
    int drawn = -1, last = 0;
    add_weights(team, on, s, K, top, [&](int v, double w, double sum) {
        if (drawn < 0 && sum > most) drawn = v;
        if (w > 0) last = v;
    });
    return drawn < 0 ? last : drawn;
}

// Whether u draws the atom, in every lane of the team; if not, u becomes that of the mixture (P9).
__device__ __forceinline__ bool find_side(const Quantile& quantile, const Layout& layout, int i,
                                          bool atom, const REAL* s, double half, double& u) {
    const double at = atom ? double(REAL(layout.atoms[i])) : 0;
    const double lo = quantile.cdf(at - half);
    const double hi = anybody(half > 0) ? quantile.cdf(at + half) : lo;
    if (!atom) return false;
    const double a = s[layout.of_mixture()], pi = chance(a), less = chance(-a);
    if (u < less * lo) {
        u = fmin(u / less, lo);
        return false;
    }
    if (u < less * hi + pi) return true;
    u = fmax((u - pi) / less, hi);
    return false;
}

// The value of x_i for u in [0, 1), in every lane of the team: D1.
__device__ __forceinline__ Value variable_draw(const Team& team, const Layout& layout, int i,
                                               bool on, const REAL* s, double u) {
    const int K = layout.values_of(i, on);
    const bool bit = K == BIT_VALUES, real = K == REAL_VALUES, category = on && !bit && !real;
    Value drawn = bit && u < chance(s[0]);
    if (anybody(category)) {
        const int v = category_draw(team, category, s, K, u);
        if (category) drawn = v;
    }
    if (anybody(real)) {
        const Quantile quantile(team, real, s, layout.mixture);
        const double step = real ? 2 * layout.half_steps[i] : 0;
        const bool atom = layout.has_atom(i, real);
        bool at = false;
        if (anybody(atom)) at = find_side(quantile, layout, i, atom, s, step / 2, u);
        const double x = quantile.draw(u);
        if (real) drawn = step > 0 ? rint(x / step) * step : x;
        if (at) drawn = REAL(layout.atoms[i]);
    }
    return drawn;
}

// The uniforms from which a value is drawn, [lo, hi).
struct Interval {
    double lo, hi;
};

__device__ __forceinline__ Interval category_interval(const Team& team, bool on, const REAL* s,
                                                      int K, int v) {
    double below = 0, of_v = 0;
    const double top = largest_of(team, on, s, K);
    const double W = add_weights(team, on, s, K, top, [&](int j, double w, double sum) {
        if (j < v) below = sum;
        if (j == v) of_v = w;
    });
    return {below / W, (below + of_v) / W};
}

// C1, in every lane of the team.
__device__ __forceinline__ Interval variable_interval(const Team& team, const Layout& layout,
                                                      int i, bool on, const REAL* s, Value x) {
    const int K = layout.values_of(i, on);
    const bool bit = K == BIT_VALUES, real = K == REAL_VALUES, category = on && !bit && !real;
    Interval interval{0, 1};
    if (bit) (x != 0 ? interval.hi : interval.lo) = chance(s[0]);
    if (anybody(category)) {
        const Interval of_category = category_interval(team, category, s, K, int(x));
        if (category) interval = of_category;
    }
    if (anybody(real)) {
        const Quantile quantile(team, real, s, layout.mixture);
        const double half = real ? layout.half_steps[i] : 0;
        double lo = quantile.cdf(double(x) - half);
        double hi = anybody(half > 0) ? quantile.cdf(double(x) + half) : lo;
        if (layout.has_atom(i, real)) {
            const double a = s[layout.of_mixture()], pi = chance(a), less = chance(-a);
            const REAL atom = layout.atoms[i];
            lo = fmin(less * lo + (REAL(x) > atom ? pi : 0), MOST_U);  // P8
            hi = fmin(less * hi + (REAL(x) >= atom ? pi : 0), 1.0);    // P8
        }
        if (real) interval = {lo, hi};
    }
    return interval;
}
