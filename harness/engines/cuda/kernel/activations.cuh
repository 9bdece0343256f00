// Activation functions, and their first two derivatives as functions of their result.
#pragma once

enum Activation { ELU, SIGMOID, TANH, RELU, LEAKY_RELU, SOFTPLUS };

template <int KIND> DEVICE float activate(float x) {
    if constexpr (KIND == ELU) return x > 0.0f ? x : fn::expm1(x);
    if constexpr (KIND == SIGMOID) return fn::sigmoid(x);
    if constexpr (KIND == TANH) return fn::tanh(x);
    if constexpr (KIND == RELU) return fn::relu(x);
    if constexpr (KIND == LEAKY_RELU) return x > 0.0f ? x : 0.01f * x;
    if constexpr (KIND == SOFTPLUS) return fn::softplus(x);
}

template <int KIND> DEVICE float derivative(float h) {
    if constexpr (KIND == ELU) return h > 0.0f ? 1.0f : h + 1.0f;
    if constexpr (KIND == SIGMOID) return h * (1.0f - h);
    if constexpr (KIND == TANH) return fn::fma(-h, h, 1.0f);
    if constexpr (KIND == RELU) return h > 0.0f ? 1.0f : 0.0f;
    if constexpr (KIND == LEAKY_RELU) return h > 0.0f ? 1.0f : 0.01f;
    if constexpr (KIND == SOFTPLUS) return -fn::expm1(-h);
}

template <int KIND> DEVICE float second_derivative(float h) {
    if constexpr (KIND == ELU) return h > 0.0f ? 0.0f : h + 1.0f;
    if constexpr (KIND == SIGMOID) return h * (1.0f - h) * (1.0f - 2.0f * h);
    if constexpr (KIND == TANH) return -2.0f * h * fn::fma(-h, h, 1.0f);
    if constexpr (KIND == RELU || KIND == LEAKY_RELU) return 0.0f;
    if constexpr (KIND == SOFTPLUS) return -fn::expm1(-h) * fn::exp(-h);
}
