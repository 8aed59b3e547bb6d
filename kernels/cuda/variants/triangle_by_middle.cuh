// `multiply_triangle` of triangle.cuh with a middle: a kernel for each parity of the function.

#ifdef TENSOR_CORES

#define MULTIPLY_TRIANGLE(name, EVEN, ODD)                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS, FUSED_BLOCKS_PER_SM)                     \
        name(const double *unit, long long height, long long d, const double *weights,             \
             const double *packed, long long pieces, long long length, const Middle middle,        \
             const double *vectors, long long groups, long long absolute, long long first_panel,   \
             long long step, long long count, long long run, long long band, double *out,          \
             unsigned long long *turns)                                                            \
    {                                                                                              \
        const Room room(packed, pieces, length, groups);                                           \
        const ByMiddle<EVEN, ODD> evaluate = {room.by_table(absolute), middle};                    \
        const Panels panels = {static_cast<int>(first_panel), static_cast<int>(step),              \
                               static_cast<int>(count)};                                           \
        multiply_items(unit, height, d, weights, evaluate, vectors, groups, panels,                \
                       static_cast<int>(run), static_cast<int>(band), room, out, turns);           \
    }

MULTIPLY_TRIANGLE(multiply_triangle_even, MIDDLE_TERMS, 1)
MULTIPLY_TRIANGLE(multiply_triangle_odd, 1, MIDDLE_TERMS)
MULTIPLY_TRIANGLE(multiply_triangle_both, MIDDLE_TERMS, MIDDLE_TERMS)
#undef MULTIPLY_TRIANGLE

#endif  // TENSOR_CORES
