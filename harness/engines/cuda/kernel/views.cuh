// Features of a minibatch x of B values (harness/data/views.py), written into D's inputs [number][row], and the slopes in
// the values from the slopes in the features. A decision's row is `first` + its index.
#pragma once

enum Form { VALUES, SQUARES, DEVIATIONS, MOMENTS, ORDER };

// Sixteen partial sums of f(i), i < B, in a phase; `sum_of` adds them up where they are needed.
template <int B, class F> DEVICE void partial_sums(float* sums, F f, int tid) {
    if (tid >= 0 && tid < SUMS) {
        float sum = 0.0f;
        for (int i = tid; i < B; i += SUMS) sum += f(i);
        sums[tid] = sum;
    }
}

DEVICE bool before(float a, int i, float b, int j) {  // ascending, equal ones in the order drawn, NaN last
    const bool nan_a = a != a, nan_b = b != b;
    if (nan_a || nan_b) return nan_a == nan_b ? i < j : nan_b;
    return a < b || (a == b && i < j);
}
template <int B> DEVICE int rank_of(const float* x, int i) {
    int rank = 0;
    for (int j = 0; j < B; ++j) rank += before(x[j], j, x[i], i) ? 1 : 0;
    return rank;
}

template <int B, int N, int STRIDE> DEVICE void read_values(const float* x, float* features, int first, int tid) {
    for (int i = tid; i < B; i += THREADS) features[(i % N) * STRIDE + first + i / N] = x[i];
}

template <int FORM, int B, int STRIDE>
DEVICE void read_deviations(const float* x, const float* sums, float* features, int first, int tid) {
    const float mean = sum_of(sums) / (float)B;
    for (int i = tid; i < B; i += THREADS) {
        const float deviation = x[i] - mean;
        features[i * STRIDE + first] = x[i];
        features[(B + i) * STRIDE + first] = FORM == SQUARES ? deviation * deviation : deviation;
    }
}

template <int B, int STRIDE> DEVICE void read_order(const float* x, float* features, int first, int tid) {
    for (int i = tid; i < B; i += THREADS) features[rank_of<B>(x, i) * STRIDE + first] = x[i];
}

// The moments' sums lie behind each other: of offsets from x[0], of squared deviations, of z^2, z^3 and z^4.
struct Moments { float shift, mean, root, second, third, fourth; bool spread; };

template <int B> DEVICE float deviation_of(const float* x, const float* sums, int i) {
    return (x[i] - x[0]) - sum_of(sums) / (float)B;
}
template <int B> DEVICE float root_of(const float* sums, bool& spread) {
    const float variance = sum_of(sums + SUMS) / (float)B;
    spread = variance > 1e-30f;
    return spread ? fn::sqrt(variance) : (variance == variance ? 1.0f : variance);
}
template <int B, int POWER> DEVICE float power_of_z(const float* x, const float* sums, int i) {
    bool spread;
    const float z = deviation_of<B>(x, sums, i) / root_of<B>(sums, spread);
    return POWER == 2 ? z * z : (POWER == 3 ? z * z * z : (z * z) * (z * z));
}
template <int B> DEVICE Moments moments_of(const float* x, const float* sums) {
    Moments m;
    m.shift = x[0];
    m.mean = sum_of(sums) / (float)B;
    m.root = root_of<B>(sums, m.spread);
    m.second = sum_of(sums + 2 * SUMS) / (float)B;
    m.third = sum_of(sums + 3 * SUMS) / (float)B;
    m.fourth = sum_of(sums + 4 * SUMS) / (float)B;
    return m;
}
template <int B, int STRIDE>
DEVICE void read_moments(const float* x, const float* sums, float* features, int first, int tid) {
    if (tid != 0) return;
    const Moments m = moments_of<B>(x, sums);
    features[0 * STRIDE + first] = m.shift + m.mean;
    features[1 * STRIDE + first] = m.spread ? m.root : 0.0f;
    features[2 * STRIDE + first] = m.third;
    features[3 * STRIDE + first] = m.fourth - 3.0f;
}

// The slope at value i; rows beyond B are zero, so that sums over whole packs of rows are right.
template <int FORM, int B, int N, int STRIDE>
DEVICE float slope_at_value(const float* x, const float* sums, const float* slopes, int first, int i) {
    if constexpr (FORM == VALUES) return slopes[(i % N) * STRIDE + first + i / N];
    if constexpr (FORM == DEVIATIONS) return slopes[i * STRIDE + first] + slopes[(B + i) * STRIDE + first];
    if constexpr (FORM == SQUARES) {
        const float twice = 2.0f * (x[i] - sum_of(sums) / (float)B);
        return fn::fma(twice, slopes[(B + i) * STRIDE + first], slopes[i * STRIDE + first]);
    }
    if constexpr (FORM == ORDER) return slopes[rank_of<B>(x, i) * STRIDE + first];
    if constexpr (FORM == MOMENTS) {
        // d z_i/d x_j = (1[i = j] - 1/B - z_i z_j/B)/root; the last term falls away where the root is a constant 1.
        const Moments m = moments_of<B>(x, sums);
        const float z = deviation_of<B>(x, sums, i) / m.root, through = m.spread ? z : 0.0f;
        const float third = 3.0f / m.root * (z * z - m.second - through * m.third);
        const float fourth = 4.0f / m.root * (z * z * z - m.third - through * m.fourth);
        const float sum = slopes[first] + slopes[STRIDE + first] * through + slopes[2 * STRIDE + first] * third +
                          slopes[3 * STRIDE + first] * fourth;
        return sum / (float)B;
    }
}
template <int FORM, int B, int N, int STRIDE, int PADDED>
DEVICE void slopes_at_values(const float* x, const float* sums, const float* slopes, int first, float* out, int tid) {
    for (int i = tid; i < PADDED; i += THREADS)
        out[i] = i < B ? slope_at_value<FORM, B, N, STRIDE>(x, sums, slopes, first, i) : 0.0f;
}
