// The fused product: A V, or |A| V, over some panels of rows, in float64. No entry is ever stored.
//
// A panel is PANEL_ROWS rows, of which is taken what lies in the upper triangle, in tiles of
// TILE_COLUMNS columns: cosines by tensor cores, the table, and the product of the tile with rows of
// V and of its transpose with others. An item is a run of tiles of one panel. Blocks take items by
// tickets, in the order of bands of panels, in a band of runs from left to right, and of a run of the
// band's panels from top to bottom: what blocks work on at a time shares columns of the unit rows.
//
// While a block works on a tile, the first rows of the next one are on their way. What the panel's
// rows gain by an item is summed in shared memory, what a tile's columns gain by the tile, and then
// both are added to sums that do not depend on which comes first: exact_sums.cuh.
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

// From tickets to items, which a block takes in ascending order: runs of `run` tiles, bands of
// `across` panels.
struct Walk {
    Panels panels;
    int tiles, run, across;
    unsigned long long *tickets;
    int *reached;  // the band that the last ticket was in, and the tickets before it

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

// A block's shared memory: two stages, scratch, sums of rows, the table, two items, and how far tickets
// have come.
struct Room {
    double *stages, *scratch, *sums, *table;
    Item *items;
    int *reached;
    int pieces, length;

    // Load the table, too.
    __device__ __forceinline__ Room(const double *packed, long long of_pieces, long long of_length,
                                    long long groups)
        : stages(shared_memory<double>()), scratch(stages + 2 * STAGE_NUMBERS),
          sums(scratch + SCRATCH_NUMBERS),
          table(sums + max(static_cast<int>(groups), 2) * 8 * PANEL_ROWS),
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

// Add what the panel's rows gained to their sums, and set that to zero. All have met before.
__device__ __forceinline__ void add_rows(const Sums &sums, int first, double *of_rows)
{
    for (int k = thread_number(); k < max(sums.groups, 2) * 8 * PANEL_ROWS; k += THREADS) {
        // as `sums_of` has it: 8 rows of a warp are pairs of a lane each
        const int number = k % (8 * PANEL_ROWS), of_warp = number % (2 * PANEL_ROWS);
        const int row = of_warp / 64 * 32 + number / (2 * PANEL_ROWS) * 8 + of_warp % 64 / 8;
        const int group = sums.groups == 1 ? 0 : k / (8 * PANEL_ROWS);
        sums.add(group, first, row * 8 + k % 8, of_rows[k]);
        of_rows[k] = 0.0;
    }
}

template <class Evaluate>
__device__ __forceinline__ void multiply_items(const PackedRows &unit, const Evaluate &evaluate,
                                               const Pair *vectors, const Walk &walk, const Room &room,
                                               const Sums &sums)
{
    const int square = PANEL_ROWS / TILE_COLUMNS;
    const long long apart = sums.height / 8 * LANES;  // pairs from 8 columns of V to the next
    Item *items = room.items;
    for (int k = threadIdx.x; k < max(sums.groups, 2) * 8 * PANEL_ROWS; k += THREADS) {
        room.sums[k] = 0.0;
    }
    if (threadIdx.x == 0) {
        room.reached[0] = room.reached[1] = 0;
        items[0] = walk.next();
    }
    __syncthreads();
    if (items[0].end >= 0) {
        load_chunk(unit, items[0].at(items[0].tile), 0, room.stages);
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
            turn = multiply_rows(unit, tile, Following{item, items + (which ^ 1), number}, turn,
                                 room.stages, Position(), entries);
            evaluate(unit, tile, room.scratch, entries);
            add_to_rows(entries, vectors + tile.column / 8 * LANES, apart, sums.groups, room.sums);
            // the panel's own square is whole: both triangles
            if (number >= (item->panel + 1) * square) {
                add_to_columns(entries, vectors + tile.row / 8 * LANES, apart, sums.groups,
                               room.scratch, sums, tile.column);
            }
        }
        const int first = item->panel * PANEL_ROWS;
        __syncthreads();  // all sums are there, and all have read the item
        add_rows(sums, first, room.sums);
    }
}

#define MULTIPLY_TRIANGLE(name, MIDDLE, ...)                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS, FUSED_BLOCKS_PER_SM)                     \
        name(const double *unit, long long height, long long slabs, const double *packed,          \
             long long pieces, long long length, MIDDLE const double *vectors, long long groups,   \
             long long absolute, long long first_panel, long long step, long long count,           \
             long long run, long long band, unsigned long long *sums, unsigned long long *tickets) \
    {                                                                                              \
        const Room room(packed, pieces, length, groups);                                           \
        const Panels panels = {static_cast<int>(first_panel), static_cast<int>(step),              \
                               static_cast<int>(count)};                                           \
        const Walk walk = {panels, static_cast<int>(height / TILE_COLUMNS), static_cast<int>(run), \
                           static_cast<int>(band), tickets, room.reached};                              \
        multiply_items(PackedRows{unit, unit + height * slabs * SLAB, static_cast<int>(slabs)},        \
                       __VA_ARGS__,                                                               \
                       reinterpret_cast<const Pair *>(vectors), walk, room,                        \
                       Sums{sums, height, static_cast<int>(groups)});                              \
    }

#define WITH_MIDDLE const Middle middle,
// by the table, and with a middle for each parity of the function
MULTIPLY_TRIANGLE(multiply_triangle, , room.by_table(absolute))
MULTIPLY_TRIANGLE(multiply_triangle_even, WITH_MIDDLE,
                  ByMiddle<MIDDLE_TERMS, 1>{room.by_table(absolute), middle})
MULTIPLY_TRIANGLE(multiply_triangle_odd, WITH_MIDDLE,
                  ByMiddle<1, MIDDLE_TERMS>{room.by_table(absolute), middle})
MULTIPLY_TRIANGLE(multiply_triangle_both, WITH_MIDDLE,
                  ByMiddle<MIDDLE_TERMS, MIDDLE_TERMS>{room.by_table(absolute), middle})
#undef WITH_MIDDLE
#undef MULTIPLY_TRIANGLE

#endif  // TENSOR_CORES
