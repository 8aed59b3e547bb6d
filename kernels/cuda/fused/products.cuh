// Products of a tile in registers with rows of V, and of its transpose, for triangle.cuh: by
// tensor cores.
//
// A warp has 32 × 32 entries, which stay in registers: lanes hold what a product made as they must
// hold the left factor of the next, but for the order of its columns, and what is summed over may
// come in any order if the right factor has it too. V comes in that order: `make_fragments` of
// fragments.cuh. For the transpose the lanes exchange entries.

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

// Add the entries' product with rows of V to the sums of the panel's rows. Two warps have entries of
// one row and share its sums: each is at one half of the columns of V, and then at the other. With 8
// columns in all each has sums of its own.
__device__ __forceinline__ void add_to_rows(const Fragments &entries, const Pair *vectors,
                                            long long apart, int groups, double *sums)
{
    const int half = (groups + 1) / 2, turns = groups > 1 ? 2 * half : 1;
#pragma unroll 1
    for (int turn = 0; turn < turns; ++turn) {
        if (turn == half) {
            __syncthreads();
        }
        const Position position;
        const int second = position.column / 32, group = (turn + second * half) % turns;
        if (group < groups) {
            add_group_to_rows(entries, vectors + group * apart, groups > 1 ? group : second,
                              position, sums);
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

// Add the product of the warp's transposed entries with 8 columns of V to sums of its columns, or
// write it where it is the first.
__device__ __forceinline__ void multiply_transposed(const Fragments &entries, const Pair *vectors,
                                                    bool first, const Position &position,
                                                    double *sums)
{
    Pair *lane_sums = reinterpret_cast<Pair *>(sums) + position.column * 4 + position.lane;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
        double total[4] = {};
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const Pair vector = vectors[position.row / 8 * LANES + k * LANES + position.lane];
            const double right[2] = {vector.x, vector.y};
            multiply_add(total, entries[k / 2][2 * j + k % 2], right);
        }
#pragma unroll
        for (int k = 0; k < 2; ++k) {
            Pair *sum = lane_sums + (2 * j + k) * LANES;
            const Pair before = first ? Pair{0.0, 0.0} : *sum;
            *sum = Pair{before.x + total[2 * k], before.y + total[2 * k + 1]};
        }
    }
}

// Add the transposed tile's product with the panel's rows of V to the sums of its columns. Four warps
// have entries of one column. In the scratch memory are PLACES times 8 sums a column: with 32 columns
// of V a warp adds to those of other 8 in each turn; with 16 two warps share, and with 8 each has its
// own.
__device__ __forceinline__ void add_to_columns(Fragments &entries, const Pair *vectors,
                                               long long apart, int groups, double *scratch,
                                               const Sums &sums, int first)
{
    const int places = PANEL_ROWS / 32, numbers = TILE_COLUMNS * 8;
    static_assert(places * numbers == SCRATCH_NUMBERS, "the sums are in the scratch memory");
    const int turns = groups > 2 ? 4 : groups;
    transpose(entries, Position());
    __syncthreads();  // all warps have done with the scratch memory
#pragma unroll 1
    for (int turn = 0; turn < turns; ++turn) {
        const Position position;
        const int warp = position.row / 32, group = (warp + turn) % turns;
        if (group < groups) {
            const int place = warp / turns * turns + group;
            multiply_transposed(entries, vectors + group * apart, turn == 0, position,
                                scratch + place * numbers);
        }
        __syncthreads();
    }
    for (int k = thread_number(); k < groups * numbers; k += THREADS) {
        double sum = scratch[k];
        for (int place = turns; place < places; place += turns) {
            sum += scratch[k + place * numbers];
        }
        sums.add(k / numbers, first, k % numbers, sum);
    }
}

#endif  // TENSOR_CORES
