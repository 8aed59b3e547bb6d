// The fused product in one launch: out += A V, or |A| V, over all panels that are asked for.
//
// An item is a run of tiles of one panel. Blocks take items by tickets, in the order of bands of
// panels, in a band of runs from left to right, and of a run of the band's panels from top to
// bottom: what blocks work on at a time shares columns of the unit rows.
//
// Sums do not depend on which block takes what: for each tile of 64 rows of `out` a counter says
// whose turn it is to add to them. First come the panels above, by their columns, from top to
// bottom, and then the items of the panel whose rows they are, from left to right.
//
// No block waits for ever: whatever an item waits for has an earlier ticket, so that a block works
// on it, or has ended; and of all items under way that of the earliest ticket waits for none. Runs
// are of whole squares of the diagonal (an even number of tiles), without which a panel's first
// item would wait for the second run of the panels above.

#ifdef TENSOR_CORES

// Panels first, first + step, …, so many of them.
struct Panels {
    int first, step, count;
};

// What a block works on: tiles from `tile` to `end` of a panel, which is the number-th of those
// asked for, and the order-th item of it.
struct Item {
    int panel, number, order, tile, end;
};

// From tickets to items, which a block takes in ascending order.
struct Walk {
    int band, before;  // the band that the last ticket was in, and the tickets before it

    // Set the item of a ticket; false beyond the last. It may be empty: left of the panel's square.
    __device__ __forceinline__ bool find(const Panels &panels, int tiles, int run, int across,
                                         int ticket, Item &item)
    {
        const int square = PANEL_ROWS / TILE_COLUMNS;
        for (; band * across < panels.count; ++band) {
            const int left = (panels.first + band * across * panels.step) * square;
            const int height = min(across, panels.count - band * across);
            const int tickets = (tiles - left + run - 1) / run * height;
            const int place = ticket - before;
            if (place < tickets) {
                item.number = band * across + place % height;
                item.panel = panels.first + item.number * panels.step;
                const int column = place / height, first = left + column * run;
                item.order = column - (item.panel * square - left) / run;
                item.tile = max(first, item.panel * square);
                item.end = min(first + run, tiles);
                return true;
            }
            before += tickets;
        }
        return false;
    }
};

// The next number of a counter.
__device__ __forceinline__ int next_ticket(unsigned long long *counter)
{
    return static_cast<int>(atomicAdd(counter, 1ull));
}

// Wait until a counter has a value; what was written before it was passed on is there then.
__device__ __forceinline__ void wait_for_turn(const unsigned long long *turn,
                                              unsigned long long value)
{
#ifdef __CUDACC__
    unsigned long long now;
    do {
        asm volatile("ld.acquire.gpu.global.u64 %0, [%1];\n" : "=l"(now) : "l"(turn) : "memory");
    } while (now != value);
#else
    while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != value) {
        host::wait_for_other_blocks();
    }
#endif
}

// Set a counter to a value, after all that the block wrote before its last barrier.
__device__ __forceinline__ void pass_turn(unsigned long long *turn, unsigned long long value)
{
#ifdef __CUDACC__
    asm volatile("st.release.gpu.global.u64 [%0], %1;\n" ::"l"(turn), "l"(value) : "memory");
#else
    __atomic_store_n(turn, value, __ATOMIC_RELEASE);
#endif
}

// Add what the panel's rows gain by an item to their rows of `out`.
__device__ __forceinline__ void add_sums(double *sums, int groups, const double *weights,
                                         const Position &position, double *out)
{
    const int first = position.column / 32 * 2;  // each of two warps adds half of the rows
    for (int group = 0; group < groups; ++group) {
        for (int k = first; k < first + 2; ++k) {
            const int row = position.row + 8 * k + position.g;
            Pair *target = reinterpret_cast<Pair *>(out) + (row * groups + group) * 4 + position.t;
            const Pair sum = sums_of(sums, group, position)[k * PANEL_ROWS];
            Pair total = second_level(target);
            total.x = fma(weights[row], sum.x, total.x);
            total.y = fma(weights[row], sum.y, total.y);
            *target = total;
        }
    }
}

// A block's shared memory: as of `multiply_panel`, and an item.
struct Room {
    double *stages, *sums, *table;
    Item *item;
    int pieces, length;

