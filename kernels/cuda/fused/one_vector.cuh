// The product with one vector, for the kernels of triangle.cuh: a variant, see kernels/README.md.
//
// Tensor cores take 8 columns of V at a time, of which 7 are zeros here: 16 of their products a warp,
// and an exchange of all entries between. Instead each lane multiplies its 32 entries with its
// numbers of V, for the rows and for the columns, where they are: 64 multiply-adds, which take a
// quarter of the time of those on the same pipe. Lanes' sums meet in shared memory, those of rows
// after an item, those of columns after each tile.

#ifdef TENSOR_CORES

// Where a warp has scratch memory of its own, which it alone looks entries up in.
__device__ __forceinline__ Pair *warp_scratch(double *scratch, int warp)
{
    return reinterpret_cast<Pair *>(scratch + warp * WARP_SCRATCH);
}

// What a panel's rows gain by the tiles of an item, and a tile's columns by the tile.
struct OneVector {
    const Pair *vectors;  // of `make_fragments`: lanes 0 to 3 have the one column
    const Sums &sums;
    const Room &room;

    static const int numbers = 8 * PANEL_ROWS;  // of the lanes' sums: 4 each

    __device__ __forceinline__ void begin() const
    {
        for (int k = threadIdx.x; k < numbers; k += THREADS) {
            room.sums[k] = 0.0;
        }
    }

    // The panel's own square is whole: both triangles.
    __device__ __forceinline__ void take(const Tile &tile, bool square, const Fragments &entries) const
    {
        add_to_rows(tile, entries);
        if (!square) {
            add_to_columns(tile, entries);
        }
    }

    // Add the entries times V to the lane's sums of rows g and g + 8, of each 16 of the warp's.
    __device__ __forceinline__ void add_to_rows(const Tile &tile, const Fragments &entries) const
    {
        const Position position;
        Pair *own = reinterpret_cast<Pair *>(room.sums) + position.thread / LANES * 2 * LANES +
                    position.lane;
        const Pair *of_columns =
            vectors + (tile.column + position.column) / 8 * LANES + position.t;
        Pair sum[2] = {own[0], own[LANES]};
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const Pair vector = of_columns[j * LANES];
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                const double(&entry)[4] = entries[i][j];
                sum[i].x = fma(entry[2], vector.y, fma(entry[0], vector.x, sum[i].x));
                sum[i].y = fma(entry[3], vector.y, fma(entry[1], vector.x, sum[i].y));
            }
        }
        own[0] = sum[0];
        own[LANES] = sum[1];
    }

    // Add the transposed tile times V to the sums of its columns.
    __device__ __forceinline__ void add_to_columns(const Tile &tile, const Fragments &entries) const
    {
        {
            const Position position;
            const int row = tile.row + position.row, warp = position.thread / LANES;
            const double *of_rows = reinterpret_cast<const double *>(vectors) + row * 8 + position.g;
            const double rows[2][2] = {{of_rows[0], of_rows[64]}, {of_rows[128], of_rows[192]}};
            Pair *own = warp_scratch(room.scratch, warp) + position.lane;
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                double sum[2];  // of columns 2t and 2t + 1
#pragma unroll
                for (int k = 0; k < 2; ++k) {
                    sum[k] = entries[0][j][2 * k] * rows[0][0];
                    sum[k] = fma(entries[0][j][2 * k + 1], rows[0][1], sum[k]);
                    sum[k] = fma(entries[1][j][2 * k], rows[1][0], sum[k]);
                    sum[k] = fma(entries[1][j][2 * k + 1], rows[1][1], sum[k]);
                }
                own[j * LANES] = Pair{sum[0], sum[1]};
            }
        }
        __syncthreads();
        // a warp takes 8 columns, whose sums 4 warps have, each in 8 lanes of one t
        const Position position;
        const int warp = position.thread / LANES, second = warp / 4, j = warp % 4;
        double sum[2] = {0.0, 0.0};
#pragma unroll
        for (int k = 0; k < PANEL_ROWS / 32; ++k) {
            const Pair part = warp_scratch(room.scratch, 2 * k + second)[j * LANES + position.lane];
            sum[0] += part.x;
            sum[1] += part.y;
        }
        const bool odd = position.g % 2 != 0;
        double total = odd ? sum[1] : sum[0];
        total += value_of(odd ? sum[0] : sum[1], position.lane ^ 4);
        total += value_of(total, position.lane ^ 8);
        total += value_of(total, position.lane ^ 16);
        if (position.g < 2) {
            const int column = second * 32 + j * 8 + 2 * position.t + position.g;
            sums.add(0, tile.column, column * 8, total);
        }
    }

    // Add what the panel's rows gained to their sums, and set that to zero.
    __device__ __forceinline__ void end(int first) const
    {
        const int row = thread_number();
        if (row < PANEL_ROWS) {
            // of either warp, and of four lanes each
            double *of_row = room.sums + row / 32 * 8 * LANES + row % 32 / 16 * 2 * LANES +
                             row % 8 * 8 + row % 16 / 8;
            double total = 0.0;
#pragma unroll
            for (int k = 0; k < 8; ++k) {
                double &part = of_row[k / 4 * 4 * LANES + k % 4 * 2];
                total += part;
                part = 0.0;
            }
            sums.add(0, first, row * 8, total);
        }
    }
};

#define MULTIPLY_VECTOR(name, MIDDLE, ...)                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS, FUSED_BLOCKS_PER_SM)                     \
        name(const double *unit, long long height, long long slabs, const double *packed,          \
             long long pieces, long long length, MIDDLE long long absolute, long long first_panel, \
             long long step, long long count, long long run, long long band,                       \
             unsigned long long *tickets, const double *vectors, long long groups,                 \
             unsigned long long *totals)                                                           \
    {                                                                                              \
        const Room room(packed, pieces, length, 1);                                                \
        const Sums sums = {totals, height, static_cast<int>(groups)};                              \
        const OneVector use = {reinterpret_cast<const Pair *>(vectors), sums, room};               \
        use.begin();                                                                               \
        const PackedRows rows(unit, height, slabs);                                                \
        each_tile(rows, BySlabs{rows}, __VA_ARGS__,                                                \
                  Walk(first_panel, step, count, height, run, band, tickets, room), room, use);    \
    }

#endif  // TENSOR_CORES
