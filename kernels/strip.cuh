// A product with a Gram matrix that is never stored: out += A V, or |A| V, in float64.
//
// A strip is ROWS rows. One launch of `multiply_strip` takes what of a strip's rows lies in the
// upper triangle, in tiles of COLUMNS columns: cosines by tensor cores, the table, and the product
// of the tile with rows of V and of its transpose with others, again by tensor cores. The blocks of
// the grid share out the tiles in runs, and a tile's columns belong to one block, which alone writes
// to those rows of `out`; what the strip's own rows gain, each block sums over its run, and
// `add_parts` adds the blocks' sums in their order. So nothing depends on which block comes first.
//
// A is weights[i]·K(ρ)·weights[j]. V comes multiplied by the weights, and sums are multiplied by
// them before they are added to `out`: that costs less than two products an entry.
//
// A warp has 32 × 32 entries, which stay in registers: the lanes hold a product of fragments as they
// must hold the left factor of the next, but for the order of its columns, and what is summed over
// may come in any order if the right factor has it too. V comes in that order: `fragments` in
// kernels/strips.py. For the transpose the lanes exchange entries.

const int ROWS = 128, COLUMNS = 64;  // of a tile: STRIP and TILE of kernels/strips.py
const int SLAB = 8;                  // columns of the unit rows that are in shared memory at a time
const int STAGES = 3;                // slabs that are there, or on their way
const int STAGE = (ROWS + COLUMNS) * SLAB;
const int THREADS = 256, LANES = 32;
const int SLICES = 8;  // of the blocks' sums, which `add_parts` adds up side by side

// Two numbers that are read and written together.
struct alignas(16) Pair {
    double x, y;
};

// Where a thread stands: which rows and columns of a tile its warp has, and what its lane of them.
struct Place {
    int thread, lane, g, t;  // lane 4g + t
    int row, column;         // the first of the warp's

    __device__ __forceinline__ Place()
        : thread(threadIdx.x), lane(thread % LANES), g(lane / 4), t(lane % 4),
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

// Copy a slab of the tile's unit rows, those of its rows and then those of its columns. The pointers
// are to the first two numbers of the first slab that a thread copies, which go on COLUMNS rows down.
//
// Of a row in shared memory the first four numbers are where the last four were, in every second
// pair of rows: so 16 lanes read four numbers of four rows from different banks.
__device__ __forceinline__ void load_slab(const double *rows, const double *columns, int d,
                                          int slab, double *ring)
{
    static_assert(THREADS == COLUMNS * SLAB / 2, "two numbers of COLUMNS rows for each thread");
    const int pair = threadIdx.x ^ (threadIdx.x / 4 & 2);
    double *to = ring + slab % STAGES * STAGE + 2 * pair;
#pragma unroll
    for (int k = 0; k < ROWS / COLUMNS; ++k) {
        copy_later(to + k * COLUMNS * SLAB, rows + k * COLUMNS * d + slab * SLAB);
    }
    copy_later(to + ROWS * SLAB, columns + slab * SLAB);
}

// Add a slab's share to the cosines.
__device__ __forceinline__ void add_slab(const double *stage, const Place &place,
                                         Fragments &cosines)
{
    const int swap = place.g * 2 & 4, first = place.g * SLAB + (place.t ^ swap), second = first ^ 4;
    const double *rows = stage + place.row * SLAB, *columns = stage + (ROWS + place.column) * SLAB;
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
                                              double *ring, const Place &place,
                                              Fragments &cosines)
{
#pragma unroll
    for (int k = 0; k < 32; ++k) {
        cosines[k / 16][k / 4 % 4][k % 4] = 0.0;
    }
    const int slabs = d / SLAB, own = place.thread / 4 * d + place.thread % 4 * 2;
    __syncthreads();  // others may still read what the last tile left in the ring
    for (int slab = 0; slab < STAGES - 1; ++slab) {
        if (slab < slabs) {
            load_slab(rows + own, columns + own, d, slab, ring);
        }
        end_group();  // an empty one too: they are counted
    }
#pragma unroll 1
    for (int slab = 0; slab < slabs; ++slab) {
        wait_for_groups<STAGES - 2>();
        __syncthreads();  // this slab is there, and the last one was read by all
        if (slab + STAGES - 1 < slabs) {
            load_slab(rows + own, columns + own, d, slab + STAGES - 1, ring);
        }
        end_group();
        add_slab(ring + slab % STAGES * STAGE, place, cosines);
    }
}

// Set s² of those of four entries that are close pairs from the rows: (row, column), (row, column + 1)
// and the same 8 rows below. They are few, so that this is a loop and not four branches.
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
                                                 bool absolute, const Place &place,
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
            measure_close(rows, columns, d, place.row + turn / 4 * 16 + place.g,
                          place.column + turn % 4 * 8 + 2 * place.t, rho, square);
        }
        values_at<double, 4>(table, pieces, length, rho, square, value);
