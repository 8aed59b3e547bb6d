// A product with a Gram matrix that is never stored: out += A V, or |A| V, in float64.
//
// A panel is PANEL_ROWS rows. One launch of `multiply_panel` takes what of a panel's rows lies in
// the upper triangle, in tiles of TILE_COLUMNS columns: cosines by tensor cores, the table, and the
// product of the tile with rows of V and of its transpose with others, again by tensor cores. The
// blocks of the grid share out the tiles in runs. A tile's columns belong to one block, which alone
// writes to those rows of `out`. What the panel's own rows gain each block sums over its run, and
// `add_parts` adds those sums in the order of the blocks. So nothing depends on which block comes
// first.
//
// A is weights[i]·K(ρ)·weights[j]. V comes multiplied by the weights, and sums are multiplied by
// them before they are added to `out`: that costs less than two products an entry.
//
// A warp has 32 × 32 entries, which stay in registers: lanes hold what a product made as they must
// hold the left factor of the next, but for the order of its columns, and what is summed over may
// come in any order if the right factor has it too. V comes in that order: `_fragments` in
// kernels/cuda/fused_product.py. For the transpose the lanes exchange entries.

#ifdef TENSOR_CORES

// What other blocks wrote: from the second-level cache, which all of them share.
__device__ __forceinline__ Pair second_level(const Pair *from)
{
#ifdef __CUDACC__
    Pair result;
    asm volatile("ld.global.cg.v2.f64 {%0, %1}, [%2];\n"
                 : "=d"(result.x), "=d"(result.y)
                 : "l"(from)
                 : "memory");
    return result;
#else
    return *from;
#endif
}

// Where a lane's sums are for 8 columns of V: pair k is PANEL_ROWS·k pairs on, row 8 k + g of the
// warp's and columns 2t and 2t + 1.
__device__ __forceinline__ Pair *sums_of(double *sums, int group, const Position &position)
{
    return reinterpret_cast<Pair *>(sums) + group * 4 * PANEL_ROWS + position.row + position.lane;
}

// Add the entries' product with rows of 8 columns of V to the sums of the warp's rows.
__device__ __forceinline__ void add_group_to_rows(const Fragments &entries, const Pair *vectors,
                                                  int group, const Position &position, double *sums)
{
    Pair *lane_sums = sums_of(sums, group, position);
    double total[2][4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        const Pair before = lane_sums[k * PANEL_ROWS];
        total[k / 2][k % 2 * 2] = before.x;
        total[k / 2][k % 2 * 2 + 1] = before.y;
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
        const Pair vector = vectors[position.column / 8 * LANES + j * LANES + position.lane];
        const double right[2] = {vector.x, vector.y};
        multiply_add(total[0], entries[0][j], right);
        multiply_add(total[1], entries[1][j], right);
    }
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        lane_sums[k * PANEL_ROWS] = Pair{total[k / 2][k % 2 * 2], total[k / 2][k % 2 * 2 + 1]};
    }
}

// Add the entries' product with rows of V to the sums of the panel's rows, 8 columns of V a turn.
// Two warps have entries of one row: they share its sums, and are at other columns in each turn.
__device__ __forceinline__ void add_to_rows(const Fragments &entries, const Pair *vectors,
                                            long long apart, int groups, double *sums)
{
    const int turns = max(groups, 2);
#pragma unroll 1
    for (int turn = 0; turn < turns; ++turn) {
        if (turn > 0) {
            __syncthreads();
        }
        const Position position;
        const int at = turn + position.column / 32, group = at < turns ? at : 0;
        if (group < groups) {
            add_group_to_rows(entries, vectors + group * apart, group, position, sums);
        }
    }
}

// Exchange two numbers of each lane, in row g and columns 2t and 2t + 1, for those in rows 2t and
// 2t + 1 and column g. A lane gives one number at a time: in even rows first that of the even
// column, and in odd rows that of the odd one, so that all are asked for what they then give.
__device__ __forceinline__ void exchange(double &first, double &second, const Position &position)
{
    const bool odd = position.g % 2 != 0;
    const int even_row = 8 * position.t + position.g / 2, odd_row = even_row + 4;  // lanes
    const double now = value_of(odd ? second : first, odd ? odd_row : even_row);
    const double then = value_of(odd ? first : second, odd ? even_row : odd_row);
    first = odd ? then : now;
    second = odd ? now : then;
}