    // Load the table, too.
    __device__ __forceinline__ Room(const double *packed, long long of_pieces, long long of_length,
                                    long long groups)
        : stages(shared_memory<double>()), sums(stages + STAGES * STAGE_NUMBERS),
          table(sums + 8 * static_cast<int>(groups) * PANEL_ROWS),
          pieces(static_cast<int>(of_pieces)), length(static_cast<int>(of_length))
    {
        load_table(packed, pieces, length, table);
        item = reinterpret_cast<Item *>(table + table_numbers<double>(pieces, length));
    }

    __device__ __forceinline__ ByTable by_table(long long absolute) const
    {
        return ByTable{table, pieces, length, absolute != 0};
    }
};

// unit, vectors, out: as of `multiply_panel`. turns: zeros, a number for the tickets and one for
// each tile of rows.
template <class Evaluate>
__device__ __forceinline__ void multiply_items(const double *unit, long long height, long long d,
                                               const double *weights, const Evaluate &evaluate,
                                               const double *vectors, long long groups,
                                               const Panels &panels, int run, int band,
                                               const Room &room, double *out,
                                               unsigned long long *turns)
{
    double *stages = room.stages, *sums = room.sums;
    Item *shared = room.item;
    const int across = static_cast<int>(groups), of_rows = static_cast<int>(d);
    const int tiles = static_cast<int>(height / TILE_COLUMNS), square = PANEL_ROWS / TILE_COLUMNS;
    const Pair *fragments = reinterpret_cast<const Pair *>(vectors);
    const long long apart = height / 8 * LANES;  // pairs from 8 columns of V to the next
    unsigned long long *of_tiles = turns + 1;
    Walk walk = {0, 0};
    for (;;) {
        if (threadIdx.x == 0) {
            Item found = {0, 0, 0, 0, -1};
            walk.find(panels, tiles, run, band, next_ticket(turns), found);
            *shared = found;
        }
        for (int k = threadIdx.x; k < 8 * across * PANEL_ROWS; k += THREADS) {
            sums[k] = 0.0;
        }
        __syncthreads();
        if (shared->end < 0) {
            break;
        }
        const long long panel = shared->panel;
        const double *rows = unit + panel * PANEL_ROWS * d;
#pragma unroll 1
        for (int tile = shared->tile; tile < shared->end; ++tile) {
            const long long first = static_cast<long long>(tile) * TILE_COLUMNS;
            Fragments entries;
            multiply_rows(rows, unit + first * d, of_rows, stages, Position(), entries);
            evaluate(rows, unit + first * d, of_rows, stages, entries);
            add_to_rows(entries, fragments + first / 8 * LANES, apart, across, sums);
            // the panel's own square is whole: both triangles
            if (tile >= (shared->panel + 1) * square) {
                const unsigned long long turn = shared->number;
                if (threadIdx.x == 0) {
                    wait_for_turn(of_tiles + tile, turn);
                }
                __syncthreads();
                add_to_columns<true>(entries, fragments + panel * (PANEL_ROWS / 8) * LANES, apart,
                                     across, weights + first, Position(), stages,
                                     out + first * 8 * groups);
                __syncthreads();
                if (threadIdx.x == 0) {
                    pass_turn(of_tiles + tile, turn + 1);
                }
            }
        }
        if (shared->tile < shared->end) {
            unsigned long long *own = of_tiles + panel * square;
            const unsigned long long turn = shared->number + shared->order;
            if (threadIdx.x == 0) {
                wait_for_turn(own, turn);
                wait_for_turn(own + 1, turn);
            }
            __syncthreads();
            add_sums(sums, across, weights + panel * PANEL_ROWS, Position(),
                     out + panel * PANEL_ROWS * 8 * groups);
            __syncthreads();
            if (threadIdx.x == 0) {
                pass_turn(own, turn + 1);
                pass_turn(own + 1, turn + 1);
            }
        }
        __syncthreads();  // all have read the item and the sums
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, FUSED_BLOCKS_PER_SM)
    multiply_triangle(const double *unit, long long height, long long d, const double *weights,
                      const double *packed, long long pieces, long long length,
                      const double *vectors, long long groups, long long absolute,
                      long long first_panel, long long step, long long count, long long run,
                      long long band, double *out, unsigned long long *turns)
{
    const Room room(packed, pieces, length, groups);
    const Panels panels = {static_cast<int>(first_panel), static_cast<int>(step),
                           static_cast<int>(count)};
    multiply_items(unit, height, d, weights, room.by_table(absolute), vectors, groups, panels,
                   static_cast<int>(run), static_cast<int>(band), room, out, turns);
}

#endif  // TENSOR_CORES