#pragma unroll
        for (int k = 0; k < 28; ++k) {
            entries[k / 16][k / 4 % 4][k % 4] = entries[(k + 4) / 16][(k + 4) / 4 % 4][k % 4];
        }
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            entries[1][3][k % 2 * 2 + k / 2] = absolute ? fabs(value[k]) : value[k];
        }
    }
}

// Add the entries' product with rows of V to the thread's own sums, which no other thread touches.
__device__ __forceinline__ void add_to_rows(const Fragments &entries, const Pair *vectors,
                                            int groups, const Place &place, double *sums)
{
#pragma unroll 1
    for (int group = 0; group < groups; ++group) {
        Pair *own = reinterpret_cast<Pair *>(sums) + group * 4 * THREADS + place.thread;
        double total[2][4];
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const Pair before = own[k * THREADS];
            total[k / 2][k % 2 * 2] = before.x;
            total[k / 2][k % 2 * 2 + 1] = before.y;
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const Pair vector = vectors[((place.column / 8 + j) * groups + group) * LANES +
                                        place.lane];
            const double right[2] = {vector.x, vector.y};
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                multiply_add(total[i], entries[i][j], right);
            }
        }
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            own[k * THREADS] = Pair{total[k / 2][k % 2 * 2], total[k / 2][k % 2 * 2 + 1]};
        }
    }
}

// Exchange two numbers of each lane, in row g and columns 2t and 2t + 1, for those in rows 2t and
// 2t + 1 and column g. A lane gives one number at a time: in even rows first that of the even
// column, and in odd rows that of the odd one, so that all are asked for what they then give.
__device__ __forceinline__ void exchange(double &first, double &second, const Place &place)
{
    const bool odd = place.g % 2 != 0;
    const int even_row = 8 * place.t + place.g / 2, odd_row = even_row + 4;  // lanes
    const double now = value_of(odd ? second : first, odd ? odd_row : even_row);
    const double then = value_of(odd ? first : second, odd ? even_row : odd_row);
    first = odd ? then : now;
    second = odd ? now : then;
}

// Turn left factors of the tile into those of its transpose.
__device__ __forceinline__ void transpose(Fragments &entries, const Place &place)
{
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        double(&one)[4] = entries[k / 2][k % 2 * 2], (&other)[4] = entries[k / 2][k % 2 * 2 + 1];
        exchange(one[0], one[2], place);
        exchange(one[1], one[3], place);
        exchange(other[0], other[2], place);
        exchange(other[1], other[3], place);
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
                                                    int groups, int group, const Place &place,
                                                    double *products)
{
    double total[2][4] = {};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        const Pair vector = vectors[((place.row / 8 + k) * groups + group) * LANES + place.lane];
        const double right[2] = {vector.x, vector.y};
#pragma unroll
        for (int j = 0; j < 2; ++j) {
            multiply_add(total[j], entries[k / 2][2 * j + k % 2], right);
        }
    }
    Pair *own = reinterpret_cast<Pair *>(products) + place.lane +
                (place.row / 32 * COLUMNS + place.column) * 4;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        own[k * LANES] = Pair{total[k / 2][k % 2 * 2], total[k / 2][k % 2 * 2 + 1]};
    }
}

// Add the transposed tile's product with the strip's rows of V to its columns' rows of `out`. Four
// warps have entries of one column; two rooms take turns, so that one barrier a turn is enough.
__device__ __forceinline__ void add_to_columns(Fragments &entries, const Pair *vectors, int groups,
                                               const double *weights, const Place &place,
                                               double *ring, double *out)
{
    const int room = ROWS / 32 * COLUMNS * 8, column = place.thread / 4;
    static_assert(2 * (ROWS / 32 * COLUMNS * 8) <= STAGES * STAGE, "the rooms are in the ring");
    const double weight = weights[column];
    transpose(entries, place);
    __syncthreads();  // the ring was read by all
#pragma unroll 1
    for (int group = 0; group < groups; ++group) {
        double *products = ring + group % 2 * room;
        Pair *target = reinterpret_cast<Pair *>(out) + (column * groups + group) * 4 +
                       place.thread % 4;
        Pair total = *target;  // on its way while the products are made
        multiply_transposed(entries, vectors, groups, group, place, products);
        __syncthreads();
        const Pair *product = reinterpret_cast<const Pair *>(products) + place.thread;
        Pair sum = product[0];
#pragma unroll
        for (int k = 1; k < ROWS / 32; ++k) {
            sum.x += product[k * COLUMNS * 4].x;
            sum.y += product[k * COLUMNS * 4].y;
        }
        total.x = fma(weight, sum.x, total.x);
        total.y = fma(weight, sum.y, total.y);
        *target = total;
    }
}