// Turn left factors of the tile into those of its transpose.
__device__ __forceinline__ void transpose(Fragments &entries, const Position &position)
{
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        double(&one)[4] = entries[k / 2][k % 2 * 2], (&other)[4] = entries[k / 2][k % 2 * 2 + 1];
        exchange(one[0], one[2], position);
        exchange(one[1], one[3], position);
        exchange(other[0], other[2], position);
        exchange(other[1], other[3], position);
        const double upper[4] = {one[0], other[0], one[2], other[2]};
        const double lower[4] = {one[1], other[1], one[3], other[3]};
#pragma unroll
        for (int m = 0; m < 4; ++m) {
            one[m] = upper[m];
            other[m] = lower[m];
        }
    }
}

// Write the product of the warp's transposed entries with 8 columns of V, for `add_to_columns`.
__device__ __forceinline__ void multiply_transposed(const Fragments &entries, const Pair *vectors,
                                                    const Position &position, double *products)
{
    Pair *lane_sums = reinterpret_cast<Pair *>(products) + position.lane +
                (position.row / 32 * TILE_COLUMNS + position.column) * 4;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
        double total[4] = {};
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const Pair vector = vectors[position.row / 8 * LANES + k * LANES + position.lane];
            const double right[2] = {vector.x, vector.y};
            multiply_add(total, entries[k / 2][2 * j + k % 2], right);
        }
        lane_sums[2 * j * LANES] = Pair{total[0], total[1]};
        lane_sums[(2 * j + 1) * LANES] = Pair{total[2], total[3]};
    }
}

// Add the transposed tile's product with the panel's rows of V to its columns' rows of `out`. Four
// warps have entries of one column; two buffers take turns, so that one barrier a turn is enough.
// The buffers are in the stages of the pipeline, which all have read: `add_to_rows` has a barrier.
// IN_TURNS: other blocks of the launch write to these rows too, each in its turn.
template <bool IN_TURNS>
__device__ __forceinline__ void add_to_columns(Fragments &entries, const Pair *vectors,
                                               long long apart, int groups, const double *weights,
                                               const Position &position, double *stages,
                                               double *out)
{
    const int buffer = PANEL_ROWS / 32 * TILE_COLUMNS * 8, column = position.thread / 4;
    static_assert(2 * (PANEL_ROWS / 32 * TILE_COLUMNS * 8) <= STAGES * STAGE_NUMBERS,
                  "the buffers are in the stages");
    transpose(entries, position);
#pragma unroll 1
    for (int group = 0; group < groups; ++group) {
        double *products = stages + group % 2 * buffer;
        Pair *target = reinterpret_cast<Pair *>(out) + (column * groups + group) * 4 +
                       position.thread % 4;
        Pair total = IN_TURNS ? second_level(target) : *target;  // while the products are made
        multiply_transposed(entries, vectors, position, products);
        vectors += apart;
        __syncthreads();
        const Pair *product = reinterpret_cast<const Pair *>(products) + position.thread;
        Pair sum = product[0];
#pragma unroll
        for (int k = 1; k < PANEL_ROWS / 32; ++k) {
            sum.x += product[k * TILE_COLUMNS * 4].x;
            sum.y += product[k * TILE_COLUMNS * 4].y;
        }
        total.x = fma(weights[column], sum.x, total.x);
        total.y = fma(weights[column], sum.y, total.y);
        *target = total;
    }
}

// Write what the panel's rows gain by the block's run.
__device__ __forceinline__ void write_part(double *sums, int groups, const Position &position,
                                           double *part)
{
    const int first = position.column / 32 * 2;  // each of two warps writes half of the rows
    __syncthreads();
    for (int group = 0; group < groups; ++group) {
        for (int k = first; k < first + 2; ++k) {
            const int row = position.row + 8 * k + position.g;
            reinterpret_cast<Pair *>(part)[(row * groups + group) * 4 + position.t] =
                sums_of(sums, group, position)[k * PANEL_ROWS];
        }
    }
}

// What turns a tile's cosines into entries: the table, in shared memory.
struct ByTable {
    const double *table;
    int pieces, length;
    bool absolute;

    __device__ __forceinline__ void operator()(const double *rows, const double *columns, int d,
                                               double *, Fragments &entries) const
    {
        evaluate_entries(rows, columns, d, table, pieces, length, absolute, Position(), entries);
    }
};

