// Spectral normalisation (harness/losses/penalties/weights.py): D computes with W bound/sigma, sigma = left^T W right.
#pragma once

template <int INPUTS, int OUTPUTS> DEVICE void times_right(const float* w, const float* right, float* left, int tid) {
    for (int n = tid; n < INPUTS; n += THREADS) {
        float sum = 0.0f;
        for (int c = 0; c < OUTPUTS; ++c) sum = fn::fma(w[n * OUTPUTS + c], right[c], sum);
        left[n] = sum;
    }
}
template <int INPUTS, int OUTPUTS> DEVICE void left_times(const float* w, const float* left, float* right, int tid) {
    for (int c = tid; c < OUTPUTS; c += THREADS) {
        float sum = 0.0f;
        for (int n = 0; n < INPUTS; ++n) sum = fn::fma(left[n], w[n * OUTPUTS + c], sum);
        right[c] = sum;
    }
}
template <int COUNT> DEVICE void sum_squares(const float* x, float* scratch, int tid) {
    float sum = 0.0f;
    for (int i = tid; i < COUNT; i += THREADS) sum = fn::fma(x[i], x[i], sum);
    scratch[tid] = sum;
}
template <int COUNT> DEVICE void make_unit(float* x, const float* sums, int tid) {
    const float length = fn::floor_at(fn::sqrt(sum_of(sums)), 1e-12f);
    for (int i = tid; i < COUNT; i += THREADS) x[i] = x[i] / length;
}
template <int INPUTS, int OUTPUTS>
DEVICE void sum_sigma(const float* w, const float* left, const float* right, float* scratch, int tid) {
    float sum = 0.0f;
    for (int i = tid; i < INPUTS * OUTPUTS; i += THREADS) sum = fn::fma(left[i / OUTPUTS] * w[i], right[i % OUTPUTS], sum);
    scratch[tid] = sum;
}
template <int COUNT> DEVICE void sum_product(const float* a, const float* b, float* scratch, int tid) {
    float sum = 0.0f;
    for (int i = tid; i < COUNT; i += THREADS) sum = fn::fma(a[i], b[i], sum);
    scratch[tid] = sum;
}
// With G the gradient in W factor, that in W is factor (G - <G, W>/sigma left right^T); factor = bound/sigma.
template <int INPUTS, int OUTPUTS>
DEVICE void correct(float* gradient, const float* left, const float* right, float factor, float bound, const float* sums, int tid) {
    const float along = sum_of(sums) * factor / bound;
    for (int i = tid; i < INPUTS * OUTPUTS; i += THREADS)
        gradient[i] = factor * fn::fma(-along * left[i / OUTPUTS], right[i % OUTPUTS], gradient[i]);
}
