// Sums of products that are the same bits in whatever order they come: fixed-point numbers of two
// words, which blocks add to at once.
//
// V comes scaled, column by column, by a power of 2 by which no sum of entries times V, of whichever
// entries, reaches 1. A number is split into whole units of 2⁻⁶¹, and the rest into units of 2⁻¹⁰¹;
// both are added up exactly, by integers: 2²² numbers have room, and each is rounded to 2⁻¹⁰² of what
// the sum may be. That is nothing beside the roundings of the numbers themselves.

#ifdef TENSOR_CORES

#define WHOLE 2305843009213693952.0  // 2⁶¹
#define PART 1099511627776.0         // 2⁴⁰

// Sums for each row of the matrix and 8 columns of V: for each 8 columns, for each row, in `whole`
// and in `part`.
struct Sums {
    unsigned long long *whole;
    long long height;
    int groups;

    // Add to a number: the k-th of those from row `first` on, of 8 columns each.
    __device__ __forceinline__ void add(int group, int first, int k, double value) const
    {
        const double scaled = value * WHOLE, units = rint(scaled);
        unsigned long long *target = whole + (group * height + first) * 8 + k;
        atomicAdd(target, static_cast<unsigned long long>(static_cast<long long>(units)));
        const double rest = rint((scaled - units) * PART);
        atomicAdd(target + groups * height * 8,
                  static_cast<unsigned long long>(static_cast<long long>(rest)));
    }
};

#endif  // TENSOR_CORES
