// The mass that one component has in a step from z - k to z + k, in units of its scale, in REAL:
// W1-W6 of kernels/mixture/__init__.py. z is of either sign, k > 0.

struct Step {
    REAL q, g, slope, curve;  // as W1-W6 call them
};

constexpr double NEAR_K = 0.3, NEAR_Y = 0.5, HALF_ROOT = 0.70710678118654752440,
                 OVER_ROOT_2PI = 0.39894228040143267794;
constexpr int MOST_TERMS = sizeof(REAL) == 4 ? 10 : 22;  // of the series

// Where nothing is far: W3.
__device__ __forceinline__ Step near_step(REAL at, REAL k) {
    const REAL y2 = k * at * k * at, k2 = k * k;
    REAL u = 1, o = 1, Y = 1, odd = 1, even = 1;
#pragma unroll
    for (int m = 2; m < MOST_TERMS; m += 2) {
        u = (y2 * o - k2 * u) * REAL(1.0 / m);
        o = (u - k2 * o) * REAL(1.0 / (m + 1));
        Y += u * REAL(1.0 / (m + 1)), odd += o, even += u;
    }
    return {at * at / 2, 2 * k * REAL(OVER_ROOT_2PI) * Y, at * odd / Y, (even - at * at * odd) / Y};
}

__device__ __forceinline__ Step gaussian_step(REAL z, REAL k) {
    const REAL at = fabs(z), y = k * at, a = at - k, b = at + k;  // W1
    Step step;
    if (y < REAL(NEAR_Y) && k < REAL(NEAR_K)) {
        step = near_step(at, k);
    } else {  // W2
        const bool inside = a < 0;
        const REAL e_y = exp(-2 * y), e_a = inside ? exp(-a * a / 2) : REAL(1);
        const REAL r_a = erfcx(fabs(a) * REAL(HALF_ROOT)), r_b = e_y * erfcx(b * REAL(HALF_ROOT));
        step.q = inside ? REAL(0) : a * a / 2;
        step.g = inside ? 1 - e_a * (r_a + r_b) / 2 : (r_a - r_b) / 2;
        const REAL front = REAL(OVER_ROOT_2PI) * e_a / step.g;
        step.slope = front * -expm1(-2 * y), step.curve = front * (b * e_y - a);  // W6
    }
    if (z < 0) step.slope = -step.slope;
    return step;
}

__device__ __forceinline__ Step laplace_step(REAL z, REAL k) {
    const REAL at = fabs(z), a = at - k, b = at + k;  // W1
    Step step;
    if (a < 0) {  // W5
        const REAL e_a = exp(a);
        step = {0, -(expm1(a) + expm1(-b)) / 2, 0, 0};
        step.slope = e_a * -expm1(-2 * at) / (2 * step.g);
        step.curve = (b * exp(-b) - a * e_a) / (2 * step.g);
    } else {  // W4
        const REAL less = -expm1(-2 * k);
        step = {a, less / 2, 1, 2 * k * exp(-2 * k) / less - a};
    }
    if (z < 0) step.slope = -step.slope;
    return step;
}
