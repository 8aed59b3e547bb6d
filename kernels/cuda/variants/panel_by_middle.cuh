// `multiply_panel` of fused_strip.cuh with a middle: a kernel for each parity of the function.

#ifdef TENSOR_CORES

#define MULTIPLY_PANEL(name, EVEN, ODD)                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS, FUSED_BLOCKS_PER_SM)                     \
        name(const double *unit, long long height, long long d, const double *weights,             \
             const double *packed, long long pieces, long long length, const Middle middle,        \
             const double *vectors, long long groups, long long absolute, long long panel,         \
             double *out, double *parts)                                                           \
    {                                                                                              \
        const int across = static_cast<int>(groups), of_table = static_cast<int>(pieces);          \
        const int of_piece = static_cast<int>(length);                                             \
        double *stages = shared_memory<double>();                                                  \
        double *sums = stages + STAGES * STAGE_NUMBERS;                                            \
        double *table = sums + 8 * across * PANEL_ROWS;                                            \
        load_table(packed, of_table, of_piece, table);                                             \
        const ByMiddle<EVEN, ODD> evaluate = {{table, of_table, of_piece, absolute != 0}, middle}; \
        multiply_run(unit, height, d, weights, evaluate, vectors, groups, panel, stages, sums,     \
                     out, parts);                                                                  \
    }

MULTIPLY_PANEL(multiply_panel_even, MIDDLE_TERMS, 1)
MULTIPLY_PANEL(multiply_panel_odd, 1, MIDDLE_TERMS)
MULTIPLY_PANEL(multiply_panel_both, MIDDLE_TERMS, MIDDLE_TERMS)
#undef MULTIPLY_PANEL

#endif  // TENSOR_CORES
