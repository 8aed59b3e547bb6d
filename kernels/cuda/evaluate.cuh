// The tile kernel of a table: cosines become Gram entries, the contract of kernels/contract.py.
//
// A block works on a run of a row of the tile at a time, so that neighbouring threads read
// neighbouring cosines and the row's own numbers are the same for all of them.

// A tile is cut into runs, each of a row: blockDim.x · ENTRIES entries, the last of a row fewer.
struct Run {
    long long row;
    int column;  // of this thread's first entry; the others are blockDim.x apart
};

__device__ __forceinline__ int runs_a_row(int width)
{
    const int length = blockDim.x * ENTRIES;
    return (width + length - 1) / length;
}

__device__ __forceinline__ Run run_at(long long number, int width)
{
    const int runs = runs_a_row(width);
    const int first = static_cast<int>(number % runs) * blockDim.x * ENTRIES;
    return Run{number / runs, static_cast<int>(first + threadIdx.x)};
}

// STAGED tables are in shared memory; one of very many pieces does not fit, and is read where it is.
template <class Real, class Out, bool STAGED>
__device__ __forceinline__ void evaluate_table(const Real *cosines, const Real *rows,
                                               const Real *columns, const Real *row_scale,
                                               const Real *column_scale, long long height,
                                               int width, int length, const Real *packed,
                                               int pieces, int table_rows, Out *out)
{
    const Real *table = packed;
    if constexpr (STAGED) {
        Real *shared = shared_memory<Real>();
        load_table(packed, pieces, table_rows, shared);
        __syncthreads();
        table = shared;
    }
    for (long long n = blockIdx.x; n < height * runs_a_row(width); n += gridDim.x) {
        const Run run = run_at(n, width);
        Real rho[ENTRIES], square[ENTRIES], value[ENTRIES];
#pragma unroll
        for (int k = 0; k < ENTRIES; ++k) {
            const int column = run.column + k * blockDim.x;
            rho[k] = column < width ? cosines[run.row * width + column] : Real(0);
            square[k] = square_of(rho[k]);
            if (square[k] < close_below<Real>()) {
                const Real *y = columns + static_cast<long long>(column) * length;
                const Real sign = rho[k] < Real(0) ? Real(-1) : Real(1);
                square[k] = quarter_distance(rows + run.row * length, y, length, sign);
            }
        }
        values_at<Real, ENTRIES>(table, pieces, table_rows, rho, square, value);
        const Real scale = row_scale[run.row];
#pragma unroll
        for (int k = 0; k < ENTRIES; ++k) {
            const int column = run.column + k * blockDim.x;
            if (column < width) {
                const Real entry = value[k] * (scale * column_scale[column]);
                out[run.row * width + column] = static_cast<Out>(entry);
            }
        }
    }
}

#define EVALUATE(name, Real, Out, STAGED)                                                          \
    extern "C" __global__ void __launch_bounds__(THREADS)                                          \
        name(const Real *cosines, const Real *rows, const Real *columns, const Real *row_scale,    \
             const Real *column_scale, long long height, long long width, long long length,        \
             const Real *table, long long pieces, long long table_rows, Out *out)                  \
    {                                                                                              \
        evaluate_table<Real, Out, STAGED>(                                                         \
            cosines, rows, columns, row_scale, column_scale, height, static_cast<int>(width),      \
            static_cast<int>(length), table, static_cast<int>(pieces),                             \
            static_cast<int>(table_rows), out);                                                    \
    }

EVALUATE(evaluate_float64_float64, double, double, true)
EVALUATE(evaluate_float64_float32, double, float, true)
EVALUATE(evaluate_float32_float64, float, double, true)
EVALUATE(evaluate_float32_float32, float, float, true)
EVALUATE(evaluate_large_float64_float64, double, double, false)
EVALUATE(evaluate_large_float64_float32, double, float, false)
EVALUATE(evaluate_large_float32_float64, float, double, false)
EVALUATE(evaluate_large_float32_float32, float, float, false)
#undef EVALUATE
