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

// Set the entries with a bit in the lane's mask by the table, GATHERED of the warp's at a time.
__device__ __forceinline__ void evaluate_outside(const PackedRows &unit, const Tile &tile,
                                                 const double *table, int pieces, int length,
                                                 unsigned int outside, const Position &position,
                                                 Gathered &gathered, Fragments &entries)
{
    const Count count = count_outside(outside, position.lane);
#pragma unroll 1
    for (int first = 0; first < count.all; first += GATHERED) {
        const int start = count.before - first;
        int at = start;
        unsigned int mask = read_anew(outside);
#pragma unroll
        for (int k = 0; k < 32; ++k) {
            if ((mask >> k & 1) != 0) {
                if (0 <= at && at < GATHERED) {
                    gathered.values[at] = entries[k / 16][k / 4 % 4][k % 4];
                    gathered.owners[at] = static_cast<unsigned short>(32 * position.lane + k);
                }
                ++at;
            }
        }
        __syncwarp();
        evaluate_gathered(unit, tile, table, pieces, length, min(count.all - first, GATHERED),
                          position, gathered);
        __syncwarp();
        at = start;
        mask = read_anew(outside);
#pragma unroll
        for (int k = 0; k < 32; ++k) {
            if ((mask >> k & 1) != 0) {
                if (0 <= at && at < GATHERED) {
                    entries[k / 16][k / 4 % 4][k % 4] = gathered.values[at];
                }
                ++at;
            }
        }
        __syncwarp();
    }
}

// A number, or without its sign, by the upper half of its bits that are left: an absolute value would
// be an addition in double precision.
__device__ __forceinline__ double without_sign(double value, int bits)
{
    return __hiloint2double(__double2hiint(value) & bits, __double2loint(value));
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
    static_assert(sizeof(Gathered) * (THREADS / LANES) <= SCRATCH_NUMBERS * sizeof(double),
                  "what the warps bring together is in the scratch memory");
    unsigned int outside = 0;
    // by integers, and not where multiply-adds are: the radius has digits in its upper half alone
    const int least = __double2hiint(middle.radius);
#pragma unroll
    for (int k = 0; k < 32; ++k) {
        const int upper = __double2hiint(entries[k / 16][k / 4 % 4][k % 4]) & 0x7fffffff;
        outside |= upper >= least ? 1u << k : 0u;
    }
    if (__any_sync(0xffffffffu, outside != 0)) {
        Gathered &gathered = reinterpret_cast<Gathered *>(scratch)[position.thread / LANES];
        evaluate_outside(unit, tile, table, pieces, length, outside, position, gathered, entries);
    }
    const int signs = absolute ? 0x7fffffff : -1;
#pragma unroll
    for (int turn = 0; turn < 8; ++turn) {
        double(&entry)[4] = entries[turn / 4][turn % 4];
        const unsigned int mask = read_anew(outside) >> 4 * turn;
        double value[4];
        middle_values<EVEN, ODD>(middle, entry, value);
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            value[k] = (mask >> k & 1) != 0 ? entry[k] : value[k];
        }
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            entry[k % 2 * 2 + k / 2] = without_sign(value[k], signs);
        }
    }
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
