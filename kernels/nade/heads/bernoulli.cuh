// NADE's head of bits: one output a variable, the logit of p(x_i = 1 | x_<i); a one is an event.
//
// What the sweeps ask of a head. The next one is a file beside this, and a .cu file with its kernels,
// three lines each, as nade.cu's.
//
//     X                   the type of x
//     event(x_i)          whether x_i adds a row of W, here W_i, to a (F4)
//     take(s, x_i, at)    what becomes of output s, number `at`; returns its part of the loss
//     draw(u, s, x_i)     whether x_i, kept where u < 0, is an event
//     undo(g, v, h, …)    F3 backwards
//
// The sweeps take a step a row of V. So a categorical head steps once an output, K_i times a variable,
// with its event at the last one; the row of W differs from sample to sample there, hence
// Rows::load loads one for each. Its loss needs all K_i outputs of a variable, which lie in different
// lanes and tiles: `take` writes s alone, and softmax_cross_entropy's kernels make loss and ds of it.
// A mixture steps once an output too, its events are all variables, and Hidden::event adds x_i W_i.

struct Bernoulli {
    using X = Bit;

    REAL *s, *ds, *nll;  // outputs; those that are null are not wanted
    REAL scale, sign;    // of ds; of nll

    __device__ __forceinline__ static bool event(X x) { return x; }

    __device__ __forceinline__ REAL take(REAL logit, bool one, size_t at) const {
        if (s) s[at] = logit;
        if (ds) ds[at] = scale * (sigmoid(logit) - REAL(one));   // bernoulli's B2
        if (!nll) return 0;
        return softplus(logit) - (one ? logit : REAL(0));        // bernoulli's F1
    }

    // x is read where it is kept, and only there.
    __device__ __forceinline__ static bool draw(REAL u, REAL logit, const X* x) {
        return u < 0 ? event(*x) : u < sigmoid(logit);
    }

    __device__ __forceinline__ static void undo(REAL g, REAL v, REAL h, REAL& dv, REAL& delta) {
        dv += g * h;                     // B3
        delta += g * v * h * (1 - h);    // B4, B5
    }
};
