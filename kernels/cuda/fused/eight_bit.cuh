// Cosines by 8-bit tensor cores, for the kernels of triangle.cuh: a variant, see kernels/README.md.
//
// Unit rows are fixed-point numbers in SLICES digits of 8 bits. Products of slices are exact, and so
// are their sums over DIGIT_COLUMNS columns and over all slices i and j of one i + j, in 32 bits;
// those of all i + j and of all columns are added up in units of 2⁻⁶⁰, in 64 bits. So a cosine is the
// same bits on every card, and off by what a row's last digit is, by products with i + j above LAST
// that are left out, and by one rounding: `cosine_error` of kernels/cuda/fused/unit_rows.py.
//
// All digits of a chunk go to a lane's registers, from where each is multiplied with up to SLICES
// others; so the next chunk comes to the shared memory that they were read from.

#ifdef TENSOR_CORES

// A lane's digits of a chunk: left factors of 16 rows each and right factors of 8.
template <int SLICES>
struct Digits {
    unsigned int rows[SLICES][2][4], columns[SLICES][4][2];

    __device__ __forceinline__ Digits(const Words *of_rows, const Words *of_columns)
    {
#pragma unroll
        for (int slice = 0; slice < SLICES; ++slice) {
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                const int at = slice * DigitRows<SLICES>::block + i * LANES;
                const Words left = of_rows[at], right = of_columns[at];
#pragma unroll
                for (int k = 0; k < 4; ++k) {
                    rows[slice][i][k] = left.word[k];
                    columns[slice][2 * i + k / 2][k % 2] = right.word[k];
                }
            }
        }
    }
};

// Add the products of the slices i and j with i + j = t to sums, in the places of `Fragments`.
template <int SLICES>
__device__ __forceinline__ void add_products(int t, const Digits<SLICES> &digits,
                                             int (&sums)[2][4][4])
{
#pragma unroll
    for (int i = 1; i <= SLICES; ++i) {
        const int j = t - i;
        if (j < 1 || j > SLICES) {
            continue;
        }
#pragma unroll
        for (int k = 0; k < 8; ++k) {
            multiply_add(sums[k / 4][k % 4], digits.rows[i - 1][k / 4], digits.columns[j - 1][k % 4]);
        }
    }
}

// Add what slices i and j of a chunk with i + j from `first` down to `last` make of the cosines, in
// units of 2⁻⁶⁰ and modulo 2⁶⁴. Below the units it is rounded down.
template <int SLICES>
__device__ __forceinline__ void add_digits(int first, int last, const Digits<SLICES> &digits,
                                           unsigned long long (&totals)[32])
{
    static_assert(SLICES * DIGIT_COLUMNS * 128 * 128 < 1 << 30, "sums of products fit 32 bits");
    int sums[2][4][4];
#pragma unroll
    for (int t = first; t >= last; --t) {
#pragma unroll
        for (int k = 0; k < 32; ++k) {
            int &sum = sums[k / 16][k / 4 % 4][k % 4];
            sum = t == EIGHT_BIT_UNITS && first > EIGHT_BIT_UNITS ? sum >> 8 : 0;
        }
        add_products(t, digits, sums);
        if (t <= EIGHT_BIT_UNITS) {
#pragma unroll
            for (int k = 0; k < 32; ++k) {
                const long long sum = sums[k / 16][k / 4 % 4][k % 4];
                totals[k] += static_cast<unsigned long long>(sum) << 8 * (EIGHT_BIT_UNITS - t);
            }
        }
    }
}

// So many units as a number. By integers: some cards have few operations on numbers.
__device__ __forceinline__ double of_units(long long total)
{
    const double number = static_cast<double>(total);
    const int upper = __double2hiint(number), power = (8 * EIGHT_BIT_UNITS - 4) << 20;
    return __hiloint2double(total != 0 ? upper - power : upper, __double2loint(number));
}

// What sets the cosines of tiles, in the place of `BySlabs`.
template <int SLICES, int LAST>
struct ByDigits {
    typedef DigitRows<SLICES> Rows;

    Rows unit;

