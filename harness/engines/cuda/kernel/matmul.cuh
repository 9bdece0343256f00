// Matrix products of one layer for many rows, in register tiles. Activations are kept unit by unit, [unit][row], and a
// thread takes PACK neighbouring rows in one load. Sums run over the inner index in ascending order, in SPLIT parts.
#pragma once

template <int PACK> struct Rows { float at[PACK]; };

template <int PACK> DEVICE Rows<PACK> rows_at(const float* p) {
    Rows<PACK> rows;
    if constexpr (PACK == 4) {
        const float4 v = *reinterpret_cast<const float4*>(p);
        rows.at[0] = v.x, rows.at[1] = v.y, rows.at[2] = v.z, rows.at[3] = v.w;
    } else if constexpr (PACK == 2) {
        const float2 v = *reinterpret_cast<const float2*>(p);
        rows.at[0] = v.x, rows.at[1] = v.y;
    } else {
        rows.at[0] = *p;
    }
    return rows;
}

// A weight matrix (inputs x outputs) read as it is, for the way to the outputs, and turned, for the way back.
template <int OUTPUTS> struct Weights {
    const float* w;
    MEMBER float operator()(int input, int output) const { return w[input * OUTPUTS + output]; }
};
template <int OUTPUTS> struct TransposedWeights {
    const float* w;
    MEMBER float operator()(int output, int input) const { return w[input * OUTPUTS + output]; }
};

DEVICE constexpr int ceiling(int a, int b) { return (a + b - 1) / b; }

// sum over inner of in[inner][row] weight(inner, column), for every column and row: finish(column, row, sum) takes it,
// or, where the inner index is split, scratch holds the parts and `sum_parts` adds them up in the next phase.
template <int PACK, int PACKS, int STRIDE, int INNER, int COLUMNS, int TILE_PACKS, int TILE_COLUMNS, int SPLIT,
          class Weight, class Finish>
DEVICE void multiply(const float* in, Weight weight, float* scratch, Finish finish, int tid) {
    constexpr int ROW_GROUPS = ceiling(PACKS, TILE_PACKS), COLUMN_GROUPS = ceiling(COLUMNS, TILE_COLUMNS);
    constexpr int PART = ceiling(INNER, SPLIT), TILES = ROW_GROUPS * COLUMN_GROUPS;
    for (int tile = tid; tile < TILES * SPLIT; tile += THREADS) {
        const int row_group = tile % ROW_GROUPS, rest = tile / ROW_GROUPS;
        const int column_group = rest % COLUMN_GROUPS, part = rest / COLUMN_GROUPS;
        float sum[TILE_PACKS][PACK][TILE_COLUMNS];
        int column[TILE_COLUMNS];
        UNROLL for (int j = 0; j < TILE_COLUMNS; ++j) {
            const int c = column_group + j * COLUMN_GROUPS;
            column[j] = c < COLUMNS ? c : COLUMNS - 1;  // what lies beyond repeats the last one and is dropped
            UNROLL for (int q = 0; q < TILE_PACKS; ++q) UNROLL for (int r = 0; r < PACK; ++r) sum[q][r][j] = 0.0f;
        }
        const int first = part * PART, last = first + PART < INNER ? first + PART : INNER;
        UNROLL_FOUR for (int k = first; k < last; ++k) {
            Rows<PACK> x[TILE_PACKS];
            UNROLL for (int q = 0; q < TILE_PACKS; ++q) {
                const int pack = row_group + q * ROW_GROUPS;
                x[q] = rows_at<PACK>(in + k * STRIDE + PACK * (pack < PACKS ? pack : PACKS - 1));
            }
            UNROLL for (int j = 0; j < TILE_COLUMNS; ++j) {
                const float w = weight(k, column[j]);
                UNROLL for (int q = 0; q < TILE_PACKS; ++q)
                    UNROLL for (int r = 0; r < PACK; ++r) sum[q][r][j] = fn::fma(x[q].at[r], w, sum[q][r][j]);
            }
        }
        UNROLL for (int j = 0; j < TILE_COLUMNS; ++j) {
            const int c = column_group + j * COLUMN_GROUPS;
            UNROLL for (int q = 0; q < TILE_PACKS; ++q) {
                const int pack = row_group + q * ROW_GROUPS;
                if (c < COLUMNS && pack < PACKS) UNROLL for (int r = 0; r < PACK; ++r) {
                    if constexpr (SPLIT > 1) scratch[(part * COLUMNS + c) * PACK * PACKS + PACK * pack + r] = sum[q][r][j];
                    else if constexpr (Finish::DEFERRED) finish.put(c, PACK * pack + r, sum[q][r][j]);
                    else finish(c, PACK * pack + r, sum[q][r][j]);
                }
            }
        }
        // Long functions go through what was put down in a loop of their own: unrolled over a tile they would fill the
        // instruction cache.
        if constexpr (SPLIT == 1 && Finish::DEFERRED) {
            ROLLED for (int j = 0; j < TILE_COLUMNS; ++j) {
                const int c = column_group + j * COLUMN_GROUPS;
                ROLLED for (int q = 0; q < TILE_PACKS; ++q) {
                    const int pack = row_group + q * ROW_GROUPS;
                    if (c < COLUMNS && pack < PACKS) UNROLL for (int r = 0; r < PACK; ++r) {
                        const int row = PACK * pack + r;
                        finish(c, row, finish.taken(c, row));
                    }
                }
            }
        }
    }
}

