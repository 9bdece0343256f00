// Philox4x32-10 as in harness/data/rng.py: key (study seed's low word, member's seed), counter (block of four draws,
// update, stream, study seed's high word). A draw's table index is its word without the last nine bits.
#pragma once

struct Four { unsigned word[4]; };

DEVICE Four philox(unsigned c0, unsigned c1, unsigned c2, unsigned c3, unsigned k0, unsigned k1) {
    UNROLL for (int round = 0; round < 10; ++round) {
        const unsigned long long p0 = (unsigned long long)c0 * 0xD2511F53u;
        const unsigned long long p1 = (unsigned long long)c2 * 0xCD9E8D57u;
        c0 = (unsigned)(p1 >> 32) ^ c1 ^ k0;
        c1 = (unsigned)p1;
        c2 = (unsigned)(p0 >> 32) ^ c3 ^ k1;
        c3 = (unsigned)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    Four four;
    four.word[0] = c0, four.word[1] = c1, four.word[2] = c2, four.word[3] = c3;
    return four;
}

DEVICE float uniform(unsigned word) { return ((float)(word >> 9) + 0.5f) * 1.1920928955078125e-7f; }  // 2^-23
