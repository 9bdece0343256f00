// One member: what its block knows, what it draws, what the loss says, and when it stops.
#pragma once

// Streams of harness/data/rng.py.
enum Stream { REAL = 2, LATENT_D, LATENT_G, LABELS, SCORE, SEGMENT, AROUND, NOISE_REAL, NOISE_FAKE, NOISE_G, REPLAY };

enum Site { AT_REAL, AT_FAKE, AT_SEGMENT, AT_AROUND };  // where a gradient penalty looks

// The columns of a member's settings (float64) and words.
enum Setting { LR_D, LR_G, BETA1, BETA2, LR_DECAY, PENALTY_DECAY, EMA, REPLAY_SHARE, INSTANCE_NOISE, WEIGHT_CLIP,
               SPECTRAL_NORM, FIRST_PENALTY };
enum Word { LOSS, SEED, STUDY_LOW, STUDY_HIGH, TOTAL_STEPS, COSINE, NORMAL_NOISE, D_STEPS, G_STEPS, WORDS };

// Numbers of the current update that every thread reads, written by one.
enum Number { STEP_D, EPSILON_D, STEP_G, EPSILON_G, PENALTY_SHARE, REAL_MEAN, FAKE_MEAN, LOG_MEAN_EXP, THROUGH, SPREAD = THROUGH + 4,
              NUMBERS };

// Shared memory by its own name, so that the device's compiler knows in every function what kind of memory it is.
#if defined(__CUDACC__)
extern __shared__ float4 arena[];
#define SHARED_OF(b) ((float*)arena)
#else
#define SHARED_OF(b) ((b).shared)
#endif

struct Block {
    float *shared, *state, *record;
    const double* settings;
    const float *parameters, *target, *normal;
    const unsigned* words;
    int* stopped;  // the step and the tensor
    int step;      // from 0
    bool recording;
};

// sin(pi x/2)^2 = (1 - cos(pi x))/2 for 0 <= x <= 1, by Taylor's series to the last bits.
DEVICE double cosine_phase(double x) {
    const double angle = 1.5707963267948966 * x, square = angle * angle;
    double sum = 1.0;
    ROLLED for (int n = 21; n >= 3; n -= 2) sum = 1.0 - sum * square / (double)(n * (n - 1));
    return sum * angle * (sum * angle);
}

APART double share_left(const Block b, double decay) {
    if (decay == 0.0) return 1.0;
    const double done = (double)b.step / (double)b.words[TOTAL_STEPS];
    return 1.0 - decay * (b.words[COSINE] ? cosine_phase(done) : done);
}

// Learning rate and epsilon of a player's next update, Adam's corrections folded in (engines/optimisers.py). Its powers of
// beta1 and beta2 are running products in float64, wrong by at most as many units in the last place as there were updates.
APART void set_rates(const Block b, float* numbers, double* powers, Setting rate, Number step, Number epsilon) {
    const double* s = b.settings;
    double lr = s[rate] * share_left(b, s[LR_DECAY]), floor = 1e-8;
    if (OPTIMIZER == ADAM || OPTIMIZER == OPTIMISTIC_ADAM) {
        powers[0] *= s[BETA1];
        powers[1] *= s[BETA2];
        const double root = ::sqrt(1.0 - powers[1]);
        lr = lr * root / (1.0 - powers[0]);
        floor *= root;
    }
    numbers[step] = (float)-lr;
    numbers[epsilon] = (float)floor;
    numbers[PENALTY_SHARE] = (float)share_left(b, s[PENALTY_DECAY]);
}
DEVICE Rates rates_of(const Block& b, const float* numbers, Number step, Number epsilon, bool bounded) {
    const double* s = b.settings;
    const bool clips = bounded && s[WEIGHT_CLIP] > 0.0;
    Rates r = {numbers[step], numbers[epsilon], (float)s[BETA1], (float)(1.0 - s[BETA1]), (float)(1.0 - s[BETA2]),
               clips ? (float)s[WEIGHT_CLIP] : bits_to_float(0x7f800000u)};
    return r;
}

DEVICE Four four_draws(const Block& b, Stream stream, unsigned update, unsigned block) {
    return philox(block, update, (unsigned)stream, b.words[STUDY_HIGH], b.words[STUDY_LOW], b.words[SEED]);
}
DEVICE unsigned draw(const Block& b, Stream stream, unsigned update, unsigned i) {
    const Four four = four_draws(b, stream, update, i / 4u);
    return i % 4u == 0u ? four.word[0] : (i % 4u == 1u ? four.word[1] : (i % 4u == 2u ? four.word[2] : four.word[3]));
}
// take(i, word) for the draws i < COUNT
template <int COUNT, class Take> DEVICE void draws(const Block& b, Stream stream, unsigned update, int tid, Take take) {
    for (int block = tid; 4 * block < COUNT; block += THREADS) {
        const Four four = four_draws(b, stream, update, (unsigned)block);
        UNROLL for (int j = 0; j < 4; ++j) if (4 * block + j < COUNT) take(4 * block + j, four.word[j]);
    }
}

