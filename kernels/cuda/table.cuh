// A table in shared memory, and the values that it has at cosines: kernels/contract.py, `Table`.
//
// A row of coefficients is one for each cell: 8 doubles or 16 floats, side by side. Whatever cells
// the lanes of a warp are on, what they read of a row lies in different banks or is one number, so
// that shared memory serves them together; constant memory would serve one address at a time.
// Lanes on different pieces of a table meet in a bank now and then; tables have few pieces.
//
// Packed, a table is HEAD numbers a piece, mode, low, high and the three of `cell_map`, for all
// pieces, and then for each piece its rows: offsets, bases, coefficients descending.

template <class Real>
struct Cells;

template <>
struct Cells<double> {
    static const int count = CELLS_FLOAT64;
};

template <>
struct Cells<float> {
    static const int count = CELLS_FLOAT32;
};

// How many numbers a packed table is.
template <class Real>
__device__ __forceinline__ int table_numbers(int pieces, int rows)
{
    return pieces * (HEAD + rows * Cells<Real>::count);
}

// Copy a packed table to shared memory; all threads of the block, which must then synchronise.
template <class Real>
__device__ __forceinline__ void load_table(const Real *packed, int pieces, int rows, Real *shared)
{
    const int numbers = table_numbers<Real>(pieces, rows);
    for (int k = threadIdx.x; k < numbers; k += blockDim.x) {
        shared[k] = packed[k];
    }
}

// Below this s² a pair is close, and s² is taken from the rows: `CLOSE` of kernels/contract.py.
template <class Real>
__device__ __forceinline__ Real close_below();

template <>
__device__ __forceinline__ double close_below<double>()
{
    return CLOSE_FLOAT64;
}

template <>
__device__ __forceinline__ float close_below<float>()
{
    return CLOSE_FLOAT32;
}

// s², half the chord to the nearer end, from the cosine.
template <class Real>
__device__ __forceinline__ Real square_of(Real rho)
{
    return fma(fabs(rho), Real(-0.5), Real(0.5));
}

// A quarter of ‖x − sign·y‖²: s² from the rows, of length d.
template <class Real>
__device__ __forceinline__ Real quarter_distance(const Real *x, const Real *y, int d, Real sign)
{
    Real total = 0;
    for (int k = 0; k < d; ++k) {
        const Real difference = fma(-sign, y[k], x[k]);
        total = fma(difference, difference, total);
    }
    return Real(0.25) * total;
}

// The nearest whole number, ties to even, of a number far below 2²²: the last digit of a sum with
// 1.5·2⁵², or 2²³, is worth 1. A conversion would be many times slower.
__device__ __forceinline__ int round_to_int(double value)
{
    return __double2loint(value + 6755399441055744.0);
}

__device__ __forceinline__ int round_to_int(float value)
{
    return __float_as_int(value + 12582912.0f) - __float_as_int(12582912.0f);
}

// The piece that a cosine is on: the first where it is on no other.
template <class Real>
__device__ __forceinline__ int piece_of(const Real *table, int pieces, Real rho, Real square)
{
    int result = 0;
    for (int p = 1; p < pieces; ++p) {
        const Real *head = table + p * HEAD;
        // the first piece alone may be FROM_NEARER, for both sides
        const bool side = (rho < Real(0)) == (head[0] == Real(FROM_MINUS_ONE));
        result = side && head[1] <= square && square < head[2] ? p : result;
    }
    return result;
}

// Set N values K(ρ), not yet weighed, from N cosines and their s² ≥ 0.
//
// Several at a time, so that one sum does not wait for its own last one.
template <class Real, int N>
__device__ __forceinline__ void values_at(const Real *table, int pieces, int rows,
                                          const Real (&rho)[N], const Real (&square)[N],
                                          Real (&value)[N])
{
    const int cells = Cells<Real>::count;
    int offset[N];  // of each entry's cell in the table
    Real s[N], t[N];
#pragma unroll
    for (int k = 0; k < N; ++k) {
        s[k] = sqrt(square[k]);
        const int piece = piece_of(table, pieces, rho[k], square[k]);
        const Real *head = table + piece * HEAD;
        const Real counted = fma(head[0] == Real(FROM_NEARER) ? rho[k] : s[k], head[3], head[4]);
        const int cell = max(0, min(round_to_int(counted), cells - 1));
        offset[k] = pieces * HEAD + piece * rows * cells + cell;
        t[k] = fma(s[k], head[5], table[offset[k]]);
        value[k] = table[offset[k] + 2 * cells];
    }
    for (int row = 3; row < rows; ++row) {
#pragma unroll
        for (int k = 0; k < N; ++k) {
            value[k] = fma(value[k], t[k], table[offset[k] + row * cells]);
        }
    }
#pragma unroll
    for (int k = 0; k < N; ++k) {
        value[k] = fma(-s[k], value[k], table[offset[k] + cells]);
    }
}

// One value.
template <class Real>
__device__ __forceinline__ Real value_at(const Real *table, int pieces, int rows, Real rho,
                                         Real square)
{
    const Real rhos[1] = {rho}, squares[1] = {square};
    Real values[1];
    values_at<Real, 1>(table, pieces, rows, rhos, squares, values);
    return values[0];
}
