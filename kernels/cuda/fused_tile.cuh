// A tile of float64 entries in the registers of a block, for fused_strip.cuh: cosines by tensor
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
    to[0] = from[0];
    to[1] = from[1];
#endif
}

// End a group of copies, and wait for all groups of this thread but the last so many.
__device__ __forceinline__ void end_group()
{
#ifdef __CUDACC__
    asm volatile("cp.async.commit_group;\n" ::: "memory");
#endif
}

template <int LEFT>
__device__ __forceinline__ void wait_for_groups()
{
#ifdef __CUDACC__
    asm volatile("cp.async.wait_group %0;\n" ::"n"(LEFT) : "memory");
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

// Copy a slab of the tile's unit rows, those of its rows and then those of its columns. The two
// pointers are to the first two numbers that a thread copies of the first slab; TILE_COLUMNS rows
// below it copies two more.
//
// Swizzle: of a row in shared memory the first four numbers are where the last four were, in every
// second pair of rows: so 16 lanes read four numbers of four rows from different banks.
__device__ __forceinline__ void load_slab(const double *rows, const double *columns, int d,
                                          int slab, int thread, double *stages)
{
    static_assert(THREADS == TILE_COLUMNS * SLAB / 2,
                  "two numbers of TILE_COLUMNS rows for each thread");
    const int pair = thread ^ (thread / 4 & 2);
    double *to = stages + slab % STAGES * STAGE_NUMBERS + 2 * pair;
#pragma unroll
    for (int k = 0; k < PANEL_ROWS / TILE_COLUMNS; ++k) {
        copy_later(to + k * TILE_COLUMNS * SLAB, rows + k * TILE_COLUMNS * d + slab * SLAB);
    }
    copy_later(to + PANEL_ROWS * SLAB, columns + slab * SLAB);
}

// Add a slab's share to the cosines.
__device__ __forceinline__ void add_slab(const double *stage, const Position &position,
                                         Fragments &cosines)
{
    const int swizzle = position.g * 2 & 4;
    const int first = position.g * SLAB + (position.t ^ swizzle), second = first ^ 4;
    const double *rows = stage + position.row * SLAB;
    const double *columns = stage + (PANEL_ROWS + position.column) * SLAB;
    double of_rows[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const double *lower = rows + (16 * i + 8) * SLAB;
        of_rows[i][0] = rows[16 * i * SLAB + first];
        of_rows[i][1] = lower[first];
        of_rows[i][2] = rows[16 * i * SLAB + second];
        of_rows[i][3] = lower[second];
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
        const double of_column[2] = {columns[8 * j * SLAB + first], columns[8 * j * SLAB + second]};
        multiply_add(cosines[0][j], of_rows[0], of_column);
        multiply_add(cosines[1][j], of_rows[1], of_column);
    }
}

// Set the cosines of a tile from d columns of the unit rows; all threads of the block.
__device__ __forceinline__ void multiply_rows(const double *rows, const double *columns, int d,
                                              double *stages, const Position &position,
                                              Fragments &cosines)
{
#pragma unroll
    for (int k = 0; k < 32; ++k) {
        cosines[k / 16][k / 4 % 4][k % 4] = 0.0;
    }
    const int slabs = d / SLAB, first = position.thread / 4 * d + position.thread % 4 * 2;
    __syncthreads();  // others may still read what the last tile left in the stages
    for (int slab = 0; slab < STAGES - 1; ++slab) {
        if (slab < slabs) {
            load_slab(rows + first, columns + first, d, slab, position.thread, stages);
        }
        end_group();  // an empty one too: they are counted
    }
#pragma unroll 1
    for (int slab = 0; slab < slabs; ++slab) {
        wait_for_groups<STAGES - 2>();
        __syncthreads();  // this slab is there, and the last one was read by all
        if (slab + STAGES - 1 < slabs) {
            load_slab(rows + first, columns + first, d, slab + STAGES - 1, position.thread, stages);
        }
        end_group();
        add_slab(stages + slab % STAGES * STAGE_NUMBERS, position, cosines);
    }
}

// Set s² of those of four entries that are close pairs from the rows. The entries are in a row and
// two columns from `column` on, and in the same columns 8 rows below. Close pairs are few, so that
// this is a loop and not four branches.
__device__ __forceinline__ void measure_close(const double *rows, const double *columns, int d,
                                              int row, int column, const double (&rho)[4],
                                              double (&square)[4])
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
            const double *x = rows + static_cast<long long>(row + k / 2 * 8) * d;
            const double *y = columns + static_cast<long long>(column + k % 2) * d;
            found = quarter_distance(x, y, d, cosine < 0.0 ? -1.0 : 1.0);
#pragma unroll
            for (int m = 0; m < 4; ++m) {
                square[m] = m == k ? found : square[m];
            }
        }
    }
}

// Turn the lane's cosines into values K, or |K|, as left factors, four at a time.
//
// Registers have no index: all of them move on by four places in each turn. Code for each four of
// them would be eight times as long, and no cache of instructions holds that.
__device__ __forceinline__ void evaluate_entries(const double *rows, const double *columns, int d,
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
            measure_close(rows, columns, d, position.row + turn / 4 * 16 + position.g,
                          position.column + turn % 4 * 8 + 2 * position.t, rho, square);
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
    if (absolute) {
#pragma unroll
        for (int k = 0; k < 32; ++k) {
            entries[k / 16][k / 4 % 4][k % 4] = fabs(entries[k / 16][k / 4 % 4][k % 4]);
        }
    }
}

#endif  // TENSOR_CORES
