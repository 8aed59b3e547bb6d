// Cosines by 8-bit tensor cores, for the kernels of triangle.cuh: a variant, see kernels/README.md.
//
// Unit rows are fixed-point numbers in SLICES digits of 8 bits. Products of slices are exact, and so
// are their sums over DIGIT_COLUMNS columns and over all slices i and j of one i + j, in 32 bits;
// those of all i + j and of all columns are added up in units of 2⁻⁶⁰, in 64 bits. So a cosine is the
// same bits on every card, and off by what a row's last digit is, by products with i + j above LAST
// that are left out, and by one rounding: `cosine_error` of kernels/cuda/fused/slices.py.
//
// A lane has the digits of its rows in registers while those of columns pass by, read once for each
// product of two slices.

#ifdef TENSOR_CORES

#define UNITS 8                         // i + j of products that are whole units of the sums
#define UNIT 8.673617379884035472e-19  // 2⁻⁶⁰

// A lane's share of sums of 32 × 32 numbers: as `Fragments` has them.
typedef int Products32[2][4][4];

// Add the products of the slices i and j with i + j = t to sums.
template <int SLICES>
__device__ __forceinline__ void add_products(int t, const unsigned int (&rows)[SLICES][2][4],
                                             const Words *columns, Products32 &sums)
{
#pragma unroll
    for (int i = 1; i <= SLICES; ++i) {
        const int j = t - i;
        if (j < 1 || j > SLICES) {
            continue;
        }
        const Words *slice = columns + (j - 1) * DigitRows<SLICES>::block;
#pragma unroll
        for (int pair = 0; pair < 2; ++pair) {
            const Words words = slice[pair * LANES];
#pragma unroll
            for (int k = 0; k < 2; ++k) {
                const unsigned int right[2] = {words.word[2 * k], words.word[2 * k + 1]};
                multiply_add(sums[0][2 * pair + k], rows[i - 1][0], right);
                multiply_add(sums[1][2 * pair + k], rows[i - 1][1], right);
            }
        }
    }
}

// Add a chunk's share to the cosines, in units of 2⁻⁶⁰. Below them what a chunk has is rounded down.
template <int SLICES, int LAST>
__device__ __forceinline__ void add_digits(const unsigned int (&rows)[SLICES][2][4],
                                           const Words *columns, long long (&totals)[32])
{
    static_assert(LAST <= UNITS + 1 && LAST <= 2 * SLICES, "one digit at most is below the units");
    static_assert(SLICES * DIGIT_COLUMNS * 128 * 128 < 1 << 30, "sums of bytes' products fit");
    Products32 sums;
#pragma unroll
    for (int t = LAST; t >= 2; --t) {
#pragma unroll
        for (int k = 0; k < 32; ++k) {
            int &sum = sums[k / 16][k / 4 % 4][k % 4];
            sum = t == UNITS && LAST > UNITS ? sum >> 8 : 0;
        }
        add_products<SLICES>(t, rows, columns, sums);
        if (t <= UNITS) {
#pragma unroll
            for (int k = 0; k < 32; ++k) {
                const long long sum = sums[k / 16][k / 4 % 4][k % 4];
                totals[k] += sum * (1ll << 8 * (UNITS - t));
            }
        }
    }
}

// What sets the cosines of tiles, in the place of `BySlabs`.
template <int SLICES, int LAST>
struct ByDigits {
    typedef DigitRows<SLICES> Rows;

    Rows unit;

    // Copy a chunk of a tile's digits, those of its rows to the first stage and those of its columns
    // to the one of `turn`, without waiting for them.
    __device__ __forceinline__ void load(const Tile &tile, int chunk, int turn, double *stages) const
    {
        static_assert(Rows::chunk * 3 % (THREADS / 2) == 0, "half of the threads may have one more");
        Words *to = reinterpret_cast<Words *>(stages);
        const Words *rows = unit.left + unit.place(tile.row, chunk);
        const Words *more_rows = unit.left + unit.place(tile.row + TILE_COLUMNS, chunk);
        const Words *columns = unit.right + unit.place(tile.column, chunk);
        const int thread = thread_number();
#pragma unroll
        for (int k = 0; k < (Rows::chunk + THREADS - 1) / THREADS; ++k) {
            const int at = k * THREADS + thread;
            if (at < Rows::chunk) {
                copy(to + at, rows + at);
                copy(to + Rows::chunk + at, more_rows + at);
                copy(to + (2 + turn) * Rows::chunk + at, columns + at);
            }
        }
    }

    __device__ __forceinline__ void copy(Words *to, const Words *from) const
    {
        copy_later(reinterpret_cast<double *>(to), reinterpret_cast<const double *>(from));
    }

    __device__ __forceinline__ void begin(const Tile &tile, double *stages) const
    {
        load(tile, 0, 0, stages);
    }

    // As `BySlabs` has it.
    template <class Next>
    __device__ __forceinline__ int operator()(const Tile &tile, const Next &next, int turn,
                                              double *stages, const Position &position,
                                              Fragments &cosines) const
    {
        long long totals[32];
#pragma unroll
        for (int k = 0; k < 32; ++k) {
            totals[k] = 0;
        }
        const Words *words = reinterpret_cast<const Words *>(stages) + position.lane;
        const Words *from = words + position.row / 64 * Rows::chunk + position.row % 64 / 16 * LANES;
#pragma unroll 1
        for (int chunk = 0; chunk < unit.chunks; ++chunk) {
            wait_for_copies();
            __syncthreads();  // this chunk is there, and the last one's columns were read by all
            unsigned int rows[SLICES][2][4];
#pragma unroll
            for (int slice = 0; slice < SLICES; ++slice) {
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    const Words own = from[slice * Rows::block + i * LANES];
#pragma unroll
                    for (int k = 0; k < 4; ++k) {
                        rows[slice][i][k] = own.word[k];
                    }
                }
            }
            __syncthreads();  // all have taken their rows
            const bool last = chunk + 1 == unit.chunks;
            const Tile following = last ? next() : tile;
            if (following.row >= 0) {
                load(following, last ? 0 : chunk + 1, turn ^ 1, stages);
            }
            const Words *columns = words + (2 + turn) * Rows::chunk + position.column / 16 * LANES;
            add_digits<SLICES, LAST>(rows, columns, totals);
            turn ^= 1;
        }
#pragma unroll
        for (int k = 0; k < 32; ++k) {
            cosines[k / 16][k / 4 % 4][k % 4] = static_cast<double>(totals[k]) * UNIT;
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
        const Room room(packed, pieces, length, EIGHT_BIT_STAGE_NUMBERS,                           \
                        max(static_cast<int>(groups), 2));                                         \
        const Sums sums = {totals, height, static_cast<int>(groups)};                              \
        const Products use = {reinterpret_cast<const Pair *>(vectors), sums, room};                \
        const ByDigits<EIGHT_BIT_SLICES, EIGHT_BIT_LAST> cosines = {{digits, height, chunks}};     \
        use.begin();                                                                               \
        each_tile(PackedRows(unit, height, slabs), cosines, __VA_ARGS__,                           \
                  Walk(first_panel, step, count, height, run, band, tickets, room), room, use);    \
    }

#endif  // TENSOR_CORES
