// One mixture, of a team of lanes: F1-F6, W1-W6 and B1-B6 of kernels/mixture/__init__.py, in REAL.
//
// Component j is lane j % TEAM's alone: it reads μ_j, t_j and a_j and writes their gradients, so ds
// may be s. What a pass over the components needs, it makes of them anew: an exponential costs less
// than a place to keep it.
//
// All functions are called by whole warps; `on` says whether the team has a mixture.
//
// Included after device.cuh, team.cuh and steps.cuh.

struct Mixture {
    int K;
    bool laplace, learned;
};

constexpr double SIGMA_MIN = 1e-3, T_MAX = 40, Z_MAX = 1e18;
constexpr double LOG_ROOT_2PI = 0.91893853320467274178, LOG_2 = 0.69314718055994530942;

// v within ±most; a NaN stays one.
template <typename T>
__device__ __forceinline__ T held(T v, T most) {
    return v < -most ? -most : v > most ? most : v;
}

// σ of a raw scale (F1).
template <typename T>
__device__ __forceinline__ T sigma_of(T t) {
    return T(SIGMA_MIN) + exp(t > T(T_MAX) ? T(T_MAX) : t);  // F1
}

// The largest of the weights' logits, and A = Σ_j e^{b_j} (F4), in every lane of the team.
struct WeightSum {
    REAL most, A;
};

__device__ __forceinline__ WeightSum weights_of(const Team& team, bool on, const REAL* a,
                                              const Mixture& of) {
    if (!of.learned) return {0, REAL(of.K)};
    REAL most = REAL(sizeof(REAL) == 4 ? -3e38 : -1e308), A = 0;
    for (int j = team.me; on && j < of.K; j += TEAM) most = fmax(most, a[j]);
    most = team.most(most);
    for (int j = team.me; on && j < of.K; j += TEAM) A += exp(a[j] - most);  // F4
    return {most, team.sum(A)};
}

// The same of a real number, of which the step is a point: g = 1/σ but for 1/c, slope = q' and
// curve = 1 - z q'.
__device__ __forceinline__ Step point(REAL z, REAL inverse, bool laplace) {
    const REAL slope = laplace ? REAL(z > 0) - REAL(z < 0) : z;
    return {laplace ? fabs(z) : z * z / 2, inverse, slope, REAL(1) - z * slope};  // F3
}

// What of a component enters p: 1/σ_j, b_j, its step and b_j - q_j.
struct Component {
    REAL inverse, b;
    Step step;
    REAL exponent;

    __device__ __forceinline__ Component(const REAL* s, int j, REAL x, REAL half, const Mixture& of,
                                         REAL most)
        : inverse(REAL(1) / sigma_of(s[of.K + j])),
          b(of.learned ? s[2 * of.K + j] - most : REAL(0)) {  // F4
        const REAL z = held((x - s[j]) * inverse, REAL(Z_MAX));  // F2
        const REAL k = held(half * inverse, REAL(Z_MAX));
        step = half == 0 ? point(z, inverse, of.laplace)
                         : of.laplace ? laplace_step(z, k) : gaussian_step(z, k);
        exponent = b - step.q;
    }
};

// -log p(x), in every lane of the team; where ds is not null it becomes dnll times its gradient. half:
// h of x's lattice, 0 of a real number.
__device__ __forceinline__ REAL mixture_loss(const Team& team, bool on, const REAL* s, REAL x,
                                             REAL half, const Mixture& of, REAL dnll, REAL* ds) {
    const int K = of.K;
    const WeightSum weights = weights_of(team, on, s + 2 * K, of);
    REAL top = REAL(sizeof(REAL) == 4 ? -3e38 : -1e308), Z = 0;
    for (int j = team.me; on && j < K; j += TEAM)
        top = fmax(top, Component(s, j, x, half, of, weights.most).exponent);
    top = team.most(top);
    for (int j = team.me; on && j < K; j += TEAM) {
        const Component c(s, j, x, half, of, weights.most);
        Z += exp(c.exponent - top) * c.step.g;  // F5
    }
    Z = team.sum(Z);
    for (int j = team.me; on && ds && j < K; j += TEAM) {
        const Component c(s, j, x, half, of, weights.most);
        const REAL share = dnll * exp(c.exponent - top) * c.step.g / Z, t = s[K + j];  // B1
        const REAL rate = (t <= REAL(T_MAX) ? exp(t) : REAL(0)) * c.inverse;
        ds[j] = -share * (c.step.slope * c.inverse);                              // B2
        ds[K + j] = share * c.step.curve * rate;                                  // B3, B4
        if (of.learned) ds[2 * K + j] = dnll * exp(c.b) / weights.A - share;        // B5
    }
    const REAL log_c = REAL(half != 0 ? 0 : of.laplace ? LOG_2 : LOG_ROOT_2PI);
    return log(weights.A) - log(Z) - top + log_c;  // F6
}

// dL/dx from the gradient ds in the outputs, in every lane of the team: B6.
__device__ __forceinline__ REAL mixture_dx(const Team& team, bool on, const REAL* ds,
                                           const Mixture& of) {
    REAL sum = 0;
    for (int j = team.me; on && j < of.K; j += TEAM) sum -= ds[j];
    return team.sum(sum);
}
