// One member: its block's data, its rates, draws, replay and noise.
#pragma once

// Streams of harness/data/rng.py.
enum Stream { REAL = 2, LATENT_D, LATENT_G, LABELS, SCORE, SEGMENT, AROUND, NOISE_REAL, NOISE_FAKE, NOISE_G, REPLAY };

enum Site { AT_REAL, AT_FAKE, AT_SEGMENT, AT_AROUND };  // where a gradient penalty looks

// Columns of a member's settings (float64) and words.
enum Setting { LR_D, LR_G, BETA1, BETA2, LR_DECAY, PENALTY_DECAY, EMA, REPLAY_SHARE, INSTANCE_NOISE, WEIGHT_CLIP,
               SPECTRAL_NORM, FIRST_PENALTY };
enum Word { LOSS, SEED, STUDY_LOW, STUDY_HIGH, TOTAL_STEPS, COSINE, NORMAL_NOISE, D_STEPS, G_STEPS, WORDS };

// Numbers of the current update that every thread reads, written by one.
enum Number { STEP_D, EPSILON_D, STEP_G, EPSILON_G, PENALTY_SHARE, REAL_MEAN, FAKE_MEAN, LOG_MEAN_EXP, THROUGH, SPREAD = THROUGH + 4,
              NUMBERS };

// Shared memory by its own name, so that the device's compiler knows in every function what kind of memory it is.
#if defined(__CUDACC__)
extern __shared__ float4 shared_memory[];
#define SHARED_OF(b) ((float*)shared_memory)
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

// Learning rate and epsilon of a player's next update, Adam's corrections folded in (docs/training-step.md). Its powers of
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

// -- replay and instance noise -------------------------------------------------------------------------------------

// Values that D's view takes: generated ones, some replaced by old ones under replay; both kinds with noise. A thread
// reads and writes its own column of the buffer alone.
template <int B>
DEVICE void replay_and_add_noise(const Block& b, const float* numbers, float* generated, float* real, float* buffer, unsigned update, int tid) {
    for (int i = tid; i < B; i += THREADS) {
        if (HAS_REPLAY) {
            const unsigned filled = update < (unsigned)REPLAY_BUFFER ? update : (unsigned)REPLAY_BUFFER;
            const double chance = (double)uniform(draw(b, REPLAY, update, (unsigned)i));
            const double place = (double)uniform(draw(b, REPLAY, update, (unsigned)(B + i))) * (double)filled;
            const float fresh = generated[i];
            if (filled > 0u && chance < b.settings[REPLAY_SHARE]) generated[i] = buffer[(int)place * B + i];
            buffer[(int)(update % (unsigned)REPLAY_BUFFER) * B + i] = fresh;
        }
        if (ADDS_NOISE) {
            generated[i] += instance_noise(b, numbers, draw(b, NOISE_FAKE, update, (unsigned)i));
            real[i] += instance_noise(b, numbers, draw(b, NOISE_REAL, update, (unsigned)i));
        }
    }
}
template <int B> DEVICE void add_noise_g(const Block& b, const float* numbers, float* generated, unsigned update, int tid) {
    for (int i = tid; i < B; i += THREADS) generated[i] += instance_noise(b, numbers, draw(b, NOISE_G, update, (unsigned)i));
}

// -- between launches ----------------------------------------------------------------------------------------------

DEVICE void copy(float* to, const float* from, int count, int tid) {
    for (int i = tid; i < count; i += THREADS) to[i] = from[i];
}
