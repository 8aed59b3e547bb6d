// The middle of a table as one polynomial, and the entries outside it brought together.
//
// Rows in many dimensions are nearly orthogonal: nearly all cosines are in the middle, where
// K = E + ρ·O, polynomials of ρ². Their coefficients are operands of the multiply-adds, from the
// constant bank that a kernel's arguments are in: no cell, no load, no square root. What is outside
// of a warp's entries is put side by side in shared memory, and looked up in the table by all of
// its lanes.

#ifdef TENSOR_CORES

// A `MiddlePolynomial` of kernels/contract.py: coefficients ascend, zeros follow.
struct Middle {
    double radius;
    double even[MIDDLE_TERMS], odd[MIDDLE_TERMS];
};

// Set N polynomials of so many coefficients. Each of these is at a fixed place and an operand.
template <int TERMS, int N>
__device__ __forceinline__ void polynomials(const double (&coefficients)[MIDDLE_TERMS],
                                            const double (&t)[N], double (&value)[N])
{
#pragma unroll
    for (int k = 0; k < N; ++k) {
        value[k] = coefficients[TERMS - 1];
    }
#pragma unroll
    for (int term = TERMS - 2; term >= 0; --term) {
#pragma unroll
        for (int k = 0; k < N; ++k) {
            value[k] = fma(value[k], t[k], coefficients[term]);
        }
    }
}

// Set N values K(ρ) in the middle.
template <int EVEN, int ODD, int N>
__device__ __forceinline__ void middle_values(const Middle &middle, const double (&rho)[N],
                                              double (&value)[N])
{
    double square[N], odd[N];
#pragma unroll
    for (int k = 0; k < N; ++k) {
        square[k] = rho[k] * rho[k];
    }
    polynomials<ODD>(middle.odd, square, odd);
    polynomials<EVEN>(middle.even, square, value);
#pragma unroll
    for (int k = 0; k < N; ++k) {
        value[k] = fma(rho[k], odd[k], value[k]);
    }
}

// What a warp brings together at a time, in its part of shared memory: cosines, which become values,
// and whose they are, 32 times the lane and which of its entries.
struct Gathered {
    double values[GATHERED];
    unsigned short owners[GATHERED];
};

// Look up what was brought together, two at a time for each lane.
__device__ __forceinline__ void evaluate_gathered(const PackedRows &unit, const Tile &tile,
                                                  const double *table, int pieces, int length,
                                                  int count, const Position &position,
                                                  Gathered &gathered)
{
#pragma unroll 1
    for (int first = position.lane; first < count; first += 2 * LANES) {
        double rho[2], square[2], value[2];
#pragma unroll
        for (int k = 0; k < 2; ++k) {
            const int at = min(first + k * LANES, count - 1);
            rho[k] = gathered.values[at];
            square[k] = square_of(rho[k]);
            if (square[k] < close_below<double>()) {
                const int owner = gathered.owners[at], lane = owner / 32, entry = owner % 32;
                const int row = position.row + entry / 16 * 16 + entry % 4 / 2 * 8 + lane / 4;
                const int column = position.column + entry / 4 % 4 * 8 + lane % 4 * 2 + entry % 2;
                square[k] = unit.quarter_distance(tile.row + row, tile.column + column,
                                                  rho[k] < 0.0 ? -1.0 : 1.0);
            }
        }
        values_at<double, 2>(table, pieces, length, rho, square, value);
        gathered.values[first] = value[0];
        if (first + LANES < count) {
            gathered.values[first + LANES] = value[1];
        }
    }
}

// How many entries with a bit in the masks the lanes before this one have, and all lanes.
struct Count {
    int before, all;
};

__device__ __forceinline__ Count count_outside(unsigned int outside, int lane)
{
    const int own = __popcll(outside);
    double through = own;  // of the lanes up to this one; exact
#pragma unroll 1
    for (int apart = 1; apart < LANES; apart *= 2) {
        const double before = value_of(through, max(lane - apart, 0));
        through += lane >= apart ? before : 0.0;
    }
    const double all = value_of(through, LANES - 1);
    return Count{static_cast<int>(through) - own, static_cast<int>(all)};
}

// The upper half of a number's bits, but for the sign.
__device__ __forceinline__ int magnitude(double entry)
{
    return __double2hiint(entry) & 0x7fffffff;
}

