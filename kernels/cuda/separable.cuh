// The tile kernel of a separable piece: entries that depend on two norms, as sums of few terms.
//
// All entries of a run share the row's coefficients: these are staged in shared memory, where one
// load serves a warp. Only entries on the piece are written; a run that has none is left alone.

template <class Real>
struct Piece {
    Real top, bottom, slope, offset;
    bool in_cosine;
    Real sign;  // of the end that s is measured from
    int rank;
    const long long *lengths;  // of the even and of the odd polynomial of each term
    const Real *coefficients, *bases, *weights;
};

// The variable of a piece: the cosine, or half the chord to an end, from the rows where small.
template <class Real>
__device__ __forceinline__ Real variable(const Piece<Real> &piece, Real rho, const Real *x,
                                         const Real *y, int length)
{
    if (piece.in_cosine) {
        return rho;
    }
    Real square = fma(piece.sign * rho, Real(-0.5), Real(0.5));
    if (square < close_below<Real>()) {
        square = quarter_distance(x, y, length, piece.sign);
    }
    return sqrt(square);
}

// Add a term to each of ENTRIES sums: weight·P(t), or weight·(base − v·P(t)).
template <class Real>
__device__ __forceinline__ void add_term(bool in_cosine, const Real *even, int even_count,
                                         int odd_count, Real base, const Real (&v)[ENTRIES],
                                         const Real (&t)[ENTRIES], const Real (&weight)[ENTRIES],
                                         Real (&total)[ENTRIES])
{
    const Real *odd = even + even_count;
    Real e[ENTRIES], o[ENTRIES], x[ENTRIES];
#pragma unroll
    for (int k = 0; k < ENTRIES; ++k) {
        e[k] = even[0];
        o[k] = odd[0];
        x[k] = t[k] * t[k];
    }
    // both together as far as both go: one of them may be a single coefficient
    const int common = min(even_count, odd_count);
    for (int power = 1; power < common; ++power) {
#pragma unroll
        for (int k = 0; k < ENTRIES; ++k) {
            e[k] = fma(e[k], x[k], even[power]);
            o[k] = fma(o[k], x[k], odd[power]);
        }
    }
    for (int power = common; power < even_count; ++power) {
#pragma unroll
        for (int k = 0; k < ENTRIES; ++k) {
            e[k] = fma(e[k], x[k], even[power]);
        }
    }
    for (int power = common; power < odd_count; ++power) {
#pragma unroll
        for (int k = 0; k < ENTRIES; ++k) {
            o[k] = fma(o[k], x[k], odd[power]);
        }
    }
#pragma unroll
    for (int k = 0; k < ENTRIES; ++k) {
        const Real polynomial = fma(t[k], o[k], e[k]);
        const Real term = in_cosine ? polynomial : fma(-v[k], polynomial, base);
        total[k] = fma(term, weight[k], total[k]);
    }
}

// Stage a row's coefficients and bases, when all have done with those before; true if any thread
// has entries on the piece.
template <class Real>
__device__ __forceinline__ bool stage_row(const Piece<Real> &piece, long long row, int terms,
                                          bool any_here, Real *shared)
{
    if (!__syncthreads_or(any_here)) {
        return false;
    }
    for (int k = threadIdx.x; k < terms + piece.rank; k += blockDim.x) {
        shared[k] = k < terms ? piece.coefficients[row * terms + k]
                              : piece.bases[row * piece.rank + k - terms];
    }
    __syncthreads();
    return true;
}

template <class Real, class Out>
__device__ __forceinline__ void evaluate_piece(const Real *cosines, const Real *rows,
                                               const Real *columns, const Real *row_scale,
                                               const Real *column_scale, long long height,
                                               int width, int length, const Piece<Real> &piece,
                                               int terms, Out *out)
{
    Real *shared = shared_memory<Real>();
    for (long long n = blockIdx.x; n < height * runs_a_row(width); n += gridDim.x) {
        const Run run = run_at(n, width);
        Real rho[ENTRIES], v[ENTRIES], t[ENTRIES], weight[ENTRIES], total[ENTRIES];
        bool here[ENTRIES], any_here = false;
#pragma unroll
        for (int k = 0; k < ENTRIES; ++k) {
            const int column = run.column + k * blockDim.x;
            rho[k] = column < width ? cosines[run.row * width + column] : Real(0);
            here[k] = column < width && rho[k] < piece.top && rho[k] >= piece.bottom;
            any_here = any_here || here[k];
        }
        if (!stage_row(piece, run.row, terms, any_here, shared)) {
            continue;
        }
#pragma unroll
        for (int k = 0; k < ENTRIES; ++k) {
            const int column = run.column + k * blockDim.x;
            v[k] = Real(0);
            if (here[k]) {
                const Real *y = columns + static_cast<long long>(column) * length;
                v[k] = variable(piece, rho[k], rows + run.row * length, y, length);
            }
            t[k] = fma(piece.slope, v[k], piece.offset);
            total[k] = Real(0);
        }
        const Real *coefficients = shared;
        for (int r = 0; r < piece.rank; ++r) {
            const int even_count = static_cast<int>(piece.lengths[2 * r]);
            const int odd_count = static_cast<int>(piece.lengths[2 * r + 1]);
            const Real *weights = piece.weights + static_cast<long long>(r) * width;
#pragma unroll
            for (int k = 0; k < ENTRIES; ++k) {
                const int column = run.column + k * blockDim.x;
                weight[k] = here[k] ? weights[column] : Real(0);
            }
            add_term(piece.in_cosine, coefficients, even_count, odd_count, shared[terms + r], v, t,
                     weight, total);
            coefficients += even_count + odd_count;
        }
#pragma unroll
        for (int k = 0; k < ENTRIES; ++k) {
            const int column = run.column + k * blockDim.x;
            if (here[k]) {
                out[run.row * width + column] =
                    static_cast<Out>(total[k] * (row_scale[run.row] * column_scale[column]));
            }
        }
    }
}

#define EVALUATE(name, Real, Out)                                                                  \
    extern "C" __global__ void __launch_bounds__(THREADS)                                          \
        name(const Real *cosines, const Real *rows, const Real *columns, const Real *row_scale,    \
             const Real *column_scale, long long height, long long width, long long length,        \
             long long mode, Real top, Real bottom, Real slope, Real offset, long long rank,       \
             long long terms, const long long *lengths, const Real *coefficients,                  \
             const Real *bases, const Real *weights, Out *out)                                     \
    {                                                                                              \
        const Piece<Real> piece = {top,                                                            \
                                   bottom,                                                         \
                                   slope,                                                          \
                                   offset,                                                         \
                                   mode == IN_COSINE,                                              \
                                   mode == FROM_ONE ? Real(1) : Real(-1),                          \
                                   static_cast<int>(rank),                                         \
                                   lengths,                                                        \
                                   coefficients,                                                   \
                                   bases,                                                          \
                                   weights};                                                       \
        evaluate_piece<Real, Out>(cosines, rows, columns, row_scale, column_scale, height,         \
                                  static_cast<int>(width), static_cast<int>(length), piece,        \
                                  static_cast<int>(terms), out);                                   \
    }

EVALUATE(evaluate_separable_float64_float64, double, double)
EVALUATE(evaluate_separable_float64_float32, double, float)
EVALUATE(evaluate_separable_float32_float64, float, double)
EVALUATE(evaluate_separable_float32_float32, float, float)
#undef EVALUATE