    // Copy a chunk of a tile's digits, those of its rows and then of its columns, without waiting for
    // them.
    __device__ __forceinline__ void load(const Tile &tile, int chunk, double *stages) const
    {
        static_assert(3 * Rows::chunk * sizeof(Words) <= 2 * STAGE_NUMBERS * sizeof(double),
                      "a chunk is in the memory of stages");
        Words *to = reinterpret_cast<Words *>(stages);
        const Words *rows = unit.left + unit.place(tile.row, chunk);
        const Words *more_rows = unit.left + unit.place(tile.row + TILE_COLUMNS, chunk);
        const Words *columns = unit.right + unit.place(tile.column, chunk);
#pragma unroll
        for (int k = 0; k < (Rows::chunk + THREADS - 1) / THREADS; ++k) {
            const int at = k * THREADS + thread_number();
            if (at < Rows::chunk) {
                copy(to + at, rows + at);
                copy(to + Rows::chunk + at, more_rows + at);
                copy(to + 2 * Rows::chunk + at, columns + at);
            }
        }
    }

    __device__ __forceinline__ void copy(Words *to, const Words *from) const
    {
        copy_later(reinterpret_cast<double *>(to), reinterpret_cast<const double *>(from));
    }

    __device__ __forceinline__ void begin(const Tile &tile, double *stages) const
    {
        load(tile, 0, stages);
    }

    // As `BySlabs` has it, without turns.
    template <class Next>
    __device__ __forceinline__ int operator()(const Tile &tile, const Next &next, int turn,
                                              double *stages, const Position &position,
                                              Fragments &cosines) const
    {
        static_assert(LAST <= EIGHT_BIT_UNITS + 1 && LAST <= 2 * SLICES,
                      "one digit at most is below the units");
        const int half = EIGHT_BIT_UNITS - 1;  // of the products, about
        unsigned long long totals[32];
#pragma unroll
        for (int k = 0; k < 32; ++k) {
            totals[k] = 0;
        }
        const Words *words = reinterpret_cast<const Words *>(stages) + position.lane;
        const Words *rows = words + position.row / TILE_COLUMNS * Rows::chunk +
                            position.row % TILE_COLUMNS / 16 * LANES;
        const Words *columns = words + 2 * Rows::chunk + position.column / 16 * LANES;
#pragma unroll 1
        for (int chunk = 0; chunk < unit.chunks; ++chunk) {
            wait_for_copies();
            __syncthreads();  // this chunk is there
            const Digits<SLICES> digits(rows, columns);
            add_digits(LAST, half, digits, totals);
            __syncthreads();  // and was read by all
            const bool last = chunk + 1 == unit.chunks;
            const Tile following = last ? next() : tile;
            if (following.row >= 0) {
                load(following, last ? 0 : chunk + 1, stages);
            }
            add_digits(half - 1, 2, digits, totals);
        }
#pragma unroll
        for (int k = 0; k < 32; ++k) {
            cosines[k / 16][k / 4 % 4][k % 4] = of_units(static_cast<long long>(totals[k]));
        }
        return turn;
    }
};

#define MULTIPLY_EIGHT_BIT(name, MIDDLE, ...)                                                      \
    extern "C" __global__ void __launch_bounds__(THREADS, 1)                                       \
        name(const double *unit, long long height, long long slabs, const double *packed,          \
             long long pieces, long long length, MIDDLE long long absolute, long long first_panel, \
             long long step, long long count, long long run, long long band,                       \
             unsigned long long *tickets, const unsigned long long *digits, long long chunks,      \
             const double *vectors, long long groups, unsigned long long *totals)                  \
    {                                                                                              \
        const Room room(packed, pieces, length, max(static_cast<int>(groups), 2));                 \
        const Sums sums = {totals, height, static_cast<int>(groups)};                              \
        const Products use = {reinterpret_cast<const Pair *>(vectors), sums, room};                \
        const ByDigits<EIGHT_BIT_SLICES, EIGHT_BIT_LAST> cosines = {{digits, height, chunks}};     \
        use.begin();                                                                               \
        each_tile(PackedRows(unit, height, slabs), cosines, __VA_ARGS__,                           \
                  Walk(first_panel, step, count, height, run, band, tickets, room), room, use);    \
    }

#endif  // TENSOR_CORES