// Which of the lane's entries are not in the middle. By integers, and not where multiply-adds are:
// the radius has digits in its upper half alone.
__device__ __forceinline__ unsigned int outside_of(const Fragments &entries, int least)
{
    unsigned int outside = 0;
#pragma unroll
    for (int k = 0; k < 32; ++k) {
        outside |= magnitude(entries[k / 16][k / 4 % 4][k % 4]) >= least ? 1u << k : 0u;
    }
    return outside;
}

// Bring together the entries with a bit in the lane's mask, from place `at` on, and look them up.
__device__ __forceinline__ void look_up_outside(const PackedRows &unit, const Tile &tile,
                                                const double *table, int pieces, int length,
                                                unsigned int outside, const Count &count,
                                                const Position &position, Gathered &gathered,
                                                const Fragments &entries)
{
    int at = count.before;
#pragma unroll
    for (int k = 0; k < 32; ++k) {
        if ((outside >> k & 1) != 0) {
            gathered.values[at] = entries[k / 16][k / 4 % 4][k % 4];
            gathered.owners[at] = static_cast<unsigned short>(32 * position.lane + k);
            ++at;
        }
    }
    __syncwarp();
    evaluate_gathered(unit, tile, table, pieces, length, count.all, position, gathered);
    __syncwarp();
}

// Put what was looked up in the place of what the polynomial gave: left factors.
__device__ __forceinline__ void take_back(unsigned int outside, int at, const Gathered &gathered,
                                          Fragments &entries)
{
#pragma unroll
    for (int k = 0; k < 32; ++k) {
        if ((outside >> k & 1) != 0) {
            entries[k / 16][k / 4 % 4][k % 2 * 2 + k / 2 % 2] = gathered.values[at];
            ++at;
        }
    }
}

// Turn the lane's cosines into values K as left factors by the polynomial, wherever they are.
template <int EVEN, int ODD>
__device__ __forceinline__ void evaluate_polynomial(const Middle &middle, Fragments &entries)
{
#pragma unroll
    for (int turn = 0; turn < 8; ++turn) {
        double(&entry)[4] = entries[turn / 4][turn % 4];
        double value[4];
        middle_values<EVEN, ODD>(middle, entry, value);
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            entry[k % 2 * 2 + k / 2] = value[k];
        }
    }
}

// Turn the lane's cosines into values K, or |K|, as left factors: what `evaluate_entries` does,
// with a middle of EVEN and ODD coefficients, or fewer.
template <int EVEN, int ODD>
__device__ __forceinline__ void evaluate_by_middle(const PackedRows &unit, const Tile &tile,
                                                   const double *table, int pieces, int length,
                                                   bool absolute, const Middle &middle,
                                                   const Position &position, double *scratch,
                                                   Fragments &entries)
{
    static_assert(sizeof(Gathered) <= WARP_SCRATCH * sizeof(double),
                  "what a warp brings together is in its part of the scratch memory");
    const int least = __double2hiint(middle.radius);
    int largest = 0;
#pragma unroll
    for (int k = 0; k < 32; ++k) {
        largest = max(largest, magnitude(entries[k / 16][k / 4 % 4][k % 4]));
    }
    const bool some = __any_sync(0xffffffffu, largest >= least);
    Gathered &gathered =
        *reinterpret_cast<Gathered *>(scratch + position.thread / LANES * WARP_SCRATCH);
    unsigned int outside = 0;
    Count count = {0, 0};
    if (some) {
        outside = outside_of(entries, least);
        count = count_outside(outside, position.lane);
        if (count.all <= GATHERED) {
            look_up_outside(unit, tile, table, pieces, length, outside, count, position, gathered,
                            entries);
        }
    }
    if (count.all > GATHERED) {
        evaluate_entries(unit, tile, table, pieces, length, false, position, entries);
    }
    else {
        evaluate_polynomial<EVEN, ODD>(middle, entries);
        if (some) {
            take_back(outside, count.before, gathered, entries);
        }
    }
    finish(absolute, entries);
    __syncwarp();  // lanes may have gone different ways, and tensor cores want them together
}

// What turns a tile's cosines into entries: the middle's polynomial, and the table outside it.
template <int EVEN, int ODD>
struct ByMiddle {
    ByTable by_table;
    const Middle &middle;

    __device__ __forceinline__ void operator()(const PackedRows &unit, const Tile &tile,
                                               double *scratch, Fragments &entries) const
    {
        evaluate_by_middle<EVEN, ODD>(unit, tile, by_table.table, by_table.pieces, by_table.length,
                                      by_table.absolute, middle, Position(), scratch, entries);
    }
};

#endif  // TENSOR_CORES
