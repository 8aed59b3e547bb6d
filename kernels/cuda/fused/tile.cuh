// A tile of float64 entries in the registers of a block, for triangle.cuh: cosines by tensor
// cores, and then the table, close pairs from the rows.

#ifdef TENSOR_CORES

// Two numbers that are read and written together.
struct alignas(16) Pair {
    double x, y;
};

// The number of a thread, asked for anew wherever this is called: what is made of it would else be
// kept in registers from tile to tile, of which there are none to spare.
__device__ __forceinline__ int thread_number()
{
#ifdef __CUDACC__
    int result;
    asm volatile("mov.u32 %0, %%tid.x;\n" : "=r"(result));
    return result;
#else
    return threadIdx.x;
#endif
}

// The position of a thread: which rows and columns of a tile its warp has, and what its lane of
// them.
struct Position {
    int thread, lane, g, t;  // lane 4g + t
    int row, column;         // the first of the warp's

    __device__ __forceinline__ Position()
        : thread(thread_number()), lane(thread % LANES), g(lane / 4), t(lane % 4),
          row(thread / (2 * LANES) * 32), column(thread / LANES % 2 * 32)
    {
    }
};

// A lane's share of 32 × 32 numbers. What `multiply_add` makes, cosines[i][j], are rows 16 i to
// 16 i + 15 and columns 8 j to 8 j + 7 of the warp's. Entries are left factors for it:
//     entries[i][j] of the same rows and columns, column 2t in the place of t and 2t + 1 of t + 4,
//     and after `transpose` entries[i][2 j + h] of 16 columns from 16 j on as its rows, and of
//     rows 16 i + 8 h + 2t and 2t + 1 in the places of t and t + 4 as its columns.
typedef double Fragments[2][4][4];

// Copy 16 bytes to shared memory without waiting for them.
__device__ __forceinline__ void copy_later(double *to, const double *from)
{
#ifdef __CUDACC__
    const unsigned int address = static_cast<unsigned int>(__cvta_generic_to_shared(to));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(address), "l"(from)
                 : "memory");
#else
    host::block().current->copies.push_back(host::Copy{to, from});
#endif
}

// Wait for all copies of this thread.
__device__ __forceinline__ void wait_for_copies()
{
#ifdef __CUDACC__
    asm volatile("cp.async.wait_all;\n" ::: "memory");
#else
    host::wait_for_copies();
#endif
}

// The value of another lane of the warp; all lanes call it together.
__device__ __forceinline__ double value_of(double value, int lane)
{
#ifdef __CUDACC__
    return __shfl_sync(0xffffffffu, value, lane);
#else
    host::warp().fragments[threadIdx.x % LANES].a = &value;
    __syncwarp();
    const double result = *host::warp().fragments[lane].a;
    __syncwarp();  // the other lanes' values last until all have read
    return result;
#endif
}

// A tile of entries, PANEL_ROWS by TILE_COLUMNS, by its first row and column; row < 0: none.
struct Tile {
    int row, column;
};

// A number, asked for anew: what is made of it would else be kept in registers.
__device__ __forceinline__ unsigned int read_anew(unsigned int number)
{
#ifdef __CUDACC__
    asm volatile("" : "+r"(number));
#endif
    return number;
}

// Copy CHUNK slabs of a tile's unit rows to a stage, those of its rows and then those of its
// columns, without waiting for them; slabs beyond the last are left out.
__device__ __forceinline__ void load_chunk(const PackedRows &unit, const Tile &tile, int chunk,
                                           double *stage)
{
    static_assert(THREADS == TILE_COLUMNS * SLAB / 2, "two numbers of each slab for each thread");
    const int two = 2 * thread_number(), slab = chunk * CHUNK, length = TILE_COLUMNS * SLAB;
    const double *rows = unit.left + unit.slab(static_cast<int>(read_anew(tile.row)), slab) + two;
    const double *more_rows = rows + unit.slabs * length;
    const double *columns = unit.right + unit.slab(static_cast<int>(read_anew(tile.column)), slab) + two;
    double *to = stage + two;
#pragma unroll
    for (int k = 0; k < CHUNK; ++k) {
        if (k == 0 || slab + k < unit.slabs) {
            copy_later(to + 3 * k * length, rows + k * length);
            copy_later(to + (3 * k + 1) * length, more_rows + k * length);
            copy_later(to + (3 * k + 2) * length, columns + k * length);
        }
    }
}

// Add a slab's share to the cosines.
__device__ __forceinline__ void add_slab(const Pair *rows, const Pair *columns, Fragments &cosines)
{
    double of_rows[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const Pair two = rows[(2 * i + half) * LANES];
            of_rows[i][2 * half] = two.x;
            of_rows[i][2 * half + 1] = two.y;
        }
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
        const Pair column = columns[j * LANES];
        const double of_column[2] = {column.x, column.y};
        multiply_add(cosines[0][j], of_rows[0], of_column);
        multiply_add(cosines[1][j], of_rows[1], of_column);
    }
}

