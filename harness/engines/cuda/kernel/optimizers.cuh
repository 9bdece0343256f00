// Norms of gradients, and updates of single parameters (docs/training-step.md has the formulas).
#pragma once

enum Optimizer { ADAM, OPTIMISTIC_ADAM, SGD, RMSPROP };

struct Rates { float step, epsilon, beta1, keep1, keep2, bound; };

// One player's flat arrays; `square` and `previous` are null where the optimizer has none.
struct Player { float *theta, *moment, *square, *previous; };

DEVICE float moved_towards(float from, float to, float share) { return fn::fma(share, to - from, from); }

template <int OPTIMIZER> DEVICE float update_of(const Player& p, int i, float g, const Rates& r) {
    if constexpr (OPTIMIZER == SGD) {
        const float m = p.moment[i] = fn::fma(r.beta1, p.moment[i], g);
        return r.step * m;
    } else if constexpr (OPTIMIZER == RMSPROP) {
        const float v = p.square[i] = moved_towards(p.square[i], g * g, r.keep2);
        const float m = p.moment[i] = fn::fma(r.beta1, p.moment[i], g / (fn::sqrt(v) + r.epsilon));
        return r.step * m;
    } else {
        const float m = p.moment[i] = moved_towards(p.moment[i], g, r.keep1);
        const float v = p.square[i] = moved_towards(p.square[i], g * g, r.keep2);
        const float step = r.step * (m / (fn::sqrt(v) + r.epsilon));
        if constexpr (OPTIMIZER == ADAM) return step;
        const float before = p.previous[i];
        p.previous[i] = step;
        return 2.0f * step - before;
    }
}

template <int OPTIMIZER> DEVICE void update_parameter(const Player& p, int i, float g, const Rates& r) {
    const float moved = p.theta[i] + update_of<OPTIMIZER>(p, i, g, r);
    p.theta[i] = moved > r.bound ? r.bound : (moved < -r.bound ? -r.bound : moved);
}

// Visits a gradient that is the sum of few outer products, sum over rows of x[input][row] delta[output][row], and never
// stored: a thread keeps the rows of its output and computes an entry where it is needed.
template <int ROWS, int STRIDE_X, int STRIDE_D, int INPUTS, int OUTPUTS, class Visit>
DEVICE void visit_outer(const float* x, const float* delta, int tid, Visit visit) {
    constexpr int LANES = OUTPUTS < THREADS ? OUTPUTS : THREADS, PARTS = THREADS / LANES;
    const int part = tid / LANES;
    if (part < PARTS) for (int c = tid % LANES; c < OUTPUTS; c += LANES) {
        float d[ROWS];
        UNROLL for (int r = 0; r < ROWS; ++r) d[r] = delta[c * STRIDE_D + r];
        UNROLL_FOUR for (int n = part; n <= INPUTS; n += PARTS) {  // n = INPUTS: the bias, which reads 1
            float g = (n < INPUTS ? x[n * STRIDE_X] : 1.0f) * d[0];
            UNROLL for (int r = 1; r < ROWS; ++r) g = fn::fma(n < INPUTS ? x[n * STRIDE_X + r] : 1.0f, d[r], g);
            visit(n * OUTPUTS + c, g);
        }
    }
}

// Visits a stored gradient, whose entries from FIRST on may lie elsewhere: in the same order wherever they lie.
template <int COUNT, int FIRST, class Visit>
DEVICE void visit_stored(const float* gradient, const float* last, int tid, Visit visit) {
    UNROLL_FOUR for (int i = tid; i < COUNT; i += THREADS) visit(i, i < FIRST ? gradient[i] : last[i - FIRST]);
}

// A sum over all threads in two phases and a read: partial sums in scratch[0, THREADS), then SUMS sums of those.
constexpr int SUMS = 16;

DEVICE void reduce(const float* scratch, float* sums, int tid) {
    if (tid < SUMS) {
        float sum = 0.0f;
        for (int i = 0; i < THREADS / SUMS; ++i) sum += scratch[tid * (THREADS / SUMS) + i];
        sums[tid] = sum;
    }
}
DEVICE float sum_of(const float* sums) {
    float sum = sums[0];
    UNROLL for (int i = 1; i < SUMS; ++i) sum += sums[i];
    return sum;
}
