// Products of a tile in registers with rows of V, and of its transpose, for fused_triangle.cuh: by
// tensor cores.
//
// A warp has 32 × 32 entries, which stay in registers: lanes hold what a product made as they must
// hold the left factor of the next, but for the order of its columns, and what is summed over may
// come in any order if the right factor has it too. V comes in that order: `make_fragments` of
// exact_sums.cuh. For the transpose the lanes exchange entries.

#ifdef TENSOR_CORES

// Where a lane's sums are for 8 columns of V: pair k is PANEL_ROWS·k pairs on, row 8 k + g of the
// warp's and columns 2t and 2t + 1.
__device__ __forceinline__ Pair *sums_of(double *sums, int place, const Position &position)
{
    return reinterpret_cast<Pair *>(sums) + place * 4 * PANEL_ROWS + position.row + position.lane;
}

// Add the entries' product with rows of 8 columns of V to the sums of the warp's rows.
__device__ __forceinline__ void add_group_to_rows(const Fragments &entries, const Pair *vectors,
                                                  int place, const Position &position, double *sums)
{
    Pair *lane_sums = sums_of(sums, place, position);
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
// Two warps have entries of one row: they share its sums, and are at other columns in each turn; with
// 8 columns in all each has sums of its own.
__device__ __forceinline__ void add_to_rows(const Fragments &entries, const Pair *vectors,
                                            long long apart, int groups, double *sums)
{
    const int half = Position().column / 32;
    if (groups == 1) {
        add_group_to_rows(entries, vectors, half, Position(), sums);
        return;
    }
#pragma unroll 1
    for (int turn = 0; turn < groups; ++turn) {
        if (turn > 0) {
            __syncthreads();
        }
        const int at = turn + half, group = at < groups ? at : 0;
        add_group_to_rows(entries, vectors + group * apart, group, Position(), sums);
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

// Add the transposed tile's product with the panel's rows of V to the sums of its columns. Four warps
// have entries of one column: their products meet in the scratch memory.
__device__ __forceinline__ void add_to_columns(Fragments &entries, const Pair *vectors,
                                               long long apart, int groups, double *scratch,
                                               const Sums &sums, int first)
{
    const int numbers = TILE_COLUMNS * 8;  // of a warp's rows
    static_assert(PANEL_ROWS / 32 * TILE_COLUMNS * 8 <= SCRATCH_NUMBERS,
                  "the products are in the scratch memory");
    transpose(entries, Position());
#pragma unroll 1
    for (int group = 0; group < groups; ++group) {
        __syncthreads();  // all have read what was there
        multiply_transposed(entries, vectors + group * apart, Position(), scratch);
        __syncthreads();
        for (int k = thread_number(); k < numbers; k += THREADS) {
            double sum = scratch[k];
#pragma unroll
            for (int warp = 1; warp < PANEL_ROWS / 32; ++warp) {
                sum += scratch[warp * numbers + k];
            }
            sums.add(group, first, k, sum);
        }
    }
}

#endif  // TENSOR_CORES