template <int ROWS, int COLUMNS, int SPLIT, class Finish>
DEVICE void sum_parts(const float* scratch, Finish finish, int tid) {
    for (int i = tid; i < COLUMNS * ROWS; i += THREADS) {
        float sum = scratch[i];
        UNROLL for (int part = 1; part < SPLIT; ++part) sum += scratch[part * COLUMNS * ROWS + i];
        finish(i / ROWS, i % ROWS, sum);
    }
}

// What is done with each sum of a product. `factor` scales the weights (spectral normalisation); it is 1 elsewhere.
template <int KIND, int STRIDE> struct Hidden {  // a hidden layer's activations
    static constexpr bool DEFERRED = true;
    float* out; const float* bias; float factor;
    MEMBER void put(int c, int row, float sum) const { out[c * STRIDE + row] = sum; }
    MEMBER float taken(int c, int row) const { return out[c * STRIDE + row]; }
    MEMBER void operator()(int c, int row, float sum) const {
        out[c * STRIDE + row] = activate<KIND>(fn::fma(sum, factor, bias[c]));
    }
};
struct Output {  // the one output of a network
    static constexpr bool DEFERRED = false;
    float* out; const float* bias; float factor;
    MEMBER void operator()(int, int row, float sum) const { out[row] = fn::fma(sum, factor, bias[0]); }
};
template <int KIND, int STRIDE> struct DeltaBelow {  // the slope at a hidden layer's sums, from its activations
    static constexpr bool DEFERRED = false;
    const float* h; float* out; float factor;
    MEMBER void operator()(int c, int row, float sum) const {
        out[c * STRIDE + row] = sum * factor * derivative<KIND>(h[c * STRIDE + row]);
    }
};
template <int STRIDE> struct Store {
    static constexpr bool DEFERRED = false;
    float* out; float factor;
    MEMBER void operator()(int c, int row, float sum) const { out[c * STRIDE + row] = sum * factor; }
};

// The slope at the sums of the last hidden layer: top[row] w[c] derivative(h). In place where out is h.
template <int KIND, int ROWS, int STRIDE, int UNITS>
DEVICE void top_delta(const float* top, const float* w, const float* h, float* out, float factor, int tid) {
    for (int i = tid; i < UNITS * ROWS; i += THREADS) {
        const int c = i / ROWS, at = c * STRIDE + i % ROWS;
        out[at] = top[i % ROWS] * w[c] * factor * derivative<KIND>(h[at]);
    }
}

// gradient of a weight (inputs x outputs) and its bias: sum over rows of x[input][row] delta[output][row], and of delta.
// Where KEEP is set the sums stay in registers (`kept`) until `write`, so that they can go where delta still is.
template <int PACK, int PACKS, int STRIDE_X, int STRIDE_D, int INPUTS, int OUTPUTS, int TILE_INPUTS, int TILE_OUTPUTS>
struct WeightGradient {
    static constexpr int INPUT_GROUPS = ceiling(INPUTS, TILE_INPUTS), OUTPUT_GROUPS = ceiling(OUTPUTS, TILE_OUTPUTS);
    static constexpr int TILES = INPUT_GROUPS * OUTPUT_GROUPS, WAVES = ceiling(TILES, THREADS);
    static constexpr int EACH = TILE_INPUTS * TILE_OUTPUTS + TILE_OUTPUTS, KEPT_FLOATS = WAVES * EACH;
    static constexpr int LANES = TILE_INPUTS * TILE_OUTPUTS <= 4 ? PACK : 1;  // more sums at once where there are few