// Write what the strip's rows gain by the block's run: the sums of the two warps that share a row.
__device__ __forceinline__ void write_part(const double *sums, int groups, const Place &place,
                                           double *part)
{
    const int side = place.column / 32;  // each warp writes half of the rows
    __syncthreads();
    for (int k = 0; k < 2 * groups; ++k) {
        const int group = k / 2, half = k % 2, row = place.row + 16 * side + 8 * half + place.g;
        const Pair *all = reinterpret_cast<const Pair *>(sums) +
                          (group * 4 + 2 * side + half) * THREADS;
        const Pair own = all[place.thread], other = all[place.thread ^ LANES];
        reinterpret_cast<Pair *>(part)[(row * groups + group) * 4 + place.t] =
            Pair{own.x + other.x, own.y + other.y};
    }
}

// Shared memory: the ring, 8·groups numbers a thread, and the table.
//
// unit: (height, d), height a multiple of ROWS and d of SLAB, zeros beyond the rows and columns.
// vectors: V times the weights as fragments, 8·groups columns. out: (height, 8·groups).
// parts: (grid, ROWS, 8·groups).
extern "C" __global__ void __launch_bounds__(256, 2)
    multiply_strip(const double *unit, long long height, long long d, const double *weights,
                   const double *packed, long long pieces, long long length,
                   const double *vectors, long long groups, long long absolute, long long strip,
                   double *out, double *parts)
{
    const Place place;
    const int across = static_cast<int>(groups), of_table = static_cast<int>(pieces);
    const int of_piece = static_cast<int>(length), of_rows = static_cast<int>(d);
    double *ring = shared_memory<double>();
    double *sums = ring + STAGES * STAGE, *table = sums + 8 * across * THREADS;
    load_table(packed, of_table, of_piece, table);
    for (int k = place.thread; k < 8 * across * THREADS; k += THREADS) {
        sums[k] = 0.0;
    }
    const double *rows = unit + strip * ROWS * d;
    const Pair *fragments = reinterpret_cast<const Pair *>(vectors);
    const Pair *of_strip = fragments + strip * (ROWS / 8) * groups * LANES;
    const int own = static_cast<int>(strip) * (ROWS / COLUMNS);
    const long long tiles = height / COLUMNS - own;
    const int end = own + static_cast<int>(tiles * (blockIdx.x + 1) / gridDim.x);
    for (int tile = own + static_cast<int>(tiles * blockIdx.x / gridDim.x); tile < end; ++tile) {
        const long long first = static_cast<long long>(tile) * COLUMNS;
        const double *columns = unit + first * d;
        Fragments entries;
        multiply_rows(rows, columns, of_rows, ring, place, entries);
        evaluate_entries(rows, columns, of_rows, table, of_table, of_piece, absolute != 0, place,
                         entries);
        add_to_rows(entries, fragments + first / 8 * groups * LANES, across, place, sums);
        if (tile >= own + ROWS / COLUMNS) {  // the strip's own square is whole: both triangles
            add_to_columns(entries, of_strip, across, weights + first, place, ring,
                           out + first * 8 * groups);
        }
    }
    write_part(sums, across, place, parts + blockIdx.x * ROWS * 8 * groups);
}

// Add the blocks' sums to the strip's rows of `out`: a block has 32 numbers of (ROWS, width), and
// each of its warps every eighth sum of them, which are then added in the order of the warps.
extern "C" __global__ void __launch_bounds__(256)
    add_parts(const double *parts, long long blocks, const double *weights, long long strip,
              long long width, double *out)
{
    double *sums = shared_memory<double>();
    const int lane = threadIdx.x % LANES, slice = threadIdx.x / LANES;
    const long long place = blockIdx.x * static_cast<long long>(LANES) + lane;
    double total = 0.0;
#pragma unroll 4
    for (long long block = slice; block < blocks; block += SLICES) {
        total += parts[block * ROWS * width + place];
    }
    sums[threadIdx.x] = total;
    __syncthreads();
    if (slice == 0) {
        for (int k = 1; k < SLICES; ++k) {
            total += sums[k * LANES + lane];
        }
        const long long row = strip * ROWS + place / width;
        out[row * width + place % width] += weights[row] * total;
    }
}
