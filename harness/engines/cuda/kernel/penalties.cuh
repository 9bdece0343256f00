// Gradient penalties without autograd. For a penalty phi(|g|) of g = dD/dx, the direction v = phi'(|g|)/|g| g is held
// fixed, and its gradient in D's parameters is that of the directional derivative D'(x; v): a tangent pass forward,
//     p'_l = W_l^T a'_(l-1),  a'_l = s(a_l) p'_l,  a'_0 = v,
// and one pass back over both, with beta_l the slope of D at a_l and pi'_l = s(a_l) beta_l that at its sums:
//     pi_l = bend(a_l) p'_l beta_l + s(a_l) W_(l+1) pi_(l+1),   dW_l = a_(l-1) pi_l^T + a'_(l-1) pi'_l^T,   db_l = pi_l.
#pragma once

// Inputs at which penalties look: rows are decisions first .. first + VALID; rows beyond are zero.
template <int SITE, int K, int N, int STRIDE_D, int STRIDE, int VALID, int PADDED>
DEVICE void set_points(const Block& b, const float* numbers, const float* features, float* point, int first, unsigned update, int tid) {
    for (int i = tid; i < N * PADDED; i += THREADS) {
        const int n = i / PADDED, row = i % PADDED, k = first + row;
        float x = 0.0f;
        if (row < VALID) {
            const float real = features[n * STRIDE_D + k], fake = features[n * STRIDE_D + K + k];
            if (SITE == AT_REAL) x = real;
            if (SITE == AT_FAKE) x = fake;
            if (SITE == AT_SEGMENT) x = fake + uniform(draw(b, SEGMENT, update, (unsigned)k)) * (real - fake);
            if (SITE == AT_AROUND) x = real + 0.5f * numbers[SPREAD] * b.normal[draw(b, AROUND, update, (unsigned)(k * N + n)) >> 9];
        }
        point[n * STRIDE + row] = x;
    }
}

// Partial sums over all real features, of them or of their squared deviations from a mean.
template <int K, int N, int STRIDE_D> DEVICE void sum_features(const float* features, float mean, bool squared, float* scratch, int tid) {
    float sum = 0.0f;
    for (int i = tid; i < N * K; i += THREADS) {
        const float deviation = features[i / K * STRIDE_D + i % K] - mean;
        sum += squared ? deviation * deviation : deviation;
    }
    scratch[tid] = sum;
}

// beta at the last hidden layer, and at its sums.
template <int KIND, int ROWS, int STRIDE, int UNITS>
DEVICE void unit_top_delta(const float* w, const float* h, float* slope, float* beta, float factor, int tid) {
    for (int i = tid; i < UNITS * ROWS; i += THREADS) {
        const int c = i / ROWS, at = c * STRIDE + i % ROWS;
        beta[at] = w[c] * factor;
        slope[at] = w[c] * factor * derivative<KIND>(h[at]);
    }
}
template <int KIND, int STRIDE> struct UnitDeltaBelow {
    static constexpr bool DEFERRED = false;
    const float* h; float *slope, *beta; float factor;
    MEMBER void operator()(int c, int row, float sum) const {
        const int at = c * STRIDE + row;
        beta[at] = sum * factor;
        slope[at] = sum * factor * derivative<KIND>(h[at]);
    }
};
template <int ROWS, int STRIDE, int N> DEVICE void unit_to_inputs(const float* w, float* slope, float factor, int tid) {
    for (int i = tid; i < N * ROWS; i += THREADS) slope[i / ROWS * STRIDE + i % ROWS] = w[i / ROWS] * factor;
}

// |g| of each row, and the coefficient of a site's penalties: sum of weight share/K phi'(|g|)/|g|.
template <int SITE, int K, int N, int STRIDE, int VALID, int PADDED>
DEVICE void set_coefficients(const Block& b, const float* numbers, const float* slope, float* coefficients, int first, int tid) {
    for (int row = tid; row < PADDED; row += THREADS) {
        float square = 0.0f, coefficient = 0.0f;
        for (int n = 0; n < N; ++n) square = fn::fma(slope[n * STRIDE + row], slope[n * STRIDE + row], square);
        const float norm = fn::sqrt(square);
        if (row < VALID) {
            coefficient = site_coefficient(SITE, b.settings + FIRST_PENALTY, norm) * numbers[PENALTY_SHARE] / (float)K;
            if (b.recording) b.record[RECORD_SITES + SITE * K + first + row] = norm;
        }
        coefficients[row] = coefficient;
    }
}
template <int STRIDE, int PADDED, int N> DEVICE void scale_rows(float* slope, const float* coefficients, int tid) {
    for (int i = tid; i < N * PADDED; i += THREADS) slope[i / PADDED * STRIDE + i % PADDED] *= coefficients[i % PADDED];
}

template <int KIND, int STRIDE> struct Tangent {  // a'_l, and bend p' beta where beta was
    static constexpr bool DEFERRED = false;
    const float* h; float *tangent, *bent; float factor;
    MEMBER void operator()(int c, int row, float sum) const {
        const int at = c * STRIDE + row;
        tangent[at] = derivative<KIND>(h[at]) * (sum * factor);
        bent[at] = second_derivative<KIND>(h[at]) * (sum * factor) * bent[at];
    }
};
template <int KIND, int STRIDE> struct AddDeltaBelow {  // pi_l += s(a_l) W pi
    static constexpr bool DEFERRED = false;
    const float* h; float* bent; float factor;
    MEMBER void operator()(int c, int row, float sum) const {
        const int at = c * STRIDE + row;
        bent[at] = fn::fma(derivative<KIND>(h[at]), sum * factor, bent[at]);
    }
};
template <int STRIDE, int PADDED, int UNITS> DEVICE void add_rows(const float* tangent, float* gradient, int tid) {
    for (int c = tid; c < UNITS; c += THREADS) {
        float sum = 0.0f;
        for (int row = 0; row < PADDED; ++row) sum += tangent[c * STRIDE + row];
        gradient[c] += sum;
    }
}