    template <class Take> MEMBER static void each(int tid, Take take) {
        UNROLL for (int wave = 0; wave < WAVES; ++wave) {
            const int tile = tid + wave * THREADS;
            if (tile < TILES) take(wave * EACH, tile % INPUT_GROUPS, tile / INPUT_GROUPS);
        }
    }

    MEMBER static void compute(const float* x, const float* delta, float* sums, int input_group, int output_group) {
        float sum[TILE_INPUTS][TILE_OUTPUTS][LANES], bias[TILE_OUTPUTS][2];  // a half each, so that opposites cancel
        UNROLL for (int j = 0; j < TILE_OUTPUTS; ++j) {
            bias[j][0] = bias[j][1] = 0.0f;
            UNROLL for (int i = 0; i < TILE_INPUTS; ++i) UNROLL for (int l = 0; l < LANES; ++l) sum[i][j][l] = 0.0f;
        }
        ROLLED for (int pack = 0; pack < PACKS; ++pack) {
            Rows<PACK> a[TILE_INPUTS], d[TILE_OUTPUTS];
            UNROLL for (int i = 0; i < TILE_INPUTS; ++i) {
                const int input = input_group + i * INPUT_GROUPS;
                a[i] = rows_at<PACK>(x + (input < INPUTS ? input : INPUTS - 1) * STRIDE_X + PACK * pack);
            }
            UNROLL for (int j = 0; j < TILE_OUTPUTS; ++j) {
                const int output = output_group + j * OUTPUT_GROUPS;
                d[j] = rows_at<PACK>(delta + (output < OUTPUTS ? output : OUTPUTS - 1) * STRIDE_D + PACK * pack);
            }
            UNROLL for (int r = 0; r < PACK; ++r) UNROLL for (int j = 0; j < TILE_OUTPUTS; ++j) {
                if (input_group == 0) bias[j][2 * pack >= PACKS ? 1 : 0] += d[j].at[r];
                UNROLL for (int i = 0; i < TILE_INPUTS; ++i)
                    sum[i][j][r % LANES] = fn::fma(a[i].at[r], d[j].at[r], sum[i][j][r % LANES]);
            }
        }
        UNROLL for (int j = 0; j < TILE_OUTPUTS; ++j) {
            UNROLL for (int i = 0; i < TILE_INPUTS; ++i) {
                float all = sum[i][j][0];
                UNROLL for (int l = 1; l < LANES; ++l) all += sum[i][j][l];
                sums[i * TILE_OUTPUTS + j] = all;
            }
            sums[TILE_INPUTS * TILE_OUTPUTS + j] = bias[j][0] + bias[j][1];
        }
    }

    template <bool ADD>
    MEMBER static void put(const float* sums, float* gradient, bool biased, int input_group, int output_group) {
        UNROLL for (int j = 0; j < TILE_OUTPUTS; ++j) {
            const int output = output_group + j * OUTPUT_GROUPS;
            if (output < OUTPUTS) {
                UNROLL for (int i = 0; i < TILE_INPUTS; ++i) {
                    const int input = input_group + i * INPUT_GROUPS;
                    if (input < INPUTS) {
                        const float value = sums[i * TILE_OUTPUTS + j];
                        gradient[input * OUTPUTS + output] = ADD ? gradient[input * OUTPUTS + output] + value : value;
                    }
                }
                if (biased && input_group == 0) {
                    const float value = sums[TILE_INPUTS * TILE_OUTPUTS + j];
                    gradient[INPUTS * OUTPUTS + output] = ADD ? gradient[INPUTS * OUTPUTS + output] + value : value;
                }
            }
        }
    }

    // In one phase: the gradient, stored or added to what is there; without the bias where `biased` is false.
    template <bool ADD> MEMBER static void run(const float* x, const float* delta, float* gradient, bool biased, int tid) {
        each(tid, [&](int, int input_group, int output_group) {
            float sums[EACH];
            compute(x, delta, sums, input_group, output_group);
            put<ADD>(sums, gradient, biased, input_group, output_group);
        });
    }
    MEMBER static void keep(const float* x, const float* delta, float* kept, int tid) {
        each(tid, [&](int at, int i, int o) { compute(x, delta, kept + at, i, o); });
    }
    MEMBER static void write(const float* kept, float* gradient, int tid) {
        each(tid, [&](int at, int i, int o) { put<false>(kept + at, gradient, true, i, o); });
    }
};
