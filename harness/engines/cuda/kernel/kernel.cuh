// A launch: each block trains one member from step span[0] to step span[1]. A member that has stopped or has no step
// left ends at once and leaves its multiprocessor to the next; the device's scheduler of blocks is the queue.
#pragma once

DEVICE Block block_of(int member, const double* settings, const float* parameters, const unsigned* words, const float* target,
                      const float* normal, float* state, float* record, int* stopped, float* shared) {
    Block b;
    b.shared = shared;
    b.state = state + (unsigned long long)member * STATE_FLOATS;
    b.record = record + (unsigned long long)member * RECORD_FLOATS;
    b.settings = settings + member * SETTINGS;
    b.parameters = parameters + member * PARAMETERS;
    b.words = words + member * WORDS;
    b.target = target;
    b.normal = normal;
    b.stopped = stopped + member * 2;
    b.step = 0;
    b.recording = false;
    return b;
}

DEVICE void train_member(Block& b, int first, int last) {
    if (b.stopped[0] || first >= last) return;
    PHASE(for (int i = tid; i < SHARED_FLOATS; i += THREADS) SHARED_OF(b)[i] = 0.0f)  // rows that fill a pack stay zero
    PHASE(load(b, tid))
    for (int step = first; step < last; ++step) {
        b.step = step;
        b.recording = step + 1 == last;
        if (!one_step(b)) break;
    }
    PHASE(store(b, tid))
}

#if defined(__CUDACC__)
extern "C" __global__ void __launch_bounds__(THREADS, 1)
train(const double* settings, const float* parameters, const unsigned* words, const int* span, const float* target,
      const float* normal, float* state, float* record, int* stopped) {
    const int member = (int)blockIdx.x;
    Block b = block_of(member, settings, parameters, words, target, normal, state, record, stopped, (float*)shared_memory);
    train_member(b, span[2 * member], span[2 * member + 1]);
}
#else
extern "C" void train(int blocks, const double* settings, const float* parameters, const unsigned* words, const int* span,
                      const float* target, const float* normal, float* state, float* record, int* stopped) {
    float4* shared = new float4[SHARED_FLOATS / 4];
    for (int member = 0; member < blocks; ++member) {
        std::memset(shared, 0xff, sizeof(float) * SHARED_FLOATS);  // as a device leaves it: anything, here NaN
        Block b = block_of(member, settings, parameters, words, target, normal, state, record, stopped, (float*)shared);
        train_member(b, span[2 * member], span[2 * member + 1]);
    }
    delete[] shared;
}
#endif
