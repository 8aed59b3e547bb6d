// The Cholesky factor R of one small matrix RᵀR, and what undoes it: kernels/cuda/cholesky_qr.py.
//
// One block eliminates the rows of [G | I] one after the other. What is left of them is R, and the
// transpose of its inverse. Where a pivot is none, or its square root were of no use, both are NaN.

const double LEAST_PIVOT = 1e-250, MOST_PIVOT = 1e250;

extern "C" __global__ void __launch_bounds__(THREADS)
    factorise(const double *square, long long rows, double *factor, double *undoing)
{
    const int order = static_cast<int>(rows), numbers = order * order, across = order + 1;
    for (int place = threadIdx.x; place < numbers; place += blockDim.x) {
        const int row = place / order, column = place % order;
        factor[place] = row <= column ? square[place] : 0.0;
        undoing[place] = row == column ? 1.0 : 0.0;
    }
    bool definite = true;
    for (int k = 0; k < order; ++k) {
        double *of_factor = factor + k * order, *of_undoing = undoing + k * order;
        // of row k, the numbers of either part that are not 0: from column k on, and up to column k
        const int kept = order - k;
        __syncthreads();  // the rows above have been taken from it
        const double pivot = of_factor[k];
        definite = definite && pivot > LEAST_PIVOT && pivot < MOST_PIVOT;
        const double scale = 1.0 / sqrt(pivot);
        __syncthreads();  // all have read the pivot
        for (int c = threadIdx.x; c < across; c += blockDim.x) {
            *(c < kept ? of_factor + k + c : of_undoing + c - kept) *= scale;
        }
        __syncthreads();
        for (int place = threadIdx.x; place < (kept - 1) * across; place += blockDim.x) {
            const int below = place / across + 1, c = place % across;
            const double times = of_factor[k + below];
            if (c >= kept) {
                of_undoing[below * order + c - kept] -= times * of_undoing[c - kept];
            } else if (c >= below) {
                of_factor[below * order + k + c] -= times * of_factor[k + c];
            }
        }
    }
    __syncthreads();
    if (!definite) {
        for (int place = threadIdx.x; place < numbers; place += blockDim.x) {
            factor[place] = undoing[place] = nan("");
        }
    }
}
