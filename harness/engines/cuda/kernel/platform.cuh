// One source for two compilers. On a device a block's threads run a phase together and wait for each other at its end;
// in the host build a loop runs the phase for one thread after the other. Between two PHASEs no thread is ahead, so
// within one a thread may read only what no other thread writes in it (tests run the loop backwards to see that).
#pragma once

#if defined(__CUDACC__)
#define DEVICE static __device__ __forceinline__
#define MEMBER __device__ __forceinline__
#define APART static __device__ __noinline__
#define UNROLL _Pragma("unroll")
#define UNROLL_FOUR _Pragma("unroll 4")
#define ROLLED _Pragma("unroll 1")
#define PHASE(...)                            \
    {                                         \
        const int tid = (int)threadIdx.x;     \
        __VA_ARGS__;                          \
        __syncthreads();                      \
    }
#define KEPT kept
#define KEEP(count) float kept[count]
DEVICE float bits_to_float(unsigned bits) { return __uint_as_float(bits); }
DEVICE unsigned float_to_bits(float x) { return __float_as_uint(x); }
#else
#include <cmath>
#include <cstring>
#define DEVICE static inline __attribute__((always_inline))
#define MEMBER inline __attribute__((always_inline))
#define APART static __attribute__((noinline))
#define UNROLL
#define UNROLL_FOUR
#define ROLLED
#if BACKWARDS
#define PHASE(...) for (int tid = THREADS - 1; tid >= 0; --tid) { __VA_ARGS__; }
#else
#define PHASE(...) for (int tid = 0; tid < THREADS; ++tid) { __VA_ARGS__; }
#endif
#define KEPT kept[tid]
#define KEEP(count) static thread_local float kept[THREADS][count]
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) float2 { float x, y; };
DEVICE float bits_to_float(unsigned bits) { float x; std::memcpy(&x, &bits, 4); return x; }
DEVICE unsigned float_to_bits(float x) { unsigned bits; std::memcpy(&bits, &x, 4); return bits; }
#endif
