// What all kernels stand on: shared memory, and the tensor cores, in double precision and of bytes.
//
// The files of this folder are one source, joined by kernels/cuda/launch.py in the order given
// there, after the numbers of kernels/cuda/constants.py. It is compiled for GPUs and, behind the
// macros of tests/helpers/cuda_host/host.h, as host C++ by the tests.

// Double precision tensor cores: compute capability 8.0 and later. Without them there are no fused
// products, and `fits` of kernels/cuda/fused_product.py says so.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define TENSOR_CORES
#endif

// The block's shared memory, of as many bytes as the launch asked for, on a multiple of 16.
template <class Type>
__device__ __forceinline__ Type *shared_memory()
{
#ifdef __CUDACC__
    extern __shared__ __align__(16) unsigned char bytes[];
    return reinterpret_cast<Type *>(bytes);
#else
    return reinterpret_cast<Type *>(host::block().shared.data());
#endif
}

#ifdef TENSOR_CORES

// c += a b for a warp: a is 16 × 8, b is 8 × 8, c is 16 × 8, spread over its lanes. Lane 4g + t has
//     c: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)
//     a: (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4)
//     b: (t, g), (t + 4, g)
// as row and column. All lanes of the warp call it together.
__device__ __forceinline__ void multiply_add(double (&c)[4], const double (&a)[4],
                                             const double (&b)[2])
{
#ifndef __CUDACC__
    const int lane = threadIdx.x % LANES;
    host::warp().fragments[lane] = host::Fragments{c, a, b};
    host::meet([](host::Warp &warp) {
        for (int row = 0; row < 16; ++row) {
            for (int column = 0; column < 8; ++column) {
                double total = 0.0;
                for (int k = 0; k < 8; ++k) {
                    const int of_a = row / 8 + k / 4 * 2, of_b = k / 4;
                    total += warp.fragments[row % 8 * 4 + k % 4].a[of_a] *
                             warp.fragments[column * 4 + k % 4].b[of_b];
                }
                warp.fragments[row % 8 * 4 + column / 2].c[row / 8 * 2 + column % 2] += total;
            }
        }
    });
#elif __CUDA_ARCH__ >= 900
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
        : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
        : "d"(a[0]), "d"(a[1]), "d"(a[2]), "d"(a[3]), "d"(b[0]), "d"(b[1]));
#else
    // the four quarters of the larger product have fragments laid out as its own
#pragma unroll
    for (int k = 0; k < 2; ++k) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 "
                         "{%0, %1}, {%2}, {%3}, {%0, %1};\n"
                         : "+d"(c[2 * half]), "+d"(c[2 * half + 1])
                         : "d"(a[2 * k + half]), "d"(b[k]));
        }
    }
#endif
}

// c += a b for a warp, of signed bytes: a is 16 × 32, b is 32 × 8, c is 16 × 8, exact modulo 2³². A lane
// has of c what it has of numbers, and four bytes of neighbouring columns a word:
//     a: (g, 4t), (g + 8, 4t), (g, 4t + 16), (g + 8, 4t + 16)
//     b: (4t, g), (4t + 16, g)
__device__ __forceinline__ void multiply_add(int (&c)[4], const unsigned int (&a)[4],
                                             const unsigned int (&b)[2])
{
#ifndef __CUDACC__
    host::multiply_bytes(c, a, b);
#else
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

#endif  // TENSOR_CORES
