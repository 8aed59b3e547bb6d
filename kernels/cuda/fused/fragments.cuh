// What precedes a fused product, and what follows: V as right factors, unit rows as digits, and sums
// as numbers.

#ifdef TENSOR_CORES

// The power of 2 that a column of V is divided by: nothing of it is larger than `largest`, and no
// sum larger than `factor` times that.
__device__ __forceinline__ int exponent_of(double largest, double factor)
{
    int of_largest, of_factor;
    frexp(largest, &of_largest);
    frexp(factor, &of_factor);
    return of_largest + of_factor + 1;
}

// Write V times the weights as right factors, scaled: for each 8 columns, for each 8 rows, two
// numbers a lane, lane 4g + t those of rows 2t and 2t + 1 and of column g. A thread writes one.
//
// V: (n, columns). largest: (columns,), of V times the weights. fragments: (groups, height, 8).
extern "C" __global__ void __launch_bounds__(THREADS)
    make_fragments(const double *V, long long n, long long columns, const double *weights,
                   const double *largest, double factor, long long height, long long groups,
                   double *fragments)
{
    const long long numbers = groups * height * 8, step = static_cast<long long>(gridDim.x) * THREADS;
    for (long long k = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x; k < numbers;
         k += step) {
        const int in_block = static_cast<int>(k % 64), lane = in_block / 2;
        const long long row = k / 64 * 8 % height + lane % 4 * 2 + in_block % 2;
        const long long column = k / 8 / height * 8 + lane / 4;
        double value = 0.0;
        if (row < n && column < columns) {
            const int exponent = exponent_of(largest[column], factor);
            value = ldexp(V[row * columns + column] * weights[row], -exponent);
        }
        fragments[k] = value;
    }
}

// Write the product: the sums times the weights of their rows. A column that is not finite is NaN.
//
// sums: (2, groups, height, 8). out: (n, columns).
extern "C" __global__ void __launch_bounds__(THREADS)
    read_sums(const unsigned long long *sums, long long height, long long groups,
              const double *weights, const double *largest, double factor, long long n,
              long long columns, double *out)
{
    const long long step = static_cast<long long>(gridDim.x) * THREADS;
    for (long long k = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x; k < n * columns;
         k += step) {
        const long long row = k / columns, column = k % columns;
        const unsigned long long *from = sums + (column / 8 * height + row) * 8 + column % 8;
        const double whole = static_cast<double>(static_cast<long long>(from[0]));
        const double part = static_cast<double>(static_cast<long long>(from[groups * height * 8]));
        const double sum = fma(part, 1.0 / PART, whole) * (1.0 / WHOLE) * weights[row];
        const double most = largest[column];
        out[k] = most - most == 0.0 ? ldexp(sum, exponent_of(most, factor)) : most - most;
    }
}

// Write a lane's words of 16 rows and DIGIT_COLUMNS columns, of all slices and for either side: the
// digits of rounded multiples of 2^(2 − 8·SLICES), the least significant first. No number is above 1
// but for roundings.
template <int SLICES>
__device__ __forceinline__ void slice_words(const PackedRows &unit, int row, int column, Words *left,
                                            Words *right)
{
    const double scale = static_cast<double>(1ll << (8 * SLICES - 2));
    long long numbers[16];
#pragma unroll
    for (int k = 0; k < 16; ++k) {
        const int at = column + k / 8 * 16 + k % 4;
        const double number = at < unit.slabs * SLAB ? unit.at(row + k / 4 % 2 * 8, at) : 0.0;
        numbers[k] = static_cast<long long>(rint(number * scale));
    }
#pragma unroll
    for (int slice = SLICES - 1; slice >= 0; --slice) {
        Words words = {};
#pragma unroll
        for (int k = 0; k < 16; ++k) {
            const int digit = static_cast<signed char>(numbers[k] & 0xff);
            numbers[k] = (numbers[k] - digit) >> 8;
            words.word[k / 4] |= static_cast<unsigned int>(digit & 0xff) << k % 4 * 8;
        }
        left[slice * DigitRows<SLICES>::block] = words;
        right[slice * DigitRows<SLICES>::block] =
            Words{{words.word[0], words.word[2], words.word[1], words.word[3]}};
    }
}

// Write unit rows as `DigitRows`. A thread does the words of one lane.
template <int SLICES>
__device__ __forceinline__ void slice_all(const PackedRows &unit, long long height, long long chunks,
                                          unsigned long long *digits)
{
    typedef DigitRows<SLICES> Rows;
    const Rows rows(digits, height, chunks);
    Words *left = reinterpret_cast<Words *>(digits), *right = left + (rows.right - rows.left);
    const long long lanes = height / 16 * chunks * LANES;
    const long long step = static_cast<long long>(gridDim.x) * THREADS;
    for (long long k = static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x; k < lanes;
         k += step) {
        const int in_block = static_cast<int>(k % Rows::block), lane = in_block % LANES;
        const int chunk = static_cast<int>(k / Rows::block % chunks);
        const int row = static_cast<int>(k / Rows::block / chunks) * TILE_COLUMNS;
        const long long place = rows.place(row, chunk) + in_block;
        slice_words<SLICES>(unit, row + in_block / LANES * 16 + lane / 4,
                            chunk * DIGIT_COLUMNS + lane % 4 * 4, left + place, right + place);
    }
}

// unit: of `packed_rows`. digits: (2, height / 64, chunks, EIGHT_BIT_SLICES, 128, 2).
extern "C" __global__ void __launch_bounds__(THREADS)
    slice_rows(const double *unit, long long height, long long slabs, long long chunks,
               unsigned long long *digits)
{
    slice_all<EIGHT_BIT_SLICES>(PackedRows(unit, height, slabs), height, chunks, digits);
}

#endif  // TENSOR_CORES
