// A mixture's distribution function and its inverse, of a team of lanes: C1, C2 and D1-D5 of
// kernels/mixture/__init__.py, in double whatever REAL is.
//
// A lane keeps its first component's μ, σ and π; of more components than the team has lanes it makes
// the others anew in each pass. All functions are called by whole warps; `on` says whether the team
// has a mixture.
//
// Included after mixture.cuh.

constexpr int MOST_STEPS = 200;
constexpr double LEAST_U = 0x1p-1022, MOST_U = 1 - 0x1p-53, SLACK = 1e-3;
constexpr double ROOT_HALF = 0.70710678118654752440, ONE_OVER_ROOT_2PI = 0.39894228040143267794;

// Φ^{-1}(u), a Gaussian's within less than SLACK.
__device__ __forceinline__ double standard_quantile(double u, bool laplace) {
    const double tail = fmin(u, 1 - u);
    const double t = sqrt(-2 * log(tail));
    const double above = 2.515517 + t * (0.802853 + t * 0.010328);
    const double below = 1 + t * (1.432788 + t * (0.189269 + t * 0.001308));
    const double far = laplace ? -log(2 * tail) : t - above / below;
    return u < 0.5 ? -far : far;
}

struct Quantile {
    struct Normal {
        double mu, sigma, pi;
    };

    const Team team;
    const bool on;
    const REAL* const s;
    const Mixture of;
    double most, A;
    Normal mine;

    __device__ __forceinline__ Quantile(const Team& team, bool on, const REAL* s,
                                        const Mixture& of)
        : team(team), on(on), s(s), of(of), most(0), A(of.K), mine{0, 1, 0} {
        if (of.learned) {
            double largest = -1e308, sum = 0;
            for (int j = team.me; on && j < of.K; j += TEAM)
                largest = fmax(largest, double(s[2 * of.K + j]));
            most = team.most(largest);
            for (int j = team.me; on && j < of.K; j += TEAM)
                sum += exp(s[2 * of.K + j] - most);  // F4
            A = team.sum(sum);
        }
        if (on && team.me < of.K) mine = component(team.me);
    }

    __device__ __forceinline__ Normal component(int j) const {
        const double weight = of.learned ? exp(s[2 * of.K + j] - most) : 1.0;
        return {s[j], sigma_of(double(s[of.K + j])), weight / A};
    }

    // Calls f for each component of this lane's.
    template <typename F>
    __device__ __forceinline__ void each(F f) const {
        for (int j = team.me; on && j < of.K; j += TEAM) f(j == team.me ? mine : component(j));
    }

    // Σ_j π_j Φ(side · z_j): the mass below x, or for side -1 above it.
    __device__ __forceinline__ double mass(double x, double side) const {
        double sum = 0;
        each([&](const Normal& c) {
            const double z = side * held((x - c.mu) / c.sigma, Z_MAX);  // F2
            const double half = 0.5 * (of.laplace ? exp(-fabs(z)) : erfc(-z * ROOT_HALF));
            sum += c.pi * (of.laplace && z > 0 ? 1 - half : half);
        });
        return team.sum(sum);
    }

    __device__ __forceinline__ double density(double x) const {
        double sum = 0;
        each([&](const Normal& c) {
            const double z = held((x - c.mu) / c.sigma, Z_MAX);
            sum += c.pi * exp(of.laplace ? -fabs(z) : -z * z / 2) / c.sigma;
        });
        return team.sum(sum) * (of.laplace ? 0.5 : ONE_OVER_ROOT_2PI);
    }

    __device__ __forceinline__ double cdf(double x) const {
        double u = mass(x, 1);                          // C1
        const double upper = mass(x, -1);
        if (u > 0.5) u = 1 - upper;                     // C2
        return fmin(fmax(u, LEAST_U), MOST_U);
    }

    // F^{-1}(u) for u ≥ 0.
    __device__ __forceinline__ double draw(double u) const {
        u = fmin(fmax(u, LEAST_U), MOST_U);
        const double quantile = standard_quantile(u, of.laplace);
        double low = 1e308, high = -1e308, x = 0, narrowest = 1e308;
        each([&](const Normal& c) {  // D1
            low = fmin(low, c.mu + c.sigma * (quantile - SLACK));
            high = fmax(high, c.mu + c.sigma * (quantile + SLACK));
            x += c.pi * (c.mu + c.sigma * quantile);
            narrowest = fmin(narrowest, c.sigma);
        });
        low = team.least(low), high = team.most(high);
        x = team.sum(x), narrowest = team.least(narrowest);
        double before = high - low, last = before;
        const double side = u > 0.5 ? -1 : 1, target = u > 0.5 ? 1 - u : u;
        bool going = on;
        for (int step = 0; step < MOST_STEPS && anybody(going); ++step) {
            const double miss = side * (mass(x, side) - target), p = density(x);  // D2
            going = going && miss != 0;
            if (!going) continue;
            (miss < 0 ? low : high) = x;                                          // D3
            double move = -miss / p;
            if (!(low < x + move && x + move < high && 2 * fabs(move) < before))
                move = low + (high - low) / 2 - x;                             // D4
            x += move;
            before = last, last = fabs(move);
            going = last > 0x1p-52 * (fabs(x) + narrowest);                    // D5
        }
        return x;
    }
};
