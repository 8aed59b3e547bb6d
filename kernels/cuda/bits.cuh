// Inner products of two-valued rows, from packed bits: kernels/cpu/bit_products.py.
//
// Word w of row i is bits[w, i]. A block counts for COUNT_TILE rows and as many columns, a thread
// for 4 by 4 of them, so that a word read from shared memory is used 4 times: counting bits is what
// takes the time then.

const int WORDS = 16;  // at a time in shared memory
const int SIDE = 4;    // rows and columns of a thread, COUNT_TILE / SIDE apart
static_assert(THREADS == (COUNT_TILE / SIDE) * (COUNT_TILE / SIDE), "a thread for each");

// Copy WORDS words of COUNT_TILE rows; zeros where there are none, which have no bits in common.
__device__ __forceinline__ void stage_words(const unsigned long long *bits, long long stride,
                                            long long words, long long word, long long first,
                                            long long count,
                                            unsigned long long (&shared)[WORDS][COUNT_TILE])
{
    for (int k = threadIdx.x; k < WORDS * COUNT_TILE; k += blockDim.x) {
        const int w = k / COUNT_TILE, i = k % COUNT_TILE;
        const bool there = word + w < words && i < count;
        shared[w][i] = there ? bits[(word + w) * stride + first + i] : 0;
    }
}

template <class Out>
__device__ __forceinline__ void count_tile(const unsigned long long *x, long long stride_x,
                                           long long first_row, long long height,
                                           const unsigned long long *y, long long stride_y,
                                           long long first_column, long long width,
                                           long long words, const double *ones_x,
                                           const double *ones_y, double constant, double single,
                                           double common, Out *out)
{
    __shared__ unsigned long long of_x[WORDS][COUNT_TILE], of_y[WORDS][COUNT_TILE];
    const long long across = (width + COUNT_TILE - 1) / COUNT_TILE;
    const long long row = blockIdx.x / across * COUNT_TILE;
    const long long column = blockIdx.x % across * COUNT_TILE;
    const int apart = COUNT_TILE / SIDE, i = threadIdx.x / apart, j = threadIdx.x % apart;
    long long sums[SIDE][SIDE] = {};
    for (long long word = 0; word < words; word += WORDS) {
        stage_words(x, stride_x, words, word, first_row + row, height - row, of_x);
        stage_words(y, stride_y, words, word, first_column + column, width - column, of_y);
        __syncthreads();
        for (int w = 0; w < WORDS; ++w) {
#pragma unroll
            for (int a = 0; a < SIDE; ++a) {
#pragma unroll
                for (int b = 0; b < SIDE; ++b) {
                    sums[a][b] += __popcll(of_x[w][i + a * apart] & of_y[w][j + b * apart]);
                }
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int a = 0; a < SIDE; ++a) {
#pragma unroll
        for (int b = 0; b < SIDE; ++b) {
            const long long r = row + i + a * apart, c = column + j + b * apart;
            if (r < height && c < width) {
                const double of_row = fma(single, ones_x[first_row + r], constant);
                const double others = fma(single, ones_y[first_column + c], of_row);
                out[r * width + c] =
                    static_cast<Out>(fma(common, static_cast<double>(sums[a][b]), others));
            }
        }
    }
}

#define COUNT(name, Out)                                                                           \
    extern "C" __global__ void __launch_bounds__(THREADS)                                          \
        name(const unsigned long long *x, long long stride_x, long long first_row,                 \
             long long height, const unsigned long long *y, long long stride_y,                    \
             long long first_column, long long width, long long words, const double *ones_x,       \
             const double *ones_y, double constant, double single, double common, Out *out)        \
    {                                                                                              \
        count_tile<Out>(x, stride_x, first_row, height, y, stride_y, first_column, width, words,   \
                        ones_x, ones_y, constant, single, common, out);                            \
    }

COUNT(count_float64, double)
COUNT(count_float32, float)
#undef COUNT
