// The fused kernels: A V, or |A| V, over some panels of rows, in float64, of which no entry is ever
// stored; and A itself.
//
// A panel is PANEL_ROWS rows, of which is taken what lies in the upper triangle, in tiles of
// TILE_COLUMNS columns: cosines by tensor cores, the table, and the product of the tile with rows of
// V and of its transpose with others. An item is a run of tiles of one panel. Blocks take items by
// tickets, in the order of bands of panels, in a band of runs from left to right, and of a run of the
// band's panels from top to bottom: what blocks work on at a time shares columns of the unit rows.
//
// While a block works on a tile, the first rows of the next one are on their way. What the panel's
// rows gain by an item is summed in shared memory, what a tile's columns gain by the tile, and then
// both are added to sums that do not depend on which comes first: exact_sums.cuh. The kernels
// themselves, one for each shape of a middle, are at the end of the source: kernels/cuda/launch.py.
//
// A is weights[i]·K(ρ)·weights[j]. V comes multiplied by the weights, and sums are multiplied by
// them in the end: that costs less than two products an entry.

#ifdef TENSOR_CORES

// Panels first, first + step, …, so many of them.
struct Panels {
    int first, step, count;
};

// What a block works on: tiles from `tile` to `end` of a panel; no item where end < 0.
struct Item {
    int panel, tile, end;

    // Its tile, or none.
    __device__ __forceinline__ Tile at(int number) const
    {
        return Tile{number < end ? panel * PANEL_ROWS : -1, number * TILE_COLUMNS};
    }
};

// A block's shared memory: two stages, scratch, sums of rows, the table, two items, and how far tickets
// have come.
struct Room {
    double *stages, *scratch, *sums, *table;
    Item *items;
    int *reached;
    int pieces, length;

    // Load the table, too.
    __device__ __forceinline__ Room(const double *packed, long long of_pieces, long long of_length,
                                    int places)
        : stages(shared_memory<double>()), scratch(stages + 2 * STAGE_NUMBERS),
          sums(scratch + SCRATCH_NUMBERS),
          table(sums + places * 8 * PANEL_ROWS),
          pieces(static_cast<int>(of_pieces)), length(static_cast<int>(of_length))
    {
        load_table(packed, pieces, length, table);
        items = reinterpret_cast<Item *>(table + table_numbers<double>(pieces, length));
        reached = reinterpret_cast<int *>(items + 2);
    }

    __device__ __forceinline__ ByTable by_table(long long absolute) const
    {
        return ByTable{table, pieces, length, absolute != 0};
    }
};

// From tickets to items, which a block takes in ascending order: runs of `run` tiles, bands of
// `across` panels.
struct Walk {
    Panels panels;
    int tiles, run, across;
    unsigned long long *tickets;
    int *reached;  // the band that the last ticket was in, and the tickets before it

    __device__ __forceinline__ Walk(long long first_panel, long long step, long long count,
                                    long long height, long long of_run, long long band,
                                    unsigned long long *of_tickets, const Room &room)
        : panels{static_cast<int>(first_panel), static_cast<int>(step), static_cast<int>(count)},
          tiles(static_cast<int>(height / TILE_COLUMNS)), run(static_cast<int>(of_run)),
          across(static_cast<int>(band)), tickets(of_tickets), reached(room.reached)
    {
    }

    // The next item that has any tiles.
    __device__ __forceinline__ Item next() const
    {
        Item item = {0, 0, 0};
        while (item.end >= 0 && item.tile >= item.end) {
            item = of_ticket(static_cast<int>(atomicAdd(tickets, 1ull)));
        }
        return item;
    }