// The product of a panel's tiles: a block's run of them.
//
// Shared memory: the stages, the sums of (PANEL_ROWS, 8·groups), and the table.
//
// unit: (height, d), height a multiple of PANEL_ROWS and d of SLAB, zeros beyond the rows and
// columns.
// vectors: V times the weights, 8·groups columns, as right factors: for each 8 columns, for each
// 8 rows, two numbers a lane. out: (height, 8·groups).
// parts: (grid, PANEL_ROWS, 8·groups).
template <class Evaluate>
__device__ __forceinline__ void multiply_run(const double *unit, long long height, long long d,
                                             const double *weights, const Evaluate &evaluate,
                                             const double *vectors, long long groups,
                                             long long panel, double *stages, double *sums,
                                             double *out, double *parts)
{
    const int across = static_cast<int>(groups), of_rows = static_cast<int>(d);
    for (int k = threadIdx.x; k < 8 * across * PANEL_ROWS; k += THREADS) {
        sums[k] = 0.0;
    }
    const double *rows = unit + panel * PANEL_ROWS * d;
    const Pair *fragments = reinterpret_cast<const Pair *>(vectors);
    const Pair *of_panel = fragments + panel * (PANEL_ROWS / 8) * LANES;
    const long long apart = height / 8 * LANES;  // pairs from 8 columns of V to the next
    const int first_tile = static_cast<int>(panel) * (PANEL_ROWS / TILE_COLUMNS);
    const long long tiles = height / TILE_COLUMNS - first_tile;
    const int end = first_tile + static_cast<int>(tiles * (blockIdx.x + 1) / gridDim.x);
    int tile = first_tile + static_cast<int>(tiles * blockIdx.x / gridDim.x);
    for (; tile < end; ++tile) {
        const long long first = static_cast<long long>(tile) * TILE_COLUMNS;
        const double *columns = unit + first * d;
        Fragments entries;
        multiply_rows(rows, columns, of_rows, stages, Position(), entries);
        evaluate(rows, columns, of_rows, stages, entries);
        add_to_rows(entries, fragments + first / 8 * LANES, apart, across, sums);
        // the panel's own square is whole: both triangles
        if (tile >= first_tile + PANEL_ROWS / TILE_COLUMNS) {
            add_to_columns<false>(entries, of_panel, apart, across, weights + first, Position(),
                                  stages, out + first * 8 * groups);
        }
    }
    write_part(sums, across, Position(), parts + blockIdx.x * PANEL_ROWS * 8 * groups);
}

extern "C" __global__ void __launch_bounds__(THREADS, FUSED_BLOCKS_PER_SM)
    multiply_panel(const double *unit, long long height, long long d, const double *weights,
                   const double *packed, long long pieces, long long length,
                   const double *vectors, long long groups, long long absolute, long long panel,
                   double *out, double *parts)
{
    const int across = static_cast<int>(groups), of_table = static_cast<int>(pieces);
    const int of_piece = static_cast<int>(length);
    double *stages = shared_memory<double>();
    double *sums = stages + STAGES * STAGE_NUMBERS, *table = sums + 8 * across * PANEL_ROWS;
    load_table(packed, of_table, of_piece, table);
    const ByTable evaluate = {table, of_table, of_piece, absolute != 0};
    multiply_run(unit, height, d, weights, evaluate, vectors, groups, panel, stages, sums, out,
                 parts);
}

// Add the blocks' sums to the panel's rows of `out`: a block has LANES numbers of (PANEL_ROWS,
// width), and each of its warps every eighth sum of them, which are then added in the order of the
// warps.
extern "C" __global__ void __launch_bounds__(THREADS)
    add_parts(const double *parts, long long blocks, const double *weights, long long panel,
              long long width, double *out)
{
    double *sums = shared_memory<double>();
    const int lane = threadIdx.x % LANES, slice = threadIdx.x / LANES;
    const long long number = blockIdx.x * static_cast<long long>(LANES) + lane;
    double total = 0.0;
#pragma unroll 4
    for (long long block = slice; block < blocks; block += SLICES) {
        total += parts[block * PANEL_ROWS * width + number];
    }
    sums[threadIdx.x] = total;
    __syncthreads();
    if (slice == 0) {
        for (int k = 1; k < SLICES; ++k) {
            total += sums[k * LANES + lane];
        }
        const long long row = panel * PANEL_ROWS + number / width;
        out[row * width + number % width] += weights[row] * total;
    }
}

#endif  // TENSOR_CORES
