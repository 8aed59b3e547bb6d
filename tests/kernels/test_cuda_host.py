"""The stand-in for a GPU: what it computes, and the mistakes that it must notice."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.cuda_host import PRODUCT, device_source, launcher, needs_compiler
from helpers.tolerances import EPS, FEW

pytestmark = needs_compiler

KERNELS = """
extern "C" __global__ void reverse(const double *x, double *y, long long barrier)
{
    double *shared = shared_memory<double>();
    const int last = blockDim.x - 1 - threadIdx.x;
    shared[threadIdx.x] = x[blockDim.x * blockIdx.x + threadIdx.x];
    if (barrier) {
        __syncthreads();
    }
    y[blockDim.x * blockIdx.x + threadIdx.x] = shared[last];
}

extern "C" __global__ void any_of(const double *x, double *y)
{
    for (int k = 0; k < 5; ++k) {
        y[5 * threadIdx.x + k] = __syncthreads_or(x[k] == threadIdx.x) ? 1.0 : 0.0;
    }
}

extern "C" __global__ void part(const float *x, long long which)
{
    if (threadIdx.x % 2 == which && x != nullptr) {
        __syncthreads();
    } else {
        __syncwarp();
    }
}

extern "C" __global__ void beyond(double *y, long long place)
{
    shared_memory<double>()[place] = 1.0;
    y[0] = shared_memory<double>()[0];
}

// a, 16 x 32, and b, 32 x 8, are digits row by row; the formulas are the PTX ISA's.
extern "C" __global__ void product_of_bytes(const double *a, const double *b, double *c)
{
    const int group = threadIdx.x >> 2, in_group = threadIdx.x % 4;
    unsigned int of_a[4] = {}, of_b[2] = {};
    for (int i = 0; i < 16; ++i) {
        const int row = i < 4 || (8 <= i && i < 12) ? group : group + 8;
        const int column = in_group * 4 + (i & 3) + (i < 8 ? 0 : 16);
        of_a[i / 4] |= (static_cast<int>(a[32 * row + column]) & 0xff) << i % 4 * 8;
    }
    for (int i = 0; i < 8; ++i) {
        const int row = in_group * 4 + (i & 3) + (i < 4 ? 0 : 16);
        of_b[i / 4] |= (static_cast<int>(b[8 * row + group]) & 0xff) << i % 4 * 8;
    }
    int of_c[4];
    for (int i = 0; i < 4; ++i) {
        of_c[i] = static_cast<int>(c[8 * (i < 2 ? group : group + 8) + in_group * 2 + (i & 1)]);
    }
    multiply_add(of_c, of_a, of_b);
    for (int i = 0; i < 4; ++i) {
        c[8 * (i < 2 ? group : group + 8) + in_group * 2 + (i & 1)] = of_c[i];
    }
}
"""


@pytest.fixture(params=[False, True], ids=["forward", "backward"])
def backward(request):
    return request.param


@pytest.fixture
def launch(backward):
    return launcher(device_source() + KERNELS, backward)


@pytest.mark.slow
def test_a_warp_multiplies_small_matrices(backward):
    rng = np.random.default_rng(2)
    a, b, c = (rng.standard_normal((n, 8)) for n in (16, 8, 16))
    wanted = c + a @ b
    launcher(PRODUCT, backward)("product", 1, 32, 0, [a, b, c])
    assert np.max(np.abs(c - wanted)) <= 16 * FEW * EPS


def test_a_warp_multiplies_small_matrices_of_bytes(launch):
    rng = np.random.default_rng(3)
    a, b = (rng.integers(-128, 128, shape) for shape in ((16, 32), (32, 8)))
    a[0], b[:, 0], b[:, 1] = -128, -128, 127
    c = rng.integers(-(2**30), 2**30, (16, 8))
    c[3, 4], c[0, 0] = -(2**31), 2**31 - 1  # the last one's sum wraps around
    wanted = (c + a @ b).astype(np.int32)
    found = c.astype(float)
    launch("product_of_bytes", 1, 32, 0, [a.astype(float), b.astype(float), found])
    np.testing.assert_array_equal(found, wanted)


def test_threads_wait_for_each_other(launch):
    x, y = np.arange(300.0), np.zeros(300)
    launch("reverse", 3, 100, 800, [x, y, np.int64(1)])
    assert np.array_equal(y.reshape(3, 100), x.reshape(3, 100)[:, ::-1])


def test_a_missing_barrier_shows(launch):
    x, y = np.arange(300.0), np.zeros(300)
    launch("reverse", 3, 100, 800, [x, y, np.int64(0)])
    assert np.sum(np.isnan(y)) == 150  # what was not there yet


def test_a_condition_in_any_thread(launch):
    x, y = np.array([0.0, 99.0, -1.0, 100.0, 3.0]), np.zeros((70, 5))
    launch("any_of", 1, 70, 0, [x, y])
    assert np.array_equal(y, np.tile([1.0, 0.0, 0.0, 0.0, 1.0], (70, 1)))


def test_different_barriers_are_an_error(launch):
    with pytest.raises(AssertionError, match="part: the threads of a block wait for each other"):
        launch("part", 1, 64, 0, [np.zeros(1, np.float32), np.int64(0)])


def test_shared_memory_ends(launch):
    y = np.zeros(1)
    launch("beyond", 1, 1, 80, [y, np.int64(9)])
    assert np.isnan(y[0])
    with pytest.raises(AssertionError, match="beyond: a block wrote beyond the end"):
        launch("beyond", 1, 1, 80, [y, np.int64(10)])


@pytest.mark.parametrize(
    "arguments",
    [
        [np.zeros(1, np.float32), np.int64(0)],
        [np.zeros(1), np.float64(0)],
        [np.zeros(1), np.zeros(1, np.int64)],
        [np.zeros(1)],
        [np.zeros((2, 2)).T, np.int64(0)],
    ],
)
def test_arguments_are_those_of_the_kernel(arguments, launch):
    with pytest.raises(AssertionError):
        launch("beyond", 1, 1, 80, arguments)
    launch("beyond", 1, 1, 80, [np.zeros(1), np.int64(0)])


def test_an_unknown_kernel_is_an_error(launch):
    with pytest.raises(AssertionError, match="there is no kernel nothing"):
        launch("nothing", 1, 1, 0, [])
