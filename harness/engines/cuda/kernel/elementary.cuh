// Elementary functions in float32, written out: a host and a device compute the same bits, because every operation is
// one that IEEE 754 rounds correctly (+, -, *, /, sqrt, fma) and the compilers are told to contract nothing.
// Within 3 units in the last place (tests/losses/test_c_source.py). Coefficients: weighted least squares on Chebyshev nodes.
#pragma once

namespace fn {

DEVICE float power_of_two(int n) { return bits_to_float((unsigned)(n + 127) << 23); }  // -126 <= n <= 127

DEVICE float fabs(float x) { return bits_to_float(float_to_bits(x) & 0x7fffffffu); }
DEVICE bool finite(float x) { return (float_to_bits(x) & 0x7f800000u) != 0x7f800000u; }
DEVICE float sqrt(float x) { return ::sqrtf(x); }
DEVICE float fma(float a, float b, float c) { return ::fmaf(a, b, c); }

// (exp(r) - 1 - r)/r^2 for |r| <= log(2)/2, to 7e-8
DEVICE float exponential_rest(float r) {
    return fma(fma(fma(fma(1.3934162e-03f, r, 8.363522e-03f), r, 4.166646e-02f), r, 1.6666575e-01f), r, 0.5f);
}

DEVICE float exp(float x) {
    const float bounded = x < -105.0f ? -105.0f : (x > 90.0f ? 90.0f : x);
    const float whole = ::floorf(fma(bounded, 1.44269504f, 0.5f));
    const float r = fma(whole, 2.12194440e-04f, fma(whole, -0.693359375f, bounded));  // log(2) in two parts
    const float value = fma(r * r, exponential_rest(r), r) + 1.0f;
    const int n = x == x ? (int)whole : 0, half = n / 2;
    return value * power_of_two(half) * power_of_two(n - half);
}

DEVICE float expm1(float x) {
    const float small = fma(x * x, exponential_rest(x), x);
    return fabs(x) < 0.3465f ? small : exp(x) - 1.0f;
}

DEVICE float log(float x) {
    const bool tiny = x < 1.17549435e-38f;
    const unsigned bits = float_to_bits(tiny ? x * 8388608.0f : x);
    const unsigned shifted = bits - 0x3f3504f3u;  // so that the mantissa below is in [sqrt(1/2), sqrt(2))
    const float n = (float)((int)shifted >> 23) - (tiny ? 23.0f : 0.0f);
    const float f = bits_to_float((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    const float s = f / (2.0f + f), w = s * s;  // log(1 + f) = 2 atanh(s) = f - f^2/2 + s (f^2/2 + ...)
    const float rest = w * fma(fma(2.9591388e-01f, w, 3.9988518e-01f), w, 6.6666687e-01f);
    const float square = 0.5f * f * f;
    const float value = fma(n, 0.693359375f, fma(n, -2.12194440e-04f, s * (square + rest) - square) + f);
    if (x > 3.402823466e38f || x != x) return x;
    return x > 0.0f ? value : (x < 0.0f ? bits_to_float(0x7fc00000u) : bits_to_float(0xff800000u));
}

DEVICE float log1p(float x) {
    const float sum = 1.0f + x;
    if (sum == 0.0f || !finite(sum)) return log(sum);
    return log(sum) + (x - (sum - 1.0f)) / sum;  // what the sum rounded away
}

DEVICE float tanh(float x) {
    const float size = fabs(x), t = expm1(2.0f * (size > 10.0f ? 10.0f : size)), value = t / (t + 2.0f);
    return x != x ? x : (x < 0.0f ? -value : value);
}

// The primitives of harness/losses/primitives.py, as harness/losses/backends/torch_function.py computes them.
DEVICE float sigmoid(float x) {
    const float e = exp(x < 0.0f ? x : -x);
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}
DEVICE float softplus(float x) { return (x > 0.0f ? x : (x == x ? 0.0f : x)) + log1p(exp(-fabs(x))); }
DEVICE float relu(float x) { return x < 0.0f ? 0.0f : x; }
DEVICE float step(float x) { return x > 0.0f ? 1.0f : 0.0f; }
DEVICE float sign(float x) { return x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : x); }
DEVICE float floor_at(float x, float bound) { return x < bound ? bound : x; }
DEVICE float floor_ratio(float x, float bound) { return x / floor_at(x, bound); }
DEVICE float probability(float x) { return 1.0f / (1.0f + exp(-x)); }
DEVICE float deformed(float x, float k) { return k == 0.0f ? x : -expm1(-k * x) / k; }
DEVICE float abs_power(float x, float k) {
    return x == 0.0f ? (k == 0.0f ? 1.0f : 0.0f) : exp(k * log(fabs(x)));
}
DEVICE float signed_power(float x, float k) { return sign(x) * abs_power(x, k); }

}  // namespace fn