// G's noise [dimension][row]: value i of the stream is dimension i % LATENT of row i / LATENT.
template <int B, int STRIDE, int LATENT> DEVICE void draw_latent(const Block& b, Stream stream, unsigned update, float* z, int tid) {
    draws<B * LATENT>(b, stream, update, tid, [&](int i, unsigned word) {
        z[(i % LATENT) * STRIDE + i / LATENT] = b.words[NORMAL_NOISE] ? b.normal[word >> 9] : uniform(word);
    });
    if constexpr (STRIDE > B) {
        constexpr int BEYOND = STRIDE - B;
        for (int i = tid; i < LATENT * BEYOND; i += THREADS) z[i / BEYOND * STRIDE + B + i % BEYOND] = 0.0f;
    }
}
DEVICE float instance_noise(const Block& b, const float* numbers, unsigned word) {
    return (float)(b.settings[INSTANCE_NOISE]) * numbers[PENALTY_SHARE] * b.normal[word >> 9];
}

// -- the loss ------------------------------------------------------------------------------------------------------

// Means of both kinds of logits and log_mean_exp of them together, by one thread each.
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
DEVICE float clean(float x) { return x + 0.0f; }  // -0 as +0, as harness/losses/backends/torch_function.py's `shaped`

// A slope at logit number `at` of a player's rows; what runs through statistics is kept for `close_slopes`.
template <int K, int STRIDE> DEVICE void set_slope(const Slope& slope, float* slopes, float* terms, int at) {
    slopes[at] = clean(slope.own) / (float)K;
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
template <int K> DEVICE void close_slopes(const float* logits, int rows, const float* numbers, float* slopes, int tid) {
    for (int at = tid; at < rows; at += THREADS) {
        const int side = at / K;
        const float weight = fn::exp(logits[at] - numbers[LOG_MEAN_EXP]) * 0.5f;
        const float inner = numbers[THROUGH + 2 + side];
        // A variant without such a term must not meet an infinite weight times 0.
        const float through = inner == 0.0f ? numbers[THROUGH + side] : fn::fma(inner, weight, numbers[THROUGH + side]);
        slopes[at] = slopes[at] + through / (float)K;
    }
}

// D's slopes at its 2K logits, real first, divided by K; `record` takes logits and label draws where one is kept.
template <int K, int STRIDE>
DEVICE void judge(const Block& b, const float* numbers, const float* logits, float* slopes, float* terms, unsigned update, int tid) {
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

// G's slopes at its fake logits, which are rows FIRST to FIRST + K; before them are the real ones, if it reads them.
template <int K, int FIRST, int STRIDE>
DEVICE void judge_generated(const Block& b, const float* numbers, const float* logits, float* slopes, float* terms, int tid) {
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

// -- what D sees of it ----------------------------------------------------------------------------------------------

// The generated values that D reads: some of them old, where members replay, all with noise, where there is any. A
// thread reads and writes its own column of the history alone.
template <int B>
DEVICE void publish(const Block& b, const float* numbers, float* made, float* given, float* history, unsigned update, int tid) {
    for (int i = tid; i < B; i += THREADS) {
        if (REPLAYS) {
            const unsigned filled = update < (unsigned)REPLAY_BUFFER ? update : (unsigned)REPLAY_BUFFER;
            const double chance = (double)uniform(draw(b, REPLAY, update, (unsigned)i));
            const double place = (double)uniform(draw(b, REPLAY, update, (unsigned)(B + i))) * (double)filled;
            const float fresh = made[i];
            if (filled > 0u && chance < b.settings[REPLAY_SHARE]) made[i] = history[(int)place * B + i];
            history[(int)(update % (unsigned)REPLAY_BUFFER) * B + i] = fresh;
        }
        if (BLURS) {
            made[i] += instance_noise(b, numbers, draw(b, NOISE_FAKE, update, (unsigned)i));
            given[i] += instance_noise(b, numbers, draw(b, NOISE_REAL, update, (unsigned)i));
        }
    }
}
template <int B> DEVICE void blur_generated(const Block& b, const float* numbers, float* made, unsigned update, int tid) {
    for (int i = tid; i < B; i += THREADS) made[i] += instance_noise(b, numbers, draw(b, NOISE_G, update, (unsigned)i));
}

// -- between launches ----------------------------------------------------------------------------------------------

DEVICE void copy(float* to, const float* from, int count, int tid) {
    for (int i = tid; i < count; i += THREADS) to[i] = from[i];
}