    // The item of a ticket. It may be empty: left of the panel's square.
    __device__ __forceinline__ Item of_ticket(int ticket) const
    {
        const int square = PANEL_ROWS / TILE_COLUMNS;
        int &band = reached[0], &before = reached[1];
        for (; band * across < panels.count; ++band) {
            const int left = (panels.first + band * across * panels.step) * square;
            const int height = min(across, panels.count - band * across);
            const int of_band = (tiles - left + run - 1) / run * height, place = ticket - before;
            if (place < of_band) {
                const int number = band * across + place % height;
                const int panel = panels.first + number * panels.step;
                const int first = left + place / height * run;
                return Item{panel, max(first, panel * square), min(first + run, tiles)};
            }
            before += of_band;
        }
        return Item{0, 0, -1};
    }
};

// The tile after one of an item: of the same item, or the first of the next.
struct Following {
    const Item *item, *next;
    int tile;

    __device__ __forceinline__ Tile operator()() const
    {
        return tile + 1 < item->end ? item->at(tile + 1) : next->at(next->tile);
    }
};

// Hand all tiles of the items that this block takes to `use`: use.take(tile, whether it is of the
// panel's own square, entries), and after each item use.end(its first row).
template <class Cosines, class Evaluate, class Use>
__device__ __forceinline__ void each_tile(const PackedRows &unit, const Cosines &cosines,
                                          const Evaluate &evaluate, const Walk &walk,
                                          const Room &room, const Use &use)
{
    Item *items = room.items;
    if (threadIdx.x == 0) {
        room.reached[0] = room.reached[1] = 0;
        items[0] = walk.next();
    }
    __syncthreads();
    if (items[0].end >= 0) {
        cosines.begin(items[0].at(items[0].tile), room.stages);
    }
    int turn = 0;
#pragma unroll 1
    for (int which = 0; items[which].end >= 0; which ^= 1) {
        const Item *item = items + which;
        if (threadIdx.x == 0) {
            items[which ^ 1] = walk.next();
        }
#pragma unroll 1
        for (int number = item->tile; number < item->end; ++number) {
            const Tile tile = item->at(number);
            Fragments entries;
            turn = cosines(tile, Following{item, items + (which ^ 1), number}, turn, room.stages,
                           Position(), entries);
            evaluate(unit, tile, room.scratch, entries);
            use.take(tile, number < (item->panel + 1) * (PANEL_ROWS / TILE_COLUMNS), entries);
        }
        const int first = item->panel * PANEL_ROWS;
        __syncthreads();  // all have done with the tiles, and have read the item
        use.end(first);
    }
}

// Products with V: of what a tile's columns gain after each tile, of the panel's rows after an item.
struct Products {
    const Pair *vectors;
    const Sums &sums;
    const Room &room;

    __device__ __forceinline__ int numbers() const  // of the rows' sums
    {
        return max(sums.groups, 2) * 8 * PANEL_ROWS;
    }

    __device__ __forceinline__ void begin() const
    {
        for (int k = threadIdx.x; k < numbers(); k += THREADS) {
            room.sums[k] = 0.0;
        }
    }

    // The panel's own square is whole: both triangles.
    __device__ __forceinline__ void take(const Tile &tile, bool square, Fragments &entries) const
    {
        const long long apart = sums.height / 8 * LANES;  // pairs from 8 columns of V to the next
        add_to_rows(entries, vectors + tile.column / 8 * LANES, apart, sums.groups, room.sums);
        if (!square) {
            add_to_columns(entries, vectors + tile.row / 8 * LANES, apart, sums.groups,
                           room.scratch, sums, tile.column);
        }
    }

    // Add what the panel's rows gained to their sums, and set that to zero.
    __device__ __forceinline__ void end(int first) const
    {
        for (int k = thread_number(); k < numbers(); k += THREADS) {
            // as `sums_of` has it: 8 rows of a warp are pairs of a lane each
            const int number = k % (8 * PANEL_ROWS), of_warp = number % (2 * PANEL_ROWS);
            const int row = of_warp / 64 * 32 + number / (2 * PANEL_ROWS) * 8 + of_warp % 64 / 8;
            const int group = sums.groups == 1 ? 0 : k / (8 * PANEL_ROWS);
            sums.add(group, first, row * 8 + k % 8, room.sums[k]);
            room.sums[k] = 0.0;
        }
    }
};

