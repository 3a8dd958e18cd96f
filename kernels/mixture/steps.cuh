// The mass that one component has in a step from z - k to z + k, in units of its scale, in REAL:
// W1-W6 of kernels/mixture/__init__.py. z is of either sign, k > 0.

struct Step {
    REAL q, g, slope, curve;  // called as in the derivation
};

constexpr double NEAR_K = 0.3, NEAR_Y = 0.5, HALF_ROOT = 0.70710678118654752440,
                 OVER_ROOT_2PI = 0.39894228040143267794;
constexpr int MOST_TERMS = sizeof(REAL) == 4 ? 10 : 22;  // of the series

// Where nothing is far: W3.
__device__ __forceinline__ Step near_step(REAL at, REAL k) {
    const REAL y2 = k * at * k * at, k2 = k * k;
    REAL w = 1, o = 1, Y = 1, odd = 1, even = 1;
#pragma unroll
    for (int i = 2; i < MOST_TERMS; i += 2) {
        w = (y2 * o - k2 * w) * REAL(1.0 / i);
        o = (w - k2 * o) * REAL(1.0 / (i + 1));
        Y += w * REAL(1.0 / (i + 1)), odd += o, even += w;  // W3
    }
    // W3 and W6
    return {at * at / 2, 2 * k * REAL(OVER_ROOT_2PI) * Y, at * odd / Y, (even - at * at * odd) / Y};
}

__device__ __forceinline__ Step gaussian_step(REAL z, REAL k) {
    const REAL at = fabs(z), y = k * at, z_lo = at - k, z_hi = at + k;  // W1
    Step step;
    if (y < REAL(NEAR_Y) && k < REAL(NEAR_K)) {
        step = near_step(at, k);
    } else {
        const bool inside = z_lo < 0;
        const REAL e_y = exp(-2 * y), e_lo = inside ? exp(-z_lo * z_lo / 2) : REAL(1);
        const REAL r_lo = erfcx(fabs(z_lo) * REAL(HALF_ROOT));
        const REAL r_hi = e_y * erfcx(z_hi * REAL(HALF_ROOT));
        step.q = inside ? REAL(0) : z_lo * z_lo / 2;
        step.g = inside ? 1 - e_lo * (r_lo + r_hi) / 2 : (r_lo - r_hi) / 2;  // W2
        const REAL front = REAL(OVER_ROOT_2PI) * e_lo / step.g;
        step.slope = front * -expm1(-2 * y), step.curve = front * (z_hi * e_y - z_lo);  // W6
    }
    if (z < 0) step.slope = -step.slope;
    return step;
}

__device__ __forceinline__ Step laplace_step(REAL z, REAL k) {
    const REAL at = fabs(z), z_lo = at - k, z_hi = at + k;  // W1
    Step step;
    if (z_lo < 0) {
        const REAL e_lo = exp(z_lo);
        step = {0, -(expm1(z_lo) + expm1(-z_hi)) / 2, 0, 0};  // W5
        step.slope = e_lo * -expm1(-2 * at) / (2 * step.g);  // W6
        step.curve = (z_hi * exp(-z_hi) - z_lo * e_lo) / (2 * step.g);  // W6
    } else {
        const REAL less = -expm1(-2 * k);
        step = {z_lo, less / 2, 1, 2 * k * exp(-2 * k) / less - z_lo};  // W4, W6
    }
    if (z < 0) step.slope = -step.slope;
    return step;
}