// Set the cosines of a tile, whose first chunk is on its way to the stage of `turn`, and start with
// the first chunk of the next tile; all threads of the block. `next` is asked for that tile once
// all threads have met. Return the turn of the next tile.
template <class Next>
__device__ __forceinline__ int multiply_rows(const PackedRows &unit, const Tile &tile,
                                             const Next &next, int turn, double *stages,
                                             const Position &position, Fragments &cosines)
{
#pragma unroll
    for (int k = 0; k < 32; ++k) {
        cosines[k / 16][k / 4 % 4][k % 4] = 0.0;
    }
    const int chunks = (unit.slabs + CHUNK - 1) / CHUNK;
#pragma unroll 1
    for (int chunk = 0; chunk < chunks; ++chunk) {
        wait_for_copies();
        __syncthreads();  // this chunk is there, and the last one was read by all
        double *other = stages + (turn ^ 1) * STAGE_NUMBERS;
        const bool last = chunk + 1 == chunks;
        const Tile following = last ? next() : tile;
        if (following.row >= 0) {
            load_chunk(unit, following, last ? 0 : chunk + 1, other);
        }
        const Pair *slab = reinterpret_cast<const Pair *>(stages + turn * STAGE_NUMBERS);
        const Pair *rows = slab + position.row * 4 + position.lane;
        const Pair *columns = slab + (PANEL_ROWS + position.column) * 4 + position.lane;
#pragma unroll
        for (int k = 0; k < CHUNK; ++k) {
            if (k == 0 || chunk * CHUNK + k < unit.slabs) {
                const int past = 3 * k * TILE_COLUMNS * SLAB / 2;
                add_slab(rows + past, columns + past, cosines);
            }
        }
        turn ^= 1;
    }
    return turn;
}

// What sets the cosines of tiles: `multiply_rows`.
struct BySlabs {
    const PackedRows &unit;

    // Start with the first tile, for turn 0.
    __device__ __forceinline__ void begin(const Tile &tile, double *stages) const
    {
        load_chunk(unit, tile, 0, stages);
    }

    template <class Next>
    __device__ __forceinline__ int operator()(const Tile &tile, const Next &next, int turn,
                                              double *stages, const Position &position,
                                              Fragments &cosines) const
    {
        return multiply_rows(unit, tile, next, turn, stages, position, cosines);
    }
};

// Set s² of those of four entries that are close pairs from the rows. The entries are in a row and
// two columns from `column` on, and in the same columns 8 rows below. Close pairs are few, so that
// this is a loop and not four branches.
__device__ __forceinline__ void measure_close(const PackedRows &unit, int row, int column,
                                              const double (&rho)[4], double (&square)[4])
{
#pragma unroll 1
    for (int k = 0; k < 4; ++k) {
        double cosine = rho[0], found = square[0];
#pragma unroll
        for (int m = 1; m < 4; ++m) {  // registers have no index
            cosine = m == k ? rho[m] : cosine;
            found = m == k ? square[m] : found;
        }
        if (found < close_below<double>()) {
            found = unit.quarter_distance(row + k / 2 * 8, column + k % 2,
                                          cosine < 0.0 ? -1.0 : 1.0);
#pragma unroll
            for (int m = 0; m < 4; ++m) {
                square[m] = m == k ? found : square[m];
            }
        }
    }
}

// Take the signs off the entries, where absolute values are asked for. Without a branch: what one
// leaves is in registers that are moved once more for each product.
__device__ __forceinline__ void finish(bool absolute, Fragments &entries)
{
#pragma unroll
    for (int k = 0; k < 32; ++k) {
        double &entry = entries[k / 16][k / 4 % 4][k % 4];
        entry = absolute ? fabs(entry) : entry;
    }
}

// Turn the lane's cosines into values K, or |K|, as left factors, four at a time.
//
// Registers have no index: all of them move on by four places in each turn. Code for each four of
// them would be eight times as long, and no cache of instructions holds that.
__device__ __forceinline__ void evaluate_entries(const PackedRows &unit, const Tile &tile,
                                                 const double *table, int pieces, int length,
                                                 bool absolute, const Position &position,
                                                 Fragments &entries)
{
#pragma unroll 1
    for (int turn = 0; turn < 8; ++turn) {
        const double(&rho)[4] = entries[0][0];
        double square[4], value[4];
        bool close = false;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            square[k] = square_of(rho[k]);
            close = close || square[k] < close_below<double>();
        }
        if (close) {
            measure_close(unit, tile.row + position.row + turn / 4 * 16 + position.g,
                          tile.column + position.column + turn % 4 * 8 + 2 * position.t, rho,
                          square);
        }
        values_at<double, 4>(table, pieces, length, rho, square, value);
#pragma unroll
        for (int k = 0; k < 28; ++k) {
            entries[k / 16][k / 4 % 4][k % 4] = entries[(k + 4) / 16][(k + 4) / 4 % 4][k % 4];
        }
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            entries[1][3][k % 2 * 2 + k / 2] = value[k];
        }
    }
    __syncwarp();  // lanes with close pairs took longer, and tensor cores want them together
    finish(absolute, entries);
}

// What turns a tile's cosines into entries: the table, in shared memory.
struct ByTable {
    const double *table;
    int pieces, length;
    bool absolute;

    __device__ __forceinline__ void operator()(const PackedRows &unit, const Tile &tile, double *,
                                               Fragments &entries) const
    {
        evaluate_entries(unit, tile, table, pieces, length, absolute, Position(), entries);
    }
};

#endif  // TENSOR_CORES