// The matrix itself: (n, n), by tiles and their transposes.
struct Storage {
    const double *weights;
    int n;
    double *out;

    // Write two numbers of a row side by side, times the weights.
    __device__ __forceinline__ void write(int row, int column, double first, double second) const
    {
        if (row >= n || column >= n) {
            return;
        }
        double *to = out + static_cast<long long>(row) * n + column;
        const double weight = weights[row];
        const double one = first * (weight * weights[column]);
        // rows of an odd order, and of a part of another array, may begin between two pairs
        if (column + 1 < n && reinterpret_cast<unsigned long long>(to) % sizeof(Pair) == 0) {
#ifndef __CUDACC__
            host::block().astray = host::block().astray || reinterpret_cast<size_t>(to) % 16 != 0;
#endif
            *reinterpret_cast<Pair *>(to) = Pair{one, second * (weight * weights[column + 1])};
            return;
        }
        to[0] = one;
        if (column + 1 < n) {
            to[1] = second * (weight * weights[column + 1]);
        }
    }

    __device__ __forceinline__ void take(const Tile &tile, bool square, Fragments &entries) const
    {
        const Position position;
        const int row = tile.row + position.row, column = tile.column + position.column;
#pragma unroll
        for (int k = 0; k < 16; ++k) {
            const double(&own)[4] = entries[k / 8][k / 2 % 4];
            write(row + k / 8 * 16 + k % 2 * 8 + position.g, column + k / 2 % 4 * 8 + 2 * position.t,
                  own[k % 2], own[k % 2 + 2]);
        }
        if (square) {
            return;
        }
        transpose(entries, position);
#pragma unroll
        for (int k = 0; k < 16; ++k) {
            const int j = k / 2 % 4;
            const double(&own)[4] = entries[k / 8][j];
            write(column + j / 2 * 16 + k % 2 * 8 + position.g,
                  row + k / 8 * 16 + j % 2 * 8 + 2 * position.t, own[k % 2], own[k % 2 + 2]);
        }
    }

    __device__ __forceinline__ void end(int) const
    {
    }
};

#define COMMA ,

#define MULTIPLY_TRIANGLE(name, MIDDLE, ...)                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS, FUSED_BLOCKS_PER_SM)                     \
        name(const double *unit, long long height, long long slabs, const double *packed,          \
             long long pieces, long long length, MIDDLE long long absolute, long long first_panel, \
             long long step, long long count, long long run, long long band,                       \
             unsigned long long *tickets, const double *vectors, long long groups,                 \
             unsigned long long *totals)                                                           \
    {                                                                                              \
        const Room room(packed, pieces, length, max(static_cast<int>(groups), 2));                 \
        const Sums sums = {totals, height, static_cast<int>(groups)};                              \
        const Products use = {reinterpret_cast<const Pair *>(vectors), sums, room};                \
        use.begin();                                                                               \
        const PackedRows rows(unit, height, slabs);                                                \
        each_tile(rows, BySlabs{rows}, __VA_ARGS__,                                                \
                  Walk(first_panel, step, count, height, run, band, tickets, room), room, use);    \
    }

#define BUILD_TRIANGLE(name, MIDDLE, ...)                                                          \
    extern "C" __global__ void __launch_bounds__(THREADS, FUSED_BLOCKS_PER_SM)                     \
        name(const double *unit, long long height, long long slabs, const double *packed,          \
             long long pieces, long long length, MIDDLE long long absolute, long long first_panel, \
             long long step, long long count, long long run, long long band,                       \
             unsigned long long *tickets, const double *weights, long long n, double *out)         \
    {                                                                                              \
        const Room room(packed, pieces, length, 0);                                                \
        const Storage use = {weights, static_cast<int>(n), out};                                   \
        const PackedRows rows(unit, height, slabs);                                                \
        each_tile(rows, BySlabs{rows}, __VA_ARGS__,                                                \
                  Walk(first_panel, step, count, height, run, band, tickets, room), room, use);    \
    }

#endif  // TENSOR_CORES
