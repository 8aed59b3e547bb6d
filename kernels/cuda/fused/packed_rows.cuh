// Unit rows as the fused kernels take them: numbers, and digits for 8-bit tensor cores.

#ifdef TENSOR_CORES

// Unit rows as the lanes of a warp take them, for each 64 rows, for each slab of SLAB columns:
//     left: for each 16 rows, for each half of the slab, two numbers a lane, rows g and g + 8 of
//     column t of the half: left factors of 16 rows and 8 columns;
//     right: for each 8 rows, two numbers a lane, columns t and t + 4 of row g: right factors.
struct PackedRows {
    const double *left, *right;
    int slabs;

    __device__ __forceinline__ PackedRows(const double *unit, long long height, long long of_slabs)
        : left(unit), right(unit + height * of_slabs * SLAB), slabs(static_cast<int>(of_slabs))
    {
    }

    // Where a slab of 64 rows begins in either, those from a row on that is a multiple of 64.
    __device__ __forceinline__ long long slab(int row, int number) const
    {
        return (static_cast<long long>(row / TILE_COLUMNS) * slabs + number) *
               (TILE_COLUMNS * SLAB);
    }

    // A number, of a column.
    __device__ __forceinline__ double at(int row, int column) const
    {
        const int in_slab = row % TILE_COLUMNS;
        return right[slab(row, column / SLAB) + in_slab / 8 * 64 +
                     (in_slab % 8 * 4 + column % 4) * 2 + column % SLAB / 4];
    }

    // A quarter of ‖x − sign·y‖²: s² from two rows.
    __device__ __forceinline__ double quarter_distance(int x, int y, double sign) const
    {
        double total = 0.0;
        for (int k = 0; k < slabs * SLAB; ++k) {
            const double difference = fma(-sign, at(y, k), at(x, k));
            total = fma(difference, difference, total);
        }
        return 0.25 * total;
    }
};

// A lane's share of 16 rows and 32 columns of a slice: four words of four bytes each.
struct alignas(16) Words {
    unsigned int word[4];
};

// Unit rows as digits of base 256, −128 to 127. A number is x = Σ 2^(2 − 8i)·aᵢ, i from 1 to SLICES,
// to 2^(1 − 8·SLICES); the digits aᵢ of all columns are a slice. For each 64 rows, for each
// DIGIT_COLUMNS columns, for each slice, for each 16 rows, four words a lane, of columns 4t to
// 4t + 3 and 4t + 16 to 4t + 19:
//     left: rows g and g + 8 of the former, and then of the latter: a left factor;
//     right: both of row g, and then of row g + 8: two right factors of 8 rows each.
template <int SLICES>
struct DigitRows {
    static const int block = TILE_COLUMNS / 16 * LANES;  // words of 64 rows of a slice, by fours
    static const int chunk = SLICES * block;

    const Words *left, *right;
    int chunks;

    __device__ __forceinline__ DigitRows(const unsigned long long *digits, long long height,
                                         long long of_chunks)
        : left(reinterpret_cast<const Words *>(digits)),
          right(left + height / TILE_COLUMNS * of_chunks * chunk),
          chunks(static_cast<int>(of_chunks))
    {
    }

    // Where a chunk of columns of 64 rows begins in either, those from a row on that is a multiple
    // of 64.
    __device__ __forceinline__ long long place(int row, int number) const
    {
        return (static_cast<long long>(row / TILE_COLUMNS) * chunks + number) * chunk;
    }
};

#endif  // TENSOR_CORES
