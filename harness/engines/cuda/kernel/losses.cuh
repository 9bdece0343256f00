// Slopes of the loss in D's logits. Rows of an update are decisions: K real ones, then K fake ones.
#pragma once

// Means of real and of fake logits, and log_mean_exp of all, by one thread each.
template <int K> DEVICE void batch_statistics(const float* real, const float* fake, float* numbers, int tid) {
    if (tid == 0 || tid == 32) {
        const float* logits = tid == 0 ? real : fake;
        float sum = 0.0f;
        for (int k = 0; k < K; ++k) sum += logits[k];
        numbers[tid == 0 ? REAL_MEAN : FAKE_MEAN] = sum / (float)K;
    } else if (tid == 64) {
        float top = real[0], sum = 0.0f;
        for (int k = 0; k < K; ++k) {
            top = real[k] > top ? real[k] : top;
            top = fake[k] > top ? fake[k] : top;
        }
        for (int k = 0; k < K; ++k) sum += fn::exp(real[k] - top);
        for (int k = 0; k < K; ++k) sum += fn::exp(fake[k] - top);
        numbers[LOG_MEAN_EXP] = fn::log(sum / (float)(2 * K)) + top;
    }
}
DEVICE Logits logits_of(const float* numbers, float real, float fake) {
    Logits l = {real, fake, numbers[REAL_MEAN], numbers[FAKE_MEAN], numbers[LOG_MEAN_EXP], 0.0f, 0.0f};
    return l;
}
DEVICE float without_negative_zero(float x) { return x + 0.0f; }  // -0 as +0, as harness/losses/backends/torch_function.py's `shaped`

// Slope in logit number `at` of a player's rows; its terms through statistics are kept for `finish_slopes`.
template <int K, int STRIDE> DEVICE void set_slope(const Slope& slope, float* slopes, float* terms, int at) {
    slopes[at] = without_negative_zero(slope.own) / (float)K;
    if (THROUGH_STATISTICS) terms[at] = slope.through_mean, terms[STRIDE + at] = slope.through_lme;
}
template <int K, int STRIDE> DEVICE void sum_terms(const float* terms, int rows, float* numbers, int tid) {
    if (tid < 4) {  // real and fake through the mean, real and fake through log_mean_exp
        const float* from = terms + (tid / 2) * STRIDE + (tid % 2) * K;
        float sum = 0.0f;
        if (tid % 2 * K < rows) for (int k = 0; k < K; ++k) sum += from[k];
        numbers[THROUGH + tid] = sum / (float)K;
    }
}
template <int K> DEVICE void finish_slopes(const float* logits, int rows, const float* numbers, float* slopes, int tid) {
    for (int at = tid; at < rows; at += THREADS) {
        const int side = at / K;
        const float weight = fn::exp(logits[at] - numbers[LOG_MEAN_EXP]) * 0.5f;
        const float inner = numbers[THROUGH + 2 + side];
        // A variant without such a term must not meet an infinite weight times 0.
        const float through = inner == 0.0f ? numbers[THROUGH + side] : fn::fma(inner, weight, numbers[THROUGH + side]);
        slopes[at] = slopes[at] + through / (float)K;
    }
}

// Slopes of D's loss in its 2K logits, real first, divided by K. Logits and label draws go to the record.
template <int K, int STRIDE>
DEVICE void set_slopes_d(const Block& b, const float* numbers, const float* logits, float* slopes, float* terms, unsigned update, int tid) {
    const int loss = (int)b.words[LOSS];
    for (int k = tid; k < K; k += THREADS) {
        Logits l = logits_of(numbers, logits[k], logits[K + k]);
        if (DRAWS_LABELS) {
            const float u_real = uniform(draw(b, LABELS, update, (unsigned)k));
            const float u_fake = uniform(draw(b, LABELS, update, (unsigned)(K + k)));
            l.y_real = draw_label(loss, ON_REAL, u_real, b.parameters);
            l.y_fake = draw_label(loss, ON_FAKE, u_fake, b.parameters);
            if (b.recording) b.record[RECORD_LABELS + k] = u_real, b.record[RECORD_LABELS + K + k] = u_fake;
        }
        set_slope<K, STRIDE>(loss_slope(loss, ON_REAL, l, b.parameters), slopes, terms, k);
        set_slope<K, STRIDE>(loss_slope(loss, ON_FAKE, l, b.parameters), slopes, terms, K + k);
        if (b.recording) b.record[RECORD_LOGITS + k] = logits[k], b.record[RECORD_LOGITS + K + k] = logits[K + k];
    }
    for (int i = 2 * K + tid; i < STRIDE; i += THREADS) slopes[i] = 0.0f;
}

// Slopes of G's loss in its fake logits, rows FIRST to FIRST + K; the real ones stand before them, if it reads them.
template <int K, int FIRST, int STRIDE>
DEVICE void set_slopes_g(const Block& b, const float* numbers, const float* logits, float* slopes, float* terms, int tid) {
    for (int k = tid; k < K; k += THREADS) {
        const float real = FIRST ? logits[k] : 0.0f, fake = logits[FIRST + k];
        const Logits l = logits_of(numbers, real, fake);
        set_slope<K, STRIDE>(loss_slope((int)b.words[LOSS], ON_GENERATED, l, b.parameters), slopes, terms, FIRST + k);
        if (FIRST) {
            slopes[k] = 0.0f;
            if (THROUGH_STATISTICS) terms[k] = 0.0f, terms[STRIDE + k] = 0.0f;
        }
        if (b.recording) {
            b.record[RECORD_LOGITS_G + K + k] = fake;
            if (FIRST) b.record[RECORD_LOGITS_G + k] = real;
        }
    }
    for (int i = FIRST + K + tid; i < STRIDE; i += THREADS) slopes[i] = 0.0f;
}
